"""Which rows of the training split are held out for evaluation, and which ones a smaller number of examples takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.data.loading import labels as label_rules
from core.data.loading.split_dataset import LABEL
from core.data.notes import Note
from core.errors import DataError
from core.spec.data import DataSpec

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset


def hold_out(train: Dataset, data: DataSpec, names: Sequence[str], notes: list[Note]) -> tuple[Dataset, Dataset]:
    """A stratified part of the training rows for evaluation; classes with one example stay in training."""
    import numpy as np

    codes = _codes(train)
    chosen = _stratified(codes, data)
    mask = np.zeros(len(codes), dtype=bool)
    mask[chosen] = True
    notes.append(
        Note.of(
            "held-out",
            "There is no evaluation split, so {held_out:,} of {rows:,} training rows ({share:.0%}) are "
            "held out, in the same proportions of classes (seed {seed}).",
            held_out=len(chosen),
            rows=len(codes),
            share=len(chosen) / len(codes),
            seed=data.seed,
        )
    )
    notes += _singles(codes, names)
    return train.select(np.flatnonzero(~mask)), train.select(chosen)


def _stratified(codes: np.ndarray, data: DataSpec) -> np.ndarray:
    """The numbers of the rows to hold out. Raises DataError if there are none. codes: class numbers of all rows"""
    if len(codes) < 4:
        raise DataError.of(
            "too-few-rows-to-hold-out",
            "there are {rows} usable rows; at least 4 are needed to hold some out for evaluation. Add "
            "rows or name an evaluation split",
            "data.eval_split",
            rows=len(codes),
        )
    chosen = label_rules.stratified(codes, data.validation_fraction, data.seed)
    if not len(chosen):
        raise DataError.of(
            "labels-occur-once",
            "each label occurs once in {rows:,} rows, so none can be held out for evaluation; choose "
            "another label column, add rows or name an evaluation split",
            "data.label_column",
            rows=len(codes),
        )
    return chosen


def _singles(codes: np.ndarray, names: Sequence[str]) -> list[Note]:
    """A note on the classes that have one example."""
    import numpy as np

    singles = [names[i] for i, n in enumerate(np.bincount(codes, minlength=len(names))) if n == 1]
    if not singles:
        return []
    examples = ", ".join(map(repr, singles[:5])) + (f" and {len(singles) - 5:,} more" if len(singles) > 5 else "")
    return [
        Note.of(
            "single-examples-not-held-out",
            "Of {classes} there is one example each; it stays in training and is not evaluated.",
            classes=examples,
        )
    ]


def subset(part: Dataset, count: int | None, seed: int, purpose: str, notes: list[Note]) -> Dataset:
    """This many examples, chosen by shuffling; None takes all of them. purpose: training or evaluation"""
    if count is None or count >= len(part):
        if count is not None and count > len(part):
            notes.append(
                Note.of(
                    "fewer-examples-than-asked",
                    "{count:,} {purpose} examples were asked for; there are {available:,}, all of which are used.",
                    count=count,
                    purpose=purpose,
                    available=len(part),
                )
            )
        return part
    notes.append(
        Note.of(
            "examples-subset",
            "{count:,} of {available:,} {purpose} examples are used, chosen by shuffling with seed {seed}.",
            count=count,
            available=len(part),
            purpose=purpose,
            seed=seed,
        )
    )
    return part.shuffle(seed=seed).select(range(count))


def check_classes_left(train: Dataset, names: Sequence[str], label: str, field: str) -> None:
    """Raises DataError, on a field of the spec, if the examples have fewer than two classes."""
    import numpy as np

    counts = np.bincount(_codes(train), minlength=len(names))
    if (counts > 0).sum() < 2:
        only = names[int(counts.argmax())]
        raise DataError.of(
            "one-class-in-training",
            "the training examples have one class only, {only!r} in {label!r}; at least two are "
            "needed. Choose another column or more examples",
            field,
            only=only,
            label=label,
        )


def _codes(part: Dataset) -> np.ndarray:
    """The class numbers of all rows, by way of Arrow: the other formats take seconds per million."""
    return part.select_columns([LABEL]).with_format("arrow")[:].column(LABEL).to_numpy()
