"""The Hub account of this installation's token. The token stays in the environment; no page or cache holds it."""

from __future__ import annotations

import hashlib

import streamlit as st

from core.errors import HubError
from core.hub.errors import token
from core.sharing.hub.hub_account import Account, Lookup
from ui.components.basics import show_error

QUICK_S = 0.4  # how long a page waits silently for the Hub
ASK_EVERY_S = 1.0
KEPT_S = 600  # the Hub limits how often it may be asked


def has_token() -> bool:
    """Whether there is a token. Raises HubError for a malformed one."""
    return token() is not None


def account() -> Account | None:
    """The account; None while the Hub is being asked or cannot answer, which the page shows."""
    lookup = _lookup(_digest())
    lookup.wait(QUICK_S)
    if lookup.pending:
        _waiting()
        return None
    if lookup.account is None:
        show_error(
            lookup.error or HubError("The Hub gave no account for this token"), "The Hub did not name an account"
        )
        st.button("Ask again", icon=":material/refresh:", key="hub_ask_again", on_click=_forget)
    return lookup.account


@st.fragment(run_every=ASK_EVERY_S)
def _waiting() -> None:
    if not _lookup(_digest()).pending:
        st.rerun()
    st.caption(":material/hourglass_top: Asking the Hub whose token this is")


@st.cache_resource(ttl=KEPT_S, max_entries=4, show_spinner=False)
def _lookup(digest: str) -> Lookup:
    return Lookup()


def _digest() -> str:
    """Identifies the token and cannot be turned back into it."""
    return hashlib.sha256((token() or "").encode()).hexdigest()[:16]


def _forget() -> None:
    _lookup.clear()
