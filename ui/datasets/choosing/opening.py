"""Opens a chosen dataset for browsing: at once if that is quick, else through a run that the page watches."""

from __future__ import annotations

import streamlit as st

from core.data.dataset import Prepared
from core.data.prepare import find_prepared, prepare
from core.data.quick import is_quick
from core.data.selection import same_source, source_only
from core.errors import PathError, TunedeckError
from core.settings import allowed_path
from core.spec.data import DataSpec
from core.spec.names import dataset_name
from core.spec.run import build
from core.store.record import Run
from ui.components import light_run
from ui.components.basics import plain, show_error
from ui.datasets.choosing import reading
from ui.session import resources

IMPORTS_LOOKED_AT = 30


def opened(data: DataSpec) -> Prepared | None:
    """The dataset, if it is prepared or quick to prepare; None if that needs a run. Raises TunedeckError."""
    settings = resources.settings()
    prepared = find_prepared(data, settings)
    if prepared is None and is_quick(data, settings):
        with st.spinner(f"Reading {plain(dataset_name(data))}"):
            prepared = prepare(data, settings)
    return prepared


def opened_or_importing(data: DataSpec) -> Prepared | None:
    """The dataset; or None, and then the page shows the error, the running import or a button that starts it."""
    try:
        prepared = opened(data)
    except TunedeckError as error:
        show_error(error, title=f"{plain(dataset_name(data))} cannot be opened")
        if _is_there(data):
            reading.render(data, None)
        return None
    if prepared is None:
        _show_import(data)
    return prepared


def start_if_needed(data: DataSpec) -> None:
    """Queue an import, unless the dataset is prepared, quick to prepare, or being imported."""
    settings = resources.settings()
    if find_prepared(data, settings) is None and not is_quick(data, settings):
        run = _latest_import(data)
        if run is None or run.is_final:
            start_import(data)


def start_import(data: DataSpec) -> None:
    """Queue a run that imports this dataset."""
    whole = source_only(data)
    light_run.start("import", f"Open {dataset_name(whole)}", whole.model_dump(mode="json"))


def _show_import(data: DataSpec) -> None:
    run = _latest_import(data)
    if run is None or run.status == "finished":  # finished, but its files are gone or the source has changed
        _offer(data)
    elif run.is_final:
        _show_failure(data, run)
    else:
        light_run.watch(run.id, f"Opening {dataset_name(data)}")


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
    light_run.show_failure(run, f"Opening {dataset_name(data)}")
    if run.status != "stopped" and _is_there(data):
        reading.render(data, None)
    st.button("Try again", icon=":material/refresh:", key="retry_import", on_click=start_import, args=(data,))


def _is_there(data: DataSpec) -> bool:
    """Whether the file exists, so that other reading options may help."""
    try:
        return data.source == "file" and allowed_path(resources.settings(), data.path).exists()
    except (PathError, OSError):
        return False
