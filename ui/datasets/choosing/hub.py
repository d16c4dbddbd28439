"""Datasets of the Hub: search by name, look at one before its download, open it."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.data.browsing import cells
from core.data.reading import hub_preview as hub_browse
from core.data.reading.hub_preview import PREVIEWED, DatasetEntry, DatasetOverview
from core.errors import TunedeckError
from core.wording import counted, size
from ui.components.basics import plain, show_error
from ui.session import state

KEPT_S = 300
MOST_FILES = 50


def search() -> None:
    """A search by name; a chosen result fills the field for the dataset's id."""
    words = st.text_input("Search the Hub", key="hub_search", type="search", placeholder="Words in a dataset's name")
    if not words:
        return
    try:
        with st.spinner("Asking the Hub"):
            datasets, answered = _search(words.strip())
    except TunedeckError as error:
        show_error(error)
        return
    if not answered:
        st.info("The Hub does not answer; these are the datasets on this machine.", icon=":material/cloud_off:")
    if not datasets:
        st.caption(f"No dataset's name contains “{plain(words)}”.")
        return
    by_name = {one.name: one for one in datasets}
    st.pills(
        "Found",
        list(by_name),
        format_func=lambda name: _title(by_name[name]),
        key="hub_found",
        on_change=_take,
        label_visibility="collapsed",
    )


def _take() -> None:
    name = state.widget("hub_found")
    if name:
        state.remember("hub_name", name)
        state.remember("hub_config", "")
        state.remember("hub_revision", "")
        state.remember("hub_looked", (name, None))


def _title(dataset: DatasetEntry) -> str:
    facts = [f"{dataset.downloads:,} downloads"] if dataset.downloads else []
    facts += ["gated"] * dataset.gated + ["on this machine"] * dataset.here
    return plain(dataset.name) + (f" · {', '.join(facts)}" if facts else "")


@st.cache_data(ttl=KEPT_S, max_entries=50, show_spinner=False)
def _search(words: str) -> tuple[list[DatasetEntry], bool]:
    return hub_browse.search(words)


@st.cache_data(ttl=KEPT_S, max_entries=20, show_spinner=False)
def _look(name: str, revision: str | None) -> DatasetOverview:
    return hub_browse.overview(name, revision)


def look(name: str, revision: str | None) -> None:
    """The Hub's facts about a dataset: licence, size, configurations and splits, card, and first rows on request."""
    try:
        with st.spinner("Asking the Hub"):
            dataset = _look(name, revision)
    except TunedeckError as error:
        show_error(error)
        return
    with st.container(border=True, gap="small", key="hub_look"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{plain(dataset.name)}**", width="content")
            st.badge(
                f"Licence: {plain(dataset.licence) or 'none given'}", color="blue" if dataset.licence else "orange"
            )
            st.badge(f"{size(dataset.size)} to download", color="gray", icon=":material/download:")
            for language in dataset.languages[:6]:
                st.badge(plain(language), color="gray")
            if dataset.gated:
                st.badge("gated: needs a token", color="orange", icon=":material/lock:")
        _configs(dataset)
        _preview(dataset)
        if dataset.card:
            with st.expander("Card", icon=":material/description:"):
                st.text(dataset.card)


def _configs(dataset: DatasetOverview) -> None:
    rows = [
        {"Configuration": config.name, "Split": split, "Rows": rows}
        for config in dataset.configs
        for split, rows in (config.splits or {"": None}).items()
    ]
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        height=38 + 35 * min(len(rows), 5),
        alt="Configurations and splits",
        column_config={"Rows": st.column_config.NumberColumn(format="localized")},
    )
    if len(dataset.configs) > 1:
        st.caption(
            f"It has {counted(len(dataset.configs), 'configuration')}: name the one you want before you open it."
        )


def _preview(dataset: DatasetOverview) -> None:
    files = [file for file in dataset.files if file.lower().endswith(PREVIEWED)][:MOST_FILES]
    if not files:
        st.caption("Its files have no preview.")
        return
    file = st.selectbox(
        "First rows of",
        files,
        None,
        placeholder="Choose a file to see its first rows, without downloading it",
        key=f"hub_preview_{dataset.name}",
    )
    if file is None:
        return
    try:
        with st.spinner("Reading the first rows"):
            rows = _rows(dataset.name, dataset.commit, file, dataset)
    except TunedeckError as error:
        show_error(error)
        return
    st.dataframe(rows, hide_index=True, alt=f"The first rows of {file}")


@st.cache_data(ttl=KEPT_S, max_entries=20, show_spinner=False)
def _rows(name: str, commit: str, file: str, _dataset: DatasetOverview) -> pd.DataFrame:
    rows = hub_browse.preview(_dataset, file)
    return pd.DataFrame([{key: cells.cell(value) for key, value in row.items()} for row in rows])
