"""Everything that one browser session remembers. The only module that touches `st.session_state` keys."""

from __future__ import annotations

from typing import cast

import streamlit as st

from core.run_view import RunView
from core.spec import DataSpec, RunSpec

_DATA, _DRAFT, _VIEWS = "data", "draft", "run_views"


def data() -> DataSpec:
    """The dataset this session looks at: the sample until another is chosen."""
    return cast(DataSpec, st.session_state.get(_DATA, DataSpec()))


def set_data(chosen: DataSpec) -> None:
    st.session_state[_DATA] = chosen


def draft() -> RunSpec | None:
    """The spec that the New run page is to begin with, if another page has left one."""
    return cast("RunSpec | None", st.session_state.get(_DRAFT))


def set_draft(spec: RunSpec | None) -> None:
    st.session_state[_DRAFT] = spec


def run_view(run_id: str) -> RunView:
    """What this session has seen of a run; the few runs looked at last are remembered."""
    views: dict[str, RunView] = st.session_state.setdefault(_VIEWS, {})
    view = views.pop(run_id, None) or RunView(run_id)
    views[run_id] = view
    while len(views) > 4:
        del views[next(iter(views))]
    return view
