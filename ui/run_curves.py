"""The curves of a run, live and afterwards."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.figures import run as figures
from core.run_view import RunView
from core.store import Run
from ui.live_chart import live_chart


def show(view: RunView, run: Run, report: dict[str, Any] | None) -> None:
    """Loss beside the metrics, learning rate beside gradient norm. Keys and revision keep zoom while points come."""
    main = str(run.spec.get("evaluation", {}).get("metric_for_best_model", "accuracy"))
    baseline = (report or {}).get("baseline", {}).get("metrics", {}).get(main)
    training, evaluation = view.series("loss"), view.series("eval_loss")
    metrics = _evaluations(view)
    if training.empty and evaluation.empty:
        if run.status == "running":
            st.skeleton(height=360)
        return
    left, right = st.columns(2, gap="medium")
    with left:
        _chart(figures.loss_figure(training, evaluation, run.id), "loss", "Training and evaluation loss by step")
    with right:
        note = "There was no evaluation." if run.is_final else _no_evaluation_yet(run)
        chart = figures.metrics_figure(metrics, main, baseline, run.id, note)
        _chart(chart, "metrics", "Metrics of each evaluation by step")
    told = run.status == "failed" or any(event.payload.get("code") == "diverged" for event in view.events)
    if not told:
        _not_numbers(training, evaluation)
    rate, norm = view.series("learning_rate"), view.series("grad_norm")
    left, right = st.columns(2, gap="medium")
    with left:
        if len(rate):
            _chart(figures.rate_figure(rate, run.id), "rate", "Learning rate by step")
    with right:
        if len(norm):
            _chart(figures.norm_figure(norm, run.id), "norm", "Gradient norm by step")


def _chart(chart: Any, name: str, alt: str) -> None:
    live_chart(chart, key=f"chart_{name}", alt=alt)


def _evaluations(view: RunView) -> dict[str, pd.DataFrame]:
    """The metrics of the evaluations, without their loss and speed."""
    known = {name.removeprefix("eval_"): name for name in view.points if name.startswith("eval_")}
    aside = ("loss", "runtime", "samples_per_second", "steps_per_second")
    return {bare: view.series(name) for bare, name in known.items() if bare not in aside}


def _no_evaluation_yet(run: Run) -> str:
    match run.spec.get("training", {}).get("eval_strategy"):
        case "no":
            return "This run evaluates only at its end."
        case "steps":
            return f"The first evaluation comes after {run.spec['training'].get('eval_steps', 100):,} steps."
        case _:
            return "The first evaluation comes at the end of the first epoch."


def _not_numbers(*curves: pd.DataFrame) -> None:
    broken = [int(c.loc[~np.isfinite(c["value"].astype(float)), "step"].iloc[0]) for c in curves if _has_gap(c)]
    if broken:
        st.warning(
            f"The loss is not a number from step {min(broken):,}: training diverged there, and the curve has a gap. "
            "A ten times smaller learning rate is the usual cure.",
            icon=":material/trending_up:",
        )


def _has_gap(curve: pd.DataFrame) -> bool:
    return bool(len(curve)) and not bool(np.isfinite(curve["value"].astype(float)).all())
