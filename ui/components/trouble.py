"""What a page shows while the run store cannot be used; it recovers by itself."""

from __future__ import annotations

import streamlit as st

from core.errors import StoreTrouble, TunedeckError
from ui.components.basics import show_error
from ui.session import resources

AGAIN_S = 2.0


def show(error: StoreTrouble) -> None:
    """Show the trouble; the page runs again once it is over."""
    show_error(error, "The record of runs cannot be used")
    wait()


@st.fragment(run_every=AGAIN_S)
def wait() -> None:
    """Runs the page again as soon as the store can be read and written."""
    try:
        resources.scheduler()
        resources.check()
    except TunedeckError:
        st.caption("This page tries again every two seconds.")
        return
    st.rerun()
