"""The curves of a run, live and afterwards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from core.figures import run as figures
from core.spec.run import main_metric_of
from core.store.record import Run
from core.store.watching import RunView
from core.tasks.contract import task_of_record
from core.tasks.results import Report
from ui.components.live_chart import Drawing, drawing, live_chart
from ui.session import state

NO_METRICS = ("loss", "runtime", "samples_per_second", "steps_per_second")
ALT = {
    "loss": "Training and evaluation loss by step",
    "metrics": "Metrics of each evaluation by step",
    "rate": "Learning rate by step",
    "norm": "Gradient norm by step",
}


@dataclass(frozen=True)
class Curves:
    """The charts of a run at one moment. broken: the first step whose loss is not finite, else None"""

    charts: dict[str, Drawing]
    broken: int | None


def render(view: RunView, run: Run, report: Report | None) -> None:
    """Loss beside metrics, learning rate beside gradient norm. Keys and revision keep the zoom while points arrive."""
    if not view.points.get("loss") and not view.points.get("eval_loss"):
        if run.status == "running":
            st.skeleton(height=360)
        return
    drawn = state.curves(run.id, (view.version, run.status), lambda: _draw(view, run, report))
    _beside(drawn, "loss", "metrics")
    if drawn.broken is not None and not _explained(view, run):
        st.warning(
            f"The loss is not a number from step {drawn.broken:,} on: training diverged, and the curve has a gap. "
            "A ten times smaller learning rate usually helps.",
            icon=":material/trending_up:",
        )
    _beside(drawn, "rate", "norm")


def _beside(drawn: Curves, *names: str) -> None:
    present = [name for name in names if name in drawn.charts]
    for name, column in zip(present, st.columns(2, gap="medium"), strict=False):
        with column:
            live_chart(drawn.charts[name], key=f"chart_{name}", alt=ALT[name])


def _draw(view: RunView, run: Run, report: Report | None) -> Curves:
    main = main_metric_of(run.spec)
    baseline = report.baseline_metrics.get(main) if report else None
    always = task_of_record(run.spec).facts.BASELINE
    training, evaluation = view.series("loss"), view.series("eval_loss")
    note = "There was no evaluation." if run.is_final else _no_evaluation_yet(run)
    charts = {
        "loss": figures.loss_figure(training, evaluation, run.id),
        "metrics": figures.metrics_figure(_evaluations(view), main, baseline, run.id, note, always),
    }
    if len(rate := view.series("learning_rate")):
        charts["rate"] = figures.rate_figure(rate, run.id)
    if len(norm := view.series("grad_norm")):
        charts["norm"] = figures.norm_figure(norm, run.id)
    broken = [int(c["step"].iloc[gaps.argmax()]) for c in (training, evaluation) if (gaps := _gaps(c)).any()]
    return Curves({name: drawing(chart) for name, chart in charts.items()}, min(broken, default=None))


def _evaluations(view: RunView) -> dict[str, pd.DataFrame]:
    """The metrics of the evaluations, without their loss and speed."""
    names = [name.removeprefix("eval_") for name in view.points if name.startswith("eval_")]
    return {name: view.series(f"eval_{name}") for name in names if name not in NO_METRICS}


def _gaps(curve: pd.DataFrame) -> np.ndarray:
    return ~np.isfinite(curve["value"].to_numpy(dtype=float))


def _no_evaluation_yet(run: Run) -> str:
    match run.spec.get("training", {}).get("eval_strategy"):
        case "no":
            return "This run evaluates only at its end."
        case "steps":
            return f"The first evaluation comes after {run.spec['training'].get('eval_steps', 100):,} steps."
        case _:
            return "The first evaluation comes at the end of the first epoch."


def _explained(view: RunView, run: Run) -> bool:
    """Whether a message of the run already says that it diverged."""
    return run.status == "failed" or any(event.payload.get("code") == "diverged" for event in view.events)
