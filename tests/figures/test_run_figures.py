"""Curves and matrices: what is drawn is what is so, thinned without losing its extremes."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from core.figures.evaluation import MOST_CLASSES, confusion_figure, frequent_mistakes
from core.figures.run import SMOOTHED_FROM, loss_figure, metrics_figure, norm_figure, rate_figure, smoothed
from core.figures.style import safe, thin


def series(values: list[float], every: int = 5) -> pd.DataFrame:
    steps = [every * (place + 1) for place in range(len(values))]
    return pd.DataFrame({"step": steps, "epoch": [s / 100 for s in steps], "time": steps, "value": values})


EMPTY = series([])


def test_thinning_keeps_extremes_ends_and_gaps() -> None:
    rng = np.random.default_rng(1)
    x, y = np.arange(100_000), rng.normal(size=100_000)
    y[[1234, 77_777]] = 50, -50
    y[5000:5100] = np.nan
    kept = thin(x, y, 1000)
    assert len(kept) <= 1600
    assert {0, 1234, 77_777, 99_999} <= set(kept.tolist())
    assert np.isnan(y[kept]).any()
    assert (np.diff(kept) > 0).all()
    assert thin(x[:10], y[:10]).tolist() == list(range(10))


def test_a_loss_that_is_no_number_is_a_gap() -> None:
    chart = loss_figure(series([1.0, math.nan, math.inf, 0.5]), EMPTY)
    assert chart.data[0].y == (1.0, None, None, 0.5)
    json.loads(chart.to_json())


def test_a_long_curve_is_smoothed_over_its_points() -> None:
    rng = np.random.default_rng(1)
    noisy = series([1 + rng.normal() for _ in range(SMOOTHED_FROM)])
    short, long = loss_figure(series([1.0] * (SMOOTHED_FROM - 1)), EMPTY), loss_figure(noisy, series([1.0]))
    assert [trace.name for trace in short.data] == ["Training", "Evaluation"]
    assert [trace.name for trace in long.data] == ["Training", "Evaluation", "Each step"]
    assert np.std(long.data[0].y) < np.std(long.data[2].y)
    gap = smoothed(pd.Series([1.0, math.nan, 1.0]))
    assert gap.isna().tolist() == [False, True, False]


def test_the_main_metric_leads_with_its_best_point_and_the_baseline() -> None:
    chart = metrics_figure({"f1_macro": series([0.2, 0.3]), "accuracy": series([0.6, 0.5])}, "accuracy", 0.25, "run")
    assert [trace.name for trace in chart.data] == ["Accuracy", "F1 (macro)", None, "Most common class"]
    assert chart.data[0].line.width > chart.data[1].line.width
    assert (chart.data[2].x, chart.data[2].y) == ((5,), (0.6,))
    assert chart.data[3].line.dash == "dash" and chart.data[3].y == (0.25, 0.25)
    assert chart.layout.uirevision == "run"


def test_the_best_point_of_an_error_is_the_lowest() -> None:
    chart = metrics_figure({"loss": series([0.6, 0.2, 0.4])}, "loss")
    assert (chart.data[1].x, chart.data[1].y) == ((10,), (0.2,))


def test_before_the_first_evaluation_the_chart_says_when_it_comes() -> None:
    chart = metrics_figure({}, "accuracy", note="It comes after the first epoch.")
    assert chart.layout.annotations[0].text == "It comes after the first epoch."


@pytest.mark.parametrize("make", [rate_figure, norm_figure])
def test_small_charts_start_at_zero(make: Callable[..., go.Figure]) -> None:
    assert make(series([0.1, 0.2]), "run").layout.yaxis.rangemode == "tozero"


@pytest.mark.parametrize("count", [2, 5, 12, 13, MOST_CLASSES])
def test_every_cell_of_a_confusion_matrix_can_be_read(count: int) -> None:
    rng = np.random.default_rng(count)
    counts = rng.integers(0, 50, size=(count, count)).tolist()
    labels = [f"a rather long label number {place} <b>bold</b> $x$" for place in range(count)]
    chart = confusion_figure(labels, counts)
    cover = chart.data[2]
    assert len(cover.x) == count * count
    cells = {(int(y), int(x)): data for x, y, data in zip(cover.x, cover.y, cover.customdata, strict=True)}
    assert cells[(1, 0)][2] == counts[1][0]
    assert cells[(1, 0)][3] == pytest.approx(counts[1][0] / sum(counts[1]))
    assert "<b>" not in cells[(0, 0)][0] and "$" not in cells[(0, 0)][0]
    assert max(len(text) for text in chart.layout.xaxis.ticktext) < 40
    written = [text for trace in chart.data[3:] for text in trace.text]
    assert len(written) == (sum(c > 0 for row in counts for c in row) if count <= 12 else 0)
    assert 260 <= chart.layout.height <= 900


def test_a_class_without_examples_has_no_share() -> None:
    chart = confusion_figure(["a", "b"], [[0, 0], [1, 3]])
    assert chart.data[0].z[0][0] == 0


def test_the_most_frequent_mistakes_come_first() -> None:
    assert frequent_mistakes(["a", "b", "c"], [[5, 1, 0], [4, 2, 0], [0, 0, 9]]) == [
        ("b", "a", 4, pytest.approx(4 / 6)),
        ("a", "b", 1, pytest.approx(1 / 6)),
    ]


def test_text_is_shown_as_it_is() -> None:
    assert safe("<a href='x'>$x$</a>\n&") == "&lt;a href='x'&gt;&#36;x&#36;&lt;/a&gt; &amp;"
    assert safe("abcdef", 4) == "abc…"


def test_figures_know_nothing_of_streamlit() -> None:
    code = "import sys; import core.figures.run, core.figures.evaluation; assert 'streamlit' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
