"""A file with predictions: every row as it was, and beside it what the model says, in the columns of its task.

Goes through the file part by part; memory holds one part, whatever the size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from core.data.browsing import export
from core.data.dataset import Prepared
from core.data.prepare import prepare
from core.data.preparing.clean import clean
from core.data.reading.aligning import types
from core.data.reading.tables import parquet
from core.errors import DataError
from core.evaluation.columns import fitting, trained_on
from core.evaluation.fast import words
from core.evaluation.fast.opening import open_model
from core.evaluation.specs import PredictSpec, task_of_subject
from core.evaluation.text_model import TextModel
from core.evaluation.trained_model import find_subject
from core.files import replace_file
from core.settings import Settings
from core.store.summaries import Predicted
from core.tasks.contract import Task

if TYPE_CHECKING:
    from core.runs.writer import RunWriter
    from core.store.record import Run

PART = 8192
NAMES = {"csv": "predictions.csv", "parquet": "predictions.parquet"}
PREDICTION, SPLIT, ANSWERS = "prediction", "split", "answers"


def predict(spec: PredictSpec, run: Run, settings: Settings, report: RunWriter) -> Predicted:
    """Writes predictions.csv or predictions.parquet into the run's folder.

    The texts are those of the columns that the model was trained on, repaired as in training; the rows in the file stay
    as they were. A row without text gets no prediction. Fast answers say so in a column of their own.

    Raises DataError, HubError, ModelError, PathError, RunNotFound.
    """
    report.phase("Loading the data")
    prepared = prepare(spec.data, settings, report.fraction)
    folder, _, title = find_subject(spec.model, settings, report.fraction)
    training = trained_on.training_for(spec.model, folder, title, report.store, settings)
    fit = fitting.fit(spec.data, prepared, training, labelled=False)
    notes = (*prepared.notes, *fit.notes)
    for note in notes:
        report.message(note.text, note.level, note.id, **note.arguments)
    splits = splits_of(prepared, spec.split, fit.texts)
    report.phase("Loading the model")
    task = task_of_subject(spec.model, report.store)
    model, fast = open_model(spec.model, spec.answers, settings, report.fraction)
    if fast is not None:
        report.message(words.note(fast), level="notice", code="fast-answers")
    path = settings.run_dir(run.id) / NAMES[spec.form]
    total = sum(prepared.splits[name].rows for name in splits)
    totals = {"rows": 0, "empty": 0}
    counts: Counter[str] = Counter()
    report.phase("Predicting")

    def answered() -> Iterator[pa.Table]:
        for split in splits:
            for table in export.tables(prepared, split, PART):

                def tick(text: str, share: float | None, done: int = totals["rows"], rows: int = len(table)) -> None:
                    report.fraction(text, (done + (share or 0) * rows) / max(1, total))

                answers, given = _answered(table, fit, task, model, split if len(splits) > 1 else None, tick)
                totals["rows"] += len(table)
                totals["empty"] += len(table) - len(given)
                if model.names:
                    counts.update(given.tolist())
                if fast is not None:  # in every row, as a file goes where its page does not
                    name = _free(ANSWERS, answers.column_names)
                    answers = answers.append_column(name, pa.array([spec.answers] * len(answers), pa.string()))
                yield answers

    with replace_file(path) as partial:
        export.write(answered(), spec.form, partial)
    named = {name: counts[name] for name in model.names}
    predicted = Predicted(
        rows=totals["rows"],
        empty=totals["empty"],
        counts=named,
        file=path.name,
        title=model.title,
        dataset=prepared.title,
        text_columns=fit.texts,
    )
    if fast is None:
        return predicted
    return predicted.model_copy(update={"fast": fast, "title": words.fast_title(model.title)})


def splits_of(prepared: Prepared, wanted: str, texts: tuple[str, ...]) -> list[str]:
    """The splits to predict. Raises DataError for one that is not there, or lacks a column."""
    if wanted and wanted not in prepared.splits:
        raise DataError.of(
            "no-such-split",
            "there is no split {wanted!r}; the splits are {splits}",
            "split",
            wanted=wanted,
            splits=list(prepared.splits),
        )
    names = [wanted] if wanted else [name for name, part in prepared.splits.items() if part.rows]
    for name in names:
        with parquet.open_file(prepared.splits[name].path) as file:
            if missing := [text for text in texts if text not in file.schema_arrow.names]:
                raise DataError.of(
                    "judged-split-without-column",
                    "the split {split!r} has no column {column!r}; choose one split",
                    "split",
                    split=name,
                    column=missing[0],
                )
    return names


def _answered(
    table: pa.Table, fit: fitting.Fit, task: Task, model: TextModel, split: str | None, progress: Any
) -> tuple[pa.Table, np.ndarray]:
    """The rows with what the model says, nothing for a row without text or without a number; and all it predicts."""
    texts = [_read(table, name, fit) for name in fit.texts]
    rows = list(zip(*texts, strict=True))
    places = np.flatnonzero([all(text.strip() for text in row) for row in rows])
    outputs = model.logits([rows[i] for i in places], progress)
    answers, sound = task.predictions.columns(model.names, outputs, model.temperature)
    blank = np.ones(len(rows), dtype=bool)
    blank[places[sound]] = False
    if split:
        table = table.append_column(_free(SPLIT, table.column_names), pa.array([split] * len(rows), pa.string()))
    for name, values in answers:
        whole = np.full(len(rows), None if values.dtype == object else 0, dtype=values.dtype)
        whole[places] = values
        kind = pa.string() if values.dtype == object else None
        table = table.append_column(_free(name, table.column_names), pa.array(whole, kind, mask=blank))
    return table, dict(answers)[PREDICTION][sound]


def _read(table: pa.Table, name: str, fit: fitting.Fit) -> list[str]:
    """The texts of a column as the model read them in training: repaired, where its data was."""
    texts = [text or "" for text in types.as_text(table.column(name)).to_pylist()]
    for step in fit.steps:
        if name in step.columns:
            texts = [clean(text, step) for text in texts]
    return texts


def _free(name: str, taken: list[str]) -> str:
    """A name that no column has: prediction, prediction_2, …"""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free
