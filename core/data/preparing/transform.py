"""The steps of a spec done to a prepared dataset: each is planned, then written as Parquet, batch after batch.

step ── plan_step() ──► Plan: per new split its source, the rows that stay, what each batch becomes
Plan ── apply() ──► Parquet: memory holds masks, never texts
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.data.browsing.view import conditions_sql
from core.data.dataset import Prepared, Progress, ignore
from core.data.preparing.clean import clean
from core.data.preparing.correct_labels import correct_labels
from core.data.preparing.map_labels import map_labels
from core.data.preparing.new_splits import divide, split_by
from core.data.preparing.plan import (
    Change,
    Plan,
    check_columns,
    plan_of_rows,
    plan_of_values,
    rows_of,
    splits_of,
    tables_of,
)
from core.data.preparing.repeats import first_of_each, mask_of, without_conflicts, without_leaks
from core.data.reading.aligning import types
from core.data.reading.aligning.columns import COMPRESSION
from core.errors import DataError
from core.messages import Message
from core.spec.steps import (
    CleanText,
    Columns,
    CorrectLabels,
    Deduplicate,
    Divide,
    DropConflicts,
    DropLeaks,
    Filter,
    MapLabels,
    Rename,
    SplitBy,
    Subset,
    step_words,
)

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def plan_step(prepared: Prepared, step: Any, progress: Progress = ignore) -> Plan:
    """What a step does to this dataset. Raises DataError if it cannot be done, or leaves no row."""
    plan = _plan(prepared, step, splits_of(prepared, step), progress)
    if not any(rows_of(prepared, change) for change in plan.changes):
        raise DataError.of(
            "step-leaves-no-rows",
            "no row is left after this step: {step}; change it or leave it out",
            "data.steps",
            step=step_words(step),
        )
    return plan


def _plan(prepared: Prepared, step: Any, splits: Sequence[str], progress: Progress) -> Plan:
    match step:
        case Columns():
            check_columns(prepared, step.keep)
            return plan_of_values(prepared, lambda t: t.select([n for n in step.keep if n in t.column_names]))
        case Rename():
            return _rename(prepared, step)
        case CleanText():
            check_columns(prepared, step.columns)
            return plan_of_values(prepared, lambda table: _cleaned(table, step), splits)
        case MapLabels():
            return map_labels(prepared, step, splits)
        case CorrectLabels():
            return correct_labels(prepared, step, splits)
        case Divide():
            return divide(prepared, step)
        case SplitBy():
            return split_by(prepared, step)
    return plan_of_rows(prepared, _rows_kept(prepared, step, splits, progress))


def _rows_kept(prepared: Prepared, step: Any, splits: Sequence[str], progress: Progress) -> dict[str, np.ndarray]:
    """The masks of the rows that a step keeps, by split; for steps that drop rows."""
    match step:
        case Filter():
            return {name: _matching(prepared, name, step) for name in splits}
        case Deduplicate():
            columns = step.columns or tuple(c.name for c in prepared.columns)
            check_columns(prepared, columns)
            return {name: first_of_each(prepared, name, columns, step, progress) for name in splits}
        case DropConflicts():
            check_columns(prepared, (*step.columns, step.label))
            return {name: without_conflicts(prepared, name, step) for name in splits}
        case DropLeaks():
            check_columns(prepared, step.columns)
            return {step.split: without_leaks(prepared, step, progress)}
        case Subset():
            return {name: _drawn(prepared.splits[name].rows, step) for name in splits}
    raise AssertionError(step)


def apply(
    prepared: Prepared, step: Any, folder: Path, progress: Progress = ignore
) -> tuple[dict[str, Path], dict[str, tuple[str, ...]], Message | None]:
    """Does a step and writes each split of the result to the folder; a split without rows is left out.

    Returns split → Parquet file, column → class names, and a sentence on rows that were left out. Raises DataError.
    """
    plan = plan_step(prepared, step, progress)
    total = sum(rows_of(prepared, change) for change in plan.changes)
    done = 0
    paths: dict[str, Path] = {}

    def count(rows: int) -> None:
        nonlocal done
        done += rows
        progress(f"Preparing: {step_words(step)[:80]}", min(1.0, done / total))

    for number, change in enumerate(plan.changes):
        if rows_of(prepared, change):
            paths[change.name] = folder / f"{number}.parquet"
            _write(prepared, change, paths[change.name], count)
    names = {c.name: c.names for c in prepared.columns} | plan.names
    return paths, {column: classes for column, classes in names.items() if classes}, plan.note


def _write(prepared: Prepared, change: Change, path: Path, count: Callable[[int], None]) -> None:
    """Write a split that has rows. count: called with the number of rows that were written"""
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer: pq.ParquetWriter | None = None
    try:
        for source in tables_of(prepared, change):
            table = change.values(source) if change.values else source
            if writer is None:
                schema = table.schema.remove_metadata()  # it describes the table that was
                writer = pq.ParquetWriter(path, schema, compression=COMPRESSION)
            columns = [table.column(f.name).cast(f.type) for f in writer.schema]
            writer.write_table(pa.Table.from_arrays(columns, schema=writer.schema))
            count(len(source))
    finally:
        if writer is not None:
            writer.close()


def _matching(prepared: Prepared, split: str, step: Filter) -> np.ndarray:
    def sql(names: dict[str, str]) -> tuple[str, list[Any]]:
        where, parameters = conditions_sql(step.where, prepared, names)
        return f"SELECT n FROM data WHERE {where}", parameters

    return mask_of(prepared, split, sql)


def _drawn(rows: int, step: Subset) -> np.ndarray:
    import numpy as np

    mask = np.zeros(rows, dtype=bool)
    mask[np.random.default_rng(step.seed).choice(rows, min(rows, step.rows), replace=False)] = True
    return mask


def _rename(prepared: Prepared, step: Rename) -> Plan:
    check_columns(prepared, step.names)
    names = [step.names.get(c.name, c.name) for c in prepared.columns]
    if twice := [name for name in names if names.count(name) > 1]:
        raise DataError.of(
            "column-name-twice",
            "two columns would be called {column!r}; choose another name",
            "data.steps",
            column=twice[0],
        )
    plan = plan_of_values(prepared, lambda t: t.rename_columns([step.names.get(n, n) for n in t.column_names]))
    plan.names = {name: column.names for name, column in zip(names, prepared.columns, strict=True)}
    return plan


def _cleaned(table: pa.Table, step: CleanText) -> pa.Table:
    import pyarrow as pa

    for name in step.columns:
        if name not in table.column_names:
            continue
        place = table.column_names.index(name)
        values = types.plain(table.column(place))
        if not pa.types.is_string(values.type) and not pa.types.is_large_string(values.type):
            raise DataError.of(
                "no-text-to-repair",
                "{column!r} holds no text to repair; choose a text column",
                "data.steps",
                column=name,
            )
        texts = [None if text is None else clean(text, step) for text in values.to_pylist()]
        table = table.set_column(place, name, pa.array(texts, values.type))
    return table
