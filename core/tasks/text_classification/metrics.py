"""The metrics of text classification: each once, with its words, its function and its name on the Hub.

Light until something is computed, because forms, specs and figures read the table.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.errors import ModelError
from core.tasks import Metric

if TYPE_CHECKING:
    import numpy as np

    from core.tasks.running_metrics import RunningMetrics

METRICS: dict[str, Metric] = {
    "accuracy": Metric(
        "Accuracy", "The share of examples that are right.", "sklearn.metrics.accuracy_score", hub="accuracy"
    ),
    "f1_macro": Metric(
        "F1 (macro)",
        "Balance of precision and recall, averaged over the classes; each class counts the same.",
        "sklearn.metrics.f1_score", {"average": "macro", "zero_division": 0},
        hub="f1", hub_arguments={"average": "macro"}, proper_name=True, gains_from_class_weights=True,
    ),
    "f1_weighted": Metric(
        "F1 (weighted)",
        "Balance of precision and recall, averaged over the classes; a class counts as often as it occurs.",
        "sklearn.metrics.f1_score", {"average": "weighted", "zero_division": 0},
        hub="f1", hub_arguments={"average": "weighted"}, proper_name=True,
    ),
    "precision_macro": Metric(
        "Precision (macro)",
        "The share of a class's predictions that are right, averaged over the classes.",
        "sklearn.metrics.precision_score", {"average": "macro", "zero_division": 0},
        hub="precision", hub_arguments={"average": "macro"},
    ),
    "recall_macro": Metric(
        "Recall (macro)",
        "The share of a class's examples that are predicted as it, averaged over the classes.",
        "sklearn.metrics.recall_score", {"average": "macro", "zero_division": 0},
        hub="recall", hub_arguments={"average": "macro"}, gains_from_class_weights=True,
    ),
    "matthews_correlation": Metric(
        "Matthews correlation",
        "Agreement of prediction and truth: 1 is perfect, 0 is no better than chance.",
        "sklearn.metrics.matthews_corrcoef", hub="matthews_correlation", proper_name=True,
        gains_from_class_weights=True,
    ),
}  # fmt: skip
MAIN = "accuracy"


def score(names: Sequence[str], predictions: np.ndarray, references: np.ndarray) -> dict[str, float]:
    """The named metrics of predicted against true class ids."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class that is never predicted scores 0, which is what we say
        return {name: METRICS[name](references, predictions) for name in names}


def loss(logits: np.ndarray, labels: np.ndarray) -> float:
    """The mean over examples. logits: float (examples, classes); labels: class ids (examples,)"""
    from core.tasks.text_classification.statistics import cross_entropy

    return cross_entropy(logits, labels)


def predictions(logits: np.ndarray) -> np.ndarray:
    """What the metrics take for the answers: class ids (examples,)."""
    classes: np.ndarray = logits.argmax(axis=-1)
    return classes


def compute(names: Sequence[str], logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """`loss` and the named metrics. Raises ModelError for logits that are not numbers."""
    check_finite(logits)
    return {"loss": loss(logits, labels), **score(names, predictions(logits), labels)}


def running(names: Sequence[str]) -> RunningMetrics:
    """The same numbers, batch by batch."""
    from core.tasks.running_metrics import RunningMetrics

    return RunningMetrics({name: METRICS[name] for name in names}, loss, predictions, check_finite, "int64")


def check_finite(logits: np.ndarray) -> None:
    """Raises ModelError if any example's logits are not numbers; their largest would mean nothing."""
    import numpy as np

    broken = int((~np.isfinite(logits)).any(axis=-1).sum())
    if broken:
        raise ModelError.of(
            "answers-not-numbers",
            "the model's answers are no numbers (NaN) for {count:,} of {examples:,} examples: training "
            "diverged. Divide the learning rate by ten, or choose fp32 as precision, and train again",
            count=broken,
            examples=len(logits),
        )
