"""The pages of the dashboard, so that any of them can link to any other."""

from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from core.access.rules import Action
from ui.session import resources

_FOLDER = Path(__file__).parent.parent / "pages"

START = st.Page(_FOLDER / "start/start.py", title="Start", icon=":material/rocket_launch:", default=True)
DATASETS = st.Page(_FOLDER / "data/datasets.py", title="Datasets", icon=":material/table_view:", url_path="datasets")
NEW_RUN = st.Page(_FOLDER / "train/new_run.py", title="New run", icon=":material/add_circle:", url_path="new_run")
RUNS = st.Page(_FOLDER / "train/runs.py", title="Runs", icon=":material/list:", url_path="runs")
RUN = st.Page(_FOLDER / "train/run.py", title="Run", icon=":material/monitoring:", url_path="run", visibility="hidden")
EVALUATE = st.Page(_FOLDER / "results/evaluate.py", title="Evaluate", icon=":material/fact_check:", url_path="evaluate")
COMPARE = st.Page(_FOLDER / "results/compare.py", title="Compare", icon=":material/compare_arrows:", url_path="compare")
PLAYGROUND = st.Page(
    _FOLDER / "results/playground.py", title="Playground", icon=":material/forum:", url_path="playground"
)
SHARE = st.Page(_FOLDER / "results/share.py", title="Share", icon=":material/ios_share:", url_path="share")
AUDIT = st.Page(_FOLDER / "admin/audit.py", title="Audit", icon=":material/policy:", url_path="audit")

NEEDS: tuple[tuple[StreamlitPage, Action], ...] = (
    (DATASETS, "work"),
    (NEW_RUN, "train"),
    (PLAYGROUND, "ask"),
    (AUDIT, "audit"),
)
"""The action that a person must be allowed to do to see a page; the other pages are for everybody."""

OF_RESULTS: dict[str, StreamlitPage] = {
    "datasets": DATASETS,
    "evaluate": EVALUATE,
    "compare": COMPARE,
    "playground": PLAYGROUND,
    "share": SHARE,
}
"""The pages that the results of background work link to (core/runs/kinds.py), by their names there."""


def is_offered(page: StreamlitPage) -> bool:
    """Whether the person of this session has this page in the navigation."""
    if page is AUDIT and resources.installation().mode != "team":
        return False
    return all(resources.may(action) for other, action in NEEDS if other is page)
