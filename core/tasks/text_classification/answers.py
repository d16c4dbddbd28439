"""What a classifier's logits say, for the playground and for a file of another form that is compared with it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.tasks.results import Gap
from core.tasks.text_classification.metrics import score
from core.tasks.text_classification.predictions import softmax


def shares(logits: np.ndarray, temperature: float) -> np.ndarray:
    """The probability of each class, (texts, classes)."""
    return softmax(logits / temperature)


def change(
    names: Sequence[str], before: np.ndarray, after: np.ndarray, labels: np.ndarray
) -> tuple[dict[str, float], dict[str, float], dict[str, Gap]]:
    """The named metrics of two models on the same examples, and the differences, paired.

    before, after: their shares, (examples, classes); labels: class ids
    """
    from core.tasks.text_classification.statistics import paired_difference

    first, second = before.argmax(axis=1), after.argmax(axis=1)
    difference = paired_difference(names, labels, first, second, before.shape[1])
    return score(names, first, labels), score(names, second, labels), difference
