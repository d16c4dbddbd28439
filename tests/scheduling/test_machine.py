"""Whose process is whose: laptops whose host name changes, machines with one home, containers on one kernel."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from core import machine
from core.runs import process
from core.store.store import Store
from tests.scheduling.conftest import Dashboard, wait_for


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    machine.boot.cache_clear()
    machine.name.cache_clear()
    yield
    machine.boot.cache_clear()
    machine.name.cache_clear()


def rename_host(monkeypatch: pytest.MonkeyPatch, name: str = "dhcp-17-3") -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    asked = (machine.boot, machine.name)
    for function in asked:
        function.cache_clear()


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True) as started:
        yield started
        started.kill()


def test_another_host_name_is_the_same_machine(child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    worker = process.identity(child.pid)
    rename_host(monkeypatch)
    assert process.is_here(worker) and not process.is_dead(worker)
    process.signal_group(worker, force=True)
    child.wait(10)
    assert process.is_dead(worker)


@pytest.mark.skipif(process.WINDOWS, reason="freezing is by signal")
def test_a_frozen_worker_is_ended_by_a_dashboard_under_another_host_name(
    store: Store, start_dashboard: Callable[[], Dashboard], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = start_dashboard()
    run = wait_for(store, store.submit("train", "frozen", {"steps": 10_000, "pause": 0.02}), lambda r: r.step > 3)
    assert run.process is not None
    first.kill()
    first.wait()
    psutil.Process(run.process.pid).suspend()
    with store.atomic() as db:  # as if this machine had been called otherwise when it started the worker
        db.execute("UPDATE runs SET host='laptop at home' WHERE id=?", (run.id,))
    start_dashboard()
    after = wait_for(store, run.id, lambda r: r.is_final)
    assert after.status == "lost" and "no sign of life" in (after.error or "")
    assert process.is_dead(run.process)


def test_strangers_are_left_alone(child: subprocess.Popen[bytes]) -> None:
    """Other machines and containers: their processes are neither seen nor ended, whatever their pids are."""
    mine = process.identity(child.pid)
    others = {
        "another machine": replace(mine, host="other 1", boot="other boot pid:[1]"),
        "one of the same host name": replace(mine, host=f"{socket.gethostname()} 0123", boot="other boot pid:[1]"),
        "another container here": replace(mine, host="c0ffee 0123", boot=mine.boot.replace("pid:[", "pid:[9")),
    }
    for who, other in others.items():
        assert not process.is_here(other) and not process.is_dead(other), who
        process.signal_group(other, force=True)
        assert child.poll() is None, who


def test_what_ran_before_a_restart_is_dead() -> None:
    me = process.identity()
    assert process.is_dead(replace(me, boot="the boot before"))
    assert not process.is_dead(me)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_machines_of_one_name_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = set()
    for number in range(2):
        (tmp_path / "machine-id").write_text(f"{number}" * 32)
        monkeypatch.setattr(machine, "MACHINE_IDS", (tmp_path / "gone", tmp_path / "machine-id"))
        machine.name.cache_clear()
        names.add(machine.name())
    assert len(names) == 2 and not any("0" * 32 in name or "1" * 32 in name for name in names)


ANSWERS = {
    "sysctl": "6F4B7A52-0B3C-4B5E-9F0A-2B1D7C9E1234\n",
    "ioreg": '+-o J314 <class IOPlatformExpertDevice>\n  "IOPlatformUUID" = "AAAA-BBBB"\n  "model" = <"Mac">\n',
}


def test_a_mac_is_known_by_its_boot(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 0, ANSWERS[command[0]], "")

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(subprocess, "run", run)
    boot, name = machine.boot(), machine.name()
    rename_host(monkeypatch, "MacBook-7.local")
    assert machine.boot() == boot == ANSWERS["sysctl"].strip()
    assert machine.name() != name and "AAAA" not in name
    monkeypatch.setitem(ANSWERS, "sysctl", "sysctl: unknown oid")
    machine.boot.cache_clear()
    assert machine.boot() == machine.name(), "by its name where there is nothing better"


def test_pids_of_a_container_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform != "linux":
        pytest.skip("containers share a Linux kernel")
    outside = machine.boot()
    monkeypatch.setattr(os, "readlink", lambda path: "pid:[4026539999]")
    machine.boot.cache_clear()
    assert machine.boot() != outside
