"""The examples that a model is judged on: those of its own run, or of another dataset, read as it was trained."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.data.dataset import Prepared
from core.data.loading import holdout, load
from core.data.notes import Note
from core.data.prepare import prepare
from core.data.reading.files import split_of
from core.errors import DataError
from core.evaluation.columns import fitting, trained_on
from core.evaluation.specs import EvaluateSpec, Subject
from core.evaluation.trained_model import find_subject
from core.runs.environment import trained_data
from core.settings import Settings
from core.spec.data import DataSpec
from core.store import final_tests
from core.store.record import Holdout, Run
from core.tasks.contract import Task
from core.tasks.evaluations import Kind

if TYPE_CHECKING:
    from datasets import Dataset

    from core.runs.writer import RunWriter


@dataclass(frozen=True)
class Examples:
    """What a model is judged on, and what it learned from.

    kind: validation (the run chose its best by them), test, training, or other
    data: where they come from, with the columns and the preparation that were used; notes: what is to be said of that
    train: texts and labels of the training examples; None for a model made elsewhere
    held_out: whether they are a part of the training split that was kept out of training
    """

    part: load.Part
    data: DataSpec
    notes: tuple[Note, ...]
    split: str
    kind: Kind
    train: tuple[list[str], np.ndarray] | None
    held_out: bool = False


def choose(
    spec: EvaluateSpec, task: Task, trained: Run | None, settings: Settings, report: RunWriter, holdouts: list[Holdout]
) -> Examples:
    """Those of the run's own data, or of another dataset, read as the model was trained."""
    like, learned, loaded = None, None, None
    notes: tuple[Note, ...] = ()
    if trained is not None:
        of_run = trained_data(trained, settings)
        theirs = settings.on_behalf_of(trained.owner)  # who sees a run may have it judged on the data it was made from
        loaded = task.columns.load(
            of_run, theirs, report.fraction, final_tests.holdouts(report.store, before=trained.created)
        )
        train = loaded.dataset["train"]
        learned = joined(train, loaded.text_columns), np.asarray(train["label"])
        if spec.data is None and (not spec.split or spec.split == loaded.eval_split != loaded.train_split):
            part = load.Part(
                loaded.dataset["eval"],
                loaded.text_columns,
                loaded.source_columns,
                loaded.label_column,
                tuple(loaded.label_names),
                loaded.prepared,
                (),
            )
            held_out = loaded.eval_split == loaded.train_split
            return Examples(_some(part, spec, of_run), of_run, (), loaded.eval_split, "validation", learned, held_out)
    if spec.data is None:
        assert loaded is not None, "the spec was validated"
        data, settings, like = of_run, theirs, loaded.train_split
    else:
        data, notes = _fitted(spec.data, spec.model, settings, report)
    split = spec.split or usual_split(prepare(data, settings, report.fraction))
    part = task.columns.load_split(data, split, settings, report.fraction, like)
    for note in (*part.notes, *notes):
        report.message(note.text, note.level, note.id, **note.arguments)
    part = _some(part, spec, data)
    kind: Kind = "other"
    if loaded is not None and part.prepared.fingerprint == loaded.prepared.fingerprint:
        kind = "training" if split == loaded.train_split else "test"
    elif holdout.find(part.prepared, split, part.source_columns, holdouts):
        kind = "test"
    return Examples(part, data, notes, split, kind, learned)


def _fitted(
    data: DataSpec, subject: Subject, settings: Settings, report: RunWriter
) -> tuple[DataSpec, tuple[Note, ...]]:
    """Another dataset, with the columns and the preparation that suit the model, and what is to be said of them."""
    prepared = prepare(data, settings, report.fraction)
    folder, _, title = find_subject(subject, settings, report.fraction)
    training = trained_on.training_for(subject, folder, title, report.store, settings)
    fit = fitting.fit(data, prepared, training, labelled=True)
    return fit.applied(data), fit.notes


def usual_split(prepared: Prepared) -> str:
    """The split that a person means who names none: the only one, else test, else validation. Raises DataError."""
    names = list(prepared.splits)
    if len(names) == 1:
        return names[0]
    for meant in ("test", "validation"):
        if split := next((name for name in names if split_of(name) == meant), None):
            return split
    raise DataError.of(
        "split-not-named",
        "{data} has the splits {splits}; name the one to judge on",
        "split",
        data=prepared.title,
        splits=list(names),
    )


def _some(part: load.Part, spec: EvaluateSpec, data: DataSpec) -> load.Part:
    """A random part of the examples, if the spec limits their number."""
    if spec.max_examples is None or spec.max_examples >= len(part.examples):
        return part
    return dataclasses.replace(part, examples=part.examples.shuffle(seed=data.seed).select(range(spec.max_examples)))


def joined(rows: Dataset, columns: Sequence[str]) -> list[str]:
    """One text per example: of a pair, both."""
    return ["\n".join(texts) for texts in zip(*(rows[column] for column in columns), strict=True)]
