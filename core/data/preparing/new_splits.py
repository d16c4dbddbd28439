"""The steps that make splits: by the values of a column, or by shares. Splits that are not divided stay."""

from __future__ import annotations

from core.data.dataset import Prepared
from core.data.preparing.divide import assigned, by_values, codes_of
from core.data.preparing.plan import Change, Plan, check_columns, rows_of
from core.errors import DataError
from core.spec.steps import Divide, SplitBy


def split_by(prepared: Prepared, step: SplitBy) -> Plan:
    """Each row to the split that its value names. Raises DataError if a split that stays has such a name."""
    check_columns(prepared, [step.column])
    sources = [step.split] if step.split else list(prepared.splits)
    others = [name for name in prepared.splits if name not in sources]
    divided = by_values(prepared, sources, step)
    if clash := [name for name in divided.parts if name in others]:
        raise DataError.of(
            "split-exists-divide-together",
            "there is already a split {split!r}; divide all splits together",
            "data.steps",
            split=clash[0],
        )
    changes = [Change(name, dict(masks)) for name, masks in divided.parts.items()]
    return Plan([*changes, *(Change(name, {name: None}) for name in others)], note=divided.note)


def divide(prepared: Prepared, step: Divide) -> Plan:
    """Each row to one part. Raises DataError if a split that stays has a part's name, or a part would be empty."""
    import numpy as np

    if step.column:
        check_columns(prepared, [step.column])
    sources = [step.split] if step.split else list(prepared.splits)
    others = [name for name in prepared.splits if name not in sources]
    if clash := [name for name in step.parts if name in others]:
        raise DataError.of(
            "split-exists-other-name",
            "there is already a split {split!r}; give the part another name",
            "data.steps",
            split=clash[0],
        )
    rows = [prepared.splits[name].rows for name in sources]
    values = codes_of(prepared, sources, step.column) if step.column and step.by != "random" else None
    parts = assigned(sum(rows), values, step)
    starts = np.cumsum([0, *rows])
    changes = [
        Change(name, {s: parts[a:b] == number for s, a, b in zip(sources, starts, starts[1:], strict=False)})
        for number, name in enumerate(step.parts)
    ]
    empty = [change.name for change in changes if not rows_of(prepared, change)]
    if empty:
        raise DataError.of(
            "part-without-rows",
            "the part {part!r} would have no row; give it a larger share",
            "data.steps",
            part=empty[0],
        )
    return Plan([*changes, *(Change(name, {name: None}) for name in others)])
