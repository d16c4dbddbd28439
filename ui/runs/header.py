"""The top of the Run page: name and actions, status, subject, progress and vitals."""

from __future__ import annotations

import re
import time

import streamlit as st

from core.errors import SpecError
from core.runs import queue
from core.runs.kinds import KINDS
from core.runs.scheduler import resume_point
from core.spec.data import DataSpec
from core.spec.names import dataset_name, model_name
from core.spec.run import build, main_metric_of
from core.store.record import Run
from core.store.watching import RunView
from core.wording import counted, duration, engine_title, metric_title, number, rough_duration, score
from ui import pages
from ui.components.basics import clock, plain, status_badge
from ui.runs import actions
from ui.session import resources, state


def title(run: Run) -> None:
    """Name and actions; drawn only when the whole page runs, so that an open menu or dialog stays open."""
    st.page_link(pages.RUNS, label="All runs", icon=":material/arrow_back:")
    with st.container(horizontal=True, vertical_alignment="center", key="run_title"):
        st.title(plain(run.name), anchor=False, width="stretch")
        if resources.may("resume", run) and (step := resume_point(run, resources.settings())) is not None:
            where = f"Continues after step {step:,}, the last checkpoint, with the same settings."
            st.button(
                "Resume",
                icon=":material/resume:",
                key="run_resume",
                type="primary",
                help=where if step else "Starts again with the same settings, because there is no checkpoint.",
                on_click=actions.resume,
                args=(run.id,),
            )
        if run.imported is not None:
            st.badge(
                "Imported · read-only",
                icon=":material/inventory_2:",
                color="violet",
                help=f"It came in the bundle {plain(str(run.imported.get('from', '')))} and cannot be changed.",
            )
        again = (
            run.kind == "train"
            and resources.may("train")
            and st.button(
                "Change and run again",
                icon=":material/content_copy:",
                key="run_again",
                help="Opens the New run page with this run's settings.",
            )
        )
        more = None
        if resources.may("delete", run):
            more = st.menu_button(
                "More",
                ["Rename", "Delete"] if run.imported is None else ["Delete"],
                icon=":material/more_horiz:",
                key="run_more",
                type="tertiary",
            )
        read_only(run)
    if again:
        actions.change_and_run_again(run)
    if more == "Rename":
        actions.rename_dialog(run)
    elif more == "Delete":
        actions.delete_dialog([resources.store().run(run.id)], leave=True)


def read_only(run: Run) -> None:
    """A badge with the run's owner, for people who may only look at it."""
    mode = resources.installation().mode
    if run.imported is None and mode != "local" and not resources.may("delete", run):
        whose = f"run of {plain(run.owner)}" if mode == "team" else "shown to everybody"
        st.badge(f"Read-only: {whose}", icon=":material/lock:", color="gray")


def status_line(run: Run) -> None:
    """Status, subject and time; and the stop button while the run can be stopped."""
    with st.container(horizontal=True, vertical_alignment="center", key="run_status"):
        status_badge(run.status)
        st.markdown(f":gray[{subject(run)}]", width="stretch")
        if run.status in ("queued", "starting", "running") and resources.may("stop", run):
            _stop_button(run)


def _stop_button(run: Run) -> None:
    """Stop, which asks first: a key is pressed by mistake more easily than a button.

    The button that asks and the one that stops are one element, so that a click on it is not lost when it changes.
    """
    asks = state.asks_to_stop(run.id)
    st.button(
        "Stop it" if asks else "Stop",
        icon=":material/stop_circle:",
        key="run_stop",
        type="primary" if asks else "secondary",
        help=actions.STOP_HELP,
        on_click=actions.stop if asks else state.ask_to_stop,
        args=(run.id,),
        shortcut="Y" if asks else "Shift+X",
    )
    if asks:
        keep = state.ask_to_stop
        st.button("Keep running", key="run_stop_no", type="tertiary", on_click=keep, args=(None,), shortcut="N")


def subject(run: Run) -> str:
    """ "scratch on Sample reviews · Trainer · started 14:02", escaped for Markdown."""
    parts = [plain(dataset_of(run))]
    if run.kind == "train":
        model = model_name(str(run.spec.get("model", {}).get("name", "?")))
        model = "A new small BERT" if model == "scratch" else model
        parts = [f"{plain(model)} on {parts[0]}", engine_title(run.spec)]
    ended = run.is_final and run.ended is not None and run.started is not None
    parts.append(f"started {clock(run.started)}" if run.started else f"submitted {clock(run.created)}")
    if ended:
        parts.append(f"took {duration(run.seconds)}")
    return " · ".join(part for part in parts if part)


def dataset_of(run: Run) -> str:
    """The name of a run's dataset; for work without one, the run's name."""
    data = KINDS[run.kind].data_of(run.spec) if run.kind in KINDS else None
    if data is None:
        return run.name
    try:
        return dataset_name(build(data, DataSpec))
    except SpecError:
        return str(data.get("path") or "a dataset")


def progress(view: RunView, run: Run) -> None:
    """The progress bar with phase, step, epoch and times; for a waiting run its place in the queue."""
    if run.status == "queued":
        _waiting(run)
        return
    text = [f"**{plain(run.phase or 'Starting')}**"]
    if run.total:
        text.append(f"step {run.step:,} of {run.total:,}")
    if run.epoch is not None:
        text.append(f"epoch {run.epoch:.1f}")
    if run.started is not None:
        text.append(f"{duration(time.time() - run.started)} so far")
    if run.status == "stopping":
        text = ["**Stopping** after the current step; the model so far is kept"]
    elif (left := view.seconds_left) is not None:
        text.append(f"{rough_duration(left)} left")
    st.progress(_share(run), text=" · ".join(text))


def vitals(view: RunView, run: Run) -> None:
    """The current loss, metric, speed and resource use."""
    main = main_metric_of(run.spec)
    cards = [
        ("Training loss", number(view.last("loss"), 4), "The last point of the training curve. Lower is better."),
        (metric_title(main), score(view.last(f"eval_{main}")), "From the latest evaluation."),
        ("Speed", _speed(view), "Training examples per second; with tokens per second where they are counted."),
        ("CPU", _cores(view.last("cpu_percent")), "How many cores the training keeps busy."),
        ("Memory", _gigabytes(view.last("memory_gb")), "Main memory of the training process."),
    ]
    if (gpu := view.last("gpu_memory_gb")) is not None:
        cards.append(("GPU memory", _gigabytes(gpu), "Reserved on the GPU by the training process."))
    with st.grid(len(cards), min_column_width=120, key="run_vitals"):
        for label, value, meaning in cards:
            st.metric(label, value, help=meaning)


def _waiting(run: Run) -> None:
    demo = resources.installation().mode == "demo"
    place = queue.place_in_queue(resources.store(), run, one_at_a_time=demo)
    with st.container(border=True):
        if place.ahead:
            ahead = counted(place.ahead, "run is", "runs are")
            st.markdown(f":material/schedule: **{ahead} before this one.**")
        else:
            st.markdown(":material/schedule: **Next in line.**")
        if place.holders:
            st.markdown("It starts by itself when this run has ended:" if not place.ahead else "Working now:")
            for holder in place.holders:
                st.page_link(pages.RUN, label=plain(holder.name), query_params={"run": holder.id})
        if place.others:
            st.markdown(f"{counted(place.others, 'run of other people is', 'runs of other people are')} at work.")
        elif not place.ahead and not place.holders:
            st.markdown("It starts in a moment.")


def _share(run: Run) -> float:
    if run.total:
        return min(run.step / run.total, 1.0)
    percent = re.search(r"(\d{1,3})\s?%", run.phase)  # a phase such as a download contains its own share
    return min(int(percent[1]), 100) / 100 if percent else 0.0


def _speed(view: RunView) -> str:
    examples, tokens = view.last("examples_per_second"), view.last("tokens_per_second")
    if examples is None and tokens is None:
        return "–"
    if examples is None:
        return f"{number(tokens)} tokens/s"
    return f"{number(examples)} /s"


def _cores(percent: float | None) -> str:
    return "–" if percent is None else f"{percent / 100:.1f} cores"


def _gigabytes(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} GB"
