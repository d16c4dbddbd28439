"""The parts of the first page: cards with ways to begin, the latest runs, and an introduction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import streamlit as st

from core.errors import SpecError
from core.spec.data import DataSpec
from core.spec.names import dataset_name
from core.spec.run import build
from core.store.record import Run
from core.store.summaries import Summary
from core.wording import duration, metric_title, score
from ui import pages
from ui.components.basics import clock, plain, status_badge
from ui.session import resources

WATCH_EVERY_S = 2.0
STEPS = (
    (":material/table_view:", "Look at the data", "Rows, labels and text lengths, before any time goes into training."),
    (":material/monitoring:", "Watch it learn", "Loss and accuracy, live. Close the browser: the run goes on."),
    (
        ":material/verified:",
        "Evaluate the model",
        "Compared with guessing the most common class, class by class.",
    ),
)


@contextmanager
def card(title: str, icon: str, text: str, small: str) -> Iterator[None]:
    """A card with a way to begin; the block adds its button at the bottom."""
    with st.container(border=True, height="stretch"):
        st.markdown(f"#### {icon} {title}")
        st.markdown(text)
        st.caption(small)
        st.space("stretch")
        yield


def how_it_goes() -> None:
    """An introduction, shown until there are runs."""
    st.subheader("How it goes", anchor=False)
    for column, (icon, title, text) in zip(st.columns(len(STEPS)), STEPS, strict=True):
        with column:
            st.markdown(f"{icon} **{title}**")
            st.caption(text)


def latest_runs(runs: list[Run], count: int) -> None:
    """The latest runs, updated while one of them works."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
        st.subheader("Latest runs", anchor=False, width="content")
        st.page_link(pages.RUNS, label="All runs", icon=":material/arrow_forward:", icon_position="right")
    every = None if all(run.is_final for run in runs) else WATCH_EVERY_S
    st.fragment(_run_lines, run_every=every)(count, every is not None)


def _run_lines(count: int, watched: bool) -> None:
    runs = resources.store().runs(kind="train", limit=count)
    if watched and all(run.is_final for run in runs):
        st.rerun()  # as a whole, without watching
    for run in runs:
        _run_line(run)


def _run_line(run: Run) -> None:
    """A run in one line: status, name, dataset, result and time."""
    with st.container(border=True):
        state, name, data, result, when = st.columns([1, 3, 2, 2, 1.2], vertical_alignment="center")
        with state:
            status_badge(run.status)
        name.page_link(pages.RUN, label=f"**{plain(run.name)}**", query_params={"run": run.id})
        data.caption(plain(_data_of(run.spec)))
        result.markdown(_result(run))
        when.caption(clock(run.created), text_alignment="right")


def _data_of(spec: dict[str, Any]) -> str:
    try:
        return dataset_name(build(spec.get("data"), DataSpec))
    except SpecError:
        return ""  # made by another version


def _result(run: Run) -> str:
    summary = Summary.of(run.summary)
    if summary.value is not None and summary.main_metric is not None:
        return f"{metric_title(summary.main_metric)} **{score(summary.value)}**"
    if run.status in ("running", "stopping"):
        return f"{run.step / run.total:.0%} done" if run.total else plain(run.phase)
    return "" if run.seconds is None else f"after {duration(run.seconds)}"
