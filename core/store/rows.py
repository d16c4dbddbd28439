"""Rows of the store's tables, read and written inside a transaction of the caller."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

import apsw

from core.errors import RunNotFound, StaleWrite, WrongStatus
from core.messages import Message, message_of
from core.store.record import FINAL, ProcessId, Run

TREES = ("spec", "summary", "phase_arguments", "error_arguments")
COLUMNS = ", ".join(f.name for f in fields(Run))


def run_of(db: apsw.Connection, run_id: str) -> Run:
    """Raises RunNotFound."""
    row = next(iter(db.execute(f"SELECT {COLUMNS} FROM runs WHERE id=?", (run_id,))), None)
    if row is None:
        raise RunNotFound.of(
            "no-such-run", "There is no run {run!r}; the Runs page lists those that exist.", run=run_id[:60]
        )
    return as_run(row)


def own_run(db: apsw.Connection, run_id: str) -> Run:
    """A run that was made in this home. Raises RunNotFound, and WrongStatus for one from a bundle."""
    run = run_of(db, run_id)
    if run.imported is not None:
        raise WrongStatus.of(
            "run-read-only", "Run {run} came in a bundle and is read-only; it can be viewed or deleted.", run=run_id
        )
    return run


def as_run(row: Sequence[Any]) -> Run:
    """The run in a row of `COLUMNS`."""
    values = dict(zip((f.name for f in fields(Run)), row, strict=True))
    trees = {name: json.loads(values[name] or "{}") or {} for name in TREES}
    ids = {name: values[name] or "" for name in ("phase_id", "error_id")}
    imported = json.loads(values["imported"]) if values["imported"] else None
    return Run(**{**values, **trees, **ids, "imported": imported})


def insert_run(db: apsw.Connection, run: Run) -> None:
    """Write a whole run; one of this id gives way."""
    db.execute("DELETE FROM runs WHERE id=?", (run.id,))
    values = vars(run) | {
        "name": clean_name(run.name),
        **{name: json.dumps(getattr(run, name)) for name in TREES},
        "imported": json.dumps(run.imported),
    }
    db.execute(
        f"INSERT INTO runs ({COLUMNS}) VALUES ({marks(fields(Run))})",
        [values[f.name] for f in fields(Run)],
    )


def insert_metrics(db: apsw.Connection, rows: Iterable[tuple[Any, ...]]) -> None:
    """rows: run, attempt, name, step, epoch, time, value. A step that was measured before is replaced."""
    db.executemany(
        "INSERT OR REPLACE INTO metrics (run, attempt, name, step, epoch, time, value) VALUES (?,?,?,?,?,?,?)", rows
    )


def insert_events(db: apsw.Connection, rows: Iterable[tuple[Any, ...]]) -> None:
    """rows: run, attempt, time, kind, payload"""
    db.executemany(
        "INSERT INTO events (run, attempt, time, kind, payload) VALUES (?,?,?,?,?)",
        ((run, attempt, when, kind, json.dumps(payload)) for run, attempt, when, kind, payload in rows),
    )


def add_event(db: apsw.Connection, run_id: str, kind: str, payload: dict[str, Any]) -> None:
    """An event of the run's present attempt, now."""
    db.execute(
        "INSERT INTO events (run, attempt, time, kind, payload) SELECT id, attempt, ?, ?, ? FROM runs WHERE id=?",
        (time.time(), kind, json.dumps(payload), run_id),
    )


def add_state(db: apsw.Connection, run_id: str, status: str, **more: Any) -> None:
    """The event that a run has come to a status."""
    add_event(db, run_id, "state", {"status": status, **more})


def set_process(db: apsw.Connection, run_id: str, token: int, process: ProcessId) -> None:
    """Note which process works on an attempt. Raises StaleWrite if the attempt is not the present one."""
    db.execute(
        "UPDATE runs SET host=?, boot=?, pid=?, pid_started=? WHERE id=? AND token=?",
        (process.host, process.boot, process.pid, process.started, run_id, token),
    )
    if db.changes() == 0:
        raise StaleWrite(run_id)


def end_attempt(
    db: apsw.Connection,
    run_id: str,
    token: int,
    status: str,
    error: str | Message,
    detail: str,
    summary: dict[str, Any],
) -> bool:
    """Give a working attempt its final status. False if it had ended, or is not the present one."""
    assert status in FINAL, status
    error = message_of(error)
    db.execute(
        "UPDATE runs SET status=?, ended=?, error=?, error_id=?, error_arguments=?, detail=?, summary=?"
        " WHERE id=? AND token=? AND status IN ('starting','running','stopping')",
        (
            status,
            time.time(),
            storable(error.text) or None,
            error.id,
            json.dumps(dict(error.arguments)),
            storable(detail) or None,
            json.dumps(summary),
            run_id,
            token,
        ),
    )
    if db.changes() == 0:
        return False
    kept = {"error": error.text, "code": error.id, "arguments": dict(error.arguments)}
    add_state(db, run_id, status, **(kept if error.text else {}))
    return True


def marks(values: Sequence[Any]) -> str:
    """A question mark for each value."""
    return ",".join("?" * len(values))


def clean_name(name: str) -> str:
    """A run's name on one line, of at most 200 characters."""
    return storable(" ".join(name.split())[:200]) or "Untitled"


def storable(text: str) -> str:
    """`text` as valid UTF-8: undecodable bytes of file names arrive as lone surrogates and become question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")
