"""Ask a model: type a text and see its prediction and the reasons, or predict a whole file."""

import streamlit as st

from ui import pages
from ui.components.basics import empty_state
from ui.evaluate import judged
from ui.playground import ask
from ui.playground import batch as playground_batch
from ui.session import resources, state

st.title("Playground")
if notice := state.take_notice():
    st.error(notice, icon=":material/error:")
runs = judged.trained_models()
if not runs and not state.widget("play_models"):
    st.caption("You can also ask any model that classifies texts, by its folder or Hub id.")
asked = ask.models(runs)
if not asked:
    if not runs:
        empty_state(
            "No model yet",
            "Train one, or choose “Another” above to name a folder or a Hub id.",
            icon=":material/forum:",
            page=pages.NEW_RUN,
            label="Train a model",
        )
    st.stop()
resources.playground().warm()
text, batch = st.tabs(
    [":material/forum: Ask", ":material/upload_file: A whole file"], key="play_tabs", on_change="rerun"
)
if text.open:
    with text:
        texts = ask.question(asked)
        if texts:
            ask.answers(asked, texts)
            ask.history()
        else:
            st.caption("The model is kept warm while you are here; an answer takes milliseconds.")
if batch.open:
    with batch:
        playground_batch.render(asked)
