"""The lease: which of several processes schedules, and all that a scheduler writes.

Every write carries the lease's token. One that is no longer the current one raises StaleWrite and changes nothing, so
that a scheduler that was frozen while another took over does no harm.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import apsw

from core.errors import StaleWrite
from core.messages import Message
from core.store import audit, rows
from core.store.record import ProcessId
from core.store.store import Store


def lease_holder(store: Store) -> ProcessId | None:
    """The process that schedules now; None if no lease is valid."""
    query = "SELECT holder FROM lease WHERE name='scheduler' AND expires>?"
    with store.connection() as db:
        row = next(iter(db.execute(query, (time.time(),))), None)
        return ProcessId(**json.loads(row[0])) if row else None


def acquire_lease(store: Store, holder: ProcessId, ttl_s: float, is_dead: Callable[[ProcessId], bool]) -> Lease | None:
    """Take the lease if it is free, expired or held by a dead process; None if another process has it."""
    with store.atomic() as db:
        row = next(iter(db.execute("SELECT holder, token, expires FROM lease WHERE name='scheduler'")), None)
        if row is not None and row[2] > time.time() and not is_dead(ProcessId(**json.loads(row[0]))):
            return None
        token = (int(row[1]) if row else 0) + 1
        db.execute(
            "INSERT OR REPLACE INTO lease (name, holder, token, expires) VALUES ('scheduler', ?, ?, ?)",
            (json.dumps(holder.__dict__), token, time.time() + ttl_s),
        )
    return Lease(store, token)


class Lease:
    """The right to schedule. Its methods raise StaleWrite once another process has it."""

    def __init__(self, store: Store, token: int) -> None:
        self._store, self.token = store, token

    def renew(self, ttl_s: float) -> None:
        """Keep it for so many seconds from now."""
        with self._atomic(durable=False) as db:
            db.execute("UPDATE lease SET expires=? WHERE name='scheduler'", (time.time() + ttl_s,))

    def release(self) -> None:
        """Let the next process have it at once. Nothing happens if one has it already."""
        with self._store.atomic() as db:
            db.execute("UPDATE lease SET expires=0 WHERE name='scheduler' AND token=?", (self.token,))

    def claim(self, run_id: str, resource: str) -> int | None:
        """Set a queued run to `starting` on a resource; the token of its new attempt, or None if it is not queued."""
        with self._atomic() as db:
            token = secrets.randbits(62) | 1
            db.execute(
                "UPDATE runs SET status='starting', resource=?, attempt=attempt+1, token=?, claimed=?, host=NULL,"
                " boot=NULL, pid=NULL, pid_started=NULL, beats=0, heartbeat=NULL,"
                " phase='Starting', phase_id='starting', phase_arguments=NULL, step=0, total=0, epoch=NULL,"
                " started=NULL, stop_requested=NULL, error=NULL, error_id='', error_arguments=NULL, detail=NULL"
                " WHERE id=? AND status='queued'",
                (resource, token, time.time(), run_id),
            )
            if db.changes() == 0:
                return None
            rows.add_state(db, run_id, "starting", resource=resource)
            return token

    def record_process(self, run_id: str, token: int, process: ProcessId) -> None:
        """Record the process of an attempt, for the scheduler that supervises it later."""
        with self._atomic() as db:
            rows.set_process(db, run_id, token, process)

    def requeue(self, run_id: str, token: int) -> None:
        """Queue a claimed run again because its worker did not start."""
        with self._atomic() as db:
            db.execute(
                "UPDATE runs SET status='queued', token=0, resource=NULL"
                " WHERE id=? AND token=? AND status='starting' AND pid IS NULL",
                (run_id, token),
            )
            if db.changes():
                rows.add_state(db, run_id, "queued", why="its worker never came up")

    def time_up(self, run_id: str, token: int, message: Message) -> None:
        """Ask an attempt to stop because its time is used up. message: for the people who watch it"""
        with self._atomic() as db:
            db.execute(
                "UPDATE runs SET status='stopping', stop_requested=? WHERE id=? AND token=?"
                " AND status IN ('starting','running')",
                (time.time(), run_id, token),
            )
            if db.changes():
                audit.record(db, "time limit", "stop", run_id, message.text)
                rows.add_state(db, run_id, "stopping")
                payload = {"text": message.text, "code": message.id, "arguments": dict(message.arguments)}
                rows.add_event(db, run_id, "message", {**payload, "level": "warning"})

    def give_up(self, run_id: str, token: int, status: str, error: str | Message, detail: str = "") -> bool:
        """End an attempt from outside, so that its worker can no longer write. False if it had already ended."""
        with self._atomic() as db:
            return rows.end_attempt(db, run_id, token, status, error, detail, {})

    @contextmanager
    def _atomic(self, *, durable: bool = True) -> Iterator[apsw.Connection]:
        """A transaction of whoever holds the lease. Raises StaleWrite if that is another process."""
        with self._store.atomic(durable=durable) as db:
            row = next(iter(db.execute("SELECT token FROM lease WHERE name='scheduler'")), None)
            if row is None or row[0] != self.token:
                raise StaleWrite("scheduler")
            yield db
