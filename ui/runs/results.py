"""The results of a run: its scores, its mistakes, what to try next, and the model."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import streamlit as st

from core.evaluation.results import read_report
from core.store import files as results
from core.store.record import Run
from core.tasks import larger_is_better
from core.tasks.contract import Task, task_of_record
from core.tasks.results import Report
from core.wording import counted, metric_meaning, metric_title, score, sentence, size
from ui import pages
from ui.components.basics import for_display, plain
from ui.evaluate import judged, parts
from ui.session import resources


def render(run: Run) -> Report | None:
    """All results of a run that has ended. Returns its report, if there is one."""
    folder = resources.settings().run_dir(run.id)
    report = read_report(folder)
    ending(run)
    if report is not None:
        scores(report)
        if results.model_folder(folder) is not None:
            further(run)
        elif run.imported is not None and run in judged.imported_runs():
            look_closer(run)
        for draw in parts.of(report.task, "run"):
            draw(report)
        advice(report)
    model(folder, task_of_record(run.spec))
    return report


def ending(run: Run) -> None:
    """Why a run did not finish, and what to do."""
    if run.status in ("failed", "lost"):
        title = "This run failed" if run.status == "failed" else "This run was lost"
        st.error(plain(sentence(run.error or "It ended without an error message; look into the log.")), title=title)
        if run.detail:
            with st.expander("The last lines of its log", icon=":material/terminal:"):
                st.code(run.detail, language=None, wrap_lines=True)
        if resources.may("train"):
            st.caption("“Change and run again” opens its settings, so that you can correct them.")
    elif run.status == "stopped":
        so_far = f"Stopped after step {run.step:,} of {run.total:,}; the model so far was kept."
        at = so_far if run.total else "Stopped before the first step."
        text = plain(sentence(run.error)) if run.error else at
        st.info(text, icon=":material/stop_circle:")


def scores(report: Report) -> None:
    """The metrics beside those of the simplest baseline, which always gives the same answer."""
    main, values = report.main_metric, report.metrics
    common, compared = plain(str(report.baseline.label)), report.baseline.metrics
    st.subheader("Results", anchor=False)
    st.markdown(
        f"Evaluated on **{counted(report.examples, 'example')}** that were not used for training, compared with "
        f"always predicting “{common}”, the {Task(report.task).facts.BASELINE}."
    )
    names = [main, *(name for name in values if name not in (main, "loss"))]
    with st.grid(min(len(names), 3), min_column_width=150, key="run_scores"):
        for name in names:
            _score(name, values.get(name), compared.get(name), name == main)
    simpler_models(report)


def simpler_models(report: Report) -> None:
    """The main metric of this model beside that of simpler ones, the best first."""
    main, bag, frozen = report.main_metric, report.rivals.bag_of_words, report.rivals.frozen_encoder
    rows = [("This model", report.metrics.get(main), report.train_examples)]
    if frozen is not None:
        rows.append(
            ("A linear classifier on the model before any training", frozen.metrics.get(main), frozen.train_examples)
        )
    if bag is not None:
        rows.append(("A bag of words", bag.metrics.get(main), bag.train_examples))
    if len(rows) == 1:
        return
    rows.append((f"Always “{report.baseline.label}”", report.baseline.metrics.get(main), report.train_examples))
    sign = -1 if larger_is_better(main) else 1
    rows.sort(key=lambda row: math.inf if row[1] is None else sign * row[1])
    title = metric_title(main)
    st.markdown("**Beside simpler models**")
    st.dataframe(
        pd.DataFrame(rows, columns=["model", "value", "examples"]),
        hide_index=True,
        height="content",
        key="simpler_models",
        column_config={
            "model": st.column_config.TextColumn("Model", width="large"),
            "value": st.column_config.NumberColumn(title, format="%.3f", width="small", help=metric_meaning(main)),
            "examples": st.column_config.NumberColumn("Learned from", format="localized", width="small"),
        },
    )


def further(run: Run) -> None:
    """Buttons for what to do with the model next."""
    with st.container(horizontal=True, key="run_further"):
        label = "Evaluate it" if resources.may("work") else "Look at its evaluation"
        if st.button(label, icon=":material/fact_check:", key="run_evaluate"):
            st.switch_page(pages.EVALUATE, query_params={"run": run.id})
        if resources.may("ask") and st.button("Try it", icon=":material/forum:", key="run_play"):
            st.switch_page(pages.PLAYGROUND, query_params={"run": run.id})
        if st.button("Share it", icon=":material/ios_share:", key="run_share"):
            st.switch_page(pages.SHARE, query_params={"run": run.id})
        if st.button("Show me the code", icon=":material/code:", key="run_code"):
            st.switch_page(pages.SHARE, query_params={"run": run.id, "view": "code"})


def look_closer(run: Run) -> None:
    """A button that opens the evaluation from a run's bundle."""
    if st.button("Look at its evaluation", icon=":material/fact_check:", key="run_evaluation"):
        st.switch_page(pages.EVALUATE, query_params={"run": run.id})


def _score(name: str, value: float | None, baseline: float | None, is_main: bool) -> None:
    gain = None if value is None or baseline is None else round(value - baseline, 3)
    st.metric(
        f"**{metric_title(name)}**" if is_main else metric_title(name),
        score(value),
        0 if gain == 0 else None if gain is None else f"{gain:+.3f}",
        delta_color="normal" if larger_is_better(name) else "inverse",
        delta_description=None if baseline is None else f"against {score(baseline)}",
        help=metric_meaning(name),
        border=True,
    )


def advice(report: Report) -> None:
    if report.advice:
        with st.container(border=True, key="run_advice"):
            st.markdown("**:material/lightbulb: What to try next**")
            st.markdown("\n".join(f"- {plain(sentence(tip.text))}" for tip in report.advice))


def model(folder: Path, task: Task) -> None:
    """The model's folder, its size, and code that loads it."""
    place = results.model_folder(folder)
    if place is None:
        return
    with st.container(border=True, key="run_model"):
        room = size(results.folder_bytes(place))
        st.markdown(f"**:material/deployed_code: Your model** :gray[· {room} · safetensors]")
        if resources.installation().mode == "local":
            st.code(str(place), language=None, wrap_lines=True)
        st.code(for_display(results.load_code(place, task.model.KIND.auto_class)), language="python", wrap_lines=True)
