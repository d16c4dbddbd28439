"""All numbers of the Evaluate page, drawn from predictions: computed once in a worker, read by the page.

Pure functions of arrays; every figure equals scikit-learn's on the same predictions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np

from core.spec.run import RunSpec
from core.store.json_models import Interval, Metrics
from core.tasks.results import Baseline
from core.tasks.text_classification import statistics
from core.tasks.text_classification.metrics import compute, score
from core.tasks.text_classification.predictions import Predictions, softmax
from core.tasks.text_classification.results import (
    THRESHOLD_COUNT,
    Calibrated,
    Calibration,
    ClassAnswer,
    ClassReport,
    Confidence,
    Curve,
    PerClass,
)
from core.tasks.texts import Encoded

CURVE_POINTS = 250
MOST_CURVES = 30  # classes, those with the most examples
THRESHOLDS = np.linspace(0, 1, THRESHOLD_COUNT)
CONFIDENCE_BINS = 20
MISTAKES_KEPT = 300


class Headline(TypedDict):
    """Metrics with their intervals, each class's numbers, and the confusion [true][predicted] of counts."""

    metrics: Metrics
    intervals: dict[str, Interval]
    per_class: list[PerClass]
    confusion: list[list[int]]


def headline(names: Sequence[str], answers: Predictions) -> Headline:
    """The figures that come first. names: of metrics"""
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    classes = len(answers.names)
    ids = np.arange(classes)
    columns = precision_recall_fscore_support(answers.labels, answers.predicted, labels=ids, zero_division=0)
    return {
        "metrics": {
            "loss": statistics.cross_entropy(answers.logits, answers.labels),
            **score(names, answers.predicted, answers.labels),
        },
        "intervals": {**statistics.intervals(names, answers.labels, answers.predicted, classes)},
        "per_class": [
            PerClass(label=name, precision=p, recall=r, f1=f, support=n)
            for name, p, r, f, n in zip(answers.names, *(column.tolist() for column in columns), strict=True)
        ],
        "confusion": confusion_matrix(answers.labels, answers.predicted, labels=ids).tolist(),
    }


def curves(answers: Predictions) -> list[Curve]:
    """For each class against the rest: ROC, precision and recall, and its positives at each threshold.

    A class that none or all of the examples have has no curves: area and average precision are None there.
    """
    counts = np.bincount(answers.labels, minlength=len(answers.names))
    chosen = sorted(np.argsort(-counts, kind="stable")[:MOST_CURVES].tolist())
    return [_curve(answers, k) for k in chosen]


def _curve(answers: Predictions, k: int) -> Curve:
    from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_curve

    truth, shares = answers.labels == k, answers.probabilities[:, k]
    areas: dict[str, Any] = {"auc": None, "average_precision": None}
    if 0 < truth.sum() < len(truth):
        false_rate, true_rate, _ = roc_curve(truth, shares)
        precision, recall, _ = precision_recall_curve(truth, shares, drop_intermediate=True)
        roc, pr = _thinned(false_rate, true_rate), _thinned(recall[::-1], precision[::-1])
        areas = {
            "auc": float(auc(false_rate, true_rate)),
            "average_precision": float(average_precision_score(truth, shares)),
            "roc": (false_rate[roc].tolist(), true_rate[roc].tolist()),
            "pr": (recall[::-1][pr].tolist(), precision[::-1][pr].tolist()),
        }
    hits, alarms = at_thresholds(truth, shares)
    return Curve(label=k, positives=int(truth.sum()), true_positives=hits, false_positives=alarms, **areas)


def at_thresholds(truth: np.ndarray, shares: np.ndarray) -> tuple[list[int], list[int]]:
    """How many of a class, and how many of the rest, have at least each of THRESHOLDS as probability."""
    edges = THRESHOLDS.astype(shares.dtype)
    of_class, of_rest = np.sort(shares[truth]), np.sort(shares[~truth])
    return (
        (len(of_class) - np.searchsorted(of_class, edges, side="left")).tolist(),
        (len(of_rest) - np.searchsorted(of_rest, edges, side="left")).tolist(),
    )


def best_threshold(curve: Curve) -> float | None:
    """The threshold with the highest F1 of a class; None if it has no examples. Of equal ones the middle."""
    if not curve.positives:
        return None
    hits, alarms = np.array(curve.true_positives), np.array(curve.false_positives)
    f1 = 2 * hits / np.maximum(1, curve.positives + hits + alarms)
    best = np.flatnonzero(f1 == f1.max())
    return float(THRESHOLDS[best[len(best) // 2]])


def _thinned(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Places of a curve's points, few enough to draw: evenly along its way, and both ends."""
    if len(x) <= CURVE_POINTS:
        return np.arange(len(x))
    way = np.concatenate([[0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    places = np.searchsorted(way, np.linspace(0, way[-1], CURVE_POINTS))
    return np.unique(np.concatenate([[0], np.clip(places, 0, len(x) - 1), [len(x) - 1]]))


def calibration(answers: Predictions, tuned: float | None = None) -> Calibration:
    """How far confidence can be believed, and what a temperature would make of it.

    tuned: a temperature from other examples; without it each half of the examples is judged with the temperature of
    the other, and `temperature` is that of all.
    """
    bins = statistics.reliability(answers.confidence, answers.right)
    if tuned is None:
        temperature, after = (
            statistics.fit_temperature(answers.logits, answers.labels),
            statistics.cross_fitted(answers.logits, answers.labels),
        )
    else:
        temperature, after = tuned, answers.logits / tuned
    confidence = softmax(after)[np.arange(len(answers)), answers.predicted]
    calibrated = statistics.reliability(confidence, answers.right)
    return Calibration(
        bins=bins,
        ece=statistics.expected_calibration_error(bins),
        temperature=temperature,
        temperature_from="here" if tuned is None else "validation",
        after=Calibrated(
            bins=calibrated,
            ece=statistics.expected_calibration_error(calibrated),
            loss=statistics.cross_entropy(after, answers.labels),
        ),
    )


def confidence(answers: Predictions) -> Confidence:
    """How many right and wrong answers there are by confidence, in bins of equal width."""
    edges = np.linspace(0, 1, CONFIDENCE_BINS + 1)
    return Confidence(
        edges=edges.tolist(),
        right=np.histogram(answers.confidence[answers.right], edges)[0].tolist(),
        wrong=np.histogram(answers.confidence[~answers.right], edges)[0].tolist(),
    )


def mistakes(answers: Predictions) -> list[ClassAnswer]:
    """The wrong answers that the model is surest of."""
    wrong = np.flatnonzero(~answers.right)
    order = wrong[np.argsort(-answers.confidence[wrong], kind="stable")][:MISTAKES_KEPT]
    return [
        ClassAnswer(
            row=int(answers.rows[i]),
            label=int(answers.labels[i]),
            prediction=int(answers.predicted[i]),
            confidence=float(answers.confidence[i]),
        )
        for i in order
    ]


def summarise(spec: RunSpec, encoded: Encoded, labels: np.ndarray, logits: np.ndarray) -> ClassReport:
    """The report of a training run: its metrics, the majority class's for comparison, each class's, the confusion.

    Raises ModelError for logits that are not numbers.
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    names = encoded.label_names
    ids = np.arange(len(names))
    predicted = logits.argmax(axis=-1)
    majority = int(np.bincount(encoded.train["labels"], minlength=len(names)).argmax())
    per_class = precision_recall_fscore_support(labels, predicted, labels=ids, zero_division=0)
    return ClassReport(
        task=spec.task,
        examples=len(labels),
        eval_examples=encoded.eval.num_rows,
        train_examples=encoded.train.num_rows,
        metrics=compute(spec.evaluation.metrics, logits, labels),
        main_metric=spec.evaluation.metric_for_best_model,
        baseline=Baseline(
            label=names[majority], metrics=score(spec.evaluation.metrics, np.full_like(labels, majority), labels)
        ),
        labels=list(names),
        per_class=[
            PerClass(label=name, precision=p, recall=r, f1=f, support=n)
            for name, p, r, f, n in zip(names, *(column.tolist() for column in per_class), strict=True)
        ],
        confusion=confusion_matrix(labels, predicted, labels=ids).tolist(),
        truncated=encoded.truncated,
    )
