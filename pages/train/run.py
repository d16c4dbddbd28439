"""One run: live while it works, and its results afterwards. `?run=ID` chooses the run."""

import streamlit as st

from core.errors import PathError, RunNotFound
from core.store.watching import RunView
from ui import pages
from ui.components.basics import empty_state
from ui.runs import (
    background as run_light,
)
from ui.runs import (
    curves as run_curves,
)
from ui.runs import (
    header as run_header,
)
from ui.runs import (
    log as run_log,
)
from ui.runs import (
    results as run_results,
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
    run_header.status_line(run)
    if run.kind != "train":
        run_light.render(view, run)
        return
    report = run_results.render(run) if run.is_final else None
    if not run.is_final:
        run_header.progress(view, run)
        if run.status != "queued":
            run_header.vitals(view, run)
    run_curves.render(view, run, report)
    run_log.notices(view)
    run_log.log(view, run)
    run_log.settings_of(run)


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
run_header.title(run)
if notice := state.take_notice():
    st.error(notice, icon=":material/error:")
st.fragment(body, run_every=None if run.is_final else EVERY_S)(view, not run.is_final)
