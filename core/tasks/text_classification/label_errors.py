"""Labels that are probably wrong: confident learning (Northcutt et al., 2021), by cleanlab.

Only of use on examples that the model was not trained on: it knows the labels of the others by heart. And only by a
model that errs less often than people do: where 5 % of the labels are wrong, of what a calibrated model doubts one in
ten is wrong at an accuracy of 0.5, one in five at 0.7, one in three at 0.8, two in three at 0.9 (simulated, 2 to 50
classes; where one class is most of the examples, accuracy above that class counts instead).
"""

from __future__ import annotations

import numpy as np

from core.tasks.text_classification.predictions import Predictions
from core.tasks.text_classification.results import LabelErrors, Suspect

LEAST = 20  # examples
KEPT = 300
LEAST_ACCURACY = 0.8
LEAST_SKILL = 0.5  # of the way from always naming the most common class to no error


def suspected(answers: Predictions, fresh: np.ndarray) -> LabelErrors:
    """The labels that are most probably wrong, the worst first. fresh: bool (examples,), text not in training"""
    places = np.flatnonzero(fresh)
    labels = answers.labels[places]
    present = np.unique(labels)
    if len(places) < LEAST or len(present) < 2:
        return LabelErrors(count=0, of=len(places), rows=[], held_back="")
    accuracy = float((answers.predicted[places] == labels).mean())
    if reason := too_weak(accuracy, float(np.bincount(labels).max() / len(labels))):
        return LabelErrors(count=0, of=len(places), rows=[], held_back=reason)
    from cleanlab.filter import find_label_issues

    shares = answers.probabilities[places][:, present].astype(np.float64)
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-12)
    numbers = np.searchsorted(present, labels)
    order = find_label_issues(numbers, shares, return_indices_ranked_by="self_confidence", n_jobs=1)
    rows = [
        Suspect(
            row=int(answers.rows[places[i]]),
            text_id=str(answers.text_ids[places[i]]),
            label=int(labels[i]),
            suggested=int(present[shares[i].argmax()]),
            quality=float(shares[i, numbers[i]]),
            confidence=float(shares[i].max()),
        )
        for i in order[:KEPT].tolist()
    ]
    return LabelErrors(count=len(order), of=len(places), rows=rows, held_back="")


def too_weak(accuracy: float, commonest: float) -> str:
    """Why a model may doubt no label; empty if it may. commonest: the share of the most common class"""
    if accuracy < LEAST_ACCURACY:
        return (
            f"The model is right on {accuracy:.0%} of the examples: most labels that it doubts would be its own "
            f"errors. Labels are doubted from {LEAST_ACCURACY:.0%} on."
        )
    if accuracy - commonest < LEAST_SKILL * (1 - commonest):
        least = commonest + LEAST_SKILL * (1 - commonest)
        return (
            f"The model is right on {accuracy:.0%} of the examples, where always naming the most common class is right "
            f"on {commonest:.0%}: most labels that it doubts would be its own errors. Labels are doubted from "
            f"{least:.0%} on."
        )
    return ""
