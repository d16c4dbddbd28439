"""A result bundle that somebody sent, taken in."""

from __future__ import annotations

import tempfile
from pathlib import Path

import streamlit as st

from core.data.uploads import safe_name
from core.errors import TunedeckError
from core.sharing.importing import import_bundle
from ui import pages, resources, state
from ui.components import show_error

CHUNK = 1024 * 1024


def ask() -> None:
    """A button with a place to put the file; what comes is opened at once."""
    with st.popover("Import a bundle", icon=":material/inventory_2:"):
        st.markdown("A result bundle that somebody made on the Share page. It is checked, and shown read-only.")
        file = st.file_uploader("Bundle", type=["zip"], key=state.upload_key("bundle"), label_visibility="collapsed")
        if file is None:
            return
        with tempfile.TemporaryDirectory(dir=resources.settings().home) as folder:
            path = Path(folder) / safe_name(file.name)
            with path.open("wb") as out:
                while chunk := file.read(CHUNK):
                    out.write(chunk)
            state.forget_upload(file)
            try:
                with st.spinner("Checking the bundle"):
                    run = import_bundle(path, resources.store(), resources.settings())
            except TunedeckError as error:
                show_error(error, "This bundle was not taken in")
                return
    st.switch_page(pages.RUN, query_params={"run": run.id})
