"""A model's mistakes per class: the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from core.figures.style import axis, safe

MOST_CLASSES = 30
WRITTEN_UP_TO = 12
LABEL_LENGTH = 22
STRONG = 0.85  # from this share on, the colour is so strong that only white text is legible on it

RIGHT = [[0, "rgba(109,103,242,0.06)"], [1, "rgba(109,103,242,1)"]]
WRONG = [[0, "rgba(139,144,165,0.05)"], [0.001, "rgba(236,122,28,0.05)"], [1, "rgba(236,122,28,1)"]]


def confusion_figure(
    labels: Sequence[str], counts: Sequence[Sequence[int]], height: int | None = None, normalised: bool = True
) -> go.Figure:
    """The confusion matrix: rows are true classes, columns predicted ones, right and wrong cells differ in colour.

    With up to twelve classes each cell has its count and share as text; with more, only the hover text has them.

    counts: (classes, classes), true by predicted, at most 30 classes
    normalised: whether the colour is the share of the row, else the count
    """
    matrix = np.asarray(counts, dtype=float)
    totals = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, totals, out=np.zeros_like(matrix), where=totals > 0)
    diagonal = np.eye(len(labels), dtype=bool)
    names = [safe(label) for label in labels]
    strength = shares if normalised else matrix / max(1.0, float(matrix.max()))
    traces = [_cells(strength, diagonal, RIGHT), _cells(strength, ~diagonal, WRONG)]
    # Invisible markers cover the cells: they carry the hover text and receive clicks.
    traces.append(_cover(matrix, shares, names))
    if len(labels) <= WRITTEN_UP_TO:
        strong = strength > STRONG
        traces += [_words(matrix, shares, ~strong), _words(matrix, shares, strong, "#ffffff")]
    ticks = {
        "tickmode": "array",
        "tickvals": list(range(len(labels))),
        "ticktext": [safe(label, LABEL_LENGTH) for label in labels],
        "showgrid": False,
    }
    cell = 46 if len(labels) <= WRITTEN_UP_TO else 22
    tall = height or max(280, cell * len(labels) + 120)
    slanted = max((len(label) for label in labels), default=0) > 8 or len(labels) > 8
    return go.Figure(
        traces,
        layout={
            "height": tall,
            "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "showlegend": False,
            "hovermode": "closest",
            "hoverdistance": -1,  # the nearest marker belongs to the cell under the pointer
            "xaxis": axis("Predicted", **ticks, tickangle=-40 if slanted else 0, range=[-0.5, len(labels) - 0.5]),
            "yaxis": axis("True", **ticks, range=[len(labels) - 0.5, -0.5]),
        },
    )


def frequent_mistakes(
    labels: Sequence[str], counts: Sequence[Sequence[int]], most: int = 15
) -> list[tuple[str, str, int, float]]:
    """The most frequent confusions: true class, predicted class, count, share of the true class."""
    matrix = np.asarray(counts, dtype=float)
    totals = matrix.sum(axis=1)
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    rows, columns = np.unravel_index(np.argsort(wrong, axis=None)[::-1][:most], wrong.shape)
    return [
        (labels[row], labels[column], int(wrong[row, column]), float(wrong[row, column] / totals[row]))
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
        if wrong[row, column] > 0
    ]


def _cells(shares: np.ndarray, mask: np.ndarray, scale: Sequence[Sequence[object]]) -> go.Heatmap:
    values = [[float(v) if s else None for v, s in zip(*row, strict=True)] for row in zip(shares, mask, strict=True)]
    return go.Heatmap(z=values, zmin=0, zmax=1, colorscale=scale, showscale=False, hoverinfo="skip", xgap=2, ygap=2)


def _cover(matrix: np.ndarray, shares: np.ndarray, names: list[str]) -> go.Scatter:
    places = [(row, column) for row in range(len(names)) for column in range(len(names))]
    return go.Scatter(
        x=[column for _, column in places],
        y=[row for row, _ in places],
        customdata=[[names[r], names[c], int(matrix[r, c]), float(shares[r, c])] for r, c in places],
        mode="markers",
        marker={"size": 22, "opacity": 0, "symbol": "square"},
        hovertemplate=(
            "true: <b>%{customdata[0]}</b><br>predicted: <b>%{customdata[1]}</b><br>"
            "%{customdata[2]:,} examples, %{customdata[3]:.1%} of the true class<extra></extra>"
        ),
    )


def _words(matrix: np.ndarray, shares: np.ndarray, mask: np.ndarray, color: str | None = None) -> go.Scatter:
    rows, columns = np.nonzero(mask & (matrix > 0))
    small = len(matrix) > 8
    return go.Scatter(
        x=columns.tolist(),
        y=rows.tolist(),
        text=[
            f"{int(matrix[r, c]):,}" if small else f"{int(matrix[r, c]):,}<br>{shares[r, c]:.0%}"
            for r, c in zip(rows, columns, strict=True)
        ],
        mode="text",
        textfont={"size": 11 if small else 12} | ({"color": color} if color else {}),
        hoverinfo="skip",
    )
