"""What the whole dashboard process has once: settings, store, scheduler thread."""

from __future__ import annotations

import streamlit as st

from core.playground import Playground
from core.scheduler import Scheduler
from core.settings import Settings, from_environment
from core.store import Store
from ui import hub_account


@st.cache_resource(show_spinner=False)
def settings() -> Settings:
    return from_environment()


@st.cache_resource(show_spinner=False)
def store() -> Store:
    return Store(settings().store_path)


@st.cache_resource(show_spinner=False)
def scheduler() -> Scheduler:
    """The thread that starts and supervises runs; this dashboard's one."""
    hub_account.take_token()
    thread = Scheduler(store(), settings(), keep_spare=True)
    thread.start()
    return thread


@st.cache_resource(show_spinner=False)
def playground() -> Playground:
    """The process that keeps models warm; started by the first question."""
    return Playground(settings())
