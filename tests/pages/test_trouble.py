"""Pages while the run store cannot be used: each says what happened and what to do, and comes back by itself."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.errors import StoreTrouble
from core.store.store import Store
from tests.pages.conftest import ROOT, quicken
from tests.read_only import read_only
from tests.synthetic import Synthetic


def words(page: AppTest) -> str:
    return " ".join(error.value.replace("\\", "") for error in page.error)


@pytest.mark.parametrize("name", ["train/runs", "train/run", "start/start", "results/share"])
def test_a_store_that_goes_and_comes_back(app: Callable[[str], AppTest], settings, name: str) -> None:
    run = Synthetic(Store(settings.store_path), settings).working()
    page = app(name)
    page.query_params["run"] = run.id
    page.run()
    assert not page.exception and not page.error
    path = settings.store_path
    for content, sentence in ((None, "is gone"), (b"", "lost its content"), (b"nonsense" * 999, "damaged")):
        kept = {p: p.read_bytes() for p in settings.home.glob("store.sqlite3*")}
        for file in kept:
            file.unlink()
        if content is not None:
            path.write_bytes(content)
        page.run()
        assert not page.exception and sentence in words(page), (page.exception, words(page))
        assert "restart" in words(page)
        for file, was in kept.items():
            file.write_bytes(was)
        page.run()
        assert not page.exception and not page.error


def test_a_home_that_cannot_be_written_at_the_start(settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server comes up, each page says why nothing works, and all is well once it can be written."""
    st.cache_resource.clear()
    quicken(monkeypatch)
    with read_only(settings.home):
        page = AppTest.from_file(str(ROOT / "ui/app.py"), default_timeout=30).run()
        assert not page.exception and "is read-only, so no run" in words(page)
        assert "TUNEDECK_HOME" in words(page)
        server = importlib.import_module("streamlit_app")

        async def come_up() -> None:
            async with server.lifespan(server.app):
                pass

        # In a thread of its own: a browser that an earlier test of the process opened keeps a loop running here.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, come_up()).result()
    page.run()
    assert not page.exception and not page.error
    from ui.session import resources

    resources.scheduler().close()
    st.cache_resource.clear()


def test_a_home_that_becomes_read_only_is_said_on_every_page(app: Callable[[str], AppTest], settings) -> None:
    page = app("train/runs")
    from ui.session import resources

    with read_only(settings.home):
        with pytest.raises(StoreTrouble) as trouble:
            resources.scheduler().tick()
        resources.scheduler()._faults.begin(trouble.value)  # as its thread does, which no test of pages starts
        page.run()
        assert not page.exception
        text = words(page) + " ".join(warning.value.replace("\\", "") for warning in page.warning)
        assert "is read-only, so no run" in text
