"""One metric of which less is better, the main one, and one of which more is better."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from core.errors import ModelError
from core.tasks import Metric

if TYPE_CHECKING:
    from core.tasks.running_metrics import RunningMetrics

METRICS = {
    "mae": Metric(
        "Mean absolute error", "How far an answer is off, on average.", "sklearn.metrics.mean_absolute_error",
        hub="mae", larger_is_better=False,
    ),
    "r2": Metric("R²", "The share of the variance that is explained.", "sklearn.metrics.r2_score", proper_name=True),
}  # fmt: skip
MAIN = "mae"


def predictions(logits: np.ndarray) -> np.ndarray:
    return logits[:, 0].astype(np.float64)


def loss(logits: np.ndarray, labels: np.ndarray) -> float:
    return float(np.mean((predictions(logits) - labels) ** 2))


def check_finite(logits: np.ndarray) -> None:
    if not np.isfinite(logits).all():
        raise ModelError("the answers are no numbers")


def compute(names: Sequence[str], logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    check_finite(logits)
    return {"loss": loss(logits, labels), **{name: METRICS[name](labels, predictions(logits)) for name in names}}


def running(names: Sequence[str]) -> RunningMetrics:
    from core.tasks.running_metrics import RunningMetrics

    return RunningMetrics({name: METRICS[name] for name in names}, loss, predictions, check_finite, "float64")
