"""The person of this browser session: a signed-in user, a demo visitor, or the operator of this machine."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any

import streamlit as st

from core.access import sign_in as signin
from core.errors import AccessDenied
from core.person import OPERATOR, Person, Role, visitor
from core.settings import Settings
from ui.session import state

COOKIE = "tunedeck_visitor"
LOOKER = Person("viewer", "Viewer", Role.VIEWER)


def current(settings: Settings) -> Person:
    """The person of this session. Raises AccessDenied for people who have not signed in or have no role."""
    if settings.mode == "local":
        return OPERATOR
    if settings.mode == "viewer":
        return LOOKER
    if settings.mode == "demo":
        return visitor(_token())
    if not signed_in():
        raise AccessDenied("sign in first")
    return signin.person_of(st.user.to_dict(), settings)


def of_session(user_info: Mapping[str, Any], settings: Settings) -> Person:
    """The person of a session from Streamlit's user info, for requests, which run no script.

    Does not distinguish demo visitors. Raises AccessDenied.
    """
    if settings.mode == "local":
        return OPERATOR
    if settings.mode != "team":
        return LOOKER
    if not user_info.get("is_logged_in"):
        raise AccessDenied("sign in first")
    return signin.person_of(user_info, settings)


def signed_in() -> bool:
    return bool(st.user.get("is_logged_in", False))


def signed_in_at() -> float:
    """When the provider issued the token of this sign-in, in seconds since 1970."""
    issued = st.user.get("iat")
    return float(issued) if isinstance(issued, int | float) else time.time() - 3600


def _token() -> str:
    """A secret of this browser: the cookie that the server set, else a token of this session."""
    given = st.context.cookies.get(COOKIE, "")
    if len(given) >= 32:
        return given
    held = state.widget(COOKIE)
    if held is None:
        held = secrets.token_hex(16)
        state.remember(COOKIE, held)
    return str(held)
