"""A Plotly chart that changes in place.

`st.plotly_chart` (1.67) derives its identity from the figure: with every new point the browser rebuilds the chart and
loses zoom, hidden traces and a drag in progress. This component passes the figure to `Plotly.react`, which keeps them
(`layout.uirevision`) and is much cheaper. The library comes with Plotly's Python package; the browser loads it once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import plotly
import plotly.graph_objects as go
import streamlit as st
from streamlit.components.v1 import declare_component

from ui.session import state

# Declared only for its address, from which the browser can fetch a file of an installed package.
_LIBRARY = declare_component("plotly", path=Path(plotly.__file__).parent / "package_data")

_JS = """
function library(source) {
  window.tunedeckPlotly ??= new Promise((done, failed) => {
    const script = document.createElement("script")
    script.src = source
    script.onload = () => done(window.Plotly)
    script.onerror = () => { window.tunedeckPlotly = undefined; failed() }
    document.head.append(script)
  })
  return window.tunedeckPlotly
}

function themed(layout, style) {
  const value = name => style.getPropertyValue(name).trim()
  const text = value("--st-text-color")
  layout.font = { family: value("--st-font"), color: text, size: 12 }
  layout.hoverlabel = { bgcolor: value("--st-background-color"), bordercolor: value("--st-border-color"),
                        font: { color: text, family: value("--st-font"), size: 12 } }
  layout.modebar = { bgcolor: "rgba(0,0,0,0)", color: "rgba(139,144,165,0.6)", activecolor: text }
  layout.autosize = true
  return layout
}

function draw(chart) {
  if (chart.held || !chart.isConnected) return
  const style = getComputedStyle(chart)
  const drawn = chart.wanted.figure + style.getPropertyValue("--st-text-color")
  if (chart.drawn === drawn) return
  chart.drawn = drawn
  const { data, layout } = JSON.parse(chart.wanted.figure)
  window.Plotly.react(chart, data, themed(layout, style), chart.wanted.config)
}

// A new figure would end a zoom that is being dragged: it waits for the pointer.
function hold(chart) {
  chart.held = true
  window.addEventListener("pointerup", () => setTimeout(() => { chart.held = false; draw(chart) }, 300), { once: true })
}

// A click on a point, told as its place; Plotly drops what was listened to when the chart is purged.
function listen(chart, setTriggerValue) {
  if (!chart.wanted.clicks || chart.listens) return
  chart.listens = true
  chart.on("plotly_click", event => {
    const point = event.points[0]
    setTriggerValue("clicked", { x: point.x, y: point.y, curve: point.curveNumber, point: point.pointNumber })
  })
}

export default function ({ data, parentElement, setTriggerValue }) {
  const chart = parentElement.querySelector(".live-chart")
  chart.wanted = data
  chart.style.height = `${data.height}px`
  chart.setAttribute("role", "figure")
  chart.setAttribute("aria-label", data.alt)
  chart.onpointerdown = () => hold(chart)
  library(data.library).then(
    () => { draw(chart); listen(chart, setTriggerValue) },
    () => { chart.textContent = "The chart library could not be loaded; reload the page." },
  )
  return () => { chart.listens = false; window.Plotly && window.Plotly.purge(chart) }
}
"""

_CHART = st.components.v2.component(
    "live_chart",
    html='<div class="live-chart"></div>',
    css=".live-chart { width: 100%; }\n",
    js=_JS,
    isolate_styles=False,
)

CONFIG = {"displaylogo": False, "responsive": True, "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"]}


@dataclass(frozen=True)
class Drawing:
    """A figure as JSON. height: in pixels"""

    figure: str
    height: int


def drawing(figure: go.Figure) -> Drawing:
    """A figure with a fixed `layout.height`, serialised once for any number of ticks."""
    height, figure.layout.template = figure.layout.height, None  # Streamlit's, which only its own element can read
    return Drawing(figure.to_json(), height)


def live_chart(drawn: Drawing, *, key: str, alt: str, on_click: Callable[[], None] | None = None) -> None:
    """Show a drawing; another drawing with the same key updates the chart in place.

    alt: what the chart shows, in words
    on_click: called after a click on a point, before the page runs; `clicked(key)` returns the point
    """
    data = {
        "figure": drawn.figure,
        "height": drawn.height,
        "config": CONFIG,
        "alt": alt,
        "library": _library_address(),
        "clicks": on_click is not None,
    }
    if on_click is None:
        _CHART(data=data, key=key)
    else:
        _CHART(data=data, key=key, on_clicked_change=on_click)


def clicked(key: str) -> dict[str, Any] | None:
    """The point that was just clicked: x, y, and the numbers of its curve and point. For use in `on_click`."""
    value = state.widget(key)
    point = value.get("clicked") if value is not None else None
    return dict(point) if point else None


def _library_address() -> str:
    base = st.get_option("server.baseUrlPath").strip("/")
    path = f"component/{_LIBRARY.name}/plotly.min.js?v={plotly.__version__}"
    return f"/{base}/{path}" if base else f"/{path}"
