"""What a step would do to a dataset, with examples of the rows that it drops and of the values that it changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from core.data.browsing.cells import cell
from core.data.dataset import Prepared
from core.data.preparing.clean import clean
from core.data.preparing.plan import Change, Plan, rows_of, splits_of, tables_of
from core.data.preparing.transform import plan_step
from core.data.reading.aligning import types
from core.messages import Message
from core.spec.steps import CleanText, CorrectLabels, Divide, SplitBy

EXAMPLES = 20


@dataclass(frozen=True)
class Preview:
    """before, after: rows per split; removed: numbers of some rows of `split` that go

    changed: values before and after; note: a sentence on rows that are left out, None if there are none
    """

    before: dict[str, int]
    after: dict[str, int]
    split: str
    removed: tuple[int, ...]
    changed: tuple[tuple[str, str], ...]
    note: Message | None


def preview(prepared: Prepared, step: Any) -> Preview:
    """What a step would do, with examples from the split that it touches most. Raises DataError."""
    import numpy as np

    plan = plan_step(prepared, step)
    before = {name: part.rows for name, part in prepared.splits.items()}
    after = {change.name: rows_of(prepared, change) for change in plan.changes}
    split = next(iter(prepared.splits))
    removed: tuple[int, ...] = ()
    masks = {c.name: mask for c in plan.changes if (mask := c.keep.get(c.name)) is not None and c.name in before}
    if masks and not isinstance(step, Divide | SplitBy):
        split = max(masks, key=lambda name: int((~masks[name]).sum()))
        removed = tuple(int(n) for n in np.flatnonzero(~masks[split])[:EXAMPLES])
    return Preview(before, after, split, removed, tuple(islice(_changed(prepared, step, plan), EXAMPLES)), plan.note)


def _changed(prepared: Prepared, step: Any, plan: Plan) -> Iterator[tuple[str, str]]:
    """Values before and after, for a step that changes texts or labels."""
    match step:
        case CleanText():
            yield from _changed_texts(prepared, step)
        case CorrectLabels():
            yield from _changed_labels(prepared, step, plan)


def _changed_texts(prepared: Prepared, step: CleanText) -> Iterator[tuple[str, str]]:
    for split in splits_of(prepared, step):
        for table in tables_of(prepared, Change(split, {split: None})):
            for name in step.columns:
                texts = types.plain(table.column(name)).to_pylist() if name in table.column_names else []
                for text in texts:
                    if isinstance(text, str) and (cleaned := clean(text, step)) != text:
                        yield text, cleaned


def _changed_labels(prepared: Prepared, step: CorrectLabels, plan: Plan) -> Iterator[tuple[str, str]]:
    column = prepared.column(step.label)
    names = column.names if column else None
    for change in plan.changes:
        for table in tables_of(prepared, Change(change.name, {change.name: None})):
            if change.values is None or step.label not in table.column_names:
                continue
            labels = [types.plain(t.column(step.label)).to_pylist() for t in (table, change.values(table))]
            texts = types.plain(table.column(step.columns[0])).to_pylist()
            for old, new, text in zip(*labels, texts, strict=True):
                if old != new:
                    yield f"{cell(old, names)}: {text}", f"{cell(new, names)}: {text}"
