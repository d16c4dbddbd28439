"""How good a model is, how sure that is, and where it fails.

`?run=ID` says which; `?evaluation=ID` opens one; `&view=confusion` opens a tab.
"""

import streamlit as st

from core.wording import counted, part_of
from ui import pages
from ui.components import linked_tabs
from ui.components.basics import empty_state, plain
from ui.evaluate import choose, judged, views
from ui.session import state

st.title("Evaluate")
if notice := state.take_notice():
    st.error(notice, icon=":material/error:")
runs = [*judged.trained_models(), *judged.imported_runs()]
linked = st.query_params.get("evaluation", "")
opened = choose.by_link(linked) if linked else None
if opened is None:
    if not runs and not state.widget("evaluate_any"):
        empty_state(
            "Nothing to evaluate yet",
            "Train a model first; this page then tells how far to trust it and where it fails.",
            icon=":material/fact_check:",
            page=pages.NEW_RUN,
            label="Train a model",
        )
    left, right = st.columns([1.2, 1], gap="medium")
    with left:
        choice = choose.model(runs)
    if choice is None:
        st.stop()
    if choice.trained is not None and choice.trained.imported is not None:
        with right:
            opened = choose.shared(choice.trained)
    else:
        with right:
            spec = choose.examples(choice)
        if spec is None:
            st.stop()
        opened = choose.evaluated(choice, spec)
    if opened is None:
        st.stop()
else:
    st.page_link(pages.EVALUATE, label="Another model or other examples", icon=":material/arrow_back:")

evaluation = opened.evaluation
examples = counted(evaluation.examples, "example")
st.markdown(
    f"**{plain(evaluation.title)}** on {examples} {part_of(evaluation.held_out)} “{plain(evaluation.split)}”, "
    f"{plain(evaluation.dataset.title)}"
)
if sentence := views.absent(opened.task, st.query_params.get("view", "")):
    st.info(sentence, icon=":material/tab:")
linked_tabs.show(views.of(opened.task), "evaluate_tabs", opened)
