"""What was judged: finished evaluations, the models there are, and the dataset behind one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import streamlit as st

from core.data.browsing import browse
from core.data.dataset import Prepared
from core.data.prepare import find_prepared
from core.errors import RunNotFound, SpecError
from core.evaluation.results import read_evaluation
from core.evaluation.specs import EvaluateSpec, Subject, owner_of_data
from core.sharing.bundles import examples_file
from core.spec.data import DataSpec
from core.spec.run import build
from core.store import files as results
from core.store.record import Run
from core.tasks.evaluations import Comparison, Evaluation
from ui.session import resources

LOOKED_AT = 500


@dataclass(frozen=True)
class Judged:
    """A finished evaluation. subject: the model; trained: its run, if one made it"""

    run: Run
    folder: Path
    evaluation: Evaluation
    subject: Subject
    trained: Run | None

    @property
    def task(self) -> str:
        return self.evaluation.task

    @property
    def predictions(self) -> Path:
        return self.folder / "predictions.parquet"

    @property
    def can_ask(self) -> bool:
        """Whether the model is here to be asked again: not if the evaluation came in a bundle."""
        return self.run.imported is None


def open_judged(run: Run) -> Judged | None:
    """None if it left nothing that can be read."""
    folder = resources.settings().run_dir(run.id)
    evaluation = _read(str(folder), run.ended)
    if evaluation is None:
        return None
    subject = build(run.spec, EvaluateSpec).model
    trained = None
    if subject.run:
        try:
            trained = resources.store().run(subject.run)
        except RunNotFound:
            pass
    return Judged(run, folder, evaluation, subject, trained)


@st.cache_resource(max_entries=8, show_spinner=False)
def _read(folder: str, ended: float | None) -> Evaluation | None:
    """It is frozen, so all sessions share one."""
    return read_evaluation(Path(folder))


def evaluations() -> list[Run]:
    """All that have finished, newest first; of those of the same model and examples the newest."""
    newest: dict[str, Run] = {}
    for run in resources.store().runs(kind="evaluate", statuses=("finished",), limit=LOOKED_AT):
        newest.setdefault(repr(run.spec), run)
    return list(newest.values())


def trained_models() -> list[Run]:
    """The training runs that left a model, newest first."""
    runs = resources.store().runs(kind="train", statuses=("finished", "stopped"), limit=LOOKED_AT)
    return [run for run in runs if results.model_folder(resources.settings().run_dir(run.id)) is not None]


def imported_runs() -> list[Run]:
    """The training runs that came in a bundle with evaluations, newest first."""
    runs = [run for run in resources.store().runs(kind="train", limit=LOOKED_AT) if run.imported is not None]
    judged = {run.spec["model"]["run"] for run in evaluations() if run.imported is not None} if runs else set()
    return [run for run in runs if run.id in judged]


def subject_of(run: Run) -> Subject:
    """The model that a run left, as it is now."""
    return Subject(run=run.id, attempt=run.attempt)


def dataset_of(judged: Judged) -> Prepared | None:
    """The dataset whose rows were judged; None if it is not here any more, or has changed, or came in a bundle."""
    if judged.run.imported is not None:
        return None
    try:
        owner = owner_of_data(judged.run, resources.store())
        settings = resources.settings().on_behalf_of(owner)  # who sees a run sees the texts it is about
        prepared = find_prepared(build(judged.evaluation.data, DataSpec), settings)
    except (SpecError, RunNotFound):
        return None
    same = prepared is not None and prepared.fingerprint == judged.evaluation.dataset.fingerprint
    return prepared if same else None


def texts_of(judged: Judged, rows: list[int]) -> pd.DataFrame | None:
    """The texts of some judged rows, in their order: from the dataset, or from what came along in a bundle.

    None if neither is there. Raises DataError.
    """
    prepared = dataset_of(judged)
    if prepared is not None:
        return browse.rows(prepared, judged.evaluation.split, rows)
    return examples_file.read(judged.folder / examples_file.NAME, rows, judged.evaluation.text_columns)


def texts_compared(comparison: Comparison, rows: list[int]) -> pd.DataFrame | None:
    """The texts of some examples of a comparison: those of the first model's evaluation. Raises DataError."""
    try:
        first = open_judged(resources.store().run(comparison.models[0].evaluation))
    except RunNotFound:
        first = None
    return texts_of(first, rows) if first is not None else None


def insert_texts(frame: pd.DataFrame, texts: pd.DataFrame, columns: Sequence[str], at: int = 0) -> list[str]:
    """Put texts into a table of examples, from column `at` on; returns what they are called there.

    columns: of `texts`; one with the name of another column of the table is told from it: "True (text)"
    """
    titles = []
    for place, name in enumerate(columns, at):
        title = name
        while title in frame:
            title += " (text)"
        frame.insert(place, title, texts[name].to_numpy())
        titles.append(title)
    return titles


def whole_texts(judged: Judged, row: int) -> list[str]:
    """All of one example's texts; a pair has two. Raises DataError."""
    prepared, columns = dataset_of(judged), judged.evaluation.text_columns
    if prepared is not None:
        values = browse.row(prepared, judged.evaluation.split, row)
        return [str(values.get(name) or "") for name in columns]
    texts = examples_file.read(judged.folder / examples_file.NAME, [row], columns)
    return [] if texts is None else [str(text) for text in texts.iloc[0]]
