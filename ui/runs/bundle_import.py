"""Importing a result bundle."""

from __future__ import annotations

import streamlit as st

from core.errors import TunedeckError
from core.sharing.bundles.importing import import_upload
from ui import pages
from ui.components.basics import show_error
from ui.session import resources, state


def ask() -> None:
    """A button with an upload field; an uploaded bundle is imported and opened at once."""
    with st.popover("Import a bundle", icon=":material/inventory_2:"):
        st.markdown("A result bundle from somebody's Share page. It is checked and shown read-only.")
        file = st.file_uploader("Bundle", type=["zip"], key=state.upload_key("bundle"), label_visibility="collapsed")
        if file is None:
            return
        try:
            with st.spinner("Checking the bundle"):
                run = import_upload(file.name, file, resources.store(), resources.settings())
        except TunedeckError as error:
            show_error(error, "This bundle was not imported")
            return
        finally:
            state.forget_upload(file)
    st.switch_page(pages.RUN, query_params={"run": run.id})
