"""What may be a class label, in which order the classes come, and a fair choice of rows to hold out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
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
from core.models.label_names import places
from core.wording import counted

if TYPE_CHECKING:
    import numpy as np

MAX_CLASSES = 1000
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class Classes:
    """The classes by their names, in order.

    numbers, declared: of a column of class numbers: those that stand for the names, and the names of all its numbers
    """

    names: tuple[str, ...]
    numbers: tuple[int, ...] = ()
    declared: tuple[str, ...] = ()


@dataclass(frozen=True)
class Codes:
    """The classes of some rows. unknown: rows whose label is none of the classes; alike: labels spelt unlike theirs"""

    numbers: pa.Array
    unknown: pa.Array
    alike: dict[str, str]


def classes(prepared: Prepared, split: str, column: str) -> Classes:
    """The classes of a label column, from its kind and the values in the training split. Raises DataError.

    Names of a column of class numbers are classes, whether they occur or not; those that only other splits know are
    not.
    """
    found = prepared.column(column)
    assert found is not None
    if found.kind not in types.PLAIN:
        raise _unfit(prepared, split, found)
    values, rows = distinct(prepared.splits[split].path, column)
    if found.names:
        occurring = {found.names[int(v)] for v in values if int(v) in range(len(found.names))}
        kept = [i for i, name in enumerate(found.names) if name not in found.added or name in occurring]
        return Classes(tuple(found.names[i] for i in kept), tuple(kept), found.names)
    if not values:
        raise DataError(
            f"the column {column!r} is empty in the split {split!r}; choose another column", "data.label_column"
        )
    _check_single(prepared, split, column, values)
    _check(prepared, column, found.kind, values, rows)
    if len(values) == 1:
        raise DataError(
            f"the column {column!r} has one class only, {values[0]!r}; at least two are needed", "data.label_column"
        )
    return Classes(tuple(ordered(values)))


def names_in(prepared: Prepared, split: str, column: str) -> list[str]:
    """The labels that occur in a split, classes by their names; empty where it does not have the column."""
    if column not in parquet.open_file(prepared.splits[split].path).schema_arrow.names:
        return []
    found = prepared.column(column)
    if found is None or found.kind not in types.PLAIN:
        return []
    values, _ = distinct(prepared.splits[split].path, column)
    if found.names:
        inside = sorted(int(v) for v in values if int(v) in range(len(found.names)))
        return [found.names[number] for number in inside]
    return ordered(values)


def codes(values: pa.Array, known: Classes) -> Codes:
    """The class of each label value; null where there is none."""
    if known.numbers:
        values = types.plain(values)
        found = pc.index_in(pc.cast(values, pa.int64()), pa.array(known.numbers, pa.int64()))
        has_label = pc.fill_null(pc.greater_equal(values, 0), False)
        return Codes(pc.cast(found, pa.int64()), pc.and_(has_label, pc.is_null(found)), {})
    text = trimmed(values)
    found = pc.cast(pc.index_in(text, pa.array(known.names, pa.string())), pa.int64())
    unknown = pc.and_(pc.is_valid(text), pc.is_null(found))
    strange = pc.unique(text.filter(unknown))
    at = places(strange.to_pylist(), known.names)
    alike = {name: known.names[p] for name, p in zip(strange.to_pylist(), at, strict=True) if p >= 0}
    if alike:
        at = pc.take(pa.array([p if p >= 0 else None for p in at], pa.int64()), pc.index_in(text, strange))
        found = pc.coalesce(found, at)
        unknown = pc.and_(pc.is_valid(text), pc.is_null(found))
    return Codes(found, unknown, alike)


def stratified(codes: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Row numbers, ascending, of a share of the rows in which the classes have the same proportions.

    At least one row of each class with two or more, none of a class with one; the total is as near to the share as
    that allows (largest remainders).
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
    """The different values of a column as text (not all when there are far too many), and how many rows have one."""
    seen: dict[str, None] = {}
    rows = 0
    for values in _texts(path, column):
        rows += len(values)
        if len(seen) <= 50 * MAX_CLASSES:
            seen.update(dict.fromkeys(pc.unique(values).to_pylist()))
    return list(seen), rows


def _texts(path: Path, column: str) -> Iterator[pa.Array]:
    """All values that there are as text, in arrays of bounded length."""
    for batch in bounded.batches(path, 100_000, [column]):
        yield trimmed(batch.column(0)).drop_null()


def _unfit(prepared: Prepared, split: str, column: Column) -> DataError:
    """Why a column that is no plain one cannot be the label."""
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
    what = types.holds(column.kind, arrow, example)
    return DataError(
        f"the column {column.name!r} holds {what}, not one class per row; choose another column", "data.label_column"
    )


def _check_single(prepared: Prepared, split: str, column: str, values: list[str]) -> None:
    """Raises DataError for texts that are lists of several labels."""
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
    return DataError(
        f"{several:,} of the {counted(rows, 'row')} have more than one label in {column!r}; this task takes one. Leave "
        "those rows out of the file, or choose another column",
        "data.label_column",
    )


def _check(prepared: Prepared, column: str, kind: str, values: list[str], rows: int) -> None:
    if is_measured(kind, values, rows):
        shown = ", ".join(values[:3])
        raise DataError(
            f"the column {column!r} has fractions ({shown}, …) and looks like a number to predict, not a class; "
            "choose another column, or group its values into classes first",
            "data.label_column",
        )
    many = len(values) > MAX_CLASSES
    if many or (len(values) > 50 and len(values) * 10 > rows * 9):
        others = ", ".join(c.name for c in prepared.columns if c.name != column)
        raise DataError(
            f"the column {column!r} has {len(values):,} different values in {rows:,} rows and looks like an id or free "
            f"text; a label has at most {MAX_CLASSES:,}. Choose another column ({others})",
            "data.label_column",
        )


def is_measured(kind: str, values: list[str], rows: int) -> bool:
    """Whether values are fractions, and so many different ones that they are no classes.

    As text, such as 1.10, they may be codes; measured are those which all have as many decimals, or nearly one a row.
    """
    if kind not in ("text", "float", "decimal") or not all(NUMBER.fullmatch(v) for v in values):
        return False
    if all(float(v).is_integer() for v in values):
        return False
    if kind == "text" and len({len(v.partition(".")[2]) for v in values}) > 1 and len(values) * 4 <= rows:
        return False
    return len(values) > 10


def ordered(values: Iterable[str]) -> list[str]:
    """Labels in the order of their classes: numbers by size, everything else by the alphabet."""
    values = list(values)
    if values and all(NUMBER.fullmatch(v) for v in values):
        return sorted(values, key=lambda v: (float(v), v))
    return sorted(values)
