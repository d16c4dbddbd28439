"""How sure a metric is, for any task: intervals and paired differences by drawing examples anew, and a test of scores.

A bootstrap (Efron and Tibshirani, 1993) that calls the metrics of a task's table. A task whose metrics follow from
counts may have a faster way to the same intervals.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping

import numpy as np

from core.tasks import Metric
from core.tasks.results import Gap, McNemar

DRAWS = 1000
LEVEL = 0.95
Z = 1.959963984540054  # of that level
MOST_NEEDED = 10_000_000  # examples


def intervals(
    metrics: Mapping[str, Metric], labels: np.ndarray, predictions: np.ndarray
) -> dict[str, tuple[float, float]]:
    """The 95 % interval (percentiles) of each metric. labels, predictions: what its function takes, (examples, ...)"""
    if not metrics:
        return {}  # no draw is free: a thousand of a million examples take a minute
    drawn = _drawn(len(labels), lambda some: _values(metrics, labels[some], predictions[some]))
    return {name: percentiles(drawn[:, i]) for i, name in enumerate(metrics)}


def differences(
    metrics: Mapping[str, Metric], labels: np.ndarray, first: np.ndarray, second: np.ndarray
) -> dict[str, Gap]:
    """Second minus first on the same examples, with its interval by a paired bootstrap; see `gap` for p."""
    if not metrics:
        return {}
    drawn = _drawn(
        len(labels),
        lambda some: _values(metrics, labels[some], second[some]) - _values(metrics, labels[some], first[some]),
    )
    whole = _values(metrics, labels, second) - _values(metrics, labels, first)
    return {name: gap(float(whole[i]), drawn[:, i]) for i, name in enumerate(metrics)}


def gap(value: float, drawn: np.ndarray) -> Gap:
    """A difference with its interval, from the differences of many draws.

    p is twice the smaller share of draws on either side of zero: at least 1 / draws, as a draw more would have it.
    """
    low, high = percentiles(drawn)
    tail = min((drawn <= 0).sum(), (drawn >= 0).sum())
    return Gap(value=value, low=low, high=high, p=float(min(1.0, 2 * (tail + 1) / (len(drawn) + 1))))


def percentiles(values: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def mcnemar(first: np.ndarray, second: np.ndarray) -> McNemar:
    """The exact test of paired scores, larger better: gains and losses of the second against the first, p two-sided.

    Of answers that are right or wrong this is McNemar's test; of other scores it is the sign test.
    """
    from scipy.stats import binomtest

    gains, losses = int((second > first).sum()), int((first > second).sum())
    p = binomtest(gains, gains + losses, 0.5).pvalue if gains + losses else 1.0
    return McNemar(gains=gains, losses=losses, p=float(p))


def share_difference(gains: float, losses: float, count: float) -> Gap:
    """The second share of right answers minus the first, on the same `count` examples, with its 95 % interval.

    gains, losses: examples that only the second, or only the first, answers rightly. The interval is Tango's score
    interval (Statistics in Medicine 17, 1998): unlike a bootstrap it is honest where few examples differ, or none.
    """
    value = (gains - losses) / count
    low, high = (_score_limit(gains, losses, count, value, end) for end in (-1.0, 1.0))
    return Gap(value=value, low=low, high=high)


def _score_limit(gains: float, losses: float, count: float, value: float, end: float) -> float:
    """The difference towards `end` (-1 or 1) that the score test just does not reject, by bisection."""
    inside, outside = value, end
    for _ in range(60):
        middle = (inside + outside) / 2
        if abs(_score(gains, losses, count, middle)) <= Z:
            inside = middle
        else:
            outside = middle
    return inside


def _score(gains: float, losses: float, count: float, difference: float) -> float:
    b = (2 * count - gains + losses) * difference - gains - losses
    c = -losses * difference * (1 - difference)
    share = (math.sqrt(max(0.0, b * b - 8 * count * c)) - b) / (4 * count)
    variance = count * (2 * share + difference * (1 - difference))
    apart = gains - losses - count * difference
    if variance <= 0:
        return 0.0 if abs(apart) < 1e-12 else math.copysign(math.inf, apart)
    return apart / math.sqrt(variance)


def examples_needed(gains: int, losses: int, count: int, limit: float) -> int | None:
    """How many examples that differ as these do would prove a loss of at most `limit`; None where none would."""
    if (losses - gains) / count >= limit:
        return None
    low, high = 1, MOST_NEEDED
    if not _proves(gains, losses, count, limit, high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _proves(gains, losses, count, limit, middle) else (middle + 1, high)
    return low


def _proves(gains: int, losses: int, count: int, limit: float, examples: int) -> bool:
    scale = examples / count
    return -share_difference(gains * scale, losses * scale, examples).low <= limit


def _values(metrics: Mapping[str, Metric], labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a draw that a metric cannot tell much of
        return np.array([metric(labels, predictions) for metric in metrics.values()], dtype=np.float64)


def _drawn(count: int, of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """What `of` says of each draw of examples with replacement: (draws, metrics)."""
    rng = np.random.default_rng(0)
    return np.stack([of(rng.integers(0, count, count)) for _ in range(DRAWS)])
