"""Assigns rows to parts when a dataset is divided: at random, by class, by group, in order of time, or by a column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.data.dataset import Prepared
from core.data.reading.aligning import types
from core.data.reading.guessing import guess, split_words
from core.data.reading.tables import bounded, parquet
from core.errors import DataError
from core.messages import Message
from core.spec.steps import Divide, SplitBy
from core.wording import listed

if TYPE_CHECKING:
    import numpy as np


SHOWN = 5  # values in a message


@dataclass(frozen=True)
class ByValues:
    """The rows of each split that a column names.

    parts: split → source → mask of its rows, bool (rows,); note: a sentence about rows of no split, None if there are
    none
    """

    parts: dict[str, dict[str, np.ndarray]]
    note: Message | None


def proposed(prepared: Prepared) -> list[str]:
    """Returns the columns that name a split for each row, if the dataset has only one split."""
    if len(prepared.splits) > 1:
        return []
    (part,) = prepared.splits.values()
    return guess.split_columns(parquet.head(part.path), {column.name: column.kind for column in prepared.columns})


def by_values(prepared: Prepared, sources: Sequence[str], step: SplitBy) -> ByValues:
    """Divides rows by the split that a column names. Raises DataError if the column names no split."""
    import numpy as np

    texts = {source: _texts(prepared, source, step.column) for source in sources}
    counts: dict[str, int] = {}
    for values in texts.values():
        for value in values:
            counts[value] = counts.get(value, 0) + 1
    chosen = {value.strip(): name for value, name in step.parts.items()}
    named = {value: name for value in counts if (name := _split_of(value, chosen)) is not None}
    if not named:
        examples = ", ".join(repr(value) for value in list(counts)[:SHOWN])
        raise DataError.of(
            "no-split-names",
            "no value of {column!r} names a split ({examples}); say which value is which split, or "
            "choose another column",
            "data.steps",
            column=step.column,
            examples=examples,
        )
    order = [name for name in ("train", "validation", "test") if name in named.values()]
    names = list(dict.fromkeys([*order, *named.values()]))
    rows = {source: np.array([named.get(value, "") for value in values]) for source, values in texts.items()}
    parts = {name: {source: rows[source] == name for source in sources} for name in names}
    empty = counts.get("", 0) if "" not in named else 0
    others = {value: count for value, count in counts.items() if value and value not in named}
    return ByValues(parts, _left_out(step.column, empty, others))


def _texts(prepared: Prepared, split: str, column: str) -> list[str]:
    """Returns the values of a column as trimmed text, with class names instead of class ids; "" for no value."""
    import pyarrow as pa

    known = prepared.column(column)
    with parquet.open_file(prepared.splits[split].path) as file:
        if column not in file.schema_arrow.names:
            raise DataError.of(
                "split-without-column",
                "the split {split!r} has no column {column!r}; choose another",
                "data.steps",
                split=split,
                column=column,
            )
    values = types.plain(bounded.column(prepared.splits[split].path, column))
    if known is not None and known.names:
        names = known.names
        return [names[v].strip() if v is not None and 0 <= v < len(names) else "" for v in values.to_pylist()]
    try:
        return [(value or "").strip() for value in values.cast(pa.string()).to_pylist()]
    except pa.ArrowException:
        raise DataError.of(
            "values-not-text",
            "the values of {column!r} cannot be read as text; choose another column",
            "data.steps",
            column=column,
        ) from None


def _split_of(value: str, chosen: dict[str, str]) -> str | None:
    return chosen.get(value) if chosen else split_words.kind_of(value)


def _left_out(column: str, empty: int, others: dict[str, int]) -> Message | None:
    """Writes the note about rows of no split; None if there are none. others: value → rows"""
    values = listed([repr(value) for value in list(others)[:SHOWN]]) if others else ""
    unknown = sum(others.values())
    match bool(empty), bool(others):
        case True, True:
            return Message.of(
                "rows-of-no-split",
                "{count:row|rows} with another value of {column} ({values}) and {empty:row|rows} without a value are "
                "in no split and are left out.",
                count=unknown,
                column=column,
                values=values,
                empty=empty,
            )
        case True, False:
            return Message.of(
                "rows-without-split",
                "{count:row|rows} without a value of {column} are in no split and are left out.",
                count=empty,
                column=column,
            )
        case False, True:
            return Message.of(
                "rows-of-other-splits",
                "{count:row|rows} with another value of {column} ({values}) are in no split and are left out.",
                count=unknown,
                column=column,
                values=values,
            )
        case _:
            return None


def codes_of(prepared: Prepared, sources: Sequence[str], column: str) -> np.ndarray:
    """Returns the rank of each row's value among the sorted distinct values; missing values come last."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = []
    for split in sources:
        with parquet.open_file(prepared.splits[split].path) as file:
            if column not in file.schema_arrow.names:
                raise DataError.of(
                    "split-without-column",
                    "the split {split!r} has no column {column!r}; choose another",
                    "data.steps",
                    split=split,
                    column=column,
                )
        columns.append(types.plain(bounded.column(prepared.splits[split].path, column)))
    try:
        together = pa.chunked_array([chunk for values in columns for chunk in values.chunks], columns[0].type)
        ranks = pc.rank(together, sort_keys="ascending", tiebreaker="dense")
    except (pa.ArrowException, TypeError):
        raise DataError.of(
            "values-without-order",
            "the values of {column!r} have no order; choose another column",
            "data.steps",
            column=column,
        ) from None
    return np.asarray(ranks, dtype=np.int64) - 1


def assigned(rows: int, values: np.ndarray | None, step: Divide) -> np.ndarray:
    """Returns the part of each row as an index into `step.parts`: int8 (rows,).

    values: each row's class, group or time rank; None for a random division
    """
    import numpy as np

    rng = np.random.default_rng(step.seed)
    ends = np.cumsum(list(step.parts.values()))
    parts = np.empty(rows, dtype=np.int8)

    def share_out(order: np.ndarray) -> None:
        places = (np.arange(len(order)) + 0.5) / max(1, len(order))
        parts[order] = np.minimum(np.searchsorted(ends, places), len(ends) - 1)

    if step.by == "time":
        assert values is not None
        share_out(np.argsort(values, kind="stable"))
    elif step.by == "group":
        assert values is not None
        _share_groups(values, ends, rng, parts)
    elif step.by == "stratified":
        assert values is not None
        shuffled = rng.permutation(rows)
        # Spread each class evenly over the order, so that every part gets its share of each class.
        by_class = shuffled[np.argsort(values[shuffled], kind="stable")]
        counts = np.bincount(values)
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        within = np.arange(rows) - np.repeat(starts, counts)
        position = (within + rng.random(len(counts)).repeat(counts)) / np.repeat(counts, counts)
        share_out(by_class[np.argsort(position, kind="stable")])
    else:
        share_out(rng.permutation(rows))
    return parts


def _share_groups(values: np.ndarray, ends: np.ndarray, rng: np.random.Generator, parts: np.ndarray) -> None:
    """Gives whole groups, in random order, each to the part that is farthest below its share."""
    import numpy as np

    counts = np.bincount(values)
    wanted = np.diff(np.concatenate([[0.0], ends])) * len(values)
    filled = np.zeros(len(ends))
    part_of_group = np.empty(len(counts), dtype=np.int8)
    for group in rng.permutation(len(counts)):
        part_of_group[group] = int(np.argmax((wanted - filled) / wanted))
        filled[part_of_group[group]] += counts[group]
    parts[:] = part_of_group[values]
