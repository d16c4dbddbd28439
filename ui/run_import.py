"""The Run page of an import: bringing a dataset to where it can be browsed."""

from __future__ import annotations

import streamlit as st

from core.errors import SpecError
from core.run_view import RunView
from core.spec import DataSpec, build
from core.store import Run
from core.wording import counted
from ui import pages, run_header, run_log, run_results, state
from ui.components import plain


def show(view: RunView, run: Run) -> None:
    if not run.is_final:
        run_header.progress(view, run)
    elif run.status == "finished":
        rows = run.summary.get("rows", {})
        parts = ", ".join(f"{plain(str(name))} {counted(int(count), 'row')}" for name, count in rows.items())
        st.success(f"The dataset is ready: {parts}." if parts else "The dataset is ready.", icon=":material/check:")
        _browse(run)
    else:
        run_results.ending(run)
    run_log.notices(view)
    run_log.log(view, run)


def _browse(run: Run) -> None:
    try:
        data: DataSpec = build(run.spec, DataSpec)
    except SpecError:
        return
    if st.button("Browse it", type="primary", icon=":material/table_view:", key="import_browse"):
        state.set_data(data)
        st.switch_page(pages.DATASETS)
