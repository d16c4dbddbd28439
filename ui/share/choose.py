"""Which run is shared: that of a link, or any that has ended with a model, or came in a bundle."""

from __future__ import annotations

from collections import Counter

import streamlit as st

from core.store.record import Run
from ui.components.basics import clock
from ui.evaluate import judged
from ui.session import address, resources, state


def shareable() -> list[Run]:
    """The runs of which there is something to share, newest first."""
    imported = [run for run in resources.store().runs(kind="train") if run.imported is not None]
    return sorted([*judged.trained_models(), *imported], key=lambda run: -run.created)


def run(runs: list[Run]) -> Run:
    """One of `runs`, of which there is at least one; `?run=ID` says which."""
    named = {run.id: run for run in runs}
    linked = st.query_params.get("run", "")
    if linked in named and state.widget("share_linked") != linked:
        state.remember("share_linked", linked)
        state.remember("share_run", linked)
    if state.widget("share_run") not in named:
        state.remember("share_run", runs[0].id)
    chosen = st.selectbox("Run", list(named), key="share_run", format_func=titles(runs).__getitem__)
    if linked != chosen and (state.widget("share_linked") != chosen or state.comes_with({"run": chosen})):
        address.show({"run": chosen})
    state.remember("share_linked", chosen)  # what the page wrote is no link that somebody followed
    return named[chosen]


def titles(runs: list[Run]) -> dict[str, str]:
    """Id -> name and time, with the id where both are another's too: a select box tells options apart by their text."""
    titles = {run.id: f"{run.name} · {clock(run.created)}" for run in runs}
    counts = Counter(titles.values())
    return {key: title if counts[title] == 1 else f"{title} · {key}" for key, title in titles.items()}
