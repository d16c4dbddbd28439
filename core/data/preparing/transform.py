"""The steps of a spec done to a prepared dataset: each finds which rows stay and what their values become.

    step ── plan() ──► Change per new split: source, rows that stay (a mask), what each batch becomes
    Change ── apply() ──► Parquet, batch after batch: memory holds masks, never texts

A step is planned alike for its preview and for its making, so that the one shows what the other does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.data.browsing import cells
from core.data.browsing.view import conditions_sql
from core.data.dataset import Column as DataColumn
from core.data.dataset import Prepared, Progress, ignore
from core.data.loading.text_ids import text_ids
from core.data.preparing.clean import clean
from core.data.preparing.divide import assigned, by_values, codes_of
from core.data.preparing.repeats import first_of_each, mask_of, without_conflicts, without_leaks
from core.data.reading.aligning import types
from core.data.reading.aligning.columns import COMPRESSION
from core.data.reading.tables import bounded, parquet
from core.errors import DataError
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

BATCH_ROWS = 20_000
EXAMPLES = 20

Values = Callable[["pa.Table"], "pa.Table"]


@dataclass
class Change:
    """A split of the result: rows of the sources, in their order.

    keep: for each source split a mask of the rows that stay; None keeps all
    values: what the batches of its rows become
    """

    name: str
    keep: dict[str, np.ndarray | None]
    values: Values | None = None


@dataclass
class Plan:
    """What a step does: the splits of its result, the classes that columns then have, and a sentence on it."""

    changes: list[Change]
    names: dict[str, tuple[str, ...] | None] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Preview:
    """before, after: rows per split; removed, changed: numbers of some rows of `split` that a step touches."""

    before: dict[str, int]
    after: dict[str, int]
    split: str
    removed: tuple[int, ...]
    changed: tuple[tuple[str, str], ...]
    note: str


def plan(prepared: Prepared, step: Any, progress: Progress = ignore) -> Plan:
    """What a step does to this dataset. Raises DataError if it cannot be done, or leaves nothing."""
    splits = _splits(prepared, step)
    match step:
        case Filter():
            keep = {name: _true_of(prepared, name, step) for name in splits}
            made = _kept(prepared, keep)
        case Columns():
            _existing(prepared, step.keep)
            made = _each(prepared, lambda table: table.select([n for n in step.keep if n in table.column_names]))
        case Rename():
            made = _renamed(prepared, step)
        case MapLabels():
            made = _mapped(prepared, step, splits)
        case CorrectLabels():
            made = _corrected(prepared, step, splits)
        case CleanText():
            _existing(prepared, step.columns)
            made = _each(prepared, lambda table: _cleaned(table, step), splits)
        case Deduplicate():
            columns = step.columns or tuple(c.name for c in prepared.columns)
            _existing(prepared, columns)
            keep = {name: first_of_each(prepared, name, columns, step, progress) for name in splits}
            made = _kept(prepared, keep)
        case DropConflicts():
            _existing(prepared, (*step.columns, step.label))
            made = _kept(prepared, {name: without_conflicts(prepared, name, step) for name in splits})
        case DropLeaks():
            _existing(prepared, step.columns)
            made = _kept(prepared, {step.split: without_leaks(prepared, step, progress)})
        case Subset():
            made = _kept(prepared, {name: _drawn(prepared.splits[name].rows, step) for name in splits})
        case Divide():
            made = _divided(prepared, step)
        case SplitBy():
            made = _split_by(prepared, step)
        case _:
            raise AssertionError(step)
    if not any(_rows(prepared, change) for change in made.changes):
        raise DataError(f"no row is left after this step: {step_words(step)}; change it or leave it out", "data.steps")
    return made


def apply(
    prepared: Prepared, step: Any, folder: Path, progress: Progress = ignore
) -> tuple[dict[str, Path], dict[str, tuple[str, ...]], str]:
    """Does a step and writes each split of the result to the folder; a split without rows is left out.

    Returns split → Parquet file, column → class names, and a sentence on rows that were left out. Raises DataError.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    made = plan(prepared, step, progress)
    total = sum(_rows(prepared, change) for change in made.changes) or 1
    done = 0
    paths: dict[str, Path] = {}
    for number, change in enumerate(made.changes):
        if not _rows(prepared, change):
            continue
        path = folder / f"{number}.parquet"
        writer: pq.ParquetWriter | None = None
        try:
            for table in _tables(prepared, change):
                made_of = change.values(table) if change.values else table
                if writer is None:
                    plain = made_of.schema.remove_metadata()  # the note there is about what was
                    writer = pq.ParquetWriter(path, plain, compression=COMPRESSION)
                columns = [made_of.column(f.name).cast(f.type) for f in writer.schema]
                writer.write_table(pa.Table.from_arrays(columns, schema=writer.schema))
                done += len(table)
                progress(f"Preparing: {step_words(step)[:80]}", min(1.0, done / total))
        finally:
            if writer is not None:
                writer.close()
        paths[change.name] = path
    names = {c.name: c.names for c in prepared.columns} | made.names
    return paths, {name: found for name, found in names.items() if found}, made.note


def preview(prepared: Prepared, step: Any) -> Preview:
    """What a step would do, with examples from the split that it touches most. Raises DataError."""
    import numpy as np

    made = plan(prepared, step)
    after = {change.name: _rows(prepared, change) for change in made.changes}
    before = {name: part.rows for name, part in prepared.splits.items()}
    most = next(iter(prepared.splits))
    removed: tuple[int, ...] = ()
    losing = {c.name: m for c in made.changes if (m := c.keep.get(c.name)) is not None and c.name in before}
    if losing and not isinstance(step, Divide | SplitBy):
        most = max(losing, key=lambda name: int((~losing[name]).sum()))
        removed = tuple(int(n) for n in np.flatnonzero(~losing[most])[:EXAMPLES])
    return Preview(before, after, most, removed, _changed(prepared, step, made), made.note)


def _splits(prepared: Prepared, step: Any) -> list[str]:
    wanted = [*getattr(step, "splits", ()), *([step.split] if getattr(step, "split", "") else [])]
    for name in wanted:
        if name not in prepared.splits:
            listed = ", ".join(prepared.splits)
            raise DataError(f"there is no split {name!r} for this step; the splits are {listed}", "data.steps")
    return wanted or list(prepared.splits)


def _existing(prepared: Prepared, columns: Iterable[str]) -> None:
    for name in columns:
        if prepared.column(name) is None:
            listed = ", ".join(c.name for c in prepared.columns)
            raise DataError(f"there is no column {name!r} for this step; the columns are {listed}", "data.steps")


def _kept(prepared: Prepared, keep: dict[str, np.ndarray]) -> Plan:
    return Plan([Change(name, {name: keep.get(name)}) for name in prepared.splits])


def _each(prepared: Prepared, values: Values, splits: Sequence[str] | None = None) -> Plan:
    touched = prepared.splits if splits is None else splits
    return Plan([Change(name, {name: None}, values if name in touched else None) for name in prepared.splits])


def _rows(prepared: Prepared, change: Change) -> int:
    return sum(prepared.splits[s].rows if m is None else int(m.sum()) for s, m in change.keep.items())


def _tables(prepared: Prepared, change: Change) -> Iterable[pa.Table]:
    """The rows of a change's sources that stay, in tables of bounded size."""
    import pyarrow as pa

    for split, mask in change.keep.items():
        at = 0
        for batch in bounded.batches(prepared.splits[split].path, BATCH_ROWS):
            table = pa.Table.from_batches([batch])
            if mask is not None:
                table = table.filter(pa.array(mask[at : at + len(batch)]))
            at += len(batch)
            if len(table):
                yield table


def _true_of(prepared: Prepared, split: str, step: Filter) -> np.ndarray:
    def sql(columns: dict[str, str]) -> tuple[str, list[Any]]:
        where, parameters = conditions_sql(step.where, prepared, columns)
        return f"SELECT n FROM data WHERE {where}", parameters

    return mask_of(prepared, split, sql)


def _renamed(prepared: Prepared, step: Rename) -> Plan:
    _existing(prepared, step.names)
    new = [step.names.get(c.name, c.name) for c in prepared.columns]
    if twice := [name for name in new if new.count(name) > 1]:
        raise DataError(f"two columns would be called {twice[0]!r}; choose another name", "data.steps")
    made = _each(prepared, lambda t: t.rename_columns([step.names.get(n, n) for n in t.column_names]))
    made.names = {step.names.get(c.name, c.name): c.names for c in prepared.columns}
    return made


def _mapped(prepared: Prepared, step: MapLabels, splits: Sequence[str]) -> Plan:
    """Classes keep their order; a new name takes the place of its first old one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    _existing(prepared, [step.column])
    column = prepared.column(step.column)
    assert column is not None
    if column.kind not in types.PLAIN:
        raise DataError(f"{step.column!r} holds {column.kind} values, not labels", "data.steps")
    if column.names:
        unknown = [old for old in step.labels if old not in column.names]
        if unknown:
            listed = ", ".join(column.names[:20])
            raise DataError(f"{unknown[0]!r} is no class of {step.column!r}; the classes are {listed}", "data.steps")
        if set(splits) != set(prepared.splits):
            raise DataError("classes are renamed in all splits or in none; leave the splits empty", "data.steps")
        names = tuple(dict.fromkeys(step.labels.get(name, name) for name in column.names))
        numbers = pa.array([names.index(step.labels.get(name, name)) for name in column.names], pa.int64())

    def texts(table: pa.Table) -> pa.Table:
        at = table.column_names.index(step.column) if step.column in table.column_names else None
        if at is None:
            return table
        return table.set_column(at, step.column, types.as_text(table.column(at)))

    def values(table: pa.Table) -> pa.Table:
        at = table.column_names.index(step.column) if step.column in table.column_names else None
        if at is None:
            return table
        old = types.plain(table.column(at))
        if column.names:
            inside = pc.if_else(pc.greater_equal(old, 0), old, pa.scalar(None, old.type))
            new = pc.fill_null(pc.take(numbers, inside), -1)
        else:
            as_text = types.as_text(old)
            known, new_names = pa.array(list(step.labels)), pa.array(list(step.labels.values()), pa.string())
            as_written, trimmed = (pc.index_in(t, known) for t in (as_text, pc.utf8_trim_whitespace(as_text)))
            new = pc.coalesce(pc.take(new_names, as_written), pc.take(new_names, trimmed), as_text)
        return table.set_column(at, step.column, new)

    made = _each(prepared, values, splits)
    if column.names:
        made.names = {step.column: names}
    else:  # the column is text from here on, in every split
        for change in made.changes:
            change.values = change.values or texts
    return made


def _corrected(prepared: Prepared, step: CorrectLabels, splits: Sequence[str]) -> Plan:
    """Rows are known by the hash of their texts."""
    import numpy as np
    import pyarrow as pa

    _existing(prepared, (*step.columns, step.label))
    column = prepared.column(step.label)
    assert column is not None
    new = {int(number): _label_value(label, column) for number, label in step.labels.items()}
    if column.kind in ("date", "decimal"):
        _check_castable(prepared, step)
    gone = np.array([int(number) for number in step.drop], dtype=np.uint64)

    def values(table: pa.Table) -> pa.Table:
        if step.label not in table.column_names:
            return table
        ids = _ids(table, step.columns)
        if not new or not np.isin(ids, np.fromiter(new, np.uint64, len(new))).any():
            return table
        at = table.column_names.index(step.label)
        old = types.plain(table.column(at))
        as_text = column.kind in ("date", "decimal")
        before = types.as_text(old) if as_text else old
        labels = [new.get(number, value) for number, value in zip(ids.tolist(), before.to_pylist(), strict=True)]
        return table.set_column(at, step.label, pa.array(labels, before.type).cast(old.type))

    made = _each(prepared, values, splits)
    for change in made.changes:
        if change.name in splits and len(gone):
            tables = _tables(prepared, Change(change.name, {change.name: None}))
            found = [~np.isin(_ids(table, step.columns), gone) for table in tables]
            change.keep = {change.name: np.concatenate(found) if found else np.ones(0, dtype=bool)}
    return made


def _check_castable(prepared: Prepared, step: CorrectLabels) -> None:
    """Raises DataError for a label that is no value of the column's type."""
    import pyarrow as pa

    for split in prepared.splits.values():
        with parquet.open_file(split.path) as file:
            arrow = types.plain_type(file.schema_arrow.field(step.label).type)
        for label in set(step.labels.values()):
            try:
                pa.array([label]).cast(arrow)
            except pa.ArrowException:
                raise DataError(f"{label!r} is no value of {step.label!r}, which holds {arrow}", "data.steps") from None


def _ids(table: pa.Table, columns: Sequence[str]) -> np.ndarray:

    texts = [types.as_text(table.column(name)).to_pylist() for name in columns]
    return text_ids([text or "" for text in row] for row in zip(*texts, strict=True))


def _label_value(label: str, column: DataColumn) -> Any:
    """A label as its column holds it. Raises DataError."""
    if column.names:
        if label not in column.names:
            listed = ", ".join(column.names[:20])
            raise DataError(f"{label!r} is no class of {column.name!r}; the classes are {listed}", "data.steps")
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
        raise DataError(
            f"{label!r} is no value of {column.name!r}, which holds {column.kind} values", "data.steps"
        ) from None


def _cleaned(table: pa.Table, step: CleanText) -> pa.Table:
    import pyarrow as pa

    for name in step.columns:
        at = table.column_names.index(name) if name in table.column_names else None
        if at is None:
            continue
        values = types.plain(table.column(at))
        if not pa.types.is_string(values.type) and not pa.types.is_large_string(values.type):
            raise DataError(f"{name!r} holds no text to repair; choose a text column", "data.steps")
        made = [None if text is None else clean(text, step) for text in values.to_pylist()]
        table = table.set_column(at, name, pa.array(made, values.type))
    return table


def _drawn(rows: int, step: Subset) -> np.ndarray:
    import numpy as np

    mask = np.zeros(rows, dtype=bool)
    mask[np.random.default_rng(step.seed).choice(rows, min(rows, step.rows), replace=False)] = True
    return mask


def _split_by(prepared: Prepared, step: SplitBy) -> Plan:
    """Each row to the split that its value names; the other splits stay, and none of them may have such a name."""
    _existing(prepared, [step.column])
    sources = [step.split] if step.split else list(prepared.splits)
    others = [name for name in prepared.splits if name not in sources]
    made = by_values(prepared, sources, step)
    if clash := [name for name in made.parts if name in others]:
        raise DataError(f"there is already a split {clash[0]!r}; divide all splits together", "data.steps")
    changes = [Change(name, dict(masks)) for name, masks in made.parts.items()]
    return Plan([*changes, *(Change(name, {name: None}) for name in others)], note=made.note)


def _divided(prepared: Prepared, step: Divide) -> Plan:
    """Each row of the divided splits to one part; the other splits stay, and none of them may have a part's name."""
    import numpy as np

    if step.column:
        _existing(prepared, [step.column])
    sources = [step.split] if step.split else list(prepared.splits)
    others = [name for name in prepared.splits if name not in sources]
    if clash := [name for name in step.parts if name in others]:
        raise DataError(f"there is already a split {clash[0]!r}; give the part another name", "data.steps")
    rows = [prepared.splits[name].rows for name in sources]
    values = codes_of(prepared, sources, step.column) if step.column and step.by != "random" else None
    parts = assigned(sum(rows), values, step)
    starts = np.cumsum([0, *rows])
    changes = [
        Change(name, {s: parts[a:b] == number for s, a, b in zip(sources, starts, starts[1:], strict=False)})
        for number, name in enumerate(step.parts)
    ]
    empty = [c.name for c in changes if not _rows(prepared, c)]
    if empty:
        raise DataError(f"the part {empty[0]!r} would have no row; give it a larger share", "data.steps")
    return Plan([*changes, *(Change(name, {name: None}) for name in others)])


def _changed(prepared: Prepared, step: Any, made: Plan) -> tuple[tuple[str, str], ...]:
    """Some values before and after, for a step that changes texts or labels."""
    if isinstance(step, CorrectLabels):
        return _changed_labels(prepared, step, made)
    if not isinstance(step, CleanText):
        return ()
    found: list[tuple[str, str]] = []
    for split in _splits(prepared, step):
        for table in _tables(prepared, Change(split, {split: None})):
            for name in step.columns:
                if name not in table.column_names:
                    continue
                for text in types.plain(table.column(name)).to_pylist():
                    if isinstance(text, str) and (new := clean(text, step)) != text:
                        found.append((text, new))
                        if len(found) == EXAMPLES:
                            return tuple(found)
    return tuple(found)


def _changed_labels(prepared: Prepared, step: CorrectLabels, made: Plan) -> tuple[tuple[str, str], ...]:
    column = prepared.column(step.label)
    found: list[tuple[str, str]] = []
    for change in made.changes:
        for table in _tables(prepared, Change(change.name, {change.name: None})):
            if change.values is None or step.label not in table.column_names:
                continue
            pairs = [types.plain(t.column(step.label)).to_pylist() for t in (table, change.values(table))]
            texts = types.plain(table.column(step.columns[0])).to_pylist()
            for old, new, text in zip(*pairs, texts, strict=True):
                if old != new and len(found) < EXAMPLES:
                    shown = [cells.cell(value, column.names if column else None) for value in (old, new)]
                    found.append((f"{shown[0]}: {text}", f"{shown[1]}: {text}"))
    return tuple(found)
