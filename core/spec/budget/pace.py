"""How long a training takes, by its parts, and how much training fits a time."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """Seconds of a training run's parts.

    once: all that happens once, before and after the training; evaluation: of one evaluation and its checkpoint
    example: of learning from one example; update: of one update of the weights, besides
    """

    once: float
    evaluation: float
    example: float
    update: float

    def seconds(self, epochs: float, rows: int, updates: int, evaluations: float) -> float:
        """Of a whole run. rows, updates, evaluations: of an epoch; a begun epoch ends with an evaluation, too."""
        training = rows * self.example + updates * self.update
        return self.once + epochs * training + max(1.0, math.ceil(epochs) * evaluations) * self.evaluation

    def epochs_within(self, seconds: float, rows: int, updates: int, evaluations: float) -> float:
        """The most epochs that fit: whole ones from 2 on, else to two digits; 0 if none do."""
        training = rows * self.example + updates * self.update
        if training <= 0:
            return math.inf
        whole = math.floor((seconds - self.once) / (training + evaluations * self.evaluation))
        if whole >= 2:
            return float(whole)
        for begun in (2, 1):
            left = seconds - self.once - max(1.0, begun * evaluations) * self.evaluation
            epochs = _rounded_down(left / training)
            if epochs > begun - 1:
                return min(epochs, float(begun))
        return 0.0


def _rounded_down(number: float) -> float:
    if number <= 0:
        return 0.0
    scale = 10.0 ** (1 - math.floor(math.log10(number)))
    return math.floor(number * scale) / scale
