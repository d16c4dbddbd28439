"""From a data spec to what a task trains on: typed columns, a class label, a training and an evaluation part.

    prepare ── choose splits and columns ── drop rows that cannot be used ── encode labels ── hold out ── subsets

Runs in the worker: it imports `datasets`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.data.dataset import Prepared, Progress, ignore
from core.data.loading import labels as label_rules
from core.data.loading.choices import choose_columns, choose_train
from core.data.loading.drawing import check_classes_left, hold_out, subset
from core.data.loading.eval_split import check_not_aside, choose_eval, set_aside
from core.data.loading.labels import Classes
from core.data.loading.split_dataset import dataset_of, in_dataset
from core.data.notes import Note
from core.data.prepare import prepare
from core.errors import DataError
from core.models.label_names import groups, telling
from core.settings import Settings
from core.spec.data import DataSpec
from core.wording import listed

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

    from core.store.record import Holdout


@dataclass
class Loaded:
    """What a task trains on.

    dataset: splits "train" and "eval"; columns: the texts under their names, `label` (ClassLabel) and `row` (int64,
    the row number in the split it came from); notes: sentences on what was chosen, dropped and held out
    source_columns: the texts' columns as the dataset calls them
    train_split, eval_split: the splits of the source that the two parts come from
    """

    dataset: DatasetDict
    text_columns: tuple[str, ...]
    source_columns: tuple[str, ...]
    label_column: str
    label_names: list[str]
    prepared: Prepared
    notes: tuple[Note, ...]
    train_split: str
    eval_split: str


def load(data: DataSpec, settings: Settings, progress: Progress = ignore, holdouts: Sequence[Holdout] = ()) -> Loaded:
    """The dataset that a spec describes, ready for a task. Raises DataError, HubError, PathError.

    holdouts: final tests, which neither train nor choose anything
    """
    prepared = prepare(data, settings, progress)
    progress("Loading", None)
    notes: list[Note] = []
    texts, label = choose_columns(prepared, data, notes)
    train_split = choose_train(prepared, data, notes)
    aside = set_aside(prepared, texts, holdouts)
    check_not_aside(aside, train_split, data)
    classes = label_rules.classes(prepared, train_split, label)
    eval_split = choose_eval(prepared, data, train_split, texts, label, classes, notes, aside)
    dataset = _examples(prepared, data, train_split, eval_split, texts, label, classes, notes)
    return Loaded(
        dataset=dataset,
        text_columns=tuple(map(in_dataset, texts)),
        source_columns=tuple(texts),
        label_column=label,
        label_names=list(classes.names),
        prepared=prepared,
        notes=(*prepared.notes, *notes),
        train_split=train_split,
        eval_split=eval_split or train_split,
    )


def _examples(
    prepared: Prepared,
    data: DataSpec,
    train_split: str,
    eval_split: str | None,
    texts: Sequence[str],
    label: str,
    classes: Classes,
    notes: list[Note],
) -> DatasetDict:
    """The two parts with as many examples as the spec asks for. Raises DataError."""
    from datasets import DatasetDict

    train = dataset_of(prepared, train_split, texts, label, classes, notes)
    check_classes_left(train, classes.names, label, "data.label_column")
    notes += _look_alikes(classes.names, label)
    if eval_split is None:
        train, evaluation = hold_out(train, data, classes.names, notes)
    else:
        evaluation = dataset_of(prepared, eval_split, texts, label, classes, notes)
    train = subset(train, data.max_train_examples, data.seed, "training", notes)
    evaluation = subset(evaluation, data.max_eval_examples, data.seed, "evaluation", notes)
    if data.max_train_examples:
        check_classes_left(train, classes.names, label, "data.max_train_examples")
    return DatasetDict({"train": train, "eval": evaluation})


def _look_alikes(names: Sequence[str], label: str) -> list[Note]:
    """A warning for classes that a person cannot tell apart; at most five."""
    notes = []
    for first, second, *others in groups(names)[:5]:
        names_apart = listed(
            f"“{telling(a, b)}”" for a, b in [(first, second), *((n, first) for n in (second, *others))]
        )
        notes.append(
            Note.of(
                "labels-differ-by-case",
                "{column}: {labels} differ by case, blanks or unseen characters only and are different "
                "classes; the problems of the dataset, on its page, offer to make them one.",
                "warning",
                column=label,
                labels=names_apart,
            )
        )
    return notes


@dataclass(frozen=True)
class Part:
    """One split alone. examples: as in `Loaded`; source_columns: the texts' columns as the dataset calls them"""

    examples: Dataset
    text_columns: tuple[str, ...]
    source_columns: tuple[str, ...]
    label_column: str
    label_names: tuple[str, ...]
    prepared: Prepared
    notes: tuple[Note, ...]


def load_split(
    data: DataSpec, split: str, settings: Settings, progress: Progress = ignore, like: str | None = None
) -> Part:
    """One split with labels. Raises DataError.

    like: the split whose labels say which classes there are; the split itself if None
    """
    prepared = prepare(data, settings, progress)
    notes: list[Note] = []
    texts, label = choose_columns(prepared, data, notes)
    if split not in prepared.splits:
        splits = ", ".join(prepared.splits)
        raise DataError.of(
            "no-such-split-in",
            "{title} has no split {split!r}; its splits are {splits}",
            "split",
            title=prepared.title,
            split=split,
            splits=splits,
        )
    classes = label_rules.classes(prepared, like or split, label)
    examples = dataset_of(prepared, split, texts, label, classes, notes)
    columns = tuple(map(in_dataset, texts))
    return Part(examples, columns, tuple(texts), label, classes.names, prepared, (*prepared.notes, *notes))
