"""What was judged: finished evaluations, the models there are, and the dataset behind one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from core import results
from core.data.prepared import Prepared, find_prepared
from core.errors import RunNotFound, SpecError
from core.evaluation.specs import EvaluateSpec, Subject, owner_of_data
from core.spec import DataSpec, build
from core.store import Run
from ui import resources

LOOKED_AT = 500


@dataclass(frozen=True)
class Judged:
    """A finished evaluation. found: its evaluation.json; subject: the model; trained: its run, if one made it"""

    run: Run
    folder: Path
    found: dict[str, Any]
    subject: Subject
    trained: Run | None

    @property
    def labels(self) -> list[str]:
        return list(self.found["labels"])

    @property
    def predictions(self) -> Path:
        return self.folder / "predictions.parquet"

    @property
    def accuracy(self) -> float:
        """The share of all examples that is right, whatever the main metric is."""
        return sum(row[i] for i, row in enumerate(self.found["confusion"])) / self.found["examples"]


def open_judged(run: Run) -> Judged | None:
    """None if it left nothing that can be read."""
    folder = resources.settings().run_dir(run.id)
    found = _read(str(folder), run.ended)
    if found is None:
        return None
    subject = build(run.spec, EvaluateSpec).model
    trained = None
    if subject.run:
        try:
            trained = resources.store().run(subject.run)
        except RunNotFound:
            pass
    return Judged(run, folder, found, subject, trained)


@st.cache_data(max_entries=8, show_spinner=False)
def _read(folder: str, ended: float | None) -> dict[str, Any] | None:
    return results.read_evaluation(Path(folder))


def evaluations() -> list[Run]:
    """All that have finished, newest first; of those of the same model and examples the newest."""
    found: dict[str, Run] = {}
    for run in resources.store().runs(kind="evaluate", statuses=("finished",), limit=LOOKED_AT):
        found.setdefault(repr(run.spec), run)
    return list(found.values())


def trained_models() -> list[Run]:
    """The training runs that left a model, newest first."""
    runs = resources.store().runs(kind="train", statuses=("finished", "stopped"), limit=LOOKED_AT)
    return [run for run in runs if results.model_folder(resources.settings().run_dir(run.id)) is not None]


def subject_of(run: Run) -> Subject:
    """The model that a run left, as it is now."""
    return Subject(run=run.id, attempt=run.attempt)


def dataset_of(judged: Judged) -> Prepared | None:
    """The dataset whose rows were judged; None if it is not here any more, or has changed."""
    try:
        owner = owner_of_data(judged.run, resources.store())
        settings = resources.settings().on_behalf_of(owner)  # who sees a run sees the texts it is about
        prepared = find_prepared(build(judged.found["data"], DataSpec), settings)
    except (SpecError, RunNotFound):
        return None
    same = prepared is not None and prepared.fingerprint == judged.found["dataset"]["fingerprint"]
    return prepared if same else None
