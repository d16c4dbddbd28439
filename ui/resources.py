"""What the dashboard process has once (settings, store, scheduler thread), as the person of a session may use it."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from core import access
from core.access import Action
from core.guarded import GuardedPlayground, GuardedStore
from core.playground import Playground
from core.scheduler import Scheduler
from core.settings import Settings, from_environment
from core.store import Run, Store
from ui import person


@st.cache_resource(show_spinner=False)
def installation() -> Settings:
    """The settings without a person: what may be read before anybody has signed in."""
    st.secrets.load_if_toml_exists()  # its top level becomes environment variables, where none can be set otherwise
    return from_environment()


@st.cache_resource(show_spinner=False)
def _store() -> Store:
    return Store(installation().store_path)


@st.cache_resource(show_spinner=False)
def _playground() -> Playground:
    """The process that keeps models warm; started by the first question."""
    return Playground(installation())


@st.cache_resource(show_spinner=False)
def scheduler() -> Scheduler:
    """The thread that starts and supervises runs; this dashboard's one. In viewer mode there is nothing to start."""
    thread = Scheduler(_store(), installation(), keep_spare=True, make_room=_playground().close)
    if installation().mode != "viewer":
        thread.start()
    return thread


def settings() -> Settings:
    """Those of the person of this session."""
    return replace(installation(), person=person.current(installation()))


def store() -> GuardedStore:
    """The runs, as far as the person of this session may see and change them."""
    return GuardedStore(_store(), settings())


def playground() -> GuardedPlayground:
    """Answers to the person of this session."""
    return GuardedPlayground(_playground(), store())


def may(action: Action, run: Run | None = None) -> bool:
    """Whether the person of this session may do this (to this run); core asks again when it is done."""
    return why_not(action, run) is None


def why_not(action: Action, run: Run | None = None) -> str | None:
    """Why the person of this session may not do this (to this run); None if they may."""
    return access.why_not(settings(), action, run)
