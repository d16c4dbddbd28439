"""Figures of an evaluation: intervals beside baselines, ROC and precision-recall, thresholds, calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Protocol

import plotly.graph_objects as go

from core.figures.style import AMBER, COLORS, GREY, INDIGO, ORANGE, TEAL, axis, figure, safe
from core.tasks import larger_is_better
from core.wording import metric_title, metric_words

MOST_LINES = 6


Points = tuple[Sequence[float], Sequence[float]]
Measured = tuple[Mapping[str, float | None], Mapping[str, tuple[float | None, float | None]]]
"""Metrics and their 95 % intervals, which may lack."""


class Curve(Protocol):
    """A class against the rest. roc, pr: x and y"""

    @property
    def label(self) -> int: ...
    @property
    def auc(self) -> float | None: ...
    @property
    def average_precision(self) -> float | None: ...
    @property
    def roc(self) -> Points | None: ...
    @property
    def pr(self) -> Points | None: ...


class Bin(Protocol):
    """A bin of a reliability diagram: the examples with a confidence in (low, high], and the share that is right."""

    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def count(self) -> int: ...
    @property
    def confidence(self) -> float: ...
    @property
    def accuracy(self) -> float: ...


class Disturbance(Protocol):
    """What one way of disturbing texts does to a metric: the change and its 95 % interval."""

    @property
    def title(self) -> str: ...
    @property
    def change(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


def intervals_figure(names: Sequence[str], series: Mapping[str, Measured]) -> go.Figure:
    """Each metric as a point with its 95% interval, for a model and its baselines.

    series: title -> metrics and intervals; at most three
    """
    traces = []
    rows = list(reversed(names))
    for place, (who, (metrics, known)) in enumerate(series.items()):
        values = [metrics.get(name) for name in rows]
        spans = [known.get(name, (value, value)) for name, value in zip(rows, values, strict=True)]
        color, symbol = ((INDIGO, "circle"), (AMBER, "diamond"), (GREY, "line-ns"))[place % 3]
        offset = (0.0, -0.2, -0.36)[place % 3]
        traces.append(
            go.Scatter(
                x=values,
                y=[i + offset for i in range(len(rows))],
                name=safe(who),
                mode="markers",
                marker={
                    "size": 11 if place == 0 else 8,
                    "color": color,
                    "symbol": symbol,
                    "line": {"width": 2 if place == 2 else 0, "color": color},
                },
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "color": color,
                    "thickness": 1.6,
                    "width": 4,
                    "array": [_gap(high, v) for (_, high), v in zip(spans, values, strict=True)],
                    "arrayminus": [_gap(v, low) for (low, _), v in zip(spans, values, strict=True)],
                },
                customdata=[[low, high] for low, high in spans],
                text=[metric_title(name) for name in rows],
                hovertemplate="%{text}: <b>%{x:.3f}</b> (%{customdata[0]:.3f} to %{customdata[1]:.3f})",
            )
        )
    y = axis("", tickmode="array", tickvals=list(range(len(rows))), ticktext=[metric_title(n) for n in rows])
    chart = figure(
        traces,
        title="Metrics with their 95% intervals",
        x="Score",
        y="",
        height=110 + 44 * len(rows),
        yaxis=y,
        hovermode="closest",
    )
    return chart.update_layout(legend={"y": -0.22}, xaxis={"showgrid": True, "gridcolor": "rgba(139,144,165,0.22)"})


def _gap(high: float | None, low: float | None) -> float:
    return 0.0 if high is None or low is None else max(0.0, high - low)


def roc_figure(curves: Sequence[Curve], labels: Sequence[str], chosen: int | None = None) -> go.Figure:
    """The ROC curve of each class; at most six curves, the chosen class first."""
    lines = [
        _line(c.roc, labels[c.label], f"AUC {c.auc:.3f}", place)
        for place, c in enumerate(_few(curves, chosen))
        if c.roc
    ]
    chance = go.Scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        line={"color": GREY, "dash": "dot", "width": 1},
        name="Chance",
        hoverinfo="skip",
    )
    return figure(
        [*lines, chance],
        title="ROC",
        x="",
        y="",
        height=400,
        hovermode="closest",
        xaxis=axis("False positive rate", range=[-0.02, 1.02]),
        yaxis=axis("True positive rate", range=[-0.02, 1.02]),
    )


def pr_figure(curves: Sequence[Curve], labels: Sequence[str], chosen: int | None = None) -> go.Figure:
    """The precision-recall curve of each class; at most six curves, the chosen class first."""
    few = _few(curves, chosen)
    lines = [
        _line(c.pr, labels[c.label], f"AP {c.average_precision:.3f}", place) for place, c in enumerate(few) if c.pr
    ]
    return figure(
        lines,
        title="Precision and recall",
        x="",
        y="",
        height=400,
        hovermode="closest",
        showlegend=True,
        xaxis=axis("Recall", range=[-0.02, 1.02]),
        yaxis=axis("Precision", range=[-0.02, 1.04]),
    )


def _few(curves: Sequence[Curve], chosen: int | None) -> list[Curve]:
    drawn = [c for c in curves if c.auc is not None]
    first = [c for c in drawn if c.label == chosen]
    return [*first, *(c for c in drawn if c.label != chosen)][:MOST_LINES]


def _line(points: Points, label: str, score: str, place: int) -> go.Scatter:
    x, y = points
    name = safe(label, 26)
    return go.Scatter(
        x=x,
        y=y,
        name=f"{name} · {score}",
        mode="lines",
        opacity=1 if place == 0 else 0.65,
        line={"color": COLORS[place % len(COLORS)], "width": 2.6 if place == 0 else 1.6},
        hovertemplate=name + ": %{x:.3f}, %{y:.3f}<extra></extra>",
    )


def threshold_figure(
    thresholds: Sequence[float], rates: Mapping[str, Sequence[float | None]], chosen: float, tuned: float | None
) -> go.Figure:
    """Precision, recall and F1 of a class against the threshold. rates: name -> one value per threshold"""
    traces = [
        go.Scatter(
            x=list(thresholds),
            y=list(values),
            name=name,
            mode="lines",
            line={"color": color, "width": 2.2},
            hovertemplate="%{y:.3f}",
        )
        for (name, values), color in zip(rates.items(), (TEAL, ORANGE, INDIGO), strict=True)
    ]
    chart = figure(traces, title="What the threshold does", x="", y="", height=360)
    chart.update_layout(
        xaxis=axis("Threshold: least probability to call it this class", range=[0, 1], showgrid=False),
        yaxis=axis("", range=[-0.02, 1.04]),
    )
    chart.add_vline(chosen, line={"color": INDIGO, "width": 1.5})
    if tuned is not None:
        chart.add_vline(tuned, line={"color": GREY, "width": 1.2, "dash": "dash"})
        chart.add_annotation(
            x=tuned, y=1.03, text="tuned", showarrow=False, yanchor="bottom", font={"size": 11, "color": GREY}
        )
    return chart


def reliability_figure(before: Sequence[Bin], after: Sequence[Bin] | None = None) -> go.Figure:
    """A reliability diagram: accuracy against confidence, before and after a temperature; the diagonal is perfect.

    after: None without a temperature
    """
    perfect = go.Scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        name="Perfect",
        line={"color": GREY, "dash": "dot", "width": 1.2},
        hoverinfo="skip",
    )
    traces = [perfect, _bins(before, "As trained", INDIGO)]
    if after is not None:
        traces.append(_bins(after, "With temperature", ORANGE))
    return figure(
        traces,
        title="Is it as right as it is sure?",
        x="",
        y="",
        height=400,
        hovermode="closest",
        xaxis=axis("Confidence", range=[-0.02, 1.02]),
        yaxis=axis("Share that is right", range=[-0.02, 1.04]),
    )


def _bins(bins: Sequence[Bin], name: str, color: str) -> go.Scatter:
    most = max((b.count for b in bins), default=1)
    return go.Scatter(
        x=[b.confidence for b in bins],
        y=[b.accuracy for b in bins],
        name=name,
        mode="lines+markers",
        customdata=[[b.low, b.high, b.count] for b in bins],
        marker={"color": color, "size": [5 + 15 * (b.count / most) ** 0.5 for b in bins], "opacity": 0.85},
        line={"color": color, "width": 1.4},
        hovertemplate=(
            f"{name}, confidence %{{customdata[0]:.2f}} to %{{customdata[1]:.2f}}: %{{y:.1%}} right of "
            "%{customdata[2]:,}<extra></extra>"
        ),
    )


def confidence_figure(edges: Sequence[float], right: Sequence[int], wrong: Sequence[int]) -> go.Figure:
    """The numbers of right and wrong predictions at each confidence."""
    middles = [(a + b) / 2 for a, b in pairwise(edges)]
    width = edges[1] - edges[0]
    traces = [
        go.Bar(x=middles, y=list(counts), name=name, marker_color=color, width=width, hovertemplate="%{y:,}")
        for name, counts, color in (("Right", right, INDIGO), ("Wrong", wrong, ORANGE))
    ]
    return figure(
        traces, title="How sure it is", x="Confidence", y="Examples", height=320, barmode="stack", bargap=0.04
    )


def robustness_figure(kinds: Sequence[Disturbance], metric: str) -> go.Figure:
    """The change of a metric under each perturbation, with its interval."""
    harm = -1 if larger_is_better(metric) else 1
    rows = list(reversed(kinds))
    bars = go.Bar(
        x=[k.change for k in rows],
        y=[safe(k.title) for k in rows],
        orientation="h",
        marker_color=[ORANGE if k.change * harm > 0 else TEAL for k in rows],
        marker_opacity=0.5,  # the interval lies on the bar and is read in light and dark
        error_x={
            "type": "data",
            "symmetric": False,
            "color": GREY,
            "thickness": 2,
            "array": [k.high - k.change for k in rows],
            "arrayminus": [k.change - k.low for k in rows],
        },
        hovertemplate="%{y}: %{x:+.3f}<extra></extra>",
    )
    return figure(
        [bars],
        title=f"Change of {metric_words(metric)}",
        x=f"Points of {metric_words(metric)}",
        y="",
        height=120 + 40 * len(rows),
        hovermode="closest",
    )


def agreement_figure(names: Sequence[str], shares: Sequence[Sequence[float]]) -> go.Figure:
    """A matrix of the shares of examples on which two models predict the same class.

    Rows are named; columns have the number of the row, as names side by side would be turned or left out.
    """
    cells = go.Heatmap(
        z=[list(row) for row in shares],
        x=list(range(len(names))),
        y=list(range(len(names))),
        zmin=0,
        zmax=1,
        colorscale=[[0, "rgba(109,103,242,0.05)"], [1, "rgba(109,103,242,0.75)"]],
        showscale=False,
        xgap=2,
        ygap=2,
        hoverinfo="skip",
    )
    places = [(row, column) for row in range(len(names)) for column in range(len(names))]
    words = go.Scatter(
        x=[column for _, column in places],
        y=[row for row, _ in places],
        mode="text",
        hoverinfo="skip",
        text=[f"{shares[row][column]:.1%}" for row, column in places],
        textfont={"size": 12},
    )
    at: dict[str, Any] = {"tickmode": "array", "tickvals": list(range(len(names))), "ticks": ""}
    numbers = [str(number) for number in range(1, len(names) + 1)]
    rows = [f"{number} · {safe(name, 24)}" for number, name in zip(numbers, names, strict=True)]
    chart = figure(
        [cells, words], title="How often they agree", x="", y="", height=110 + 52 * len(names), showlegend=False
    )
    return chart.update_layout(
        xaxis=axis("", **at, ticktext=numbers, showgrid=False),
        yaxis=axis("", **at, ticktext=rows, showgrid=False, autorange="reversed"),
    )
