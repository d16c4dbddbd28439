"""The address of what the Datasets page shows: dataset, split and view. Anybody may have written it.

A link is followed at once if this dashboard wrote it, which its proof (`opened`) shows, or if the session has already
opened the file. For any other link the person is asked before the file is touched.
"""

from __future__ import annotations

import hmac
import json
from typing import Any, cast

import streamlit as st

from core.access import rules as access
from core.data.browsing.view import View, from_link, to_link
from core.data.selection import same_source
from core.errors import Problem, SpecError
from core.network_paths import leads_to_network
from core.spec.data import DataSpec
from core.spec.run import build
from core.spec.steps import dump_steps
from ui.components.basics import code, for_display, plain
from ui.session import address, resources, state

Linked = tuple[str | None, View]  # a split and the rows of it
FIELDS = ("source", "path", "config", "revision")
ALL = (*FIELDS, "read", "steps", "split", "view", "opened")
SEEN = "dataset_link"
MOST_STEPS = 50_000  # characters
MOST_NAME = 80  # characters of a path on a button


def read() -> Linked | None:
    """Open the dataset that a new link names; returns its split and view, or None without a new link.

    Raises SpecError for an invalid link; the open dataset then stays. If the person has to allow the link first, the
    page asks and its run ends here.
    """
    held = _followed()
    if not held.get("source") or held in (state.widget(SEEN) or []):
        return None
    try:
        data, view = _meant(held)
    except SpecError:
        state.remember(SEEN, [held])
        raise
    if data.source == "file" and not _was_opened(data.path, held.get("opened", "")):
        _ask(data.path, held)
        st.stop()
    state.remember(SEEN, [held])
    if not same_source(data, state.data()):
        state.set_data(data)
    return held.get("split"), view


def _followed() -> dict[str, str]:
    return {name: st.query_params[name] for name in ALL if name in st.query_params}


def _meant(held: dict[str, str]) -> tuple[DataSpec, View]:
    tree: dict[str, Any] = {name: held[name] for name in FIELDS if name in held}
    tree |= {name: _json(held[name], name) for name in ("read", "steps") if name in held}
    data = cast(DataSpec, build(tree, DataSpec))
    if data.source not in access.sources(resources.settings()):
        raise SpecError([Problem("source", "only the sample can be opened here")])
    return data, from_link(held.get("view", ""))


def _was_opened(path: str, proof: str) -> bool:
    known = hmac.compare_digest(proof.encode("utf-8", "replace"), resources.link_proof(path).encode())
    return known or path in state.opened_paths()


def _ask(path: str, held: dict[str, str]) -> None:
    """Ask the person. The path is not touched before: that could reveal them to another machine."""
    if on_network := leads_to_network(path):
        title = "This link leads to another machine"
        text = "A link cannot open it. If you trust the place, type it as the path of your own file."
    else:
        title = "This link opens a file or folder of this computer" if _is_local() else "This link opens a file"
        text = "Nothing has been read yet. Open it if you know who made the link."
    with st.container(border=True, key="link_asks"):
        st.markdown(f"**{title}**\n\n{code(for_display(path))}\n\n{text}")
        with st.container(horizontal=True):
            if not on_network:
                st.button(
                    f"Open {plain(_end_of(for_display(path)))}",
                    type="primary",
                    icon=":material/folder_open:",
                    key="link_open",
                    on_click=state.may_open,
                    args=(path,),
                )
            st.button("Do not open", key="link_leave", on_click=_leave, args=(held,))


def _end_of(path: str) -> str:
    return path if len(path) <= MOST_NAME else f"…{path[1 - MOST_NAME :]}"


def _leave(held: dict[str, str]) -> None:
    state.remember(SEEN, [held])
    st.query_params.clear()


def _is_local() -> bool:
    return resources.installation().mode == "local"


def write(data: DataSpec, split: str, view: View) -> None:
    """Write what the page shows into its address."""
    tree = data.model_dump(mode="json", exclude_defaults=True)
    held = {"source": data.source} | {name: str(tree[name]) for name in FIELDS[1:] if name in tree}
    tree |= {"steps": dump_steps(*data.steps)} if data.steps else {}
    held |= {name: _text(tree[name]) for name in ("read", "steps") if name in tree}
    held |= {"opened": resources.link_proof(data.path)} if data.source == "file" else {}
    held |= {"split": split} | ({"view": link} if (link := to_link(view)) else {})
    before = state.widget(SEEN) or []
    if held == (before[-1] if before else None) and state.comes_with(held) is None:
        return
    if held != st.query_params.to_dict():
        address.show(held, whole=True)
    # Until the person changes something, the browser may repeat the link by which they came; it is not new.
    state.remember(SEEN, [_followed(), held] if state.comes_with(held) else [held])


def _text(tree: Any) -> str:
    return json.dumps(tree, ensure_ascii=False, separators=(",", ":"))


def _json(text: str, what: str) -> Any:
    if len(text) > MOST_STEPS:
        raise SpecError([Problem(what, f"the link's {what} has {len(text):,} characters; at most {MOST_STEPS:,} fit")])
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise SpecError([Problem(what, f"the link's {what} is not readable; open the dataset again")]) from None
