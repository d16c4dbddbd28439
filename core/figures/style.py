"""What all figures share: colours legible on white and on near-black, one layout, thinning, safe text."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

INDIGO = "#6d67f2"
ORANGE = "#ec7a1c"
TEAL = "#12a594"
PINK = "#d6478f"
GREY = "#8b90a5"
AMBER = "#b98a0e"
COLORS = (INDIGO, ORANGE, TEAL, PINK, AMBER, GREY)
GRID = "rgba(139,144,165,0.22)"

MOST_POINTS = 1_000


def figure(
    traces: Sequence[Any], *, title: str, x: str, y: str, height: int = 300, revision: str = "", **layout: Any
) -> go.Figure:
    """A figure in the common layout.

    revision: while it stays the same, Plotly keeps zoom and hidden traces when the data change (`uirevision`)
    """
    return go.Figure(
        list(traces),
        layout={
            "title": {
                "text": f"<b>{title}</b>",
                "font": {"size": 15},
                "x": 0,
                "xanchor": "left",
                "y": 0.97,
                "yanchor": "top",
            },
            "height": height,
            "margin": {"l": 8, "r": 12, "t": 40, "b": 8},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "uirevision": revision or None,
            "hovermode": "x unified",
            "showlegend": len(traces) > 1,
            "legend": {
                "orientation": "h",
                "x": 0,
                "xanchor": "left",
                "y": -0.24,
                "yanchor": "top",
                "font": {"size": 12},
            },
            "xaxis": axis(x, showgrid=False),
            "yaxis": axis(y),
            **layout,
        },
    )


def axis(title: str, **more: Any) -> dict[str, Any]:
    return {
        "title": {"text": title, "font": {"size": 12, "color": GREY}, "standoff": 8},
        "tickfont": {"size": 11, "color": GREY},
        "gridcolor": GRID,
        "zeroline": False,
        "automargin": True,
        **more,
    }


def safe(text: str, length: int | None = None) -> str:
    """`text` escaped for Plotly, which interprets some HTML, and formulas between dollar signs."""
    if length is not None and len(text) > length:
        text = text[: length - 1] + "…"
    return html.escape(" ".join(text.split()), quote=False).replace("$", "&#36;")


def thin(x: np.ndarray, y: np.ndarray, most: int = MOST_POINTS) -> np.ndarray:
    """The indices of about `most` points that keep a line's shape: the lowest and highest of each stretch, ascending.

    The first point, the last point and a point of every gap (NaN or infinite) are kept.
    """
    count = len(x)
    if count <= most:
        return np.arange(count)
    kept = {0, count - 1}
    for stretch in np.array_split(np.arange(count), most // 2):
        values = y[stretch]
        finite = np.isfinite(values)
        if not finite.all():
            kept.add(int(stretch[~finite][0]))
        if finite.any():
            inside = stretch[finite]
            kept.add(int(inside[np.argmin(y[inside])]))
            kept.add(int(inside[np.argmax(y[inside])]))
    return np.array(sorted(kept))
