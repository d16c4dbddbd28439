"""The curves of a training run: loss, metrics, learning rate and gradient norm.

Series are data frames with the columns step, epoch and value, ascending by step (see `RunView.series`). NaN and
infinities are gaps in a line. revision: the run's id, so that zoom and legend stay while points arrive
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.figures.style import COLORS, GREY, INDIGO, ORANGE, TEAL, axis, figure, thin
from core.tasks import larger_is_better
from core.wording import capitalised, metric_title, metric_words

SMOOTHED_FROM = 40


def loss_figure(
    training: pd.DataFrame, evaluation: pd.DataFrame, revision: str = "", title: str = "Training and evaluation loss"
) -> go.Figure:
    """Training and evaluation loss against steps; a long training curve is drawn faint under its moving average."""
    # The order never changes, so that a hidden trace stays hidden when another trace is added.
    long = len(training) >= SMOOTHED_FROM
    curve = training.assign(value=smoothed(training["value"])) if long else training
    traces = [
        _line(curve, "Training", INDIGO, width=2.2, digits=".4f", points=not long),
        _line(evaluation, "Evaluation", ORANGE, width=2.2, digits=".4f", points=True),
    ]
    if long:
        traces.append(_line(training, "Each step", INDIGO, opacity=0.4, width=1, hoverinfo="skip"))
    return figure(traces, title=title, x="Step", y="Loss", height=360, revision=revision, yaxis=axis("Loss", nticks=6))


def metrics_figure(
    series: Mapping[str, pd.DataFrame],
    main: str,
    baseline: float | None = None,
    revision: str = "",
    note: str = "",
    always: str = "most common class",
) -> go.Figure:
    """Each evaluation metric against steps; the main metric is bold, with its best point and its baseline.

    series: metric name (without `eval_`) -> series; main: the name of the main metric
    note: the text while there is no evaluation yet; always: what the baseline always answers
    """
    names = [name for name in (main, *(name for name in series if name != main)) if name in series]
    traces = [_metric(series[name], name, place, name == main) for place, name in enumerate(names)]
    if main in series:
        traces += _best(series[main], main) + _baseline(series[main], baseline, always)
    chart = figure(traces, title="Evaluation metrics", x="Step", y="Score", height=360, revision=revision)
    chart.update_yaxes(nticks=6)
    if not traces:
        chart.update_layout(xaxis={"range": [0, 1], "showticklabels": False}, yaxis={"showticklabels": False})
        chart.add_annotation(text=note, xref="paper", yref="paper", x=0.5, y=0.5, showarrow=False, font={"color": GREY})
    return chart


def rate_figure(rate: pd.DataFrame, revision: str = "") -> go.Figure:
    line = _line(rate, "Learning rate", TEAL, width=2.2, digits=".2e")
    y = axis("Rate", exponentformat="e", showexponent="all", nticks=5, rangemode="tozero")
    return figure([line], title="Learning rate", x="Step", y="", height=240, revision=revision, yaxis=y)


def norm_figure(norm: pd.DataFrame, revision: str = "") -> go.Figure:
    line = _line(norm, "Gradient norm", GREY, width=1.6, digits=".3f")
    y = axis("Norm", nticks=5, rangemode="tozero")
    return figure([line], title="Gradient norm", x="Step", y="", height=240, revision=revision, yaxis=y)


def smoothed(values: pd.Series) -> pd.Series:
    """The exponential moving average over about a twentieth of the points; gaps stay gaps."""
    finite = values.where(np.isfinite(values))
    return finite.ewm(span=max(8, len(values) / 20), ignore_na=True).mean().where(finite.notna())


def _line(
    series: pd.DataFrame,
    name: str,
    color: str,
    *,
    width: float,
    digits: str = ".3f",
    points: bool = False,
    opacity: float = 1.0,
    **more: Any,
) -> go.Scatter:
    x, y = series["step"].to_numpy(), series["value"].to_numpy(dtype=float)
    kept = thin(x, y)
    epochs = series["epoch"].to_numpy(dtype=float)[kept]
    hover = None if "hoverinfo" in more else f"%{{y:{digits}}}<extra>{name}</extra>"
    return go.Scatter(
        x=x[kept].tolist(),
        y=[value if np.isfinite(value) else None for value in y[kept].tolist()],
        customdata=[None if np.isnan(epoch) else round(epoch, 2) for epoch in epochs.tolist()],
        name=name,
        mode="lines+markers" if points else "lines",
        line={"color": color, "width": width},
        marker={"color": color, "size": 7},
        opacity=opacity,
        connectgaps=False,
        hovertemplate=hover,
        **more,
    )


def _metric(series: pd.DataFrame, name: str, place: int, is_main: bool) -> go.Scatter:
    return _line(
        series,
        metric_title(name),
        COLORS[place % len(COLORS)],
        width=3 if is_main else 1.4,
        points=True,
        opacity=1.0 if is_main else 0.75,
    )


def _best(series: pd.DataFrame, main: str) -> list[go.Scatter]:
    finite = series[np.isfinite(series["value"])]
    if len(finite) < 2:
        return []
    values = finite["value"]
    top = finite.loc[values.idxmax() if larger_is_better(main) else values.idxmin()]
    star = {"symbol": "star", "size": 15, "color": INDIGO, "line": {"color": "white", "width": 1}}
    hover = f"%{{y:.3f}}<extra>Best {metric_words(main)}</extra>"
    place = {"x": [top["step"]], "y": [top["value"]]}
    return [go.Scatter(**place, mode="markers", marker=star, hovertemplate=hover, showlegend=False)]


def _baseline(series: pd.DataFrame, value: float | None, always: str) -> list[go.Scatter]:
    if value is None or not len(series):
        return []
    return [
        go.Scatter(
            x=[0, series["step"].iloc[-1]],
            y=[value, value],
            name=capitalised(always),
            mode="lines",
            line={"color": GREY, "width": 1.6, "dash": "dash"},
            hovertemplate=f"%{{y:.3f}}<extra>Always the {always}</extra>",
        )
    ]
