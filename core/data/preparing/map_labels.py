"""The step that renames and joins labels. Classes keep their order; a new name takes the place of its first old one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from core.data.dataset import Column, Prepared
from core.data.preparing.plan import Plan, Values, check_columns, plan_of_values
from core.data.reading.aligning import types
from core.errors import DataError
from core.spec.steps import MapLabels

if TYPE_CHECKING:
    import pyarrow as pa

    Replace = Callable[[pa.ChunkedArray], pa.ChunkedArray]


def map_labels(prepared: Prepared, step: MapLabels, splits: Sequence[str]) -> Plan:
    """Raises DataError if the column does not hold labels, or one that is named is not a class of it."""
    check_columns(prepared, [step.column])
    column = prepared.column(step.column)
    assert column is not None
    if column.kind not in types.PLAIN:
        raise DataError.of(
            "column-holds-no-labels",
            "{column!r} holds {kind} values, not labels",
            "data.steps",
            column=step.column,
            kind=column.kind,
        )
    if column.names:
        return _map_classes(prepared, step, column, splits)
    plan = plan_of_values(prepared, _in_column(step.column, lambda old: _renamed(old, step)), splits)
    for change in plan.changes:  # the column is text from here on, in every split
        change.values = change.values or _in_column(step.column, types.as_text)
    return plan


def _map_classes(prepared: Prepared, step: MapLabels, column: Column, splits: Sequence[str]) -> Plan:
    assert column.names is not None
    unknown = [old for old in step.labels if old not in column.names]
    if unknown:
        classes = ", ".join(column.names[:20])
        raise DataError.of(
            "no-class-to-rename",
            "{value!r} is not a class of {column!r}; the classes are {classes}",
            "data.steps",
            value=unknown[0],
            column=step.column,
            classes=classes,
        )
    if set(splits) != set(prepared.splits):
        raise DataError.of(
            "classes-renamed-everywhere",
            "classes are renamed in all splits or in none; leave the splits empty",
            "data.steps",
        )
    new_names = [step.labels.get(name, name) for name in column.names]
    names = tuple(dict.fromkeys(new_names))
    numbers = [names.index(name) for name in new_names]
    plan = plan_of_values(prepared, _in_column(step.column, lambda old: _renumbered(old, numbers)), splits)
    plan.names = {step.column: names}
    return plan


def _in_column(column: str, replace: Replace) -> Values:
    """Replaces a column's values in the tables that have it."""

    def values(table: pa.Table) -> pa.Table:
        if column not in table.column_names:
            return table
        place = table.column_names.index(column)
        return table.set_column(place, column, replace(types.plain(table.column(place))))

    return values


def _renumbered(old: pa.ChunkedArray, numbers: Sequence[int]) -> pa.ChunkedArray:
    """Class numbers as new ones; -1 for none. numbers: new number by old number"""
    import pyarrow as pa
    import pyarrow.compute as pc

    inside = pc.if_else(pc.greater_equal(old, 0), old, pa.scalar(None, old.type))
    return pc.fill_null(pc.take(pa.array(numbers, pa.int64()), inside), -1)


def _renamed(old: pa.ChunkedArray, step: MapLabels) -> pa.ChunkedArray:
    """Labels as text with their new names; those with blanks around them count as without."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = types.as_text(old)
    known, new = pa.array(list(step.labels)), pa.array(list(step.labels.values()), pa.string())
    as_written, trimmed = (pc.index_in(t, known) for t in (texts, pc.utf8_trim_whitespace(texts)))
    return pc.coalesce(pc.take(new, as_written), pc.take(new, trimmed), texts)
