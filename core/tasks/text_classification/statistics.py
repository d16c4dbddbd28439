"""How sure a number is, and whether two differ: what a page says beside every figure.

The usual metrics of predicted classes depend on the confusion matrix alone. To draw examples with replacement is then
to draw its cells from a multinomial distribution: the same bootstrap (Efron and Tibshirani, 1993), at a cost that does
not grow with the examples. Means over classes are over those that occur in a draw, as scikit-learn has it. Any other
metric of the table is computed of each draw by its own function (`core.tasks.sureness`), which takes longer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from core.tasks import Metric, metric, sureness
from core.tasks.results import Gap
from core.tasks.sureness import gap, percentiles
from core.tasks.text_classification.results import Bin

DRAWS = 2000
NORMAL = 1.96  # standard errors of a 95 % interval
CHUNK = 4_000_000  # cells drawn at a time
# The metrics that `metric_values` knows how to compute of many draws at once.
FROM_COUNTS = ("accuracy", "f1_macro", "f1_weighted", "precision_macro", "recall_macro", "matthews_correlation")

Marginals = tuple[np.ndarray, np.ndarray, np.ndarray]


def metric_values(name: str, right: np.ndarray, support: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """A metric from counts per class, for many draws at once: each argument (draws, classes), the result (draws,).

    right: examples of a class that are predicted as such; support: of the class; predicted: as the class
    """
    right, support, predicted = (np.asarray(values, dtype=np.float64) for values in (right, support, predicted))
    total = np.maximum(support.sum(axis=1), 1)
    if name == "accuracy":
        return right.sum(axis=1) / total
    if name == "matthews_correlation":
        return _matthews(right, support, predicted, total)
    precision, recall = _over(right, predicted), _over(right, support)
    f1 = _over(2 * right, support + predicted)
    if name == "f1_weighted":
        return (f1 * support).sum(axis=1) / total
    present = (support + predicted) > 0
    each = {"f1_macro": f1, "precision_macro": precision, "recall_macro": recall}[name]
    return (each * present).sum(axis=1) / np.maximum(present.sum(axis=1), 1)


def _over(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _matthews(right: np.ndarray, support: np.ndarray, predicted: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Gorodkin's correlation for any number of classes; 0 where one side has one class only."""
    cross = right.sum(axis=1) * total - (support * predicted).sum(axis=1)
    spread = (total**2 - (support**2).sum(axis=1)) * (total**2 - (predicted**2).sum(axis=1))
    return _over(cross, np.sqrt(np.maximum(spread, 0)))


def marginals(cells: np.ndarray, true: np.ndarray, predicted: np.ndarray, classes: int) -> Marginals:
    """Counts per class of draws: cells (draws, cells), each cell of a true and a predicted class."""
    return (
        _summed(cells * (true == predicted), true, classes),
        _summed(cells, true, classes),
        _summed(cells, predicted, classes),
    )


def _summed(cells: np.ndarray, group: np.ndarray, classes: int) -> np.ndarray:
    order = np.argsort(group, kind="stable")
    present, starts = np.unique(group[order], return_index=True)
    summed = np.zeros((len(cells), classes), dtype=np.int64)
    if len(present):
        summed[:, present] = np.add.reduceat(cells[:, order], starts, axis=1)
    return summed


def draws(counts: np.ndarray, seed: int = 0, count: int = DRAWS) -> Iterator[np.ndarray]:
    """Bootstrap samples of examples that fall into cells with these counts: (some draws, cells), again and again."""
    rng = np.random.default_rng(seed)
    step = max(1, CHUNK // max(1, len(counts)))
    shares = counts / counts.sum()
    for start in range(0, count, step):
        yield rng.multinomial(int(counts.sum()), shares, size=min(step, count - start))


def intervals(
    names: Sequence[str], labels: np.ndarray, predicted: np.ndarray, classes: int, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """The 95 % bootstrap interval (percentiles) of each metric of these class ids.

    Where every answer is right, or every one wrong, all draws are alike and tell nothing: there it is Wilson's interval
    of the accuracy (1927), from which the metrics of the table do not differ then.
    """
    cells, counts = np.unique(labels * classes + predicted, return_counts=True)
    true, given = cells // classes, cells % classes
    counted, others = _by_counts(names)
    drawn = [marginals(some, true, given, classes) for some in draws(counts, seed)] if counted else []
    spans = {name: percentiles(np.concatenate([metric_values(name, *m) for m in drawn])) for name in counted}
    spans |= _unvaried(counted, labels, predicted)
    spans |= sureness.intervals(others, labels, predicted)
    return {name: spans[name] for name in names}


def _unvaried(names: Sequence[str], labels: np.ndarray, predicted: np.ndarray) -> dict[str, tuple[float, float]]:
    """The intervals of metrics where all answers are right, or the accuracy's where all are wrong; else none."""
    right, count = int((labels == predicted).sum()), len(labels)
    margin = NORMAL**2 / (count + NORMAL**2)
    if right == count:
        return {name: (1 - margin, 1.0) for name in names if len(np.unique(labels)) > 1 or name == "accuracy"}
    return {"accuracy": (0.0, margin)} if right == 0 and "accuracy" in names else {}


def paired_difference(
    names: Sequence[str], labels: np.ndarray, first: np.ndarray, second: np.ndarray, classes: int, seed: int = 0
) -> dict[str, Gap]:
    """Second minus first on the same examples, with its interval by a paired bootstrap; see `sureness.gap` for p."""
    cells, counts = np.unique((labels * classes + first) * classes + second, return_counts=True)
    true, one, two = cells // classes**2, cells // classes % classes, cells % classes
    counted, others = _by_counts(names)
    drawn: dict[str, list[np.ndarray]] = {name: [] for name in counted}
    for some in draws(counts, seed) if counted else ():
        a, b = marginals(some, true, one, classes), marginals(some, true, two, classes)
        for name in counted:
            drawn[name].append(metric_values(name, *b) - metric_values(name, *a))
    whole = counts[None, :]
    a, b = marginals(whole, true, one, classes), marginals(whole, true, two, classes)
    gaps = {
        name: gap(float(metric_values(name, *b)[0] - metric_values(name, *a)[0]), np.concatenate(drawn[name]))
        for name in counted
    }
    gaps |= sureness.differences(others, labels, first, second)
    return {name: gaps[name] for name in names}


def _by_counts(names: Sequence[str]) -> tuple[list[str], dict[str, Metric]]:
    """The metrics that follow from counts per class, and those of which only their function is known."""
    others = {name: known for name in names if name not in FROM_COUNTS and (known := metric(name)) is not None}
    return [name for name in names if name in FROM_COUNTS], others


# Calibration


def reliability(confidence: np.ndarray, right: np.ndarray, bins: int = 15) -> list[Bin]:
    """Examples in bins of equal width by confidence; bins without examples are left out."""
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.digitize(confidence, edges, right=True) - 1, 0, bins - 1)
    counts = np.bincount(place, minlength=bins)
    sums = np.bincount(place, weights=confidence.astype(np.float64), minlength=bins)
    hits = np.bincount(place, weights=right.astype(np.float64), minlength=bins)
    return [
        Bin(
            low=float(edges[i]),
            high=float(edges[i + 1]),
            count=int(n),
            confidence=float(sums[i] / n),
            accuracy=float(hits[i] / n),
        )
        for i, n in enumerate(counts)
        if n
    ]


def expected_calibration_error(bins: Sequence[Bin]) -> float:
    """The mean gap between confidence and accuracy, weighted by examples (Guo et al., 2017)."""
    total = sum(b.count for b in bins)
    return sum(b.count * abs(b.confidence - b.accuracy) for b in bins) / total if total else 0.0


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The divisor of the logits with the least cross-entropy (Guo et al., 2017), between 0.05 and 20.

    1 where every answer is right: the loss would then fall for ever, to a model that is infinitely sure.
    """
    from scipy.optimize import minimize_scalar

    if len(labels) > 200_000:
        chosen = np.random.default_rng(0).choice(len(labels), 200_000, replace=False)
        logits, labels = logits[chosen], labels[chosen]
    if (logits.argmax(axis=-1) == labels).all():
        return 1.0

    def loss(log_temperature: float) -> float:
        return cross_entropy(logits / np.exp(log_temperature), labels)

    optimum = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded", options={"xatol": 1e-4})
    return float(np.exp(optimum.x))


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Mean negative log probability of the true classes, in nats."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=-1))
    return float(np.mean(log_sum - shifted[np.arange(len(labels)), labels]))


def cross_fitted(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The logits of each half divided by the temperature of the other: what calibration does to unseen examples."""
    half = np.random.default_rng(0).permutation(len(labels)) % 2 == 0
    calibrated = np.array(logits, dtype=np.float32)
    if len(labels) < 2:
        return calibrated
    for one, other in ((half, ~half), (~half, half)):
        calibrated[one] /= fit_temperature(logits[other], labels[other])
    return calibrated
