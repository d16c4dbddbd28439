"""Whose Hub token this installation has. The token itself stays in the environment: no page or cache holds it."""

from __future__ import annotations

import hashlib

import streamlit as st

from core.errors import HubError
from core.hub.errors import token
from core.sharing.hub.hub_account import Account, Lookup
from ui.components.basics import show_error

QUICK_S = 0.4  # how long a page waits for the Hub before it shows that it waits
ASK_EVERY_S = 1.0
KEPT_S = 600  # the Hub wants to be asked this seldom


def has_token() -> bool:
    """Raises HubError for one that cannot be sent."""
    return token() is not None


def account() -> Account | None:
    """Who this is at the Hub; None while that is being asked, or where it cannot be told: the page says so."""
    lookup = _lookup(_digest())
    lookup.wait(QUICK_S)
    if lookup.pending:
        _waiting()
        return None
    if lookup.account is None:
        show_error(
            lookup.error or HubError("The Hub did not say whose token this is"), "The Hub does not answer as it should"
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
    """Tells one token from another, and cannot be turned back into either."""
    return hashlib.sha256((token() or "").encode()).hexdigest()[:16]


def _forget() -> None:
    _lookup.clear()
