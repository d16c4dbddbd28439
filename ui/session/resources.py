"""The process's shared resources (settings, store, scheduler thread), as the person of a session may use them."""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import apsw
import streamlit as st

from core.access import rules as access
from core.access.rules import Action
from core.data.browsing import sql
from core.errors import StoreTrouble
from core.guarded_store import GuardedPlayground, GuardedStore
from core.playground.client import Playground
from core.runs.scheduler import Scheduler
from core.settings import Settings, from_environment
from core.sharing.bundles.shown import take_in
from core.store.record import Run
from core.store.store import Store
from ui.session import person, state


@st.cache_resource(show_spinner=False)
def installation() -> Settings:
    """The settings without a person, available before anybody has signed in."""
    if st.secrets.load_if_toml_exists():  # its top level becomes environment variables, where none can be set otherwise
        _take_token()
    return from_environment()


def _take_token() -> None:
    """Copy HF_TOKEN from the secrets into this process's environment, where libraries and workers expect it."""
    secret = st.secrets.get("HF_TOKEN")
    if isinstance(secret, str) and secret.strip() and (os.environ.get("HF_TOKEN") or secret).strip() == secret.strip():
        os.environ["HF_TOKEN"] = secret.strip()


@st.cache_resource(show_spinner="Opening the results")
def _opened() -> tuple[Store, list[str]]:
    """The store with the published bundles imported, and a sentence for each bundle that could not be imported."""
    store = Store(installation().store_path)
    if installation().mode not in ("viewer", "demo"):
        return store, []
    return store, take_in(store, installation())


def _store() -> Store:
    return _opened()[0]


def not_shown() -> list[str]:
    """A sentence for each published bundle that cannot be shown."""
    return _opened()[1]


@st.cache_resource(show_spinner=False)
def _playground() -> Playground:
    """The playground, whose process the first question starts."""
    return Playground(installation())


@st.cache_resource(show_spinner=False)
def scheduler() -> Scheduler:
    """The thread that starts and supervises runs, once per dashboard. In viewer mode it is not started."""
    thread = Scheduler(_store(), installation(), keep_spare=True, make_room=_playground().close)
    if installation().mode != "viewer":
        sql.sweep(installation())
        thread.start()
    return thread


@st.cache_resource(show_spinner=False)
def _link_secret() -> bytes:
    return secrets.token_bytes(32)


def link_proof(path: str) -> str:
    """The proof in a link to a file that this dashboard wrote for this person; nobody else can compute it."""
    person_and_path = f"{settings().person.id}\0{path}".encode("utf-8", "surrogatepass")
    return hmac.new(_link_secret(), person_and_path, "sha256").hexdigest()[:32]


def settings() -> Settings:
    """The settings of the person of this session."""
    return replace(installation(), person=person.current(installation()))


def store() -> GuardedStore:
    """The runs that the person of this session may see and change."""
    return SessionStore(_store(), settings())


class SessionStore(GuardedStore):
    """On StoreTrouble, a fragment makes the whole page run, because ui/app.py shows what is wrong."""

    @contextmanager
    def connection(self, *, create: bool = False) -> Iterator[apsw.Connection]:
        try:
            with super().connection(create=create) as db:
                yield db
        except StoreTrouble:
            if state.in_fragment():
                st.rerun()
            raise


def check() -> None:
    """Raise StoreTrouble while the store cannot be read and written."""
    _store().check()


def playground() -> GuardedPlayground:
    """The playground for the person of this session."""
    return GuardedPlayground(_playground(), store())


def may(action: Action, run: Run | None = None) -> bool:
    """Whether the person of this session may do this action (on this run); core checks it again."""
    return why_not(action, run) is None


def why_not(action: Action, run: Run | None = None) -> str | None:
    """Why the person of this session may not do this action (on this run); None if they may."""
    return access.why_not(settings(), action, run)
