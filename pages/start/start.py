"""The first page: what Tunedeck does, ways to begin, and the latest runs."""

import streamlit as st

from core.access import rules as access
from core.settings import home_warning
from core.spec.presets import PRESETS, SAMPLE
from core.wording import sentence
from ui import pages
from ui.components import start_cards
from ui.components.basics import empty_state, for_display, plain
from ui.runs import actions
from ui.session import resources, state

LATEST, LATEST_SHOWN = 5, 20

if resources.installation().mode == "local" and (warning := home_warning(resources.settings().home)):
    st.warning(warning, icon=":material/warning:")

if not resources.may("train"):
    st.title("What was trained")
    for problem in resources.not_shown():
        st.warning(plain(sentence(for_display(problem))), icon=":material/inventory_2:")
    runs = resources.store().runs(kind="train", limit=LATEST_SHOWN)
    if runs:
        st.markdown("Open a run to see how it learned; *Evaluate* tells how far to trust its model and where it fails.")
        start_cards.latest_runs(runs, LATEST_SHOWN)
    else:
        empty_state("No results yet", "Runs and what came of them are listed here.", icon=":material/inbox:")
    st.stop()

st.title("Teach a model to read")
st.markdown(
    "Tunedeck fine-tunes a pretrained transformer on your texts: pick a dataset, press one button, watch it learn, "
    "and keep a model that `transformers` loads."
    + (" Your data stays on this computer." if resources.installation().mode == "local" else "")
)

first, own, tutorial = st.columns([1.25, 1, 1])
sample = PRESETS[SAMPLE]
with first, start_cards.card("Start here", ":material/rocket_launch:", sample.summary, sample.expectation):
    clicked = st.button("Train on the sample reviews", type="primary", icon=":material/play_arrow:", key="train_sample")
    if clicked and (run := actions.start_training(sample.title, sample.spec)):
        st.switch_page(pages.RUN, query_params={"run": run})
files = "file" in access.sources(resources.settings())
with (
    own,
    start_cards.card(
        "Your own texts",
        ":material/description:",
        "A file or folder of labelled texts, or a dataset from the Hub.",
        "CSV, Excel, JSON, Parquet and more; also packed.",
    ),
):
    if not files:
        st.caption("Not in this demo; install Tunedeck on your own machine.")
    elif st.button("Open a dataset", icon=":material/folder_open:", key="open_dataset"):
        state.set_source("file")
        st.switch_page(pages.DATASETS)
with (
    tutorial,
    start_cards.card(
        "Follow the tutorial",
        ":material/school:",
        "The fine-tuning guide of Transformers, with every setting filled in.",
        "Yelp reviews and BERT: about 650 MB to download, best on a GPU.",
    ),
):
    if not files:
        st.caption("Not in this demo; install Tunedeck on your own machine.")
    elif st.button("Fill in the form", icon=":material/edit_note:", key="use_tutorial"):
        state.set_draft(PRESETS["yelp-trainer"].spec, "yelp-trainer")
        st.switch_page(pages.NEW_RUN)

st.space("small")
runs = resources.store().runs(kind="train", limit=LATEST)
if runs:
    start_cards.latest_runs(runs, LATEST)
else:
    start_cards.how_it_goes()
