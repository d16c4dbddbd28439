"""The Hub part of the Share page without a browser: who you are, what goes out, and where the token stays."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.settings import Settings
from core.store.store import Store
from tests.hub import pushing
from tests.hub.test_hub_tokens import files_with
from tests.hub_server.server import GOOD_TOKEN, READ_TOKEN, LoopbackHub
from tests.pages.conftest import ROOT, part_of_share
from tests.pages.test_results import words

App = Callable[[str], AppTest]


@pytest.fixture
def asking(shared_hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    """The Hub's library of this process, which read its environment long ago, asks the loopback Hub."""
    from huggingface_hub import close_session, constants, hf_api

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", shared_hub.endpoint)
    monkeypatch.setattr(hf_api.api, "endpoint", shared_hub.endpoint)
    monkeypatch.setenv("HF_TOKEN", GOOD_TOKEN)
    close_session()
    yield shared_hub
    close_session()


def shown(page: AppTest) -> str:
    return words(page) + "\n".join(str(e.value) for e in page.warning)


def test_without_a_token(app: App, home: Path) -> None:
    pushing.make_run(str(home))
    page = part_of_share(app, "hub")
    assert "A token of yours is needed" in shown(page) and "secrets.toml" in shown(page)
    assert not [b for b in page.button if b.key == "hub_push"]


def test_a_push_from_the_page(app: App, asking: LoopbackHub, home: Path) -> None:
    run = pushing.make_run(str(home))
    before = len(asking.seen("/api/whoami-v2"))
    page = part_of_share(app, "hub")
    page.run()
    assert "Signed in as **alice**" in shown(page)
    assert len(asking.seen("/api/whoami-v2")) == before + 1, "asked once, not at every look"
    assert page.toggle(key=f"hub_private_{run}_model").value
    assert page.selectbox(key=f"hub_owner_{run}_model").options == ["alice", "acme"]
    listed = page.dataframe[0].value["File"].tolist()
    assert "model.safetensors" in listed and not {"training_args.bin", "optimizer.pt"} & set(listed)
    page.text_input(key=f"hub_name_{run}_model").set_value("--").run()
    page.button(key="hub_push").click().run()
    assert "is not a Hub id" in shown(page)
    page.text_input(key=f"hub_name_{run}_model").set_value("from-the-page").run()
    page.button(key="hub_push").click().run()
    store = Store(home / "store.sqlite3")
    (queued,) = store.runs(kind="push")
    assert (queued.spec["repo_id"], queued.spec["private"], queued.spec["update"]) == (
        "alice/from-the-page",
        True,
        False,
    )
    assert "Pushing" in shown(page) and GOOD_TOKEN not in shown(page)
    assert not files_with(GOOD_TOKEN, home)
    assert "share_linked" in str(page) and GOOD_TOKEN not in str(page), "no element and no state has it"


def test_a_dataset_needs_the_tick_and_leaves_the_final_test_here(app: App, asking: LoopbackHub, home: Path) -> None:
    pushing.make_run(str(home))
    pushing.set_aside(str(home), "test")
    page = part_of_share(app, "hub")
    page.segmented_control(key="hub_what").set_value("dataset").run()
    assert "is set aside as a final test and is not pushed" in shown(page)
    assert page.button(key="hub_push").disabled
    next(box for box in page.checkbox if str(box.key).startswith("hub_may")).check().run()
    assert not page.button(key="hub_push").disabled
    page.button(key="hub_push").click().run()
    (queued,) = Store(home / "store.sqlite3").runs(kind="push")
    spec = queued.spec
    assert (spec["splits"], spec["columns"], spec["with_texts"], spec["final_tests"]) == (
        ["train"],
        ["text", "label"],
        True,
        False,
    )


def test_a_token_that_may_only_read(app: App, asking: LoopbackHub, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pushing.make_run(str(home))
    monkeypatch.setenv("HF_TOKEN", READ_TOKEN)
    assert "The token of alice is read-only" in shown(part_of_share(app, "hub"))


def test_the_token_comes_from_the_secrets(app: App, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "")
    page = AppTest.from_file(str(ROOT / "ui/app.py"), default_timeout=30)
    page.secrets["HF_TOKEN"] = f"{GOOD_TOKEN}\n"
    st.cache_resource.clear()
    assert not page.run().exception
    assert os.environ["HF_TOKEN"] == GOOD_TOKEN
    assert not files_with(GOOD_TOKEN, settings.home)
