"""The step that corrects the labels of single rows, or drops them. Rows are known by the hash of their texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from core.data.dataset import Column, Prepared
from core.data.loading.text_ids import text_ids
from core.data.preparing.plan import Change, Plan, check_columns, plan_of_values, tables_of
from core.data.reading.aligning import types
from core.data.reading.tables import parquet
from core.errors import DataError
from core.spec.steps import CorrectLabels

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

AS_TEXT = ("date", "decimal")  # kinds whose labels are compared and written as text


def correct_labels(prepared: Prepared, step: CorrectLabels, splits: Sequence[str]) -> Plan:
    """Raises DataError for a label that the column cannot hold."""
    check_columns(prepared, (*step.columns, step.label))
    column = prepared.column(step.label)
    assert column is not None
    labels = {int(number): _value(label, column) for number, label in step.labels.items()}
    if column.kind in AS_TEXT:
        _check_castable(prepared, step)
    plan = plan_of_values(prepared, lambda table: _corrected(table, step, labels, column), splits)
    for change in plan.changes:
        if change.name in splits and step.drop:
            change.keep = {change.name: _kept(prepared, change.name, step)}
    return plan


def _corrected(table: pa.Table, step: CorrectLabels, labels: dict[int, Any], column: Column) -> pa.Table:
    """labels: id of a text → its label, as the column holds it"""
    import numpy as np
    import pyarrow as pa

    if step.label not in table.column_names:
        return table
    ids = _ids(table, step.columns)
    if not labels or not np.isin(ids, np.fromiter(labels, np.uint64, len(labels))).any():
        return table
    place = table.column_names.index(step.label)
    old = types.plain(table.column(place))
    before = types.as_text(old) if column.kind in AS_TEXT else old
    values = [labels.get(number, value) for number, value in zip(ids.tolist(), before.to_pylist(), strict=True)]
    return table.set_column(place, step.label, pa.array(values, before.type).cast(old.type))


def _kept(prepared: Prepared, split: str, step: CorrectLabels) -> np.ndarray:
    """A mask of the rows that are not dropped, bool (rows,)."""
    import numpy as np

    dropped = np.array([int(number) for number in step.drop], dtype=np.uint64)
    tables = tables_of(prepared, Change(split, {split: None}))
    masks = [~np.isin(_ids(table, step.columns), dropped) for table in tables]
    return np.concatenate(masks) if masks else np.ones(0, dtype=bool)


def _ids(table: pa.Table, columns: Sequence[str]) -> np.ndarray:
    texts = [types.as_text(table.column(name)).to_pylist() for name in columns]
    return text_ids([text or "" for text in row] for row in zip(*texts, strict=True))


def _check_castable(prepared: Prepared, step: CorrectLabels) -> None:
    """Raises DataError for a label that is not a value of the column's type."""
    import pyarrow as pa

    for split in prepared.splits.values():
        with parquet.open_file(split.path) as file:
            arrow = types.plain_type(file.schema_arrow.field(step.label).type)
        for label in set(step.labels.values()):
            try:
                pa.array([label]).cast(arrow)
            except pa.ArrowException:
                raise DataError.of(
                    "label-not-of-type",
                    "{label!r} is not a value of {column!r}, which holds {kind}",
                    "data.steps",
                    label=label,
                    column=step.label,
                    kind=arrow,
                ) from None


def _value(label: str, column: Column) -> Any:
    """A label as its column holds it. Raises DataError."""
    if column.names:
        if label not in column.names:
            classes = ", ".join(column.names[:20])
            raise DataError.of(
                "no-such-class",
                "{value!r} is not a class of {column!r}; the classes are {classes}",
                "data.steps",
                value=label,
                column=column.name,
                classes=classes,
            )
        return column.names.index(label)
    try:
        match column.kind:
            case "integer":
                return int(label)
            case "float":
                return float(label)
            case "boolean":
                return {"true": True, "false": False}[label.lower()]
            case _:
                return label
    except (ValueError, KeyError):
        raise DataError.of(
            "value-not-of-column-kind",
            "{value!r} is not a value of {column!r}, which holds {kind} values",
            "data.steps",
            value=label,
            column=column.name,
            kind=column.kind,
        ) from None
