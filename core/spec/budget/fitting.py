"""Fewer epochs, then shorter texts, so that a run fits the minutes that it is given."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from core.messages import Message
from core.spec.budget.pace import Pace
from core.spec.training import TrainingSpec

FEWEST_UPDATES = 200  # from which on training is worth its time, where an epoch has as many
TOO_SHORT = "auto-budget-too-few"  # the id of the reason where a budget cannot be kept
WITHIN_BUDGET = ("auto-length-budget", "auto-epochs-budget")  # those where it is


def epochs_within(
    training: TrainingSpec, pace: Pace, rows: int, per_epoch: int, usual: int
) -> tuple[float, Message] | None:
    """Fewer epochs than usual, as the budget asks for it; None if it does not. per_epoch: updates"""
    minutes, evaluations = training.budget_minutes, evaluations_of(training, per_epoch)
    if minutes is None or (epochs := pace.epochs_within(60 * minutes, rows, per_epoch, evaluations)) >= usual:
        return None
    least = _least_epochs(per_epoch)
    if epochs < least:
        return least, Message.of(
            "auto-budget-too-few",
            "{minutes:minute is|minutes are} too few for this model and these texts; about {needed:g} are needed for "
            "the least worth its time: {epochs:epoch|epochs} with {updates:,} updates, which the run does.",
            epochs=least,
            updates=math.ceil(least * per_epoch),
            minutes=minutes,
            needed=_two_digits(pace.seconds(least, rows, per_epoch, evaluations) / 60),
        )
    return epochs, Message.of(
        "auto-epochs-budget",
        "{epochs:epoch|epochs} with {updates:,} updates, not {usual}: more take longer than {minutes:minute|minutes}.",
        epochs=epochs,
        updates=math.ceil(epochs * per_epoch),
        usual=usual,
        minutes=minutes,
    )


def longest_within(
    training: TrainingSpec,
    lengths: Sequence[int],
    pace_of: Callable[[int], Pace],
    rows: int,
    per_epoch: int,
    epochs: float | None,
) -> int:
    """The greatest of some lengths, ascending, with which the least training fits the budget; the first if none does.

    epochs: if their number is set
    """
    evaluations, least = evaluations_of(training, per_epoch), _least_epochs(per_epoch) if epochs is None else epochs
    for length in reversed(lengths):
        if pace_of(length).seconds(least, rows, per_epoch, evaluations) <= 60 * (training.budget_minutes or math.inf):
            return length
    return lengths[0]


def _least_epochs(per_epoch: int) -> float:
    return 1.0 if per_epoch <= FEWEST_UPDATES else _two_digits(FEWEST_UPDATES / per_epoch)


def _two_digits(number: float) -> float:
    return float(f"{number:.2g}")


def evaluations_of(training: TrainingSpec, per_epoch: int) -> float:
    """The evaluations of an epoch. per_epoch: its updates"""
    match training.eval_strategy:
        case "epoch":
            return 1.0
        case "steps":
            return per_epoch / training.eval_steps
    return 0.0
