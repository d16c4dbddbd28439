"""Unwraps lists of one value: annotation tools write a label as the list ["neg"], or as the text of such a list."""

from __future__ import annotations

import ast
import json
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from core.data.reading.aligning import types

MOST_DEPTH = 4
_TEXT = r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\''
_VALUE = rf"(?:{_TEXT}|-?[0-9][0-9.]*|true|false|True|False)"
ANY = rf"^\s*\[\s*(?:{_VALUE}(?:\s*,\s*{_VALUE})*\s*,?)?\s*\]\s*$"
EMPTY = r"^\s*\[\s*\]\s*$"
ONE = rf"^\s*\[\s*(?:{_VALUE}\s*,?)?\s*\]\s*$"


def inner(kind: pa.DataType) -> pa.DataType:
    """Returns the type of the values in a list, or in nested lists; another type is returned as it is."""
    for _ in range(MOST_DEPTH):
        if types.is_list(kind):
            kind = kind.value_type
    return kind


def at_most_one(values: Any) -> bool:
    """Whether no list of an array has more than one value, at any depth."""
    while types.is_list(values.type):
        most = pc.max(pc.list_value_length(values)).as_py()
        if most is not None and most > 1:
            return False
        values = pc.list_flatten(values)
    return True


def only_values(values: Any) -> Any:
    """Returns the only value of each list, also of nested lists; null for an empty list."""
    values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    while types.is_list(values.type):
        has_one = pc.fill_null(pc.greater(pc.list_value_length(values), 0), False)
        place = pc.subtract(pc.cumulative_sum(pc.cast(has_one, pa.int64())), 1)
        place = pc.if_else(has_one, place, pa.scalar(None, pa.int64()))
        values = pc.take(pc.list_flatten(values), place)
    return values


def several(values: Any) -> Any:
    """Returns a boolean mask of the rows whose list, or text of a list, has more than one value."""
    if types.is_list(values.type):
        return pc.fill_null(pc.greater(pc.list_value_length(values), 1), False)
    is_list, is_one = (pc.match_substring_regex(values, pattern) for pattern in (ANY, ONE))
    return pc.fill_null(pc.and_not(is_list, is_one), False)


def look_like_lists(texts: Any) -> Any:
    """Returns a boolean mask of the texts that are lists of texts, numbers or booleans in JSON or Python notation."""
    return pc.fill_null(pc.match_substring_regex(texts, ANY), False)


def only_texts(texts: Any) -> Any:
    """Unwraps texts of lists: ["neg"] becomes neg, [] becomes null, other texts stay."""
    texts = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    encoded = pc.cast(texts, pa.string()).dictionary_encode()
    names = encoded.dictionary
    is_one = pc.match_substring_regex(names, ONE).to_pylist()
    values = [_only_text(name) if one else name for name, one in zip(names.to_pylist(), is_one, strict=True)]
    return pc.take(pa.array(values, pa.string()), encoded.indices)


def _only_text(text: str) -> str | None:
    """Returns the value in the text of a list that matches ONE; None for an empty list."""
    for read in (_from_json, ast.literal_eval):
        try:
            values = read(text.strip())
        except (ValueError, SyntaxError):
            continue
        return str(values[0]) if values else None
    return text


def _from_json(text: str) -> Any:
    """Parses JSON, keeping numbers as they are written: 1.10 is not 1.1."""
    return json.loads(text, parse_float=str, parse_int=str)
