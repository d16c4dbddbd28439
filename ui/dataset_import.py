"""From a chosen dataset to one that can be browsed: at once where that is quick, else through a run watched here."""

from __future__ import annotations

import streamlit as st

from core.data.prepared import Prepared, find_prepared, is_quick, prepare
from core.errors import PathError, RunNotFound, TunedeckError, WrongStatus
from core.naming import dataset_name
from core.plan import same_source, source_only
from core.settings import allowed_path
from core.spec import DataSpec, build
from core.store import Run
from ui import dataset_reading, resources
from ui.components import plain, show_error

WATCH_EVERY_S = 1.0
IMPORTS_LOOKED_AT = 30


def opened(data: DataSpec) -> Prepared | None:
    """The dataset, if it is here or quick to bring here; None if that takes a run. Raises TunedeckError."""
    settings = resources.settings()
    prepared = find_prepared(data, settings)
    if prepared is None and is_quick(data, settings):
        with st.spinner(f"Reading {plain(dataset_name(data))}"):
            prepared = prepare(data, settings)
    return prepared


def opened_or_importing(data: DataSpec) -> Prepared | None:
    """The dataset; or None, with what there is to see and do about that on the page."""
    try:
        prepared = opened(data)
    except TunedeckError as error:
        show_error(error, title=f"{plain(dataset_name(data))} cannot be opened")
        if _is_there(data):
            dataset_reading.show(data, None)
        return None
    if prepared is None:
        _show_import(data)
    return prepared


def start_if_needed(data: DataSpec) -> None:
    """Queue a run for a dataset that someone has just asked for, unless it is here, quick, or on its way."""
    settings = resources.settings()
    if find_prepared(data, settings) is None and not is_quick(data, settings):
        run = _latest_import(data)
        if run is None or run.is_final:
            start_import(data)


def start_import(data: DataSpec) -> None:
    """Queue a run that brings this dataset here."""
    whole = source_only(data)
    resources.store().submit("import", f"Open {dataset_name(whole)}", whole.model_dump(mode="json"))
    resources.scheduler().wake()


def _show_import(data: DataSpec) -> None:
    run = _latest_import(data)
    if run is None or run.status == "finished":  # finished, but its files are gone or the source has changed since
        _offer(data)
    elif run.is_final:
        _show_failure(data, run)
    else:
        _watch(run.id, dataset_name(data))


def _latest_import(data: DataSpec) -> Run | None:
    runs = resources.store().runs(kind="import", limit=IMPORTS_LOOKED_AT)
    return next((r for r in runs if same_source(build(r.spec, DataSpec), data)), None)


def _offer(data: DataSpec) -> None:
    with st.container(border=True, gap="small"):
        where = "from the Hugging Face Hub" if data.source == "hub" else "from its file"
        st.markdown(f"**{plain(dataset_name(data))}** is not open yet.")
        st.caption(f"Opening it {where} may take a while. It happens in the background and only once.")
        label = ":material/download: Download" if data.source == "hub" else ":material/folder_open: Open"
        st.button(label, type="primary", key="start_import", on_click=start_import, args=(data,))


def _show_failure(data: DataSpec, run: Run) -> None:
    name = plain(dataset_name(data))
    if run.status == "stopped":
        st.info(f"Opening {name} was cancelled.", icon=":material/block:")
    else:
        show_error(TunedeckError(run.error or "it ended without a word"), title=f"{name} cannot be opened")
        if run.detail:
            with st.expander("Details"):
                st.code(run.detail, language=None)
        if _is_there(data):
            dataset_reading.show(data, None)
    st.button("Try again", icon=":material/refresh:", key="retry_import", on_click=start_import, args=(data,))


def _is_there(data: DataSpec) -> bool:
    """Whether there is a file that might be read differently."""
    try:
        return data.source == "file" and allowed_path(resources.settings(), data.path).exists()
    except (PathError, OSError):
        return False


@st.fragment(run_every=WATCH_EVERY_S)
def _watch(run_id: str, name: str) -> None:
    """What an import is doing; the whole page runs again when it has ended."""
    try:
        run = resources.store().run(run_id)
    except RunNotFound:  # deleted in another tab
        st.rerun()
    if run.is_final:
        st.rerun()
    with st.container(border=True, gap="small"):
        st.markdown(f"**Opening {plain(name)}**")
        phase = "Waiting for its turn" if run.status == "queued" else run.phase or "Starting"
        st.progress(_share(phase), text=plain(phase))
        st.caption("You can leave this page; it goes on by itself.")
        if st.button("Cancel", icon=":material/close:", key="cancel_import", disabled=run.status == "stopping"):
            try:
                resources.store().stop(run_id)
            except (RunNotFound, WrongStatus):
                pass  # it ended, or was deleted, in the meantime
            resources.scheduler().wake()
            st.rerun(scope="fragment")


def _share(phase: str) -> float:
    """How far a phase such as "Downloading (45%)" says it is."""
    head, _, tail = phase.rpartition("(")
    digits = tail.removesuffix("%)")
    return min(1.0, int(digits) / 100) if head and digits.isdigit() else 0.0
