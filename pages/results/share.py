"""What others get of a run: read it, load it, run it again, check it. `?run=ID` says which."""

import streamlit as st

from ui import judged, pages, share_choose, share_export, state
from ui.components import empty_state

st.title("Share")
if notice := state.take_notice():
    st.error(notice, icon=":material/error:")
runs = judged.trained_models()
if not runs:
    empty_state(
        "Nothing to share yet",
        "Train a model first; here it becomes a report, a model card, a script, a bundle, or a repository on the Hub.",
        icon=":material/ios_share:",
        page=pages.NEW_RUN,
        label="Train a model",
    )
    st.stop()
run = share_choose.run(runs)
PARTS = {":material/download: Model files": share_export.show}
tabs = st.tabs(list(PARTS), key="share_tabs", on_change="rerun") if PARTS else []
for tab, show in zip(tabs, PARTS.values(), strict=True):
    if tab.open:
        with tab:
            show(run)
