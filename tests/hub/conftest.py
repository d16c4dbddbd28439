"""One Hub and one warm client process for all tests of this folder; tests keep apart by the repositories they use."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.hub_server.client import Client, client
from tests.hub_server.fixture import hub, shared_hub
from tests.hub_server.server import LoopbackHub

__all__ = ["hub", "shared_hub"]

QUICK = {"HF_HUB_ETAG_TIMEOUT": "2", "HF_HUB_DOWNLOAD_TIMEOUT": "2"}
"""Stops waiting after two seconds instead of ten."""


def clean_env() -> dict[str, str]:
    """Returns this process's environment without its Hub settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}


@pytest.fixture(scope="session")
def hf_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the cache that the processes of these tests share."""
    return tmp_path_factory.mktemp("hf")


@pytest.fixture(scope="session")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the folder for the output of the client processes."""
    return tmp_path_factory.mktemp("log") / "clients.log"


@pytest.fixture(scope="session")
def warm(shared_hub: LoopbackHub, hf_home: Path, log: Path) -> Iterator[Client]:
    """A process without a token that talks to `shared_hub`."""
    with client(clean_env() | shared_hub.env(hf_home) | QUICK, log) as running:
        yield running


@pytest.fixture
def start(shared_hub: LoopbackHub, hf_home: Path, log: Path) -> Iterator[Callable[..., Client]]:
    """Start further processes, with other environment variables: a token, another cache, no network."""
    running: list[Client] = []

    def begin(env: Mapping[str, str] | None = None) -> Client:
        running.append(Client(clean_env() | shared_hub.env(hf_home) | QUICK | dict(env or {}), log))
        return running[-1]

    yield begin
    for process in running:
        process.close()
