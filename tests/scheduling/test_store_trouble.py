"""The run store deleted, emptied, garbled, closed while somebody works with it: told once, and over by itself."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import apsw
import pytest

from core.cli import work as cli_work
from core.errors import StoreTrouble
from core.runs import process, writer
from core.runs.scheduler import Scheduler
from core.settings import Settings
from core.spec.automatic import AUTOMATIC
from core.spec.run import RunSpec
from core.store.store import Store
from tests.read_only import read_only
from tests.scheduling.conftest import PROJECT, wait_for
from tests.scheduling.counting import MODULE

Trouble = Callable[[Path], AbstractContextManager[None]]


@contextmanager
def replaced(path: Path, content: bytes | None) -> Iterator[None]:
    """The store has this content, or is not there, within the block; nothing else of it is left."""
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    kept = path.read_bytes()
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    try:
        yield
    finally:
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        path.write_bytes(kept)


@contextmanager
def scrambled(path: Path) -> Iterator[None]:
    """Its first page is right, what follows is not."""
    content = bytearray(path.read_bytes())
    for place in range(4096, len(content), 3):
        content[place] ^= 0x2A
    with replaced(path, bytes(content)):
        yield


@contextmanager
def locked(path: Path) -> Iterator[None]:
    other = apsw.Connection(str(path))
    other.set_busy_timeout(10_000)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.close()


@contextmanager
def closed(path: Path) -> Iterator[None]:
    with read_only(path.parent):
        yield


TROUBLES: dict[str, tuple[Trouble, str]] = {
    "deleted": (lambda path: replaced(path, None), "is gone: it was deleted or moved away; put it back, or restart"),
    "emptied": (lambda path: replaced(path, b""), "has lost its content: .* put a copy of it back, or restart"),
    "garbled": (lambda path: replaced(path, b"This is no store.\n" * 500), "is damaged; put a copy of it back"),
    "scrambled": (scrambled, "is damaged; put a copy of it back"),
    "another program's": (locked, "locked by another program"),
    "read-only": (closed, "is read-only, so no run"),
}


@pytest.fixture(params=TROUBLES)
def trouble(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[Trouble, str]:
    monkeypatch.setattr("core.store.store.BUSY_TIMEOUT_MS", 100)
    return TROUBLES[request.param]


@pytest.fixture
def filled(settings: Settings) -> Iterator[Store]:
    """A store with some runs, more than fit one page of its file."""
    store = Store(settings.store_path)
    for number in range(30):
        store.stop(store.submit("train", f"run {number}", {"steps": 1, "text": "x" * 500}))
    connection = apsw.Connection(str(settings.store_path))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    yield store


def test_it_is_said_and_over_by_itself(filled: Store, trouble: tuple[Trouble, str]) -> None:
    cause, sentence = trouble
    with cause(filled.path), pytest.raises(StoreTrouble, match=sentence):
        filled.check()
        filled.runs()
    filled.check()
    assert len(filled.runs()) == 30


def test_what_is_gone_is_not_made_anew_by_who_works_with_it(filled: Store) -> None:
    with replaced(filled.path, None):
        with pytest.raises(StoreTrouble):
            filled.runs()
        assert not filled.path.exists()
        assert Store(filled.path).runs() == [], "a restart begins with an empty one"


def test_the_scheduler_says_it_once_and_goes_on(
    filled: Store,
    settings: Settings,
    trouble: tuple[Trouble, str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process, "WORKER", MODULE)
    cause, _ = trouble
    scheduler = Scheduler(filled, settings, poll_s=0.02, lease_s=1.0)
    scheduler.start()
    try:
        with caplog.at_level(logging.WARNING, "core"):
            with cause(filled.path):
                until(lambda: bool(scheduler.trouble))
                time.sleep(0.5)  # many looks
                lines = [record.getMessage() for record in caplog.records]
                # Two where the file is deleted a moment before the other one is there.
                assert len(lines) == len(set(lines)) <= 2 and not any(record.exc_info for record in caplog.records)
            until(lambda: not scheduler.trouble)
        assert caplog.records[-1].getMessage().startswith("This fault is over")
        run_id = filled.submit("train", "after", {"steps": 3})
        assert wait_for(filled, run_id, lambda run: run.is_final).status == "finished"
    finally:
        scheduler.close()


def test_a_moment_without_the_store_does_not_cost_a_run_its_chosen_settings(
    filled: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = filled.submit("train", "automatic", RunSpec(auto=AUTOMATIC).model_dump(mode="json"))
    with filled.atomic() as db:
        db.execute("UPDATE runs SET status='starting', token=7, attempt=1 WHERE id=?", (run_id,))
    report = writer.RunWriter(filled, filled.begin(run_id, 7, process.identity()), 7)
    settle, troubles = filled.settle, [StoreTrouble("the disk is full"), StoreTrouble("the store is locked")]

    def settle_late(*arguments: Any) -> None:
        if troubles:
            raise troubles.pop()
        settle(*arguments)

    monkeypatch.setattr(writer, "SETTLE_WAITS_S", (0.01, 0.01))
    monkeypatch.setattr(filled, "settle", settle_late)
    try:
        report.settle(RunSpec())
        assert filled.run(run_id).spec == RunSpec().model_dump(mode="json")
        troubles += [StoreTrouble("the disk is full")] * 3
        with pytest.raises(StoreTrouble):
            report.settle(RunSpec())
    finally:
        report.end_thread()


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize(
    "arguments", [["runs"], ["show", "abc"], ["stop", "abc"], ["train", "{spec}"], ["profile", "sample"]]
)
@pytest.mark.parametrize("cause", ["garbled", "read-only", "a file for a folder"])
def test_every_command_ends_with_a_sentence(cause: str, arguments: list[str], filled: Store, tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text("data: {source: sample, text_columns: [text], label_column: label}\n")
    arguments = [argument.format(spec=tmp_path / "spec.yaml") for argument in arguments]
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    if cause == "a file for a folder":
        environment["TUNEDECK_HOME"] = str(tmp_path / "spec.yaml" / "home")
    with TROUBLES[cause][0](filled.path) if cause in TROUBLES else nullcontext():
        done = subprocess.run(
            [sys.executable, "-m", "core", *arguments, "--json"],
            env=environment,
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == 2 and json.loads(done.stdout.splitlines()[-1])["error"] in done.stderr


@pytest.mark.parametrize("cause", ["deleted", "read-only"])
def test_a_command_that_waits_for_its_run_ends_too(
    cause: str, store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Home becomes read-only while it trains: the worker ends, and nobody can write that down."""
    monkeypatch.setattr(process, "WORKER", MODULE)
    monkeypatch.setattr(cli_work, "TROUBLE_S", 1.0)
    run_id = store.submit("train", "waits", {"steps": 100, "pause": 0.02})
    scheduler = Scheduler(store, settings, poll_s=0.05, lease_s=2.0)
    scheduler.start()
    run = wait_for(store, run_id, lambda run: run.step > 3)
    caught: list[Exception] = []

    def follow() -> None:
        try:
            cli_work._follow(run_id, store, settings, scheduler)
        except StoreTrouble as error:
            caught.append(error)

    monkeypatch.setattr(signal, "signal", lambda number, handler: None)  # this is not the main thread
    command = threading.Thread(target=follow)
    with TROUBLES[cause][0](store.path):
        command.start()
        command.join(60)
        assert not command.is_alive()
        assert run.process is not None
    scheduler.close()
    assert len(caught) == 1 and str(caught[0]) in capsys.readouterr().err
    process.signal_group(run.process, force=True)
