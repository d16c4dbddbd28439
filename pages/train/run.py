"""One run: live while it works, and its results afterwards. `?run=ID` chooses the run."""

import streamlit as st

from core.errors import PathError, RunNotFound
from core.store.watching import RunView
from ui import pages
from ui.components.basics import empty_state
from ui.runs import (
    background,
    curves,
    header,
    log,
    results,
)
from ui.session import resources, state

EVERY_S = 1.0


def body(view: RunView, live: bool) -> None:
    """Everything that changes while a run works; a tick fetches only what is new."""
    try:
        run = view.update(resources.store(), resources.settings())
    except RunNotFound:
        st.rerun()  # deleted in another tab
    if live and run.is_final:
        st.rerun()  # once more, with the results and without polling
    header.status_line(run)
    if run.kind != "train":
        background.render(view, run)
        return
    report = results.render(run) if run.is_final else None
    if not run.is_final:
        header.progress(view, run)
        if run.status != "queued":
            header.vitals(view, run)
    curves.render(view, run, report)
    log.notices(view)
    log.log(view, run)
    log.settings_of(run)


run_id = st.query_params.get("run", "")
view = state.run_view(run_id)
try:
    run = view.update(resources.store(), resources.settings())
except (RunNotFound, PathError):
    empty_state(
        "No run chosen" if not run_id else "This run does not exist",
        "The Runs page lists all of them; each opens here.",
        icon=":material/search_off:",
        page=pages.RUNS,
        label="See all runs",
    )
    st.stop()
header.title(run)
if notice := state.take_notice():
    st.error(notice, icon=":material/error:")
st.fragment(body, run_every=None if run.is_final else EVERY_S)(view, not run.is_final)
