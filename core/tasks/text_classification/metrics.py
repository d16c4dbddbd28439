"""Metrics as `evaluate.Metric` classes of our own: offline, in memory, computed with scikit-learn.

`evaluate.load` would fetch each metric's code from the Hub and run it; these ship with us. They are used like any
other: `add_batch(predictions=…, references=…)` for each batch, then `compute()`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import datasets
import evaluate
import numpy as np
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef, precision_score, recall_score

from core.errors import ModelError
from core.tasks.statistics import cross_entropy


class ClassMetric(evaluate.Metric):
    """A score of predicted against true class ids. Subclasses say which.

    `labels` (all class ids) may be given to `compute`: a class of which the examples have none and that is never
    predicted then does not count, instead of counting as zero.
    """

    title = ""
    score: Callable[..., float]

    def __init__(self) -> None:
        super().__init__(keep_in_memory=True, seed=0)

    def _build_data_dir(self) -> str:
        return ""  # nothing is written: the base class would make a folder in the user's cache

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=self.title,
            citation="",
            inputs_description="predictions and references: class ids",
            features=datasets.Features({"predictions": datasets.Value("int64"), "references": datasets.Value("int64")}),
        )

    def _compute(self, *, predictions: Any = None, references: Any = None, **_: Any) -> dict[str, float]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a class that is never predicted scores 0, which is what we say
            return {self.info.module_name: float(type(self).score(references, predictions))}


class Accuracy(ClassMetric):
    title = "Share of examples that are right"
    score = staticmethod(accuracy_score)


class F1Macro(ClassMetric):
    title = "Harmonic mean of precision and recall, each class counting the same"
    score = staticmethod(lambda true, found: f1_score(true, found, average="macro", zero_division=0))


class F1Weighted(ClassMetric):
    title = "Harmonic mean of precision and recall, each class counting as often as it occurs"
    score = staticmethod(lambda true, found: f1_score(true, found, average="weighted", zero_division=0))


class PrecisionMacro(ClassMetric):
    title = "Share of predictions of a class that are right, mean over classes"
    score = staticmethod(lambda true, found: precision_score(true, found, average="macro", zero_division=0))


class RecallMacro(ClassMetric):
    title = "Share of a class's examples that are found, mean over classes"
    score = staticmethod(lambda true, found: recall_score(true, found, average="macro", zero_division=0))


class MatthewsCorrelation(ClassMetric):
    title = "Correlation of predictions and truth: 0 for guessing, 1 for perfect"
    score = staticmethod(matthews_corrcoef)


METRICS: dict[str, type[ClassMetric]] = {
    "accuracy": Accuracy,
    "f1_macro": F1Macro,
    "f1_weighted": F1Weighted,
    "precision_macro": PrecisionMacro,
    "recall_macro": RecallMacro,
    "matthews_correlation": MatthewsCorrelation,
}


def score(names: Sequence[str], predictions: np.ndarray, references: np.ndarray) -> dict[str, float]:
    """The named metrics of predicted against true class ids."""
    return {
        name: next(iter(METRICS[name]().compute(predictions=predictions, references=references).values()))
        for name in names
    }


def compute_metrics(names: Sequence[str]) -> Callable[[Any], dict[str, float]]:
    """The function that a `Trainer` calls with (logits, labels) after an evaluation.

    Its `loss` is the mean over examples; the Trainer's own counts an incomplete last batch as a whole one.
    The function raises ModelError for logits that are no numbers.
    """

    def compute(output: Any) -> dict[str, float]:
        logits, labels = output
        logits = logits[0] if isinstance(logits, tuple) else logits
        check_finite(logits)
        return {"loss": cross_entropy(logits, labels), **score(names, logits.argmax(axis=-1), labels)}

    return compute


def check_finite(logits: np.ndarray) -> None:
    """Raises ModelError if any example's logits are not numbers; their largest would mean nothing."""
    broken = int((~np.isfinite(logits)).any(axis=-1).sum())
    if broken:
        raise ModelError(
            f"the model's answers are no numbers (NaN) for {broken:,} of {len(logits):,} examples: training diverged. "
            "Divide the learning rate by ten, or choose fp32 as precision, and train again"
        )
