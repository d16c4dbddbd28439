"""The worker that waits ready: it takes one run, dies with its dashboard, and is never in the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace

import psutil
import pytest

from core.runs import process, spare
from core.runs.spare import Spare
from core.settings import PROJECT, Settings, from_environment
from core.store.store import Store
from tests.scheduling import counting
from tests.scheduling.conftest import Dashboard, wait_for


@pytest.fixture
def settings(home: object, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("TUNEDECK_SPARE_WORKER", "on")
    return from_environment()


def waiting(dashboard: Dashboard, other_than: int = 0) -> psutil.Process:
    """The spare worker of a dashboard, once there is one."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        for child in psutil.Process(dashboard.pid).children():
            if child.pid != other_than and "--spare" in child.cmdline():
                return child
        time.sleep(0.02)
    raise AssertionError("no spare worker came up")


def test_it_takes_one_run_and_another_comes_up(
    store: Store, settings: Settings, start_dashboard: Callable[[], Dashboard]
) -> None:
    dashboard = start_dashboard()
    first = waiting(dashboard)
    run = wait_for(store, store.submit("train", "one", {"steps": 5}), lambda r: r.is_final)
    assert (run.status, run.pid, run.step) == ("finished", first.pid, 5)
    assert "Training" in (settings.run_dir(run.id) / "worker.log").read_text()
    second = waiting(dashboard, other_than=first.pid)
    run = wait_for(store, store.submit("train", "two", {"steps": 5}), lambda r: r.is_final)
    assert (run.status, run.pid) == ("finished", second.pid)
    assert second.pid != first.pid


def test_no_other_waits_while_a_run_works(store: Store, start_dashboard: Callable[[], Dashboard]) -> None:
    dashboard = start_dashboard()
    waiting(dashboard)
    run_id = store.submit("train", "long", {"steps": 10_000})
    run = wait_for(store, run_id, lambda r: r.step > 20)
    others = [c for c in psutil.Process(dashboard.pid).children() if c.pid != run.pid]
    assert not others
    store.stop(run_id)
    wait_for(store, run_id, lambda r: r.is_final)


@pytest.mark.skipif(process.WINDOWS, reason="kills by signal")
def test_it_ends_with_its_dashboard(store: Store, start_dashboard: Callable[[], Dashboard]) -> None:
    dashboard = start_dashboard()
    child = waiting(dashboard)
    dashboard.kill()
    dashboard.wait()
    assert psutil.wait_procs([child], timeout=20)[0], "it works on for nobody"


@pytest.mark.skipif(process.WINDOWS, reason="kills by signal")
def test_a_dead_one_keeps_no_run_from_starting(store: Store, start_dashboard: Callable[[], Dashboard]) -> None:
    dashboard = start_dashboard()
    child = waiting(dashboard)
    os.kill(child.pid, signal.SIGKILL)
    run = wait_for(store, store.submit("train", "one", {"steps": 3}), lambda r: r.is_final)
    assert run.status == "finished" and run.pid != child.pid


def test_a_small_machine_has_none(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "WORKER", counting.MODULE)
    monkeypatch.setattr(spare, "FIRST_AFTER_S", 0.0)
    free = SimpleNamespace(available=3e9)
    monkeypatch.setattr("psutil.virtual_memory", lambda: free)
    one = Spare(settings)
    one.keep()
    assert one.take("abcd", 1, "cpu", None) is None
    free.available = 5e9
    one.keep()
    child = one._child
    assert child is not None
    free.available = 1e9
    one.keep()
    assert child.wait(timeout=20) == 0, "it gives its memory back when that becomes short"


def test_it_can_be_turned_off(
    store: Store, start_dashboard: Callable[[], Dashboard], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNEDECK_SPARE_WORKER", "off")
    dashboard = start_dashboard()
    run = wait_for(store, store.submit("train", "one", {"steps": 3}), lambda r: r.is_final)
    assert run.status == "finished"
    children = [child for child in psutil.Process(dashboard.pid).children() if child.pid != run.pid]
    assert not children


def test_a_wrong_setting_is_said(home: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEDECK_SPARE_WORKER", "maybe")
    with pytest.raises(Exception, match="'maybe'; it must be on or off"):
        from_environment()


def test_a_waiting_worker_has_the_libraries_of_a_run(settings: Settings) -> None:
    """What is imported after the click on Start is what the person waits for."""
    code = [sys.executable, "-m", "tests.scheduling.late_imports", "trainer"]
    environment = process.worker_environment("cpu", 1, settings)
    done = subprocess.run(code, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    late = done.stdout.rpartition("imported late:")[2].split()
    assert late, "the sample, at least, is read by a module of its own"
    assert not [name for name in late if name.split(".")[0] not in ("core", "torch")]
    assert len(late) < 20, late
