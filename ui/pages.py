"""The pages of the dashboard, so that any of them can link to any other."""

import streamlit as st

START = st.Page("pages/start/start.py", title="Start", icon=":material/rocket_launch:", default=True)
DATASETS = st.Page("pages/data/datasets.py", title="Datasets", icon=":material/table_view:", url_path="datasets")
NEW_RUN = st.Page("pages/train/new_run.py", title="New run", icon=":material/add_circle:", url_path="new_run")
RUNS = st.Page("pages/train/runs.py", title="Runs", icon=":material/list:", url_path="runs")
RUN = st.Page("pages/train/run.py", title="Run", icon=":material/monitoring:", url_path="run", visibility="hidden")
