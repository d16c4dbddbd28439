"""A small classifier that has learned something, predictions made by hand, and evaluations run in this process."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.data.loading.text_ids import text_ids
from core.evaluation.results import read_evaluation
from core.models import loading as model_loading
from core.models import scratch
from core.runs import worker
from core.runs.writer import RunWriter
from core.settings import Settings
from core.store.store import Store
from core.tasks.evaluations import Kind
from core.tasks.text_classification.predictions import Predictions
from core.tasks.text_classification.results import THRESHOLD_COUNT, ClassEvaluation

LABELS = ("bad", "middling", "good")
FILLER = [f"word{i}" for i in range(40)]


def make_texts(count: int, seed: int) -> tuple[list[str], list[int]]:
    """Texts of 4 to 30 words, one or two of which are the name of the class."""
    draw = random.Random(seed)
    texts, labels = [], []
    for _ in range(count):
        label = draw.randrange(len(LABELS))
        words = [draw.choice(FILLER) for _ in range(draw.randrange(4, 30))]
        for _ in range(draw.randrange(1, 3)):
            words[draw.randrange(len(words))] = LABELS[label]
        texts.append(" ".join(words))
        labels.append(label)
    return texts, labels


@pytest.fixture(scope="session")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a BERT of two layers that knows the three classes by their names in the text.

    Of texts without any of them, among which is the empty one, it can know nothing.
    """
    import torch
    from transformers import set_seed

    texts, labels = make_texts(900, 0)
    for i in range(0, len(texts), 4):
        texts[i] = " ".join(word for word in texts[i].split() if word not in LABELS)
    tokenizer = scratch.tokenizer(texts, 48)
    set_seed(0)
    names = {"id2label": dict(enumerate(LABELS)), "label2id": {name: i for i, name in enumerate(LABELS)}}
    model = scratch.model(len(tokenizer), 48, tokenizer.pad_token_id, names)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1.5e-3)
    model.train()
    for step in range(180):
        start = step * 15 % len(texts)
        some = slice(start, start + 15)
        batch = tokenizer(texts[some], padding=True, truncation=True, max_length=48, return_tensors="pt")
        torch.nn.functional.cross_entropy(model(**batch).logits, torch.tensor(labels[some])).backward()
        optimizer.step()
        optimizer.zero_grad()
    folder = tmp_path_factory.mktemp("models") / "classifier"
    model_loading.save(model.eval(), tokenizer, folder)
    return folder


@pytest.fixture
def reviews(tmp_path: Path) -> Callable[..., Path]:
    """`reviews(train=200, test=60)`: a folder with a CSV per split, of texts that the classifier understands."""
    return reviews_in(tmp_path)


def reviews_in(place: Path) -> Callable[..., Path]:
    import pandas as pd

    def made(**counts: int) -> Path:
        folder = place / "reviews"
        folder.mkdir(exist_ok=True)
        for seed, (split, count) in enumerate(counts.items(), 7):
            texts, labels = make_texts(count, seed)
            frame = pd.DataFrame(
                {"text": texts, "label": [LABELS[i] for i in labels], "source": ["a", "b"] * (count // 2)}
            )
            frame.to_csv(folder / f"{split}.csv", index=False)
        return folder

    return made


@pytest.fixture
def store(settings: Settings) -> Store:
    return Store(settings.store_path)


@pytest.fixture
def work(store: Store, settings: Settings) -> Callable[..., tuple[str, dict[str, Any]]]:
    """`work(kind, spec)`: a run of this kind, done here and now; its id and its summary."""
    return worker_of(store, settings)


def worker_of(store: Store, settings: Settings) -> Callable[..., tuple[str, dict[str, Any]]]:
    from core.runs import process

    def done(kind: str, spec: dict[str, Any], name: str = "") -> tuple[str, dict[str, Any]]:
        run_id = store.submit(kind, name or kind, spec)
        with store.atomic() as db:
            db.execute("UPDATE runs SET status='starting', token=7, attempt=1 WHERE id=?", (run_id,))
        run = store.begin(run_id, 7, process.identity())
        settings.run_dir(run_id).mkdir(parents=True, exist_ok=True)
        report = RunWriter(store, run, 7)
        try:
            summary = worker.do(run, settings, report).tree()
        finally:
            report.end_thread()
        report.flush()
        store.finish(run_id, 7, "finished", summary=summary)
        return run_id, summary

    return done


def predictions(
    labels: Any, logits: Any, names: tuple[str, ...] | None = None, texts: list[str] | None = None
) -> Predictions:
    """Predictions by hand."""
    labels, logits = np.asarray(labels, dtype=np.int64), np.asarray(logits, dtype=np.float32)
    count, classes = logits.shape
    texts = texts or [f"text {i}" for i in range(count)]
    return Predictions(
        names or tuple(f"c{i}" for i in range(classes)), np.arange(count), text_ids([t] for t in texts), labels, logits
    )


def random_predictions(count: int, classes: int, seed: int = 0, skill: float = 1.5) -> Predictions:
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, classes, count)
    logits = draw.normal(size=(count, classes))
    logits[np.arange(count), labels] += skill
    return predictions(labels, logits)


def an_evaluation(
    kind: Kind = "other", bag_of_words: dict[str, float] | None = None, **changes: Any
) -> ClassEvaluation:
    """Of four examples and two classes, three are right. bag_of_words: the difference to it, where there is one"""
    baselines: dict[str, Any] = {"majority": {"label": 1, "metrics": {"accuracy": 0.5}, "from_training": False}}
    if bag_of_words is not None:
        span = {"metrics": {"accuracy": 0.6}, "intervals": {"accuracy": (0.4, 0.8)}, "seconds": 0.1}
        baselines["bag_of_words"] = span | {"difference": {"accuracy": bag_of_words}}
    each = {"precision": 0.75, "recall": 0.75, "f1": 0.75, "support": 2}
    counts = [2] * 100 + [1] * (THRESHOLD_COUNT - 100)
    bins = [{"from": 0.8, "to": 0.9, "count": 4, "confidence": 0.85, "accuracy": 0.75}]
    tree: dict[str, Any] = {
        "version": 1, "title": "A model", "kind": kind, "notes": [], "split": "test", "held_out": False,
        "dataset": {"title": "reviews", "fingerprint": "f"}, "data": {"source": "sample"}, "final_test": None,
        "text_columns": ["text"], "label_column": "label", "examples": 4, "labels": ["a", "b"],
        "metric_names": ["accuracy"], "main_metric": "accuracy", "metrics": {"loss": 0.4, "accuracy": 0.75},
        "intervals": {"accuracy": [0.6, 0.9]}, "per_class": [{"label": name, **each} for name in ("a", "b")],
        "confusion": [[2, 0], [1, 1]], "tuned": None,
        "curves": [
            {"label": 1, "positives": 2, "auc": None, "average_precision": None, "found": counts, "alarms": counts}
        ],
        "calibration": {"bins": bins, "ece": 0.1, "temperature": 1.0, "temperature_from": "here",
                        "after": {"bins": bins, "ece": 0.1, "loss": 0.4}},
        "confidence": {"edges": [0.0, 1.0], "right": [3], "wrong": [1]},
        "mistakes": [{"row": 2, "label": 1, "prediction": 0, "confidence": 0.85}],
        "slices": {"tried": 0, "groups": [], "worst": []}, "baselines": baselines,
    }  # fmt: skip
    return ClassEvaluation.model_validate(tree | changes)


def read_classes(folder: Path) -> ClassEvaluation | None:
    """An evaluation of a text classifier."""
    evaluation = read_evaluation(folder)
    assert evaluation is None or isinstance(evaluation, ClassEvaluation)
    return evaluation
