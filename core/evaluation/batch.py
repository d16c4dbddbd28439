"""A file with predictions: every row as it was, and beside it the class, its probability, and that of each class.

Goes through the file part by part; memory holds one part, whatever the size.
"""

from __future__ import annotations

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
from core.evaluation import columns
from core.evaluation.classifier import Classifier, find_subject
from core.evaluation.specs import PredictSpec
from core.files import replace_file
from core.settings import Settings
from core.tasks.text_classification.predictions import softmax

if TYPE_CHECKING:
    from core.runs.writer import RunWriter
    from core.store.record import Run

PART = 8192
NAMES = {"csv": "predictions.csv", "parquet": "predictions.parquet"}
PREDICTION, CONFIDENCE, PROBABILITY, SPLIT = "prediction", "confidence", "p_", "split"


def predict(spec: PredictSpec, run: Run, settings: Settings, report: RunWriter) -> dict[str, Any]:
    """Writes predictions.csv or predictions.parquet into the run's folder.

    The texts are those of the columns that the model was trained on, repaired as in training; the rows in the file stay
    as they were. A row without text gets no prediction. Raises DataError, HubError, ModelError, PathError, RunNotFound.
    """
    report.phase("Loading the data")
    prepared = prepare(spec.data, settings, report.fraction)
    folder, max_length, title = find_subject(spec.model, settings, report.fraction)
    training = columns.training_for(spec.model, folder, title, report.store, settings)
    fit = columns.fit(spec.data, prepared, training, labelled=False)
    notes = (*prepared.notes, *fit.notes)
    for note in notes:
        report.message(note.text, note.level, note.id, **note.arguments)
    splits = splits_of(prepared, spec.split, fit.texts)
    report.phase("Loading the model")
    model = Classifier(folder, max_length, title)
    path = settings.run_dir(run.id) / NAMES[spec.form]
    total = sum(prepared.splits[name].rows for name in splits)
    totals = {"rows": 0, "empty": 0}
    counts = np.zeros(len(model.names), dtype=np.int64)
    report.phase("Predicting")

    def answered() -> Iterator[pa.Table]:
        for split in splits:
            for table in export.tables(prepared, split, PART):

                def tick(text: str, share: float | None, done: int = totals["rows"], rows: int = len(table)) -> None:
                    report.fraction(text, (done + (share or 0) * rows) / max(1, total))

                answers, predicted = _answered(table, fit, model, split if len(splits) > 1 else None, tick)
                totals["rows"] += len(table)
                totals["empty"] += int((predicted < 0).sum())
                counts[:] += np.bincount(predicted[predicted >= 0], minlength=len(counts))
                yield answers

    with replace_file(path) as partial:
        export.write(answered(), spec.form, partial)
    named = dict(zip(model.names, counts.tolist(), strict=True))
    return totals | {
        "counts": named, "file": path.name, "title": model.title, "dataset": prepared.title,
        "text_columns": list(fit.texts),
    }  # fmt: skip


def splits_of(prepared: Prepared, wanted: str, texts: tuple[str, ...]) -> list[str]:
    """The splits to predict. Raises DataError for one that is not there, or lacks a column."""
    if wanted and wanted not in prepared.splits:
        raise DataError(f"there is no split {wanted!r}; the splits are {', '.join(prepared.splits)}", "split")
    names = [wanted] if wanted else [name for name, part in prepared.splits.items() if part.rows]
    for name in names:
        with parquet.open_file(prepared.splits[name].path) as file:
            if missing := [text for text in texts if text not in file.schema_arrow.names]:
                raise DataError(f"the split {name!r} has no column {missing[0]!r}; choose one split", "split")
    return names


def _answered(
    table: pa.Table, fit: columns.Fit, model: Classifier, split: str | None, progress: Any
) -> tuple[pa.Table, np.ndarray]:
    """The rows with what the model says; class ids, -1 for a row without text or without a number for an answer."""
    texts = [_read(table, name, fit) for name in fit.texts]
    rows = list(zip(*texts, strict=True))
    places = np.flatnonzero([all(text.strip() for text in row) for row in rows])
    predicted = np.full(len(rows), -1, dtype=np.int64)
    shares = np.full((len(rows), len(model.names)), np.nan, dtype=np.float32)
    if len(places):
        logits = model.logits([rows[i] for i in places], progress) / model.temperature
        shares[places] = softmax(logits)
        sound = places[np.isfinite(shares[places]).all(axis=1)]
        predicted[sound] = shares[sound].argmax(axis=1)
    classes = pa.array([model.names[i] if i >= 0 else None for i in predicted.tolist()], pa.string())
    blank = predicted < 0
    added: list[tuple[str, Any]] = [(SPLIT, pa.array([split] * len(rows), pa.string()))] if split else []
    added += [(PREDICTION, classes), (CONFIDENCE, pa.array(np.nanmax(np.nan_to_num(shares), axis=1), mask=blank))]
    added += [(f"{PROBABILITY}{name}", pa.array(shares[:, i], mask=blank)) for i, name in enumerate(model.names)]
    for name, values in added:
        table = table.append_column(_free(name, table.column_names), values)
    return table, predicted


def _read(table: pa.Table, name: str, fit: columns.Fit) -> list[str]:
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
