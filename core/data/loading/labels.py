"""Turns a label column into classes: checks its values, orders the classes, and draws a stratified sample of rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from core.data.dataset import Column, Prepared
from core.data.reading.aligning import lists, types
from core.data.reading.aligning.parts import trimmed
from core.data.reading.tables import bounded, parquet
from core.errors import DataError
from core.models.label_names import LONGEST, places

if TYPE_CHECKING:
    import numpy as np

MAX_CLASSES = 1000
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class Classes:
    """The class names in order, for a column of names or of class numbers.

    numbers: the column's number for each name; declared: the names of all numbers of the column, used or not
    """

    names: tuple[str, ...]
    numbers: tuple[int, ...] = ()
    declared: tuple[str, ...] = ()


@dataclass(frozen=True)
class Codes:
    """The class ids of some rows. unknown: rows whose label is not a class; alike: label → class of another spelling"""

    numbers: pa.Array
    unknown: pa.Array
    alike: dict[str, str]


def classes(prepared: Prepared, split: str, column: str) -> Classes:
    """Returns the classes of a label column, from its kind and its values in the training split. Raises DataError.

    For a column of class numbers, every declared name is a class, even if it does not occur in training; a name that
    only other splits declare is not.
    """
    known = prepared.column(column)
    assert known is not None
    if known.kind not in types.PLAIN:
        raise _unfit(prepared, split, known)
    values, rows = distinct(prepared.splits[split].path, column)
    if known.names:
        occurring = {known.names[int(v)] for v in values if int(v) in range(len(known.names))}
        kept = [i for i, name in enumerate(known.names) if name not in known.added or name in occurring]
        _check_length(column, [known.names[i] for i in kept])
        return Classes(tuple(known.names[i] for i in kept), tuple(kept), known.names)
    if not values:
        raise DataError.of(
            "column-empty-in-split",
            "the column {column!r} is empty in the split {split!r}; choose another column",
            "data.label_column",
            column=column,
            split=split,
        )
    _check_length(column, values)
    _check_single(prepared, split, column, values)
    _check(prepared, column, known.kind, values, rows)
    if len(values) == 1:
        raise DataError.of(
            "column-one-class",
            "the column {column!r} has only one class, {label!r}; at least two are needed",
            "data.label_column",
            column=column,
            label=values[0],
        )
    return Classes(tuple(ordered(values)))


def _check_length(column: str, names: Sequence[str]) -> None:
    """Raises DataError for a label that is longer than any result can hold."""
    longest = max(map(len, names), default=0)
    if longest > LONGEST:
        raise DataError.of(
            "label-too-long",
            "the column {column!r} has a label of {characters:,} characters, and a label has at most {most:,}; choose "
            "another column, or shorten its values",
            "data.label_column",
            column=column,
            characters=longest,
            most=LONGEST,
        )


def names_in(prepared: Prepared, split: str, column: str) -> list[str]:
    """Returns the labels that occur in a split, by class name; empty if the split does not have the column."""
    if column not in parquet.open_file(prepared.splits[split].path).schema_arrow.names:
        return []
    known = prepared.column(column)
    if known is None or known.kind not in types.PLAIN:
        return []
    values, _ = distinct(prepared.splits[split].path, column)
    if known.names:
        inside = sorted(int(v) for v in values if int(v) in range(len(known.names)))
        return [known.names[number] for number in inside]
    return ordered(values)


def codes(values: pa.Array, known: Classes) -> Codes:
    """Returns the class id of each label value; null for an empty or unknown label."""
    if known.numbers:
        values = types.plain(values)
        ids = pc.index_in(pc.cast(values, pa.int64()), pa.array(known.numbers, pa.int64()))
        has_label = pc.fill_null(pc.greater_equal(values, 0), False)
        return Codes(pc.cast(ids, pa.int64()), pc.and_(has_label, pc.is_null(ids)), {})
    text = trimmed(values)
    ids = pc.cast(pc.index_in(text, pa.array(known.names, pa.string())), pa.int64())
    unknown = pc.and_(pc.is_valid(text), pc.is_null(ids))
    labels = pc.unique(text.filter(unknown))
    matches = places(labels.to_pylist(), known.names)
    alike = {label: known.names[p] for label, p in zip(labels.to_pylist(), matches, strict=True) if p >= 0}
    if alike:
        alike_ids = pa.array([p if p >= 0 else None for p in matches], pa.int64())
        ids = pc.coalesce(ids, pc.take(alike_ids, pc.index_in(text, labels)))
        unknown = pc.and_(pc.is_valid(text), pc.is_null(ids))
    return Codes(ids, unknown, alike)


def stratified(codes: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Draws a share of the rows in which the classes keep their proportions; returns row numbers, ascending.

    A class with two or more rows gives at least one, a class with one row gives none. Within that, the total is as
    near to the share as possible (largest remainders).
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    counts = np.bincount(codes)
    wanted = counts * fraction
    take = np.floor(wanted).astype(int)
    remaining = round(float(wanted.sum())) - int(take.sum())
    if remaining > 0:
        take[np.argsort(-(wanted - take), kind="stable")[:remaining]] += 1
    take = np.where(counts >= 2, np.clip(take, 1, counts - 1), 0)
    order = rng.permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return np.sort(np.concatenate([order[s : s + n] for s, n in zip(starts, take, strict=True)]))


def distinct(path: Path, column: str) -> tuple[list[str], int]:
    """Returns the distinct values of a column as text, not all if there are far too many, and the rows with a value."""
    seen: dict[str, None] = {}
    rows = 0
    for values in _texts(path, column):
        rows += len(values)
        if len(seen) <= 50 * MAX_CLASSES:
            seen.update(dict.fromkeys(pc.unique(values).to_pylist()))
    return list(seen), rows


def _texts(path: Path, column: str) -> Iterator[pa.Array]:
    """Yields the values of a column as text, without empty ones, in arrays of bounded length."""
    for batch in bounded.batches(path, 100_000, [column]):
        yield trimmed(batch.column(0)).drop_null()


def _unfit(prepared: Prepared, split: str, column: Column) -> DataError:
    """Explains why a column of lists, objects or bytes cannot be the label."""
    path = prepared.splits[split].path
    with parquet.open_file(path) as file:
        arrow = file.schema_arrow.field(column.name).type
    rows = several = 0
    example = None
    for batch in bounded.batches(path, 100_000, [column.name]):
        values = types.plain(batch.column(0))
        rows += len(values)
        example = example or next(iter(values.drop_null()[:1].to_pylist()), None)
        several += pc.sum(lists.several(values)).as_py() or 0 if types.is_list(values.type) else 0
    if several:
        return _several(column.name, several, rows)
    content = types.holds(column.kind, arrow, example)
    return DataError.of(
        "column-not-one-class-per-row",
        "the column {column!r} holds {content}, not one class per row; choose another column",
        "data.label_column",
        column=column.name,
        content=content,
    )


def _check_single(prepared: Prepared, split: str, column: str, values: list[str]) -> None:
    """Raises DataError if the labels are texts that list several labels."""
    if not pc.any(lists.several(pa.array(values, pa.string()))).as_py():
        return
    counts = [
        (pc.sum(lists.several(text)).as_py() or 0, pc.sum(lists.look_like_lists(text)).as_py() or 0, len(text))
        for text in _texts(prepared.splits[split].path, column)
    ]
    several, like, rows = (sum(count) for count in zip(*counts, strict=True))
    if 2 * like > rows:
        raise _several(column, several, rows)


def _several(column: str, several: int, rows: int) -> DataError:
    return DataError.of(
        "several-labels-per-row",
        "{count:,} of the {rows:row|rows} have more than one label in {column!r}; this task takes "
        "one. Leave those rows out of the file, or choose another column",
        "data.label_column",
        count=several,
        rows=rows,
        column=column,
    )


def _check(prepared: Prepared, column: str, kind: str, values: list[str], rows: int) -> None:
    if is_measured(kind, values, rows):
        examples = ", ".join(values[:3])
        raise DataError.of(
            "column-has-fractions",
            "the column {column!r} has fractions ({examples}, …) and looks like a number to predict, "
            "not a class; choose another column, or group its values into classes first",
            "data.label_column",
            column=column,
            examples=examples,
        )
    many = len(values) > MAX_CLASSES
    if many or (len(values) > 50 and len(values) * 10 > rows * 9):
        others = ", ".join(c.name for c in prepared.columns if c.name != column)
        raise DataError.of(
            "column-too-many-values",
            "the column {column!r} has {count:,} different values in {rows:,} rows and looks like an "
            "id or free text; a label has at most {most:,}. Choose another column ({columns})",
            "data.label_column",
            column=column,
            count=len(values),
            rows=rows,
            most=MAX_CLASSES,
            columns=others,
        )


def is_measured(kind: str, values: list[str], rows: int) -> bool:
    """Whether values are measurements: fractions with too many different values to be classes.

    Fractions that are written as text, such as 1.10, may be codes. They count as measurements only if all have the same
    number of decimals, or nearly every row has its own value.
    """
    if kind not in ("text", "float", "decimal") or not all(NUMBER.fullmatch(v) for v in values):
        return False
    if all(float(v).is_integer() for v in values):
        return False
    if kind == "text" and len({len(v.partition(".")[2]) for v in values}) > 1 and len(values) * 4 <= rows:
        return False
    return len(values) > 10


def ordered(values: Iterable[str]) -> list[str]:
    """Sorts labels into the order of their classes: numbers by size, everything else alphabetically."""
    values = list(values)
    if values and all(NUMBER.fullmatch(v) for v in values):
        return sorted(values, key=lambda v: (float(v), v))
    return sorted(values)
