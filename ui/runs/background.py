"""The Run page of background work: imports, evaluations, predictions and the like."""

from __future__ import annotations

import streamlit as st

from core.errors import SpecError
from core.spec.run import DataSpec, build
from core.store.record import Run
from core.store.watching import RunView
from core.wording import counted
from ui import pages
from ui.components.basics import plain
from ui.runs import header as run_header
from ui.runs import log as run_log
from ui.runs import results as run_results
from ui.session import state


def show(view: RunView, run: Run) -> None:
    if not run.is_final:
        run_header.progress(view, run)
    elif run.status == "finished":
        _done(run)
    else:
        run_results.ending(run)
    run_log.notices(view)
    run_log.log(view, run)


def _done(run: Run) -> None:
    """That it is done, and the way to what came of it."""
    match run.kind:
        case "import":
            rows = run.summary.get("rows", {})
            parts = ", ".join(f"{plain(str(name))} {counted(int(count), 'row')}" for name, count in rows.items())
            st.success(f"The dataset is ready: {parts}." if parts else "The dataset is ready.", icon=":material/check:")
            _browse(run)
        case "evaluate":
            st.success("The model is judged.", icon=":material/check:")
            if st.button("See how it did", type="primary", icon=":material/fact_check:", key="light_evaluation"):
                st.switch_page(pages.EVALUATE, query_params={"evaluation": run.id})
        case "predict":
            st.success(f"{counted(run.summary['rows'], 'row')} were predicted.", icon=":material/check:")
            if pages.is_offered(pages.PLAYGROUND):
                st.page_link(pages.PLAYGROUND, label="To the playground", icon=":material/forum:")
        case "push":
            st.success("It is on the Hub.", icon=":material/check:")
            st.link_button("Open it on the Hub", str(run.summary.get("url", "")), icon=":material/open_in_new:")
        case _:
            st.success("Done; its result is where it was asked for.", icon=":material/check:")


def _browse(run: Run) -> None:
    try:
        data: DataSpec = build(run.spec, DataSpec)
    except SpecError:
        return
    if not pages.is_offered(pages.DATASETS):
        return
    if st.button("Browse it", type="primary", icon=":material/table_view:", key="import_browse"):
        state.set_data(data)
        st.switch_page(pages.DATASETS)
