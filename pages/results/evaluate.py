"""How good a model is, how sure that is, and where it fails. `?run=ID` says which; `?evaluation=ID` opens one."""

import streamlit as st

from ui import (
    judge_calibration,
    judge_choose,
    judge_confusion,
    judge_curves,
    judge_labels,
    judge_overview,
    judge_robustness,
    judge_slices,
    pages,
    state,
)
from ui import judged as evaluations
from ui.components import empty_state, plain

st.title("Evaluate")
if notice := state.take_notice():
    st.error(notice, icon=":material/error:")
runs = [*evaluations.trained_models(), *evaluations.imported_runs()]
linked = st.query_params.get("evaluation", "")
judged = judge_choose.by_link(linked) if linked else None
if judged is None:
    if not runs and not state.widget("judge_any"):
        empty_state(
            "Nothing to judge yet",
            "Train a model first; this page then tells how far to trust it and where it fails.",
            icon=":material/fact_check:",
            page=pages.NEW_RUN,
            label="Train a model",
        )
    left, right = st.columns([1.2, 1], gap="medium")
    with left:
        choice = judge_choose.model(runs)
    if choice is None:
        st.stop()
    with right:
        spec = judge_choose.examples(choice)
    if spec is None:
        st.stop()
    judged = judge_choose.evaluated(choice, spec)
    if judged is None:
        st.stop()
else:
    st.page_link(pages.EVALUATE, label="Another model or other examples", icon=":material/arrow_back:")

found = judged.found
st.markdown(
    f"**{plain(found['title'])}** on {found['examples']:,} examples of “{plain(found['split'])}”, "
    f"{plain(found['dataset']['title'])}"
)
overview, confusion, mistakes, curves, calibration, slices, labels, robustness = st.tabs(
    [":material/verified: Verdict", ":material/grid_on: Confusion", ":material/error: Mistakes",
     ":material/show_chart: Curves", ":material/balance: Calibration", ":material/groups: Groups",
     ":material/label: Label errors", ":material/shield: Robustness"],
    key="judge_tabs", on_change="rerun",
)  # fmt: skip
for tab, view in (
    (overview, judge_overview.show),
    (confusion, judge_confusion.confusion),
    (mistakes, judge_confusion.mistakes),
    (curves, judge_curves.show),
    (calibration, judge_calibration.show),
    (slices, judge_slices.show),
    (labels, judge_labels.show),
    (robustness, judge_robustness.show),
):
    if tab.open:
        with tab:
            view(judged)
