"""Our metrics are scikit-learn's, work batch by batch, offline, and leave nothing behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics as sk

from core.engines.trainer import metrics_function
from core.errors import ModelError
from core.spec.evaluation import EvaluationSpec
from core.spec.run import RunSpec, choices
from core.tasks.contract import task_of
from core.tasks.text_classification.metrics import METRICS, compute, running, score
from core.tasks.text_classification.predictions import softmax
from core.tasks.text_classification.statistics import cross_entropy

EXPECTED = {
    "accuracy": sk.accuracy_score,
    "f1_macro": lambda t, p: sk.f1_score(t, p, average="macro"),
    "f1_weighted": lambda t, p: sk.f1_score(t, p, average="weighted"),
    "precision_macro": lambda t, p: sk.precision_score(t, p, average="macro", zero_division=0),
    "recall_macro": lambda t, p: sk.recall_score(t, p, average="macro"),
    "matthews_correlation": sk.matthews_corrcoef,
}


@pytest.fixture
def answers() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, 200)
    return np.where(rng.random(200) < 0.6, truth, rng.integers(0, 4, 200)), truth


def test_the_table_is_what_a_spec_takes() -> None:
    assert EvaluationSpec().metrics == tuple(METRICS) == choices("evaluation.metrics")


@pytest.mark.parametrize("name", METRICS)
def test_equals_scikit_learn(name: str, answers: Any) -> None:
    predicted, truth = answers
    assert score([name], predicted, truth)[name] == pytest.approx(EXPECTED[name](truth, predicted))


def test_batch_by_batch(answers: Any, tmp_path: Path, monkeypatch: Any) -> None:
    predicted, truth = answers
    monkeypatch.chdir(tmp_path)
    logits = np.eye(4, dtype=np.float32)[predicted]
    metrics = running(["matthews_correlation", "f1_macro"])
    for start in range(0, 200, 64):
        metrics.add_batch(logits[start : start + 64], truth[start : start + 64])
    assert metrics.compute() == pytest.approx(compute(["matthews_correlation", "f1_macro"], logits, truth))
    assert not list(tmp_path.rglob("*"))


def test_a_class_never_predicted_is_no_alarm(recwarn: Any) -> None:
    values = score(list(METRICS), np.zeros(6, dtype=int), np.array([0, 0, 0, 1, 1, 2]))
    assert values["accuracy"] == 0.5 and values["matthews_correlation"] == 0
    assert values["precision_macro"] == pytest.approx(0.5 / 3)
    assert not [w for w in recwarn if "sklearn" in str(w.filename)]


def test_compute_metrics_takes_logits_and_their_loss_is_pytorchs() -> None:
    logits = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)) * 20
    labels = torch.arange(50) % 3
    values = metrics_function(task_of(RunSpec()), ("accuracy",))(((logits.numpy(), "more"), labels.numpy()))
    assert values["accuracy"] == pytest.approx(float((logits.argmax(-1) == labels).float().mean()))
    assert values["loss"] == pytest.approx(float(torch.nn.functional.cross_entropy(logits, labels)), rel=1e-5)
    np.testing.assert_allclose(softmax(logits.numpy()), logits.softmax(-1).numpy(), atol=1e-6)
    assert np.isfinite(cross_entropy(np.array([[1e4, -1e4]]), np.array([1])))


def test_answers_that_are_no_numbers_get_a_sentence() -> None:
    logits = np.zeros((5, 3))
    logits[1:3] = np.nan
    with pytest.raises(ModelError, match="2 of 5 examples"):
        compute(("accuracy",), logits, np.zeros(5, dtype=int))
