"""All numbers of the Evaluate page, drawn from predictions: computed once in a worker, read by the page.

Pure functions of arrays; every figure equals scikit-learn's on the same predictions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from core.tasks import statistics
from core.tasks.text_classification.metrics import score
from core.tasks.text_classification.predictions import Predictions, softmax

CURVE_POINTS = 250
MOST_CURVES = 30  # classes, those with the most examples
THRESHOLDS = np.linspace(0, 1, 201)
CONFIDENCE_BINS = 20
MISTAKES_KEPT = 300


def headline(names: Sequence[str], found: Predictions) -> dict[str, Any]:
    """Metrics with their intervals, each class's numbers, and the confusion [true][predicted] of counts."""
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    classes = len(found.names)
    ids = np.arange(classes)
    each = precision_recall_fscore_support(found.labels, found.predicted, labels=ids, zero_division=0)
    return {
        "metrics": {
            "loss": statistics.cross_entropy(found.logits, found.labels),
            **score(names, found.predicted, found.labels),
        },
        "intervals": statistics.intervals(names, found.labels, found.predicted, classes),
        "per_class": [
            {"label": name, "precision": float(p), "recall": float(r), "f1": float(f), "support": int(n)}
            for name, p, r, f, n in zip(found.names, *each, strict=True)
        ],
        "confusion": confusion_matrix(found.labels, found.predicted, labels=ids).tolist(),
    }


def curves(found: Predictions) -> list[dict[str, Any]]:
    """For each class against the rest: ROC, precision and recall, and how many are found at each threshold.

    A class that none or all of the examples have has no curves: area and average precision are None there.
    """
    counts = np.bincount(found.labels, minlength=len(found.names))
    chosen = sorted(np.argsort(-counts, kind="stable")[:MOST_CURVES].tolist())
    return [_curves(found, k) for k in chosen]


def _curves(found: Predictions, k: int) -> dict[str, Any]:
    from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_curve

    truth, shares = found.labels == k, found.probabilities[:, k]
    made: dict[str, Any] = {"label": k, "positives": int(truth.sum()), "auc": None, "average_precision": None}
    if 0 < truth.sum() < len(truth):
        false_rate, true_rate, _ = roc_curve(truth, shares)
        precision, recall, _ = precision_recall_curve(truth, shares, drop_intermediate=True)
        roc, pr = _thinned(false_rate, true_rate), _thinned(recall[::-1], precision[::-1])
        made |= {
            "auc": float(auc(false_rate, true_rate)),
            "average_precision": float(average_precision_score(truth, shares)),
            "roc": [false_rate[roc].tolist(), true_rate[roc].tolist()],
            "pr": [recall[::-1][pr].tolist(), precision[::-1][pr].tolist()],
        }
    return made | at_thresholds(truth, shares)


def at_thresholds(truth: np.ndarray, shares: np.ndarray) -> dict[str, list[int]]:
    """How many of a class (`found`) and of the rest (`alarms`) have at least each of THRESHOLDS as probability."""
    edges = THRESHOLDS.astype(shares.dtype)
    of_class, of_rest = np.sort(shares[truth]), np.sort(shares[~truth])
    return {
        "found": (len(of_class) - np.searchsorted(of_class, edges, side="left")).tolist(),
        "alarms": (len(of_rest) - np.searchsorted(of_rest, edges, side="left")).tolist(),
    }


def best_threshold(curve: dict[str, Any]) -> float | None:
    """The threshold with the highest F1 of a class; None if it has no examples. Of equal ones the middle."""
    found, alarms = np.array(curve["found"]), np.array(curve["alarms"])
    if not curve["positives"]:
        return None
    f1 = 2 * found / np.maximum(1, curve["positives"] + found + alarms)
    best = np.flatnonzero(f1 == f1.max())
    return float(THRESHOLDS[best[len(best) // 2]])


def _thinned(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Places of a curve's points, few enough to draw: evenly along its way, and both ends."""
    if len(x) <= CURVE_POINTS:
        return np.arange(len(x))
    way = np.concatenate([[0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    places = np.searchsorted(way, np.linspace(0, way[-1], CURVE_POINTS))
    return np.unique(np.concatenate([[0], np.clip(places, 0, len(x) - 1), [len(x) - 1]]))


def calibration(found: Predictions, tuned: float | None = None) -> dict[str, Any]:
    """How far confidence can be believed, and what a temperature would make of it.

    tuned: a temperature from other examples; without it each half of the examples is judged with the temperature of
    the other, and `temperature` is that of all.
    """
    bins = statistics.reliability(found.confidence, found.right)
    if tuned is None:
        temperature, after = (
            statistics.fit_temperature(found.logits, found.labels),
            statistics.cross_fitted(found.logits, found.labels),
        )
    else:
        temperature, after = tuned, found.logits / tuned
    confidence = softmax(after)[np.arange(len(found)), found.predicted]
    calibrated = statistics.reliability(confidence, found.right)
    return {
        "bins": bins, "ece": statistics.expected_calibration_error(bins),
        "temperature": temperature, "temperature_from": "here" if tuned is None else "validation",
        "after": {
            "bins": calibrated, "ece": statistics.expected_calibration_error(calibrated),
            "loss": statistics.cross_entropy(after, found.labels),
        },
    }  # fmt: skip


def confidence(found: Predictions) -> dict[str, list[float]]:
    """How many right and wrong answers there are by confidence, in bins of equal width."""
    edges = np.linspace(0, 1, CONFIDENCE_BINS + 1)
    return {
        "edges": edges.tolist(),
        "right": np.histogram(found.confidence[found.right], edges)[0].tolist(),
        "wrong": np.histogram(found.confidence[~found.right], edges)[0].tolist(),
    }


def mistakes(found: Predictions) -> list[dict[str, Any]]:
    """The wrong answers that the model is surest of."""
    wrong = np.flatnonzero(~found.right)
    order = wrong[np.argsort(-found.confidence[wrong], kind="stable")][:MISTAKES_KEPT]
    return [
        {
            "row": int(found.rows[i]), "label": int(found.labels[i]), "prediction": int(found.predicted[i]),
            "confidence": float(found.confidence[i]),
        }
        for i in order
    ]  # fmt: skip


def overlap(found: Predictions, seen: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    """Examples whose text was in training, and the metrics without them. seen: bool (examples,)"""
    fresh = found.take(np.flatnonzero(~seen))
    return {
        "count": int(seen.sum()), "of": len(found), "rows": found.rows[seen][:MISTAKES_KEPT].tolist(),
        "metrics_without": score(names, fresh.predicted, fresh.labels) if seen.any() and len(fresh) else {},
        "accuracy_of_seen": float(found.right[seen].mean()) if seen.any() else None,
    }  # fmt: skip
