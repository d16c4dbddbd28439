"""The page's address describes what the page shows, so that it can be bookmarked and shared.

A change of the address while a person arrives at a page belongs to that step: it replaces the entry in the browser's
history, so that one press of Back leaves the page. A later change is a step of its own.
"""

from __future__ import annotations

import streamlit as st

from ui.session import state

# `st.query_params` always adds an entry. The element takes no room. It waits for its page: a busy browser can draw it
# before the address names the page, and on the way it could be another page's turn already.
_REPLACE = st.components.v2.component(
    "address",
    css="""[data-testid="stLayoutWrapper"]:has(> [class*="st-key-address_"]) {
        position: absolute;
    }""",
    js="""export default function ({ data }) {
        let later;
        const write = () => {
            const url = new URL(window.location.href);
            if (url.pathname.replace(/\\/+$/, "").split("/").pop() !== data.page) {
                later = setTimeout(write, 50);
                return;
            }
            for (const [name, value] of Object.entries(data.query)) url.searchParams.set(name, value);
            if (url.href !== window.location.href) window.history.replaceState(window.history.state, "", url.href);
        };
        write();
        return () => clearTimeout(later);
    }""",
    isolate_styles=False,
)


def show(query: dict[str, str], *, whole: bool = False) -> None:
    """Let the address say this, beside what it says; `whole`: in place of it."""
    if (page := state.comes_with(query)) is not None:
        state.await_address(query)
        key = f"address_{'_'.join(query)}"
        with st.container(key=key):
            _REPLACE(key=f"{key}_set", data={"page": page, "query": query})
        return
    state.forget_address()
    if whole:
        st.query_params.from_dict(query)
    else:
        st.query_params.update(query)
