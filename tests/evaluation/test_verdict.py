"""What is said of a model follows from values: the verdict, what its examples were used for, and its confidence."""

from __future__ import annotations

from typing import Any

import pytest

from core.evaluation.verdict import BELIEVABLE_ECE, MOST_LOOKS, ROUGH_ECE, advantage, costliest, honesty, trust, verdict
from core.tasks.evaluations import Disturbance, FinalTest, Kind, Robustness
from core.tasks.results import Gap, McNemar
from core.tasks.text_classification.results import Calibrated, Calibration, ClassEvaluation, ClassReport
from tests.evaluation.conftest import an_evaluation


def gap(low: float, high: float) -> dict[str, float]:
    return {"value": (low + high) / 2, "low": low, "high": high}


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.01, 0.2, "better"), (-0.2, -0.01, "worse"), (-0.1, 0.1, "unsure"), (0.0, 0.1, "unsure"), (0.0, 0.0, "equal")],
)
def test_an_advantage_is_sure_where_its_interval_leaves_zero_out(low: float, high: float, expected: str) -> None:
    assert advantage(Gap.model_validate(gap(low, high)), "accuracy") == expected


@pytest.mark.parametrize(("low", "high", "expected"), [(0.1, 0.3, "better"), (-0.3, 0.1, "unsure")])
def test_a_verdict_is_against_the_bag_of_words(low: float, high: float, expected: str) -> None:
    result = verdict(an_evaluation(bag_of_words=gap(low, high)))
    assert result.outcome == expected and result.metric == "accuracy" and result.value == 0.75
    assert result.gap is not None and (result.gap.low, result.gap.high) == (low, high)
    assert result.bag_of_words is not None and (result.baseline, result.baseline_label) == (0.5, "b")


@pytest.mark.parametrize(("low", "expected"), [(0.51, "above baseline"), (0.5, "not above baseline")])
def test_without_a_bag_of_words_the_interval_must_lie_above_the_baseline(low: float, expected: str) -> None:
    result = verdict(an_evaluation(intervals={"accuracy": (low, 0.9)}))
    assert result.outcome == expected and result.gap is None and result.bag_of_words is None


@pytest.mark.parametrize(
    ("value", "expected"), [(0.6, "above baseline"), (0.4, "not above baseline"), (None, "not a number")]
)
def test_a_runs_own_report_has_no_interval(value: float | None, expected: str) -> None:
    tree: dict[str, Any] = {
        "examples": 4, "train_examples": 9, "metrics": {"accuracy": value}, "main_metric": "accuracy",
        "baseline": {"label": "b", "metrics": {"accuracy": 0.5}}, "labels": [], "per_class": [], "confusion": [],
    }  # fmt: skip
    assert verdict(ClassReport.model_validate(tree)).outcome == expected


@pytest.mark.parametrize(
    ("kind", "use"),
    [("validation", "validation"), ("training", "training"), ("test", "uncounted test"), ("other", "other")],
)
def test_examples_are_used_for_what_they_are(kind: Kind, use: str) -> None:
    assert honesty(an_evaluation(kind=kind)).use == use
    assert honesty(None).use == "validation", "a run's own report is of the examples it chose its best by"


def test_a_final_test_wears_out_with_looks() -> None:
    evaluation = an_evaluation(kind="test", final_test=FinalTest(content="c", looks=MOST_LOOKS))
    assert honesty(evaluation).use == "final test" and honesty(evaluation).looks == MOST_LOOKS
    later = honesty(evaluation, MOST_LOOKS + 1)
    assert later.use == "overused final test" and later.looks == MOST_LOOKS + 1


def test_confidence_is_believed_by_its_calibration_error() -> None:
    assert trust(BELIEVABLE_ECE - 0.001) == "believable" and trust(BELIEVABLE_ECE) == "rough"
    assert trust(ROUGH_ECE - 0.001) == "rough" and trust(ROUGH_ECE) == "unreliable"


@pytest.mark.parametrize(("temperature", "effect"), [(1.0, "none"), (1.8, "softens"), (0.4, "sharpens")])
def test_what_a_temperature_does(temperature: float, effect: str) -> None:
    after = Calibrated(bins=[], ece=0.0)
    calibration = Calibration(bins=[], ece=0.1, temperature=temperature, temperature_from="here", after=after)
    assert calibration.effect == effect


def disturbance(title: str, change: float, high: float) -> Disturbance:
    return Disturbance(
        title=title,
        score=0.5,
        change=change,
        low=change - 0.1,
        high=high,
        turned=1,
        examples=(),
        mcnemar=McNemar(gains=0, losses=1, p=1.0),
    )


def robustness(*kinds: Disturbance) -> Robustness:
    return Robustness(metric="accuracy", score=0.7, examples=9, kinds=kinds)


def test_the_costliest_disturbance_costs_beyond_luck() -> None:
    typos, case = disturbance("typos", -0.2, -0.1), disturbance("case", -0.1, -0.05)
    assert costliest(robustness(case, typos)) == typos
    assert costliest(robustness(disturbance("blanks", 0.0, 0.0), disturbance("half", -0.1, 0.02))) is None


def test_of_a_loss_less_is_better() -> None:
    more, less = gap(0.1, 0.2), gap(-0.2, -0.1)
    assert [advantage(Gap.model_validate(g), "loss") for g in (more, less)] == ["worse", "better"]
    rose, fell = disturbance("typos", 0.3, 0.4), disturbance("case", -0.3, -0.2)
    costly = robustness(rose, fell).model_copy(update={"metric": "loss"})
    assert costliest(costly.model_copy(update={"kinds": (fell,)})) is None
    assert costliest(costly) == rose


def test_an_evaluation_for_the_tests_is_a_valid_one() -> None:
    assert ClassEvaluation.model_validate_json(an_evaluation().model_dump_json(by_alias=True)) == an_evaluation()
