"""What answers in 8 bits cost a model: measured on labelled examples, kept with the model, shown before they are used.

The loss is that of the score in which an answer is right or wrong, against the exact model on the same examples.
"""

from __future__ import annotations

from typing import Literal

from core.store.json_models import Count, Label, MetricName, Name, Number, Result

LIMIT = 0.005  # half a point: the most that fast answers may lose
Grant = Literal["granted", "unproven", "refused"]


class Loss(Result):
    """How much lower a score is, and its 95 % interval; below 0 where it is higher."""

    value: float
    low: float
    high: float


class Certificate(Result):
    """certificate.json: fast answers against exact ones.

    metric: the score; exact, fast: its values; loss: the first minus the second, paired, over `examples` of `split`
    gains, losses: examples that only the fast, or only the exact, answers get right; same: answers that are the same
    speed: texts per second relative to the exact answers, on `processor`
    longest: the longest text in tokens that was asked for; None for the model's own
    needed: how many such examples would prove a loss within the limit; None where more examples cannot
    weights, data, file: digests of the model's files, of the dataset, of the 8-bit file; seen: of the files' times
    """

    version: Literal[1] = 1
    recipe: Count
    title: Label
    metric: MetricName
    exact: Number
    fast: Number
    loss: Loss
    gains: Count
    losses: Count
    same: Count
    examples: Count
    dataset: Label = ""
    split: Name = ""
    kind: Name = ""
    needed: Count | None = None
    speed: float | None = None
    processor: Label = ""
    bytes: Count = 0
    exact_bytes: Count = 0
    longest: Count | None = None
    weights: Name
    seen: Name = ""
    data: Name = ""
    file: Name = ""

    @property
    def grant(self) -> Grant:
        """granted: the whole interval is within the limit; unproven: the loss is, but the examples are too few to be
        sure, so that a person must agree; refused: the loss itself is above the limit."""
        if self.loss.high <= LIMIT:
            return "granted"
        return "unproven" if self.loss.value <= LIMIT else "refused"
