"""The run to share: from a link, else any run with a model or from a bundle."""

from __future__ import annotations

import streamlit as st

from core.store.record import Run
from ui.components.basics import run_titles
from ui.evaluate import judged
from ui.session import address, resources, state


def shareable() -> list[Run]:
    """The runs that have something to share, newest first."""
    imported = [run for run in resources.store().runs(kind="train") if run.imported is not None]
    return sorted([*judged.trained_models(), *imported], key=lambda run: -run.created)


def run(runs: list[Run]) -> Run:
    """The chosen run. runs: at least one; `?run=ID` preselects one"""
    named = {run.id: run for run in runs}
    linked = st.query_params.get("run", "")
    if linked in named and state.widget("share_linked") != linked:
        state.remember("share_linked", linked)
        state.remember("share_run", linked)
    if state.widget("share_run") not in named:
        state.remember("share_run", runs[0].id)
    chosen = st.selectbox("Run", list(named), key="share_run", format_func=run_titles(runs).__getitem__)
    if linked != chosen and (state.widget("share_linked") != chosen or state.comes_with({"run": chosen})):
        address.show({"run": chosen})
    state.remember("share_linked", chosen)  # the page's own address is not a link that somebody followed
    return named[chosen]
