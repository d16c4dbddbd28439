"""Background work that a page starts and watches, such as opening a dataset or searching for problems."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.errors import AccessDenied, RunNotFound, TunedeckError, WrongStatus
from core.store.record import Run
from core.wording import sentence
from ui.components.basics import for_display, plain, show_error
from ui.session import resources, state

WATCH_EVERY_S = 1.0
RUNS_LOOKED_AT = 500


@st.fragment(run_every=WATCH_EVERY_S)
def watch(run_id: str, title: str) -> None:
    """The progress of a run, with a cancel button; the whole page runs again when the run has ended."""
    try:
        run = resources.store().run(run_id)
    except RunNotFound:  # deleted in another tab
        st.rerun()
    if run.is_final:
        st.rerun()
    with st.container(border=True, gap="small"):
        st.markdown(f"**{plain(title)}**")
        phase = "Waiting for its turn" if run.status == "queued" else run.phase or "Starting"
        st.progress(_share(phase), text=plain(phase))
        st.caption("You can leave this page; the work continues.")
        stopping = run.status == "stopping"
        if resources.may("stop", run) and st.button(
            "Cancel", icon=":material/close:", key=f"cancel_{run.kind}_{run_id}", disabled=stopping
        ):
            try:
                resources.store().stop(run_id)
            except (AccessDenied, RunNotFound, WrongStatus):
                pass  # it ended, or was deleted, in the meantime
            resources.scheduler().wake()
            st.rerun(scope="fragment")


def show_failure(run: Run, title: str) -> None:
    """Show why a run did not finish."""
    if run.status == "stopped":
        st.info(f"{plain(title)} was cancelled.", icon=":material/block:")
        return
    show_error(TunedeckError(run.error or "it ended without an error message"), title=f"{plain(title)} did not work")
    if run.detail:
        with st.expander("Details"):
            st.code(run.detail, language=None)


def _share(phase: str) -> float:
    """The share done in a phase such as "Downloading (45%)"; 0 if there is none."""
    head, _, tail = phase.rpartition("(")
    digits = tail.removesuffix("%)")
    return min(1.0, int(digits) / 100) if head and digits.isdigit() else 0.0


def latest(kind: str, spec: dict[str, Any]) -> Run | None:
    """The newest run of this kind with this spec."""
    runs = resources.store().runs(kind=kind, limit=RUNS_LOOKED_AT)
    return next((run for run in runs if run.spec == spec), None)


def work_on(
    kind: str,
    title: str,
    spec: dict[str, Any],
    *,
    at_once: bool,
    offer: str,
    button: str,
    key: str = "",
) -> None:
    """What a page shows while a result is missing: the run that computes it, why it failed, or a start button.

    at_once: start without a click; offer: a sentence on what the work does and takes
    """
    run = latest(kind, spec)
    refused = resources.why_not("work")
    if run is None and at_once and refused is None:
        try:
            _submit(kind, title, spec)
        except AccessDenied as error:
            refused = str(error)
        else:
            st.rerun()
    if run is not None and not run.is_final:
        watch(run.id, title)
        return
    if run is not None and run.status != "finished":  # finished: its result has been deleted
        show_failure(run, title)
    if refused is not None:
        st.info(plain(sentence(f"there is no result yet; {refused}")), icon=":material/lock:")
        return
    with st.container(border=True, gap="small"):
        st.markdown(offer)
        st.button(
            button if run is None else "Try again",
            type="primary",
            key=f"start_{kind}_{key}",
            on_click=start,
            args=(kind, title, spec),
        )


def start(kind: str, title: str, spec: dict[str, Any]) -> None:
    """Start the work from a callback; if it is refused, the page that runs next shows why."""
    try:
        _submit(kind, title, spec)
    except TunedeckError as error:
        state.set_notice(plain(sentence(for_display(str(error)))))


def _submit(kind: str, title: str, spec: dict[str, Any]) -> None:
    resources.store().submit(kind, title, spec)
    resources.scheduler().wake()
