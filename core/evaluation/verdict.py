"""How good a model is and how far its figures can be believed, as values: pages, reports and cards only word them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from core.store.json_models import Number
from core.tasks import larger_is_better
from core.tasks.evaluations import BagOfWords, Disturbance, Evaluation, Robustness
from core.tasks.results import Gap, Report

MOST_LOOKS = 3  # at a final test: choosing between models by more makes its figures too good
BELIEVABLE_ECE, ROUGH_ECE = 0.03, 0.08

Advantage = Literal["better", "worse", "equal", "unsure"]
Outcome = Literal["better", "worse", "equal", "unsure", "above baseline", "not above baseline", "not a number"]
Use = Literal["final test", "overused final test", "uncounted test", "validation", "training", "other"]
Trust = Literal["believable", "rough", "unreliable"]


def advantage(gap: Gap, metric: str) -> Advantage:
    """What the 95 % interval of a difference says of the second model: unsure where it crosses zero."""
    if gap.low > 0:
        return "better" if larger_is_better(metric) else "worse"
    if gap.high < 0:
        return "worse" if larger_is_better(metric) else "better"
    return "equal" if gap.low == gap.high == 0 else "unsure"


@dataclass(frozen=True)
class Verdict:
    """Whether a model earns its cost, by its main metric.

    outcome: against the bag of words where there is one, with `gap`, the model's metric minus that of the bag;
    otherwise whether the model is surely above the baseline, which always gives the commonest answer
    """

    outcome: Outcome
    metric: str
    value: Number
    baseline: Number
    baseline_label: str
    bag_of_words: BagOfWords | None = None
    gap: Gap | None = None


def verdict(judged: Report | Evaluation) -> Verdict:
    """A training run's report knows no bag of words."""
    metric = judged.main_metric
    value, baseline = judged.metrics.get(metric), judged.baseline_metrics.get(metric)
    bag = judged.baselines.bag_of_words if isinstance(judged, Evaluation) else None
    gap = bag.difference[metric] if bag else None
    outcome: Outcome
    if value is None:
        outcome = "not a number"
    elif gap is not None:
        outcome = advantage(gap, metric)
    else:
        rises = larger_is_better(metric)
        least = judged.interval(metric)[0 if rises else 1]
        least = value if least is None else least
        above = baseline is not None and (least > baseline if rises else least < baseline)
        outcome = "above baseline" if above else "not above baseline"
    return Verdict(outcome, metric, value, baseline, judged.baseline_label, bag, gap)


@dataclass(frozen=True)
class Honesty:
    """What the examples were used for before. looks: at a final test"""

    use: Use
    looks: int | None = None


def honesty(evaluation: Evaluation | None, looks: int | None = None) -> Honesty:
    """evaluation: None for a training run's own report; looks: at the final test by now, if that is known"""
    if evaluation is None:
        return Honesty("validation")
    if evaluation.final_test is not None:
        looks = evaluation.final_test.looks if looks is None else looks
        return Honesty("overused final test" if looks > MOST_LOOKS else "final test", looks)
    return Honesty("uncounted test" if evaluation.kind == "test" else evaluation.kind)


def trust(ece: float) -> Trust:
    """How far a model's confidence can be believed, by its expected calibration error."""
    if ece < BELIEVABLE_ECE:
        return "believable"
    return "rough" if ece < ROUGH_ECE else "unreliable"


def costliest(robustness: Robustness) -> Disturbance | None:
    """The disturbance that costs most of the metric; None if even that may be luck."""
    sign = 1 if larger_is_better(robustness.metric) else -1
    worst = min(robustness.kinds, key=lambda kind: sign * kind.change)
    return worst if advantage(worst.gap, robustness.metric) == "worse" else None
