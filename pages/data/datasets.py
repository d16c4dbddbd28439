"""Choose a dataset and explore it: rows, labels, lengths, columns, and how it was read."""

import streamlit as st

from core.wording import counted
from ui import pages
from ui.components.basics import allowed, plain
from ui.datasets import (
    columns,
    labels,
    lengths,
    prepare,
    problems,
    profile,
    rows,
    sql,
    view,
)
from ui.datasets.choosing import opening, reading, source
from ui.session import resources, state

st.title("Datasets")
linked = view.follow_link()
source.choose()
if source.waits_for_choice():
    st.stop()

data = state.data()
prepared = opening.opened_or_importing(data)
if prepared is None:
    st.stop()
data = columns.chosen(data, prepared)

with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
    with st.container(width="content", gap=None):
        st.header(plain(prepared.title), anchor=False, width="content")
        row_count = sum(part.rows for part in prepared.splits.values())
        steps = f" · {counted(len(data.steps), 'step')} of preparation" if data.steps else ""
        st.caption(f"{counted(row_count, 'row')} · {counted(len(prepared.columns), 'column')}{steps}")
    if resources.may("train") and st.button(
        "Train on this dataset", type="primary", icon=":material/arrow_forward:", key="train_on_this", shortcut="T"
    ):
        columns.carry_over(data)
        st.switch_page(pages.NEW_RUN)

if linked is not None:
    view.take_link(linked, prepared)
split = columns.choose(data, prepared)
view.write_link(data, prepared, split)

rows_tab, labels_tab, lengths_tab, profile_tab, problems_tab, prepare_tab, sql_tab, reading_tab = st.tabs(
    [
        state.ROWS_TAB,
        ":material/bar_chart: Labels",
        ":material/straighten: Text lengths",
        ":material/analytics: Profile",
        ":material/troubleshoot: Problems",
        state.PREPARE_TAB,
        ":material/database: SQL",
        ":material/find_in_page: How it was read",
    ],
    key=state.DATASET_TABS,
    on_change="rerun",
)
if rows_tab.open:
    with rows_tab:
        rows.render(data, prepared, split)
if labels_tab.open:
    with labels_tab:
        labels.render(data.label_column, prepared, split)
if lengths_tab.open:
    with lengths_tab:
        lengths.render(data, prepared, split)
if profile_tab.open:
    with profile_tab:
        profile.render(data, prepared)
if problems_tab.open:
    with problems_tab:
        problems.render(data, prepared)
if prepare_tab.open and allowed("train", prepare_tab):
    with prepare_tab:
        prepare.render(data, prepared, split)
if sql_tab.open and allowed("sql", sql_tab):
    with sql_tab:
        sql.render(data, prepared)
if reading_tab.open:
    with reading_tab:
        reading.render(data, prepared)
