"""What a step does to a prepared dataset, before anything is written: which rows stay and what their values become.

A plan holds masks of rows, never texts. A step is planned alike for its preview and for its making, so that the one
shows what the other does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from core.data.dataset import Prepared
from core.data.reading.tables import bounded
from core.errors import DataError
from core.messages import Message

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

BATCH_ROWS = 20_000

Values = Callable[["pa.Table"], "pa.Table"]


@dataclass
class Change:
    """A split of the result: rows of the sources, in their order.

    keep: source split → mask of the rows that stay, bool (rows,); None keeps all
    values: what the batches of its rows become
    """

    name: str
    keep: dict[str, np.ndarray | None]
    values: Values | None = None


@dataclass
class Plan:
    """The splits of a step's result, the classes that columns then have, and a sentence on rows that are left out."""

    changes: list[Change]
    names: dict[str, tuple[str, ...] | None] = field(default_factory=dict)
    note: Message | None = None


def plan_of_rows(prepared: Prepared, keep: Mapping[str, np.ndarray]) -> Plan:
    """Keep some rows. keep: split → mask of the rows that stay; a split that is not named keeps all"""
    return Plan([Change(name, {name: keep.get(name)}) for name in prepared.splits])


def plan_of_values(prepared: Prepared, values: Values, splits: Sequence[str] | None = None) -> Plan:
    """Change the values of some splits, or of all, and keep all rows."""
    touched = prepared.splits if splits is None else splits
    return Plan([Change(name, {name: None}, values if name in touched else None) for name in prepared.splits])


def rows_of(prepared: Prepared, change: Change) -> int:
    """How many rows a split of the result has."""
    return sum(prepared.splits[s].rows if m is None else int(m.sum()) for s, m in change.keep.items())


def tables_of(prepared: Prepared, change: Change) -> Iterable[pa.Table]:
    """The rows of a change's sources that stay, in tables of bounded size, with their values as they were."""
    import pyarrow as pa

    for split, mask in change.keep.items():
        start = 0
        for batch in bounded.batches(prepared.splits[split].path, BATCH_ROWS):
            table = pa.Table.from_batches([batch])
            if mask is not None:
                table = table.filter(pa.array(mask[start : start + len(batch)]))
            start += len(batch)
            if len(table):
                yield table


def splits_of(prepared: Prepared, step: Any) -> list[str]:
    """The splits that a step names, else all. Raises DataError for one that does not exist."""
    named = [*getattr(step, "splits", ()), *([step.split] if getattr(step, "split", "") else [])]
    for name in named:
        if name not in prepared.splits:
            existing = ", ".join(prepared.splits)
            raise DataError.of(
                "no-split-for-step",
                "there is no split {split!r} for this step; the splits are {splits}",
                "data.steps",
                split=name,
                splits=existing,
            )
    return named or list(prepared.splits)


def check_columns(prepared: Prepared, columns: Iterable[str]) -> None:
    """Raises DataError for a column that does not exist."""
    for name in columns:
        if prepared.column(name) is None:
            existing = ", ".join(c.name for c in prepared.columns)
            raise DataError.of(
                "no-column-for-step",
                "there is no column {column!r} for this step; the columns are {columns}",
                "data.steps",
                column=name,
                columns=existing,
            )
