"""Which split a run is evaluated on, and which ones are set aside as final tests."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from core.data.dataset import Prepared
from core.data.loading import holdout
from core.data.loading import labels as label_rules
from core.data.loading.labels import Classes
from core.data.notes import Note
from core.data.reading.files import split_of
from core.data.reading.tables import parquet
from core.errors import DataError
from core.models.label_names import places
from core.spec.data import DataSpec
from core.wording import shortened

if TYPE_CHECKING:
    from core.store.record import Holdout


def set_aside(
    prepared: Prepared, texts: Sequence[str], holdouts: Sequence[Holdout], most_rows: int | None = None
) -> set[str]:
    """The splits that are final tests; most_rows: see `holdout.find`."""
    return {name for name in prepared.splits if holdout.find(prepared, name, texts, holdouts, most_rows)}


def check_not_aside(aside: Collection[str], train_split: str, data: DataSpec) -> None:
    """Raises DataError if the spec trains or evaluates on a final test. aside: as `set_aside` has them"""
    for name, field in ((train_split, "data.train_split"), (data.eval_split, "data.eval_split")):
        if name in aside:
            raise DataError.of(
                "split-is-final-test",
                "the split {split!r} is set aside as the final test, or has texts of it, so that nothing "
                "is trained or tuned on it; choose another split, drop those texts under Prepare, or "
                "take the test back on the Evaluate page",
                field,
                split=name,
            )


def choose_eval(
    prepared: Prepared,
    data: DataSpec,
    train_split: str,
    texts: Sequence[str],
    label: str,
    classes: Classes,
    notes: list[Note],
    aside: Collection[str] = (),
) -> str | None:
    """The split to evaluate on; None if a part of the training split is to be held out. Raises DataError."""
    if data.eval_split:
        _check_named(prepared, data.eval_split, train_split)
        return data.eval_split
    names = list(prepared.splits)
    for kind in ("validation", "test"):
        for name in sorted(n for n in names if n != train_split and split_of(n) == kind):
            if name in aside:
                notes.append(
                    Note.of(
                        "final-test-set-aside",
                        "The split {split} is set aside as the final test; this run does not look at it.",
                        split=name,
                    )
                )
                continue
            unusable = _unusable(prepared, name, train_split, texts, label, classes)
            if unusable is None:
                notes.append(Note.of("evaluation-split", "Evaluating on the split {split}.", split=name))
                return name
            notes.append(unusable)
    return None


def _check_named(prepared: Prepared, eval_split: str, train_split: str) -> None:
    if eval_split not in prepared.splits:
        raise DataError.of(
            "no-such-split-in",
            "{title} has no split {split!r}; its splits are {splits}",
            "data.eval_split",
            title=prepared.title,
            split=eval_split,
            splits=", ".join(prepared.splits),
        )
    if eval_split == train_split:
        raise DataError.of(
            "split-named-twice",
            "the split {split!r} is named for training and for evaluation; leave the evaluation split "
            "empty to hold a part out",
            "data.eval_split",
            split=train_split,
        )


def _unusable(
    prepared: Prepared, split: str, train_split: str, texts: Sequence[str], label: str, classes: Classes
) -> Note | None:
    """Why nothing can be evaluated on a split; None if something can."""
    columns = parquet.open_file(prepared.splits[split].path).schema_arrow.names
    missing = [name for name in (*texts, label) if name not in columns]
    if missing:
        return Note.of(
            "split-unused-without-column",
            "The split {split} has no column {column!r}, so it is not used.",
            "warning",
            split=split,
            column=missing[0],
        )
    names = label_rules.names_in(prepared, split, label)
    if not names:
        return Note.of(
            "split-unused-without-labels",
            "The split {split} has no labels to evaluate with, so it is not used.",
            "warning",
            split=split,
        )
    if max(places(names, classes.names)) < 0:
        return Note.of(
            "split-unused-other-labels",
            "The split {split} has the labels {labels} in {label!r}, none of which is a class of "
            "{train_split} ({classes}), so it is not used.",
            "warning",
            split=split,
            labels=first_five(names),
            label=label,
            train_split=train_split,
            classes=first_five(classes.names),
        )
    return None


def first_five(names: Sequence[str]) -> str:
    """The first five labels, and how many more there are."""
    return ", ".join(shortened(name, 40) for name in names[:5]) + (f" and {len(names) - 5:,} more" if names[5:] else "")
