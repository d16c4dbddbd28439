"""Real dashboards' threads, in processes of their own, over a store of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.runs import process
from core.settings import Settings, from_environment
from core.store.record import Run
from core.store.store import Store

PROJECT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def settings(home: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("TUNEDECK_STOP_GRACE_S", "1")
    monkeypatch.setenv("TUNEDECK_HUNG_AFTER_S", "2")
    return from_environment()


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """A store whose workers, if a test leaves any, are killed at the end."""
    store = Store(settings.store_path)
    yield store
    for run in store.runs():
        if run.process is not None:
            process.signal_group(run.process, force=True)


Dashboard = subprocess.Popen[bytes]


@pytest.fixture
def start_dashboard(settings: Settings) -> Iterator[Callable[[], Dashboard]]:
    started: list[Dashboard] = []

    def start() -> Dashboard:
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.scheduling.counting", "dashboard"],
            cwd=PROJECT,
            env=os.environ | {"PYTHONPATH": str(PROJECT)},
            stdout=subprocess.PIPE,
        )
        assert child.stdout is not None and child.stdout.readline().strip() == b"up"
        started.append(child)
        return child

    yield start
    for child in started:
        child.kill()
        child.wait()


def wait_for(store: Store, run_id: str, condition: Callable[[Run], bool], seconds: float = 30) -> Run:
    """The run once `condition` holds of it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        run = store.run(run_id)
        if condition(run):
            return run
        time.sleep(0.02)
    raise AssertionError(f"still {store.run(run_id)} after {seconds} s")
