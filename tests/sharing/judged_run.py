"""A run that was really trained and judged, on its validation and its test examples: small, made once for all tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

from core.evaluation.results import EVALUATION
from core.evaluation.specs import EvaluateSpec, Subject
from core.settings import Settings
from core.spec.run import build
from core.store.record import Run
from core.store.store import Store
from tests.evaluation.conftest import LABELS, make_texts, worker_of

NAME = "Reviews, judged"


class JudgedRun(NamedTuple):
    """validation, test: the ids of the evaluations"""

    store: Store
    settings: Settings
    run: Run
    validation: str
    test: str


@pytest.fixture(scope="session")
def judged_run(tmp_path_factory: pytest.TempPathFactory) -> JudgedRun:
    folder = tmp_path_factory.mktemp("judged")
    settings = Settings(home=folder / "home")
    settings.home.mkdir()
    store = Store(settings.store_path)
    data = {"source": "file", "path": str(_reviews(folder)), "text_columns": ["text"], "label_column": "label"}
    spec = {
        "data": data,
        "model": {"name": "scratch", "max_length": 48},
        "training": {"num_train_epochs": 2, "per_device_train_batch_size": 32, "learning_rate": 1e-3},
        "execution": {"device": "cpu"},
    }  # fmt: skip
    work = worker_of(store, settings)
    trained, _ = work("train", build(spec).model_dump(mode="json"), NAME)
    subject = Subject(run=trained)
    validation, _ = work("evaluate", EvaluateSpec(model=subject).model_dump(mode="json"), NAME)
    test, _ = work("evaluate", EvaluateSpec(model=subject, split="test").model_dump(mode="json"), NAME)
    path = settings.run_dir(test) / EVALUATION
    evaluation = json.loads(path.read_text(encoding="utf-8"))
    slices = evaluation["slices"]
    slices["worst"] = slices["groups"]  # so few examples prove no group hard; these are to be reported
    path.write_text(json.dumps(evaluation), encoding="utf-8")
    return JudgedRun(store, settings, store.run(trained), validation, test)


def _reviews(folder: Path) -> Path:
    reviews = folder / "reviews"
    reviews.mkdir()
    for seed, (split, count) in enumerate({"train": 120, "validation": 60, "test": 160}.items(), 7):
        texts, labels = make_texts(count, seed)
        frame = pd.DataFrame({"text": texts, "label": [LABELS[i] for i in labels]})
        frame["author"] = ["Jane Roe", "Ann Poe"] * (count // 2)
        frame.to_csv(reviews / f"{split}.csv", index=False)
    return reviews
