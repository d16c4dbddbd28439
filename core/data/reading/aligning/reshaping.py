"""Unwraps columns that hold plain values as lists of one value or as bytes of text."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from core.data.notes import Note
from core.data.reading.aligning import lists, types
from core.data.reading.aligning.parts import Stored

MOST_LABELS = 200  # distinct values of a column in which only some are lists
UNPRINTABLE = r"[\x00-\x08\x0e-\x1f]"


def unwrap(column: list[Stored]) -> list[Note]:
    """Unwraps the values of a column in all parts, and returns notes on what was changed."""
    return [*_bytes_to_text(column), *_lists_to_values(column), *_texts_to_values(column)]


def _bytes_to_text(column: list[Stored]) -> list[Note]:
    wrapped = [stored for stored in column if stored.kind == "bytes"]
    if not wrapped or not all(_is_text(values) for stored in wrapped for values in stored.values()):
        return []
    for stored in wrapped:
        stored.become("text", pa.string(), _decoded)
    return [
        Note.of("bytes-read-as-text", "{column}: the bytes are UTF-8 and were read as text.", column=column[0].column)
    ]


def _is_text(values: Any) -> bool:
    try:
        return not pc.any(pc.match_substring_regex(_decoded(values), UNPRINTABLE)).as_py()
    except pa.ArrowException:
        return False


def _decoded(values: Any) -> Any:
    """Decodes bytes as UTF-8, without the zeros that pad a fixed length. Raises ArrowException."""
    if pa.types.is_fixed_size_binary(values.type):
        values = pa.array([v and v.rstrip(b"\0") for v in values.to_pylist()], pa.binary())
    return pc.cast(values, pa.string())


def _lists_to_values(column: list[Stored]) -> list[Note]:
    wrapped = [stored for stored in column if stored.kind == "list"]
    if not wrapped or any(types.kind_of(lists.inner(stored.type)) not in types.PLAIN for stored in wrapped):
        return []
    has_value = False
    for stored in wrapped:
        for values in stored.values():
            if not lists.at_most_one(values):
                return []
            has_value = has_value or pc.any(pc.is_valid(lists.only_values(values))).as_py()
    if not has_value:
        return []
    for stored in wrapped:
        inner = lists.inner(stored.type)
        kind = types.kind_of(inner)
        plain = types.plain_type(inner)
        stored.become(
            "class" if stored.names and kind == "integer" else kind, plain, lambda v: types.plain(lists.only_values(v))
        )
    return [
        Note.of(
            "lists-read-as-values",
            "{column}: each list has one value at most, which was read as the value of its row.",
            column=column[0].column,
        )
    ]


def _texts_to_values(column: list[Stored]) -> list[Note]:
    wrapped = [stored for stored in column if stored.kind == "text" and _may_be_lists(stored)]
    if not wrapped or not _are_lists(wrapped):
        return []
    for stored in wrapped:
        stored.become("text", pa.string(), lists.only_texts)
    return [
        Note.of(
            "list-texts-read-as-values",
            '{column}: texts such as ["neg"] are lists of one value, which was read as that value.',
            column=column[0].column,
        )
    ]


def _may_be_lists(stored: Stored) -> bool:
    """Whether some of the sampled texts are lists."""
    return stored.convert is not None or stored.column in stored.part.with_lists


def _are_lists(wrapped: list[Stored]) -> bool:
    """Whether all texts are lists of one value, or some are and the distinct values are few enough to be labels."""
    seen: set[str] = set()
    rows = filled = empty = 0
    for stored in wrapped:
        for values in stored.values():
            values = values.drop_null()
            if pc.any(lists.several(values)).as_py():
                return False
            like = lists.look_like_lists(values)
            rows += len(values)
            empty += pc.sum(pc.match_substring_regex(values, lists.EMPTY)).as_py() or 0
            filled += pc.sum(like).as_py() or 0
            if not pc.all(like).as_py() and len(seen) <= MOST_LABELS:
                seen.update(pc.unique(values).to_pylist())
    return filled > empty and len(seen) <= MOST_LABELS and 2 * len(seen) <= rows
