"""What may be a class label, in which order the classes come, and a fair choice of rows to hold out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from core.data.prepared import Prepared
from core.data.reading import bounded, parquet
from core.errors import DataError

if TYPE_CHECKING:
    import numpy as np

MAX_CLASSES = 1000
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
MIN_ROWS_FOR_CONTINUOUS = 20


@dataclass(frozen=True)
class Classes:
    """The classes: their names for people and, in the same order, the values that stand for them in the file."""

    names: tuple[str, ...]
    values: tuple[Any, ...]
    by_number: bool = False  # the file has numbers of a ClassLabel; -1 stands for no label


def classes(prepared: Prepared, split: str, column: str) -> Classes:
    """The classes of a label column, from its kind and the values in the training split. Raises DataError."""
    found = prepared.column(column)
    assert found is not None
    if found.names:
        return Classes(found.names, tuple(range(len(found.names))), by_number=True)
    if found.kind in ("list", "other"):
        raise DataError(
            f"the column {column!r} holds {found.kind} values, not one class per row; choose another column",
            "data.label_column",
        )
    values, rows = _distinct(prepared, split, column)
    if not values:
        raise DataError(
            f"the column {column!r} is empty in the split {split!r}; choose another column", "data.label_column"
        )
    _check(prepared, column, found.kind, values, rows)
    if len(values) == 1:
        raise DataError(
            f"the column {column!r} has one class only, {name_of(values[0])!r}; at least two are needed",
            "data.label_column",
        )
    ordered = _ordered(values)
    return Classes(tuple(map(name_of, ordered)), tuple(ordered))


def usable(prepared: Prepared, split: str, columns: Sequence[str], label: str, known: Classes) -> bool:
    """Whether a split has all these columns and labels in them."""
    schema = parquet.open_file(prepared.splits[split].path).schema_arrow
    if not prepared.splits[split].rows or any(c not in schema.names for c in columns):
        return False
    values, _ = _distinct(prepared, split, label)
    return bool(set(map(_comparable, values)) & set(map(_comparable, known.values)))


def codes(values: pa.Array, known: Classes) -> tuple[pa.Array, pa.Array]:
    """Class numbers of label values, null where there is none; and a mask of values that are no known class."""
    values = parquet.plain(values)
    if known.by_number:
        inside = pc.and_(pc.greater_equal(values, 0), pc.less(values, len(known.names)))
        missing = pc.or_kleene(pc.is_null(values), pc.equal(values, -1))
        found = pc.if_else(inside, values.cast(pa.int64()), pa.scalar(None, pa.int64()))
        return found, pc.and_(pc.invert(missing), pc.is_null(found))
    values = _plain(values)
    target = pa.array(list(known.values))
    numbers = (pa.types.is_integer, pa.types.is_floating)
    if any(t(target.type) for t in numbers) and any(t(values.type) for t in numbers):
        target, values = target.cast(pa.float64()), values.cast(pa.float64())
    elif target.type != values.type:
        target, values = target.cast(pa.string()), values.cast(pa.string())
    found = pc.index_in(values, target).cast(pa.int64())
    return found, pc.and_(pc.is_valid(values), pc.is_null(found))


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


def _distinct(prepared: Prepared, split: str, column: str) -> tuple[list[Any], int]:
    """The distinct values of a column (not all of them when there are far too many) and how many rows have one."""
    seen: dict[Any, None] = {}
    rows = 0
    for batch in bounded.batches(prepared.splits[split].path, 100_000, [column]):
        values = _plain(batch.column(0)).drop_null()
        rows += len(values)
        if len(seen) <= 50 * MAX_CLASSES:
            seen.update(dict.fromkeys(pc.unique(values).to_pylist()))
    return list(seen), rows


def _plain(values: pa.Array) -> pa.Array:
    """Label values without surrounding spaces; empty text and not-a-number are null."""
    values = parquet.plain(values)
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type) or pa.types.is_string_view(values.type):
        trimmed = pc.utf8_trim_whitespace(values.cast(pa.string()))
        return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)
    if pa.types.is_floating(values.type):
        return pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
    return values


def _check(prepared: Prepared, column: str, kind: str, values: list[Any], rows: int) -> None:
    if is_measured(kind, values, rows):
        shown = ", ".join(map(name_of, values[:3]))
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


def is_measured(kind: str, values: list[Any], rows: int) -> bool:
    """Whether values are fractions, and so many different ones that they are no classes.

    As text, such as 1.10, they may be codes; measured are those which all have as many decimals, or nearly one a row.
    """
    if kind == "text":
        if not all(NUMBER.fullmatch(v) for v in values) or all(v.lstrip("+-").isdigit() for v in values):
            return False
        if len({len(v.partition(".")[2]) for v in values}) > 1 and len(values) * 4 <= rows:
            return False
    elif kind != "float" or all(float(v).is_integer() for v in values):
        return False
    return len(values) > 10 or (rows >= MIN_ROWS_FOR_CONTINUOUS and len(values) * 2 > rows)


def _ordered(values: list[Any]) -> list[Any]:
    """Numbers by size, also when written as text; everything else by the alphabet."""
    if values and all(isinstance(v, str) and NUMBER.fullmatch(v) for v in values):
        return sorted(values, key=lambda v: (float(v), v))
    return sorted(values)


def name_of(value: Any) -> str:
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else format(Decimal(repr(value)), "f")
    return str(value)


def _comparable(value: Any) -> Any:
    return name_of(value) if not isinstance(value, bool) else str(value)
