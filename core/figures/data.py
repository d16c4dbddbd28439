"""Figures of a dataset: the frequencies of its labels and the lengths of its texts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.figures.style import COLORS, INDIGO, ORANGE, TEAL, axis, figure, safe

MOST_LABELS = 50
MOST_UPRIGHT = 8  # with more labels, or longer ones, the bars are horizontal
LONGEST_UPRIGHT = 12
LABEL_CHARACTERS = 40
BARS = 48
TAIL = 0.995  # the share of the texts that a histogram's axis covers; a few very long texts would squeeze the rest


def label_bars(
    counts: Mapping[str, pd.DataFrame], *, shares: bool, most: int = MOST_LABELS, without: str | None = None
) -> go.Figure:
    """One bar per label and split.

    counts: split → columns label and count; shares: of each split instead of numbers of rows
    most: the maximum number of labels; without: a label that gets no bar but counts for the shares
    """
    labels = bar_labels(counts, most, without)
    lying = len(labels) > MOST_UPRIGHT or max(map(len, labels), default=0) > LONGEST_UPRIGHT
    traces = [
        _label_trace(split, frame, labels, color, lying=lying, shares=shares, alone=len(counts) == 1)
        for (split, frame), color in zip(counts.items(), _colors(len(counts)), strict=True)
    ]
    values = axis("Share of the split" if shares else "Rows", tickformat=".0%" if shares else ",d", rangemode="tozero")
    names = axis("", type="category", showgrid=False, categoryorder="array", categoryarray=list(map(_name, labels)))
    if lying:
        names["autorange"] = "reversed"
    chart = figure(
        traces,
        title="",
        x="",
        y="",
        height=max(300, 90 + 26 * len(labels) + 14 * len(labels) * (len(counts) - 1)) if lying else 340,
        hovermode="closest",
        bargap=0.25,
        xaxis=values if lying else names,
        yaxis=names if lying else values,
    )
    return chart.update_layout(margin={"l": 8, "r": 40 if lying else 12, "t": 32 if len(counts) > 1 else 16, "b": 8})


def bar_labels(counts: Mapping[str, pd.DataFrame], most: int = MOST_LABELS, without: str | None = None) -> list[str]:
    """The labels that `label_bars` draws, in the order of its bars."""
    known = dict.fromkeys(label for frame in counts.values() for label in frame["label"].astype(str))
    return [label for label in known if label != without][:most]


def _label_trace(
    split: str, frame: pd.DataFrame, labels: list[str], color: str, *, lying: bool, shares: bool, alone: bool
) -> go.Bar:
    count = dict(zip(frame["label"].astype(str), frame["count"], strict=True))
    total = max(1, int(frame["count"].sum()))
    rows = np.array([count.get(label, 0) for label in labels])
    values = rows / total if shares else rows
    names = [_name(label) for label in labels]
    return go.Bar(
        name=safe(split),
        x=values if lying else names,
        y=names if lying else values,
        orientation="h" if lying else "v",
        marker={"color": color, "cornerradius": 4},
        text=[f"{v:.1%}" for v in rows / total] if alone or shares else [f"{v:,}" for v in rows],
        textposition="outside" if alone else "none",
        cliponaxis=False,
        customdata=np.column_stack([rows, rows / total]),
        hovertemplate=f"%{{{'y' if lying else 'x'}}}<br>%{{customdata[0]:,d}} rows · %{{customdata[1]:.1%}}"
        f"<extra>{safe(split)}</extra>",
    )


def length_histogram(lengths: np.ndarray, max_length: int | None, unit: str = "tokens") -> go.Figure:
    """A histogram of text lengths, with a line at the truncation length and truncated texts in another colour.

    lengths: int (texts,); max_length: the truncation length, None for no truncation. The `customdata` of each bar has
    its smallest and largest length.
    """
    edges = _edges(lengths, max_length or 0)
    counts, _ = np.histogram(np.minimum(lengths, edges[-1]), bins=edges)
    left, right = edges[:-1], edges[1:]
    last = right - 1
    last[-1] = max(last[-1], lengths.max(initial=0))  # the last bar includes all longer texts
    cut = left >= (edges[-1] if max_length is None else max_length)
    traces = [
        go.Bar(
            name=name,
            x=left[part] + (right - left)[part] / 2,
            y=counts[part],
            width=(right - left)[part],
            marker={"color": color, "line": {"width": 0}},
            customdata=np.column_stack([left[part], last[part]]),
            hovertemplate=f"%{{customdata[0]:,d}} to %{{customdata[1]:,d}} {unit}: %{{y:,d}} texts<extra></extra>",
        )
        for name, color, part in (("Read whole", INDIGO, ~cut), ("Cut off", ORANGE, cut))
    ]
    chart = figure(
        traces,
        title="",
        x=unit.capitalize() + " per text",
        y="Texts",
        height=340,
        hovermode="closest",
        showlegend=False,
    )
    chart.update_xaxes(range=[0, edges[-1]])
    chart.update_layout(margin={"l": 8, "r": 12, "t": 44, "b": 8}, barmode="overlay")
    return chart if max_length is None else _with_cut(chart, max_length, int(edges[-1]))


def _with_cut(chart: go.Figure, max_length: int, end: int) -> go.Figure:
    inside = max_length <= end
    if inside:
        chart.add_vline(max_length, line={"color": ORANGE, "width": 2, "dash": "dash"})
    chart.add_annotation(
        text=f"cut at {max_length:,}" + ("" if inside else " →"),
        x=min(max_length, end),
        xanchor="center" if inside and max_length < 0.9 * end else "right",
        y=1.0,
        yref="paper",
        yanchor="bottom",
        showarrow=False,
        font={"color": ORANGE},
    )
    return chart


def cut_shares(cut: Mapping[str, Mapping[str, float]], recommended: int | None) -> go.Figure:
    """The share of truncated texts at each maximum length, one bar per split. cut: split → length → share"""
    traces = [
        go.Bar(
            name=safe(split),
            x=[f"{int(length):,}" for length in shares],
            y=list(shares.values()),
            marker={"color": color, "cornerradius": 4},
            text=[f"{share:.1%}" if share >= 0.0005 else "0" for share in shares.values()],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{x} tokens cut %{y:.1%} of the texts<extra>" + safe(split) + "</extra>",
        )
        for (split, shares), color in zip(cut.items(), _colors(len(cut)), strict=True)
    ]
    chart = figure(
        traces,
        title="",
        x="Longest text in tokens",
        y="Texts cut off",
        height=320,
        hovermode="closest",
        bargap=0.25,
        xaxis=axis("Longest text in tokens", type="category", showgrid=False),
        yaxis=axis("Texts cut off", tickformat=".0%", rangemode="tozero"),
    )
    lengths = [int(length) for length in next(iter(cut.values()), {})]
    if recommended in lengths:
        chart.add_annotation(  # x is the category's index: Plotly reads a category that looks like a number as a number
            text="recommended",
            x=lengths.index(recommended),
            y=1.0,
            yref="paper",
            yanchor="bottom",
            showarrow=False,
            font={"color": TEAL},
        )
    return chart.update_layout(margin={"l": 8, "r": 12, "t": 32, "b": 8})


def _edges(lengths: np.ndarray, max_length: int) -> np.ndarray:
    """Integer edges of equally wide bars, one of them at `max_length` so that no bar is partly truncated."""
    top = int(np.quantile(lengths, TAIL)) + 1 if len(lengths) else 1
    width = max(1, -(-top // BARS))
    start = max_length % width
    stop = max(top, min(max_length, 2 * top)) + width
    edges = np.arange(start, stop + width, width)
    return edges if start == 0 else np.concatenate([[0], edges])


def _colors(count: int) -> list[str]:
    return [COLORS[i % len(COLORS)] for i in range(count)]


def _name(label: str) -> str:
    return safe(label, LABEL_CHARACTERS)
