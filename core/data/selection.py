"""Which data a spec chooses: its source, the splits that a run uses, and those that are set aside as final tests."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from core.data.dataset import Prepared
from core.data.loading import holdout
from core.data.loading.choices import choose_train
from core.data.loading.eval_split import set_aside
from core.data.reading.files import split_of
from core.errors import DataError
from core.spec.run import DataSpec

if TYPE_CHECKING:
    from core.store.record import Holdout


def same_source(one: DataSpec, other: DataSpec) -> bool:
    """Whether two specs read the same rows in the same way, whatever is then chosen of them."""
    return source_only(one) == source_only(other)


def same_origin(one: DataSpec, other: DataSpec) -> bool:
    """Whether two specs begin with the same dataset, whatever is then done to it."""
    return same_source(one.model_copy(update={"steps": ()}), other.model_copy(update={"steps": ()}))


def source_only(data: DataSpec) -> DataSpec:
    """The spec of the whole dataset: where it is, how it is read and prepared, without a choice of columns or rows."""
    return DataSpec(
        source=data.source, path=data.path, config=data.config, revision=data.revision, read=data.read, steps=data.steps
    )


def splits_used(data: DataSpec, prepared: Prepared, aside: Collection[str] = ()) -> tuple[str | None, str | None]:
    """The training and evaluation split of a run; None for one that does not exist or, the latter, is held out.

    aside: splits that are final tests.
    Not looked at: whether a split that was not named has labels; the run passes over one that has none.
    """
    try:
        train = choose_train(prepared, data, [])
    except DataError:
        return None, None
    if data.eval_split:
        return train, data.eval_split if data.eval_split in prepared.splits else None
    others = sorted(name for name in prepared.splits if name != train and name not in aside)
    found = (name for kind in ("validation", "test") for name in others if split_of(name) == kind)
    return train, next(found, None)


def final_tests(data: DataSpec, prepared: Prepared, holdouts: Sequence[Holdout]) -> set[str]:
    """The splits that are set aside, as far as it can be seen in a moment."""
    return set_aside(prepared, data.text_columns or prepared.text_guess, holdouts, holdout.PAGE_ROWS)
