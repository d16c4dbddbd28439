"""Intervals, tests and calibration against scikit-learn and SciPy, and where there is hardly anything to measure."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from core.evaluation.slices import chance
from core.tasks import Metric, sureness
from core.tasks.text_classification import statistics
from core.tasks.text_classification.metrics import METRICS, score
from core.tasks.text_classification.predictions import softmax
from tests.evaluation.conftest import random_predictions

HARD = {
    "usual": ([0, 0, 1, 1, 2, 2, 2], [0, 1, 1, 1, 2, 0, 2]),
    "one class missing": ([0, 0, 2, 2], [0, 2, 2, 2]),
    "a class only predicted": ([0, 0, 1], [0, 2, 1]),
    "one class alone": ([1, 1, 1], [1, 1, 1]),
    "one class, all wrong": ([1, 1], [0, 0]),
    "a single example": ([2], [2]),
    "a single wrong one": ([0], [1]),
}


@pytest.mark.parametrize("case", HARD)
@pytest.mark.parametrize("name", list(METRICS))
def test_metrics_from_counts_are_scikit_learns(name: str, case: str) -> None:
    labels, predicted = (np.array(values) for values in HARD[case])
    right, support, answered = (
        np.bincount(values, minlength=3)[None, :] for values in (labels[labels == predicted], labels, predicted)
    )
    expected = score([name], predicted, labels)[name]
    assert statistics.metric_values(name, right, support, answered)[0] == pytest.approx(expected)


def test_intervals_are_those_of_drawing_examples() -> None:
    answers = random_predictions(300, 4)
    names = ("accuracy", "f1_macro", "matthews_correlation")
    ours = statistics.intervals(names, answers.labels, answers.predicted, 4)
    draw = np.random.default_rng(3)
    drawn: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(1000):
        some = draw.integers(0, 300, 300)
        for name, value in score(names, answers.predicted[some], answers.labels[some]).items():
            drawn[name].append(value)
    for name in names:
        low, high = np.quantile(drawn[name], [0.025, 0.975])
        assert ours[name] == pytest.approx((low, high), abs=0.012), name
    assert ours == statistics.intervals(names, answers.labels, answers.predicted, 4), "the same each time"


def test_what_follows_from_counts_draws_no_examples() -> None:
    """A thousand draws of a million examples would take minutes, for nothing."""

    class Untouched(np.ndarray):
        def __getitem__(self, key: object) -> np.ndarray:
            raise AssertionError("an example was drawn")

    labels, predicted = (np.array(values).view(Untouched) for values in HARD["usual"])
    assert sureness.intervals({}, labels, predicted) == sureness.differences({}, labels, predicted, predicted) == {}


@pytest.mark.parametrize("case", HARD)
def test_intervals_hold_the_value(case: str) -> None:
    labels, predicted = (np.array(values) for values in HARD[case])
    values = score(list(METRICS), predicted, labels)
    for name, (low, high) in statistics.intervals(list(METRICS), labels, predicted, 3).items():
        assert low <= high and np.isfinite([low, high]).all()
        assert low - 1e-9 <= values[name] <= high + 1e-9, name


@pytest.mark.parametrize(("count", "low"), [(4, 0.51), (100, 0.963)])
def test_all_right_is_not_sure_to_stay_so(count: int, low: float) -> None:
    labels = np.arange(count) % 2
    spans = statistics.intervals(list(METRICS), labels, labels, 2)
    assert all(span == (pytest.approx(low, abs=0.01), 1.0) for span in spans.values())
    wrong = statistics.intervals(["accuracy"], labels, 1 - labels, 2)
    assert wrong["accuracy"] == (0.0, pytest.approx(1 - low, abs=0.01))


def test_a_metric_of_the_table_needs_no_more_than_its_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    kappa = Metric("Cohen's kappa", "Agreement beyond chance.", "sklearn.metrics.cohen_kappa_score", proper_name=True)
    monkeypatch.setitem(METRICS, "cohen_kappa", kappa)
    one, two = random_predictions(200, 3), random_predictions(200, 3, seed=0, skill=0.5)
    assert np.array_equal(one.labels, two.labels)
    names = ["accuracy", "cohen_kappa"]
    spans = statistics.intervals(names, one.labels, one.predicted, 3)
    low, high = spans["cohen_kappa"]
    assert list(spans) == names and low < sk.cohen_kappa_score(one.labels, one.predicted) < high
    gap = statistics.paired_difference(names, one.labels, one.predicted, two.predicted, 3)["cohen_kappa"]
    lost = sk.cohen_kappa_score(one.labels, two.predicted) - sk.cohen_kappa_score(one.labels, one.predicted)
    assert gap.value == pytest.approx(lost) and gap.low < lost < gap.high < 0


def test_the_general_bootstrap_agrees_with_that_of_counts() -> None:
    answers = random_predictions(300, 4)
    names = ["accuracy", "f1_macro"]
    general = sureness.intervals({name: METRICS[name] for name in names}, answers.labels, answers.predicted)
    ours = statistics.intervals(names, answers.labels, answers.predicted, 4)
    for name in names:
        assert general[name] == pytest.approx(ours[name], abs=0.012), name


def test_intervals_of_many_classes_stay_small_in_memory() -> None:
    answers = random_predictions(5_000, 400, skill=3)
    (low, high) = statistics.intervals(["f1_macro"], answers.labels, answers.predicted, 400)["f1_macro"]
    assert 0 < low < high < 1


def test_paired_differences_see_what_single_intervals_do_not() -> None:
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 2, 2000)
    first = np.where(draw.random(2000) < 0.8, labels, 1 - labels)
    second = first.copy()
    wrong = np.flatnonzero(first != labels)[:40]
    second[wrong] = labels[wrong]
    gap = statistics.paired_difference(["accuracy"], labels, first, second, 2)["accuracy"]
    assert gap.value == pytest.approx(0.02) and 0 < gap.low < 0.02 < gap.high and (gap.p or 0) < 0.01
    one, two = (statistics.intervals(["accuracy"], labels, predicted, 2)["accuracy"] for predicted in (first, second))
    assert one[1] > two[0], "their own intervals overlap"
    same = statistics.paired_difference(["accuracy", "f1_macro"], labels, first, first, 2)
    assert all(v.value == v.low == v.high == 0 and v.p == 1 for v in same.values())


@pytest.mark.parametrize(("gains", "losses"), [(0, 0), (5, 0), (3, 9), (40, 41)])
def test_mcnemar_is_the_binomial_test(gains: int, losses: int) -> None:
    first = np.array([False] * gains + [True] * losses + [True, False] * 10)
    second = np.array([True] * gains + [False] * losses + [True, False] * 10)
    result = sureness.mcnemar(first, second)
    assert (result.gains, result.losses) == (gains, losses)
    expected = stats.binomtest(gains, gains + losses).pvalue if gains + losses else 1.0
    assert result.p == pytest.approx(expected)


def test_reliability_is_scikit_learns() -> None:
    answers = random_predictions(2_000, 2)
    bins = statistics.reliability(answers.confidence, answers.right, 10)
    truth, shares = calibration_curve(answers.right, answers.confidence, n_bins=10)
    assert [b.accuracy for b in bins] == pytest.approx(truth.tolist())
    assert [b.confidence for b in bins] == pytest.approx(shares.tolist(), abs=1e-6)
    assert sum(b.count for b in bins) == 2_000
    by_hand = sum(b.count / 2_000 * abs(b.accuracy - b.confidence) for b in bins)
    assert statistics.expected_calibration_error(bins) == pytest.approx(by_hand)


def test_calibration_of_hardly_anything() -> None:
    assert statistics.expected_calibration_error([]) == 0
    (sure,) = statistics.reliability(np.array([1.0], np.float32), np.array([True]))
    assert sure.high == 1 and sure.accuracy == 1
    (low,) = statistics.reliability(np.array([0.0]), np.array([False]))
    assert low.low == 0
    assert statistics.cross_fitted(np.zeros((1, 2)), np.array([0])).shape == (1, 2)


@pytest.mark.parametrize("true", [0.3, 1.0, 2.5])
def test_the_temperature_that_was_put_in_is_found(true: float) -> None:
    draw = np.random.default_rng(1)
    honest = draw.normal(size=(20_000, 3)) * 2
    labels = np.array([draw.choice(3, p=p) for p in softmax(honest).astype(float) / softmax(honest).sum(1)[:, None]])
    assert statistics.fit_temperature(honest * true, labels) == pytest.approx(true, rel=0.05)


def test_without_an_error_there_is_no_temperature() -> None:
    logits = np.array([[2.0, 0.0], [0.0, 3.0], [4.0, 0.5]])
    assert statistics.fit_temperature(logits, np.array([0, 1, 0])) == 1.0
    assert statistics.fit_temperature(logits, np.array([0, 1, 1])) > 1.0
    np.testing.assert_array_equal(statistics.cross_fitted(logits, np.array([0, 1, 0])), logits)


def test_a_temperature_never_makes_the_loss_worse() -> None:
    answers = random_predictions(500, 5)
    temperature = statistics.fit_temperature(answers.logits, answers.labels)
    before = statistics.cross_entropy(answers.logits, answers.labels)
    assert statistics.cross_entropy(answers.logits / temperature, answers.labels) <= before + 1e-9
    assert before == pytest.approx(sk.log_loss(answers.labels, softmax(answers.logits).astype(float)), rel=1e-4)


@pytest.mark.parametrize(
    ("errors", "count", "wrong", "total"), product((0, 1, 7, 20), (20, 60), (20, 33), (100, 5_000))
)
def test_chance_is_the_hypergeometric_tail(errors: int, count: int, wrong: int, total: int) -> None:
    expected = stats.hypergeom.sf(errors - 1, total, wrong, count)
    assert chance(errors, count, wrong, total) == pytest.approx(expected, rel=1e-6, abs=1e-12)
