"""Labels that are probably wrong: confident learning (Northcutt et al., 2021), by cleanlab.

Only of use on examples that the model was not trained on: it knows the labels of the others by heart. And only by a
model that errs less often than people do: where 5 % of the labels are wrong, of what a calibrated model doubts one in
ten is wrong at an accuracy of 0.5, one in five at 0.7, one in three at 0.8, two in three at 0.9 (simulated, 2 to 50
classes; where one class is most of the examples, accuracy above that class counts instead).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from core.tasks.text_classification.predictions import Predictions

LEAST = 20  # examples
KEPT = 300
LEAST_ACCURACY = 0.8
LEAST_SKILL = 0.5  # of the way from always naming the commonest class to no error


def suspected(found: Predictions, fresh: np.ndarray) -> dict[str, Any]:
    """The labels that are most probably wrong, the worst first.

    fresh: bool (examples,), those whose text was not in training. Returns `count`, `of`, `rows` with row, label,
    suggested, and quality, the model's probability of the given label, and `held_back`, a sentence where the model is
    too weak to doubt a label, else empty.
    """
    places = np.flatnonzero(fresh)
    labels = found.labels[places]
    present = np.unique(labels)
    none = {"count": 0, "of": len(places), "rows": [], "held_back": ""}
    if len(places) < LEAST or len(present) < 2:
        return none
    accuracy = float((found.predicted[places] == labels).mean())
    if reason := too_weak(accuracy, float(np.bincount(labels).max() / len(labels))):
        return none | {"held_back": reason}
    from cleanlab.filter import find_label_issues

    shares = found.probabilities[places][:, present].astype(np.float64)
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-12)
    numbers = np.searchsorted(present, labels)
    order = find_label_issues(numbers, shares, return_indices_ranked_by="self_confidence", n_jobs=1)
    rows = [
        {
            "row": int(found.rows[places[i]]), "text_id": str(found.text_ids[places[i]]),
            "label": int(labels[i]), "suggested": int(present[shares[i].argmax()]),
            "quality": float(shares[i, numbers[i]]), "confidence": float(shares[i].max()),
        }
        for i in order[:KEPT].tolist()
    ]  # fmt: skip
    return none | {"count": len(order), "rows": rows}


def too_weak(accuracy: float, commonest: float) -> str:
    """Why a model may doubt no label; empty if it may. commonest: the share of the commonest class"""
    if accuracy < LEAST_ACCURACY:
        return (
            f"The model is right on {accuracy:.0%} of the examples: most labels that it doubts would be its own "
            f"errors. Labels are doubted from {LEAST_ACCURACY:.0%} on."
        )
    if accuracy - commonest < LEAST_SKILL * (1 - commonest):
        least = commonest + LEAST_SKILL * (1 - commonest)
        return (
            f"The model is right on {accuracy:.0%} of the examples, where always naming the commonest class is right "
            f"on {commonest:.0%}: most labels that it doubts would be its own errors. Labels are doubted from "
            f"{least:.0%} on."
        )
    return ""
