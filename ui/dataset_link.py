"""The address of what the Datasets page shows: dataset, split and view. Anybody may have written it."""

from __future__ import annotations

import json
from typing import Any, cast

import streamlit as st

from core.data.view import View, from_link, to_link
from core.errors import Problem, SpecError
from core.plan import same_source
from core.spec import DataSpec, build
from core.steps import dump_steps
from ui import state

Linked = tuple[str | None, View]  # a split and what of it
FIELDS = ("source", "path", "config", "revision")
SEEN = "dataset_link"
MOST_STEPS = 50_000  # characters


def read() -> Linked | None:
    """Opens the dataset that a link names; returns its split and view. None if there is no new link.

    Raises SpecError for a link that says nothing sensible; what was open then stays open.
    """
    held = {
        name: st.query_params[name] for name in (*FIELDS, "read", "steps", "split", "view") if name in st.query_params
    }
    if not held.get("source") or held == state.widget(SEEN):
        return None
    state.remember(SEEN, held)
    tree: dict[str, Any] = {name: held[name] for name in FIELDS if name in held}
    tree |= {name: _json(held[name], name) for name in ("read", "steps") if name in held}
    data = cast(DataSpec, build(tree, DataSpec))
    view = from_link(held.get("view", ""))
    if not same_source(data, state.data()):
        state.set_data(data)
    return held.get("split"), view


def write(data: DataSpec, split: str, view: View) -> None:
    """Let the page's address say what it shows."""
    tree = data.model_dump(mode="json", exclude_defaults=True)
    held = {"source": data.source} | {name: str(tree[name]) for name in FIELDS[1:] if name in tree}
    tree |= {"steps": dump_steps(*data.steps)} if data.steps else {}
    held |= {name: _text(tree[name]) for name in ("read", "steps") if name in tree}
    held |= {"split": split} | ({"view": link} if (link := to_link(view)) else {})
    if held != {name: st.query_params[name] for name in held if name in st.query_params} or len(held) != len(
        st.query_params
    ):
        st.query_params.from_dict(held)
    state.remember(SEEN, held)


def _text(tree: Any) -> str:
    return json.dumps(tree, ensure_ascii=False, separators=(",", ":"))


def _json(text: str, what: str) -> Any:
    if len(text) > MOST_STEPS:
        raise SpecError([Problem(what, f"the link's {what} has {len(text):,} characters; the most is {MOST_STEPS:,}")])
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise SpecError([Problem(what, f"the link's {what} is not readable; open the dataset anew")]) from None
