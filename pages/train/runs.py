"""All runs, newest first: find one, open it, stop it, start from it, rename it, delete it."""

import streamlit as st

from core.errors import RunNotFound
from core.store.record import ACTIVE
from core.wording import counted
from ui import pages
from ui.components.basics import empty_state
from ui.runs import actions, bundle_import, table
from ui.session import resources, state

BUSY_S, IDLE_S = 2.0, 15.0


def body(was_busy: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="runs_filters"):
        words = st.text_input(
            "Search",
            placeholder="Search names, datasets, models",
            label_visibility="collapsed",
            key="runs_search",
            type="search",
            live=True,
            width=320,
        )
        group = st.pills("Status", list(table.GROUPS), label_visibility="collapsed", key="runs_group")
        runs = resources.store().runs()
        imports = any(run.kind != "train" for run in runs) and st.toggle(
            "Background work", key="runs_imports", help="Also list imports, evaluations, predictions and the like."
        )
    runs = runs if imports else [run for run in runs if run.kind == "train"]
    if was_busy != any(run.status in ("queued", *ACTIVE) for run in runs):
        st.rerun()  # look more or less often from now on
    matching = table.matching(runs, words or "", group)
    toolbar = st.container()
    if not matching:
        st.caption(f"None of {counted(len(runs), 'run')} matches.")
        state.set_selected_runs(set())
        return
    selected = table.table(matching)
    with toolbar:
        table.actions(selected)


with st.container(horizontal=True, vertical_alignment="center", key="runs_title"):
    st.title("Runs", anchor=False, width="stretch")
    if resources.may("import"):
        bundle_import.ask()
    if resources.may("train") and st.button(
        "New run", icon=":material/add:", type="primary", key="runs_new", shortcut="N"
    ):
        st.switch_page(pages.NEW_RUN)
runs = resources.store().runs()
if not runs:
    empty_state(
        "No runs yet",
        "Each training is listed here, with its result, its curves and its model.",
        icon=":material/rocket_launch:",
        page=pages.NEW_RUN,
        label="Start the first run",
    )
    st.stop()
busy = any(run.status in ("queued", *ACTIVE) for run in runs if run.kind == "train" or state.widget("runs_imports"))
st.fragment(body, run_every=BUSY_S if busy else IDLE_S)(busy)
if asked := state.take_question():
    dialog, ids = asked
    try:
        chosen = [resources.store().run(run_id) for run_id in ids]
    except RunNotFound:
        st.rerun()
    if dialog == "rename":
        actions.rename_dialog(chosen[0])
    else:
        actions.delete_dialog(chosen)
