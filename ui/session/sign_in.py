"""Signing in and out in team mode: the page before sign-in, and the lines in the sidebar."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from core.errors import AccessDenied
from core.person import Person
from core.store import audit_log
from core.wording import counted, sentence
from ui.components.basics import plain
from ui.session import person, resources, state

KEYS = ("redirect_uri", "cookie_secret")
PROVIDER_KEYS = ("client_id", "client_secret", "server_metadata_url")
GREETED = "greeted"


def must_come_in() -> Person:
    """The person of this session; before sign-in, show only the sign-in page and end the script."""
    if resources.installation().mode == "team" and (missing := _missing()):
        _box(
            ":material/build:",
            "Not set up yet",
            "This Tunedeck is for a team, but the sign-in is not set up, so nobody is admitted. The operator finds the "
            f"instructions in docs/access.md; missing under [auth] in the secrets: {', '.join(missing)}.",
        )
        st.stop()
    try:
        who = person.current(resources.installation())
    except AccessDenied as error:
        _refused(error) if person.signed_in() else _ask()
        st.stop()
    if resources.installation().mode == "team" and state.widget(GREETED) != who.id:
        audit_log.record_sign_in(resources.store(), who.role.title, person.signed_in_at())
        state.remember(GREETED, who.id)
    return who


def who_is_here(who: Person) -> None:
    """The person's name, role and log-out button, in the sidebar."""
    mode = resources.installation().mode
    with st.sidebar:
        if mode == "team":
            with st.container(key="who", gap="xsmall"):
                st.markdown(f":material/account_circle: **{plain(who.name)}**")
                st.caption(f"{plain(who.id)} · {who.role.title}")
                st.button("Log out", icon=":material/logout:", key="log_out", type="tertiary", on_click=st.logout)
        elif mode == "demo":
            demo, limits = resources.installation().demo, resources.installation().limits
            st.caption(
                f":material/science: **Demo.** Train the sample: up to {demo.examples:,} examples, "
                f"{counted(demo.epochs, 'epoch')} and {counted(limits.run_s / 60, 'minute')}, one run at a time. You "
                f"alone see your runs; they are deleted after {counted(demo.keep_s / 3600, 'hour')}."
            )
        elif mode == "viewer":
            st.caption(":material/visibility: **Read-only.** These are results to look at; nothing is trained here.")


def _ask() -> None:
    with _box(":material/login:", "Sign in to Tunedeck", "Your runs and what you may do here belong to your account."):
        for provider in _providers():
            title = "Sign in" if provider is None else f"Sign in with {provider.title()}"
            st.button(
                title,
                type="primary",
                icon=":material/login:",
                key=f"log_in_{provider or 'default'}",
                on_click=st.login,
                args=() if provider is None else (provider,),
            )


def _refused(error: AccessDenied) -> None:
    with _box(":material/block:", "You are not let in", plain(sentence(str(error)))):
        st.button("Log out", icon=":material/logout:", key="log_out", on_click=st.logout)


def _box(icon: str, title: str, text: str) -> st.delta_generator.DeltaGenerator:
    st.space("large")
    _, middle, _ = st.columns([1, 2, 1])
    box = middle.container(border=True, horizontal_alignment="center", key="come_in")
    box.markdown(f"### {icon} {title}", text_alignment="center")
    box.markdown(text, text_alignment="center")
    return box


def _auth() -> dict[str, object]:
    if not st.secrets.load_if_toml_exists() or "auth" not in st.secrets:
        return {}
    return dict(st.secrets["auth"])


def _providers() -> list[str | None]:
    """The named providers; None alone for the one that has no name."""
    named = [name for name, section in _auth().items() if isinstance(section, Mapping) and "client_id" in section]
    return [*named] or [None]


def _missing() -> list[str]:
    auth = _auth()
    missing = [key for key in KEYS if not auth.get(key)]
    if _providers() == [None]:
        missing += [key for key in PROVIDER_KEYS if not auth.get(key)]
    return missing
