"""Figures of an evaluation hold the numbers they are given, also where there are hardly any."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.figures import judge
from core.figures.evaluation import confusion_figure
from core.tasks.evaluations import Disturbance
from core.tasks.results import McNemar
from core.tasks.text_classification import analysis, statistics
from tests.evaluation.conftest import predictions, random_predictions

FOUND = random_predictions(300, 8)
LABELS = [*FOUND.names[:7], "<b>$x$</b>"]


def names(figure: Any) -> list[str]:
    return [str(trace.name) for trace in figure.data]


def test_intervals_stand_around_their_values() -> None:
    series: dict[str, judge.Measured] = {
        "<i>ours</i>": ({"accuracy": 0.6, "f1_macro": 0.5}, {"accuracy": (0.55, 0.66)}),
        "Commonest": ({"accuracy": 0.3, "f1_macro": None}, {}),
    }
    figure = judge.intervals_figure(["accuracy", "f1_macro"], series)
    first, common = figure.data
    assert list(first.x) == [0.5, 0.6] and first.name == "&lt;i&gt;ours&lt;/i&gt;"
    assert first.error_x.array[1] == pytest.approx(0.06) and first.error_x.arrayminus[1] == pytest.approx(0.05)
    assert list(common.error_x.array) == [0, 0]


def test_the_chosen_class_comes_first_and_few_are_drawn() -> None:
    curves = analysis.curves(FOUND)
    for draw in (judge.roc_figure, judge.pr_figure):
        drawn = [name for name in names(draw(curves, LABELS, 7)) if name != "Chance"]
        assert len(drawn) == judge.MOST_LINES and drawn[0].startswith("&lt;b&gt;&#36;x&#36;&lt;/b&gt; · A")
    tied = predictions([0, 0], np.zeros((2, 2)))
    assert names(judge.roc_figure(analysis.curves(tied), ["a", "b"])) == ["Chance"]


def test_thresholds_with_and_without_a_tuned_one() -> None:
    rates: dict[str, list[float | None]] = {"Precision": [0.5, None], "Recall": [1.0, 0.0], "F1": [0.6, 0.0]}
    figure = judge.threshold_figure([0.0, 1.0], rates, 0.4, None)
    assert len(figure.layout.shapes) == 1 and figure.layout.shapes[0].x0 == 0.4
    assert len(judge.threshold_figure([0.0, 1.0], rates, 0.4, 0.7).layout.shapes) == 2


def test_reliability_and_confidence() -> None:
    bins = statistics.reliability(FOUND.confidence, FOUND.right)
    perfect, before, after = judge.reliability_figure(bins, []).data
    assert list(before.y) == [b.accuracy for b in bins] and len(after.x) == 0 and perfect.name == "Perfect"
    assert [trace.name for trace in judge.reliability_figure(bins).data] == ["Perfect", "As trained"]
    confidence = analysis.confidence(FOUND)
    right, wrong = judge.confidence_figure(confidence.edges, confidence.right, confidence.wrong).data
    assert sum(right.y) + sum(wrong.y) == 300


def test_robustness_and_agreement() -> None:
    unchanged = Disturbance(
        title="x",
        score=0.5,
        change=0.0,
        low=0.0,
        high=0.0,
        turned=0,
        examples=(),
        mcnemar=McNemar(gains=0, losses=0, p=1.0),
    )
    typos = unchanged.model_copy(update={"title": "Typos", "change": -0.1, "low": -0.2})
    kinds = [typos, unchanged.model_copy(update={"title": "<a href=x>"})]
    (bars,) = judge.robustness_figure(kinds, "accuracy").data
    assert list(bars.y) == ["&lt;a href=x&gt;", "Typos"], "its title may come from anybody"
    assert list(bars.x) == [0.0, -0.1] and bars.error_x.arrayminus[1] == pytest.approx(0.1)
    cells, words = judge.agreement_figure(["a", "b<"], [[1, 0.25], [0.25, 1]]).data
    assert list(words.text) == ["100.0%", "25.0%", "25.0%", "100.0%"] and cells.z[0][1] == 0.25


def test_a_confusion_matrix_by_count() -> None:
    counts = [[90, 10], [3, 1]]
    by_share, by_count = (confusion_figure(["a", "b"], counts, normalised=n) for n in (True, False))
    assert by_share.data[0].z[0][0] == pytest.approx(0.9) and by_count.data[0].z[0][0] == 1
    assert by_count.data[1].z[1][0] == pytest.approx(3 / 90)
