"""The data that a spec selects: its source, the splits that a run uses, and the final tests."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from core.data.dataset import Prepared
from core.data.loading import holdout
from core.data.loading.choices import choose_train
from core.data.loading.eval_split import set_aside
from core.data.reading.files import split_of
from core.errors import DataError
from core.spec.data import DataSpec

if TYPE_CHECKING:
    from core.store.record import Holdout


def same_source(one: DataSpec, other: DataSpec) -> bool:
    """Whether two specs read and prepare the same source in the same way, ignoring their choice of columns and rows."""
    return source_only(one) == source_only(other)


def same_origin(one: DataSpec, other: DataSpec) -> bool:
    """Whether two specs read the same source in the same way, ignoring the steps that prepare it."""
    return same_source(one.model_copy(update={"steps": ()}), other.model_copy(update={"steps": ()}))


def source_only(data: DataSpec) -> DataSpec:
    """Returns the spec of the whole dataset: its source, reading and steps, without a choice of columns or rows."""
    return DataSpec(
        source=data.source, path=data.path, config=data.config, revision=data.revision, read=data.read, steps=data.steps
    )


def splits_used(data: DataSpec, prepared: Prepared, aside: Collection[str] = ()) -> tuple[str | None, str | None]:
    """Returns the training and evaluation split of a run; None for one that does not exist.

    The evaluation split is also None if rows are held out for it. aside: the splits that are final tests
    Does not check that a split has labels; the run skips a split without labels.
    """
    try:
        train = choose_train(prepared, data, [])
    except DataError:
        return None, None
    if data.eval_split:
        return train, data.eval_split if data.eval_split in prepared.splits else None
    others = sorted(name for name in prepared.splits if name != train and name not in aside)
    candidates = (name for kind in ("validation", "test") for name in others if split_of(name) == kind)
    return train, next(candidates, None)


def final_tests(data: DataSpec, prepared: Prepared, holdouts: Sequence[Holdout]) -> set[str]:
    """Returns the splits that are final tests, without reading very large splits."""
    return set_aside(prepared, data.text_columns or prepared.text_guess, holdouts, holdout.PAGE_ROWS)
