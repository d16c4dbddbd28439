"""The dataset's part of the New run page: what was chosen, which columns, how many examples."""

from __future__ import annotations

import streamlit as st

from core.data.prepared import Prepared
from core.errors import Problem, SpecError
from core.naming import dataset_name
from core.spec import DataSpec
from core.wording import counted
from ui import pages, spec_form, state
from ui.components import plain

ICONS = {"sample": ":material/star:", "file": ":material/description:", "hub": ":material/cloud_download:"}


def show(form: state.Form, data: DataSpec, prepared: Prepared | None, problems: list[Problem]) -> None:
    """data: where the examples come from; prepared: the opened dataset, None if it is not here yet."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        title = prepared.title if prepared else dataset_name(data)
        st.markdown(f"{ICONS[data.source]} **{plain(title)}**", width="content")
        st.page_link(pages.DATASETS, label="Look at it or change it", icon=":material/arrow_forward:")
    st.caption(_size(prepared))
    spec_form.show_problems("data", problems)
    names = [c.name for c in prepared.columns] if prepared else None
    text, label, examples = st.columns([2, 1.3, 1.2])
    with text:
        guess = ", ".join(prepared.text_guess) if prepared else ""
        spec_form.field(form, "data.text_columns", problems, names=names, placeholder=guess, after=share)
    with label:
        guess = (prepared.label_guess or "") if prepared else ""
        spec_form.field(form, "data.label_column", problems, names=names, placeholder=guess, after=share)
    with examples:
        spec_form.field(form, "data.max_train_examples", problems, placeholder="All", after=share)


def _size(prepared: Prepared | None) -> str:
    if prepared is None:
        return "Not opened here yet: the run does that first, and checks the columns then."
    splits = " · ".join(f"{split.rows:,} {plain(name)}" for name, split in prepared.splits.items())
    return f"{splits} · {counted(len(prepared.columns), 'column')}"


def share() -> None:
    """Let the Datasets page see what was changed here."""
    try:
        state.share_data(state.form())
    except SpecError:
        pass  # shown under its field; the other pages keep the last choice that was right
