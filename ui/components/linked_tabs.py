"""Tabs that a link can open: `?view=NAME`. The address follows the open tab."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import streamlit as st

from ui.session import address, state

View = tuple[str, Callable[..., None]]
"""A tab's title, and the function that draws it."""

Views = Mapping[str, View]
"""The tabs by their names in a link."""


def show(views: Views, key: str, *about: object) -> None:
    """Draw the tabs; only the open one calls its function, with the arguments `about`."""
    linked, followed = st.query_params.get("view", ""), f"{key}_linked"
    if linked in views and state.widget(followed) != linked:
        state.remember(key, views[linked][0])
    tabs = st.tabs([title for title, _ in views.values()], key=key, on_change="rerun")
    for (name, (_, draw)), tab in zip(views.items(), tabs, strict=True):
        if tab.open:
            moved = state.widget(followed) != name or state.comes_with({"view": name}) is not None
            state.remember(followed, name)
            if moved and name != linked and (linked or name != next(iter(views))):
                address.show({"view": name})
            with tab:
                draw(*about)
