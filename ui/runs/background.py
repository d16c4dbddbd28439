"""The Run page of background work: imports, evaluations, predictions and the like."""

from __future__ import annotations

import streamlit as st

from core.errors import SpecError
from core.runs.kinds import KINDS, Result
from core.spec.data import DataSpec
from core.spec.run import build
from core.store.record import Run
from core.store.summaries import Opened, Predicted, Pushed
from core.store.watching import RunView
from core.wording import counted
from ui import pages
from ui.components.basics import plain
from ui.runs import header, log, results
from ui.session import state


def render(view: RunView, run: Run) -> None:
    """The whole page below its header."""
    if not run.is_final:
        header.progress(view, run)
    elif run.status == "finished":
        _done(run)
    else:
        results.ending(run)
    log.notices(view)
    log.log(view, run)


def _done(run: Run) -> None:
    """A message that the work is done, and a link to its result."""
    result = KINDS[run.kind].result if run.kind in KINDS else None
    if result is None:  # a kind of a later version
        st.success("Done; the result is on the page where you asked for it.", icon=":material/check:")
        return
    st.success(_sentence(run, result), icon=":material/check:")
    if not result.link:
        st.link_button(result.label, Pushed.of(run.summary).url, icon=":material/open_in_new:")
        return
    name, query = result.address(run.id, run.spec)
    page = pages.OF_RESULTS[name]
    if not all(query.values()) or not pages.is_offered(page):
        return
    if st.button(result.label, type="primary", icon=page.icon, key="result_of_run"):
        if page is pages.DATASETS and (data := _data_of(run)) is not None:
            state.set_data(data)
        st.switch_page(page, query_params=query)


def _sentence(run: Run, result: Result) -> str:
    match run.kind:
        case "import" if rows := Opened.of(run.summary).rows:
            parts = ", ".join(f"{plain(name)} {counted(count, 'row')}" for name, count in rows.items())
            return f"The dataset is ready: {parts}."
        case "predict" if (count := Predicted.of(run.summary).rows) is not None:
            return f"{counted(count, 'row')} were predicted."
        case _:
            return result.sentence


def _data_of(run: Run) -> DataSpec | None:
    try:
        data: DataSpec = build(KINDS[run.kind].data_of(run.spec), DataSpec)
    except SpecError:
        return None
    return data
