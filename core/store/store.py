"""The record of all runs: one SQLite file that the dashboard, the command line and the workers share.

Connections live for one call. Three kinds of callers write: people (submit, stop, rename, delete), the scheduler (with
its lease's token) and workers (with their attempt's token). A token that is no longer current raises StaleWrite and
changes nothing.
"""

from __future__ import annotations

import json
import math
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw

from core.errors import RunNotFound, StaleWrite, StoreError, WrongStatus
from core.person import OPERATOR
from core.store import audit
from core.store import trouble as store_trouble
from core.store.record import ACTIVE, FINAL, RESUMABLE, Event, Holdout, Metric, ProcessId, Progress, Run
from core.store.schema import MIGRATIONS, migrate

if TYPE_CHECKING:
    from core.access.rules import Action

BUSY_TIMEOUT_MS = 15_000


COLUMNS = ", ".join(f.name for f in fields(Run))


class Store:
    """The runs of one home folder. Cheap to create; safe to use from any thread and process.

    by: the person whom the audit names for what is done through this store
    """

    by: str = OPERATOR.id

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise store_trouble.without_folder(path, error) from None
        with self._connection(create=True) as connection:
            (version,) = next(iter(connection.execute("PRAGMA user_version")))
            if int(version) > len(MIGRATIONS):
                raise StoreError(f"{path} was written by a newer Tunedeck; update this one, or set TUNEDECK_HOME")
            migrate(connection)

    # People

    def submit(
        self, kind: str, name: str, spec: dict[str, Any], *, owner: str = "local", parent: str | None = None
    ) -> str:
        """Queue a run and return its id."""
        run_id = secrets.token_hex(5)
        with self.atomic() as db:
            self._admit(db, kind)
            audit.record(db, self.by, "start", run_id, f"{kind}: {_clean_name(name)}")
            db.execute(
                "INSERT INTO runs (id, kind, owner, name, status, spec, parent, created)"
                " VALUES (?,?,?,?,'queued',?,?,?)",
                (run_id, kind, owner, _clean_name(name), json.dumps(spec), parent, time.time()),
            )
            _state_event(db, run_id, "queued")
        return run_id

    def stop(self, run_id: str) -> Run:
        """Ask a run to stop: a queued one ends at once, a working one after its current step.

        Raises WrongStatus if it has ended.
        """
        with self.atomic() as db:
            run = _run(db, run_id)
            self._allow("stop", run)
            if run.is_final:
                raise WrongStatus(f"Run {run_id} has already ended ({run.status}); there is nothing to stop.")
            audit.record(db, self.by, "stop", run_id, run.name)
            now = time.time()
            if run.status == "queued":
                db.execute("UPDATE runs SET status='stopped', stop_requested=?, ended=? WHERE id=?", (now, now, run_id))
                _state_event(db, run_id, "stopped")
            elif run.stop_requested is None:
                db.execute("UPDATE runs SET status='stopping', stop_requested=? WHERE id=?", (now, run_id))
                _state_event(db, run_id, "stopping")
            return _run(db, run_id)

    def resume(self, run_id: str, step: int) -> None:
        """Queue a run that ended early again, to continue after `step`.

        Removes the metrics after that step, which will be measured again. Raises WrongStatus if the run is working or
        has finished.
        """
        with self.atomic() as db:
            run = _own(db, run_id)
            self._allow("resume", run)
            if run.status not in RESUMABLE:
                raise WrongStatus(f"Run {run_id} is {run.status}; only one that ended early can be resumed.")
            self._admit(db, run.kind)
            audit.record(db, self.by, "resume", run_id, f"after step {step}")
            db.execute(
                "UPDATE runs SET status='queued', token=0, resource=NULL, ended=NULL, error=NULL, detail=NULL,"
                " summary=NULL, stop_requested=NULL WHERE id=?",
                (run_id,),
            )
            db.execute("DELETE FROM metrics WHERE run=? AND step>?", (run_id, step))
            _state_event(db, run_id, "queued", step=step)

    def rename(self, run_id: str, name: str) -> None:
        with self.atomic() as db:
            run = _own(db, run_id)
            self._allow("rename", run)
            audit.record(db, self.by, "rename", run_id, f"{run.name} → {_clean_name(name)}")
            db.execute("UPDATE runs SET name=? WHERE id=?", (_clean_name(name), run_id))

    def check_import(self) -> None:
        """Raise AccessDenied if the person may not import a bundle; called before one is unpacked."""
        self._allow("import")

    def check_replace(self, run: Run) -> None:
        """Raise AccessDenied if the person may not replace an earlier import of the same run."""
        self._allow("delete", run)

    def import_runs(
        self,
        runs: Sequence[Run],
        metrics: Iterable[tuple[str, str, int, float | None, float, float | None]],
        events: Iterable[tuple[str, float, str, dict[str, Any]]],
    ) -> None:
        """Import the ended runs of a bundle, all or none; earlier imports of them are replaced.

        metrics: run, name, step, epoch, time, value; events: run, time, kind, payload
        Raises WrongStatus if one of the runs was made in this home.
        """
        with self.atomic() as db:
            self._allow("import")
            audit.record(db, self.by, "import", runs[0].id, runs[0].name)
            for run in runs:
                assert run.imported is not None and run.is_final
                rows = list(db.execute("SELECT imported FROM runs WHERE id=?", (run.id,)))
                if rows and rows[0][0] is None:
                    raise WrongStatus(f"Run {run.id} was made in this home and is not replaced; nothing is imported.")
                if rows:
                    self._allow("delete", _run(db, run.id))
                db.execute("DELETE FROM runs WHERE id=?", (run.id,))
                values = vars(run) | {
                    "name": _clean_name(run.name),
                    "spec": json.dumps(run.spec),
                    "summary": json.dumps(run.summary),
                    "imported": json.dumps(run.imported),
                }
                db.execute(
                    f"INSERT INTO runs ({COLUMNS}) VALUES ({','.join('?' * len(values))})",
                    [values[f.name] for f in fields(Run)],
                )
            attempts = {run.id: run.attempt for run in runs}
            db.executemany(
                "INSERT OR REPLACE INTO metrics (run, attempt, name, step, epoch, time, value) VALUES (?,?,?,?,?,?,?)",
                ((run, attempts[run], *metric) for run, *metric in metrics),
            )
            db.executemany(
                "INSERT INTO events (run, attempt, time, kind, payload) VALUES (?,?,?,?,?)",
                ((run, attempts[run], when, kind, json.dumps(payload)) for run, when, kind, payload in events),
            )

    def delete(self, run_id: str) -> None:
        """Remove a run's record; the caller then removes its files. Raises WrongStatus while the run is working."""
        with self.atomic() as db:
            run = _run(db, run_id)
            self._allow("delete", run)
            if run.status in ACTIVE:
                raise WrongStatus(f"Run {run_id} is still {run.status}; stop it before deleting it.")
            audit.record(db, self.by, "delete", run_id, run.name)
            db.execute("DELETE FROM runs WHERE id=?", (run_id,))

    def set_aside(self, content: str, title: str, split: str, rows: int, sketch: Sequence[int]) -> None:
        """Set a split aside as a final test; one that is already set aside stays unchanged."""
        with self.atomic() as db:
            self._allow("set aside")
            audit.record(db, self.by, "set aside", detail=f"{_text(title)}, {_text(split)}")
            db.execute(
                "INSERT OR IGNORE INTO holdouts (content, title, split, rows, sketch, created) VALUES (?,?,?,?,?,?)",
                (content, _text(title), _text(split), rows, json.dumps(list(sketch)), time.time()),
            )

    def give_back(self, content: str) -> None:
        """Make a final test an ordinary split again and forget its looks."""
        with self.atomic() as db:
            self._allow("give back")
            audit.record(db, self.by, "give back", detail=content)
            db.execute("DELETE FROM holdouts WHERE content=?", (content,))

    def note(self, action: str, run_id: str | None = None, detail: str = "") -> None:
        """Record an action outside the store in the audit: a publication, a push, a sign-in."""
        with self.atomic() as db:
            audit.record(db, self.by, action, run_id, detail)

    def look(self, content: str, run_id: str) -> None:
        """Count a look at a final test, once per run of kind evaluate."""
        with self.atomic() as db:
            db.execute(
                "INSERT OR IGNORE INTO looks (content, run, time) SELECT content, ?, ? FROM holdouts WHERE content=?",
                (run_id, time.time(), content),
            )

    def note_sign_in(self, role: str, since: float) -> None:
        """Record in the audit that the person signed in at `since`, once for all their tabs."""
        with self.atomic() as db:
            known = "SELECT 1 FROM audit WHERE person=? AND action='sign in' AND time>=?"
            if next(iter(db.execute(known, (self.by, since))), None) is None:
                audit.record(db, self.by, "sign in", detail=role)

    # Hooks of the guarded store (core/guarded_store.py); this store, for scheduler, workers and operator, allows all.

    def _allow(self, action: Action, run: Run | None = None) -> None:
        """Raise AccessDenied if the person may not do this, RunNotFound if they may not see the run."""

    def _admit(self, db: apsw.Connection, kind: str) -> None:
        """Raise AccessDenied if the person has too many runs in the queue."""

    def _condition(self) -> tuple[str, tuple[Any, ...]]:
        """A SQL condition with its values: the runs that the person may see."""
        return "1", ()

    # Readers

    def audited(self, limit: int = 10_000) -> list[audit.Entry]:
        """The audit, the newest entries first."""
        with self._connection() as db:
            return audit.entries(db, limit)

    def queue(self) -> list[Run]:
        """All runs that wait or work, the newest first, also those that the person may not see: for counting only."""
        query = f"SELECT {COLUMNS} FROM runs WHERE status IN ('queued', {_marks(ACTIVE)}) ORDER BY created DESC, id"
        with self._connection() as db:
            return [_as_run(row) for row in db.execute(query, ACTIVE)]

    def sees(self, run: Run) -> bool:
        """Whether the person may see a run."""
        return True

    def of_owner(self, owner: str) -> list[str]:
        """The ids of a person's runs."""
        with self._connection() as db:
            return [row[0] for row in db.execute("SELECT id FROM runs WHERE owner=?", (owner,))]

    def holdouts(self, before: float | None = None) -> list[Holdout]:
        """The final tests, the newest first. before: only those set aside by then, in seconds since 1970"""
        query = (
            "SELECT content, title, split, rows, sketch, created,"
            " (SELECT count(*) FROM looks l WHERE l.content = h.content)"
            " FROM holdouts h WHERE created <= ? ORDER BY created DESC"
        )
        with self._connection() as db:
            rows = db.execute(query, (math.inf if before is None else before,))
            return [Holdout(c, t, s, n, tuple(json.loads(k)), when, looks) for c, t, s, n, k, when, looks in rows]

    def run(self, run_id: str) -> Run:
        """Raises RunNotFound."""
        with self._connection() as db:
            return _run(db, run_id)

    def runs(
        self, *, kind: str | None = None, statuses: Sequence[str] = (), limit: int = 1000, offset: int = 0
    ) -> list[Run]:
        """Newest first."""
        condition, known = self._condition()
        where, values = [condition], list(known)
        if kind is not None:
            where.append("kind = ?")
            values.append(kind)
        if statuses:
            where.append(f"status IN ({_marks(statuses)})")
            values.extend(statuses)
        query = f"SELECT {COLUMNS} FROM runs WHERE {' AND '.join(where)} ORDER BY created DESC, id LIMIT ? OFFSET ?"
        with self._connection() as db:
            return [_as_run(row) for row in db.execute(query, (*values, limit, offset))]

    def metrics_since(self, run_id: str, cursor: int = 0, limit: int = 20_000) -> list[Metric]:
        """The metrics written after `cursor` (the `id` of the last one fetched), oldest first.

        A repeated step gets a new id and replaces the earlier metric.
        """
        with self._connection() as db:
            rows = db.execute(
                "SELECT id, name, step, epoch, time, value FROM metrics WHERE run=? AND id>? ORDER BY id LIMIT ?",
                (run_id, cursor, limit),
            )
            return [Metric(i, name, step, epoch, when, _number(value)) for i, name, step, epoch, when, value in rows]

    def measured(self, run_id: str) -> set[tuple[str, int]]:
        """The name and step of each metric of a run."""
        with self._connection() as db:
            return set(db.execute("SELECT name, step FROM metrics WHERE run=?", (run_id,)))

    def events_since(self, run_id: str, cursor: int = 0, limit: int = 5_000) -> list[Event]:
        """The events written after `cursor`, oldest first."""
        with self._connection() as db:
            rows = db.execute(
                "SELECT id, time, kind, payload FROM events WHERE run=? AND id>? ORDER BY id LIMIT ?",
                (run_id, cursor, limit),
            )
            return [Event(row[0], row[1], row[2], json.loads(row[3])) for row in rows]

    def lease_holder(self) -> ProcessId | None:
        """The process that schedules now; None if no lease is valid."""
        with self._connection() as db:
            row = next(
                iter(db.execute("SELECT holder FROM lease WHERE name='scheduler' AND expires>?", (time.time(),))), None
            )
            return ProcessId(**json.loads(row[0])) if row else None

    # The scheduler

    def acquire_lease(self, holder: ProcessId, ttl_s: float, is_dead: Callable[[ProcessId], bool]) -> int | None:
        """Take the lease if it is free, expired or held by a dead process; returns its new token, else None."""
        with self.atomic() as db:
            row = next(iter(db.execute("SELECT holder, token, expires FROM lease WHERE name='scheduler'")), None)
            if row is not None and row[2] > time.time() and not is_dead(ProcessId(**json.loads(row[0]))):
                return None
            token = (row[1] if row else 0) + 1
            db.execute(
                "INSERT OR REPLACE INTO lease (name, holder, token, expires) VALUES ('scheduler', ?, ?, ?)",
                (json.dumps(holder.__dict__), token, time.time() + ttl_s),
            )
            return int(token)

    def renew_lease(self, token: int, ttl_s: float) -> None:
        """Extend the lease. Raises StaleWrite if another process has it."""
        with self.atomic(durable=False) as db:
            _check_lease(db, token)
            db.execute("UPDATE lease SET expires=? WHERE name='scheduler'", (time.time() + ttl_s,))

    def release_lease(self, token: int) -> None:
        with self.atomic() as db:
            db.execute("UPDATE lease SET expires=0 WHERE name='scheduler' AND token=?", (token,))

    def claim(self, lease: int, run_id: str, resource: str) -> int | None:
        """Set a queued run to `starting` on a resource; the token of its new attempt, or None if it is not queued."""
        with self.atomic() as db:
            _check_lease(db, lease)
            token = secrets.randbits(62) | 1
            db.execute(
                "UPDATE runs SET status='starting', resource=?, attempt=attempt+1, token=?, claimed=?, host=NULL,"
                " boot=NULL, pid=NULL, pid_started=NULL, beats=0, heartbeat=NULL, phase='Starting', step=0, total=0,"
                " epoch=NULL, started=NULL, stop_requested=NULL, error=NULL, detail=NULL"
                " WHERE id=? AND status='queued'",
                (resource, token, time.time(), run_id),
            )
            if db.changes() == 0:
                return None
            _state_event(db, run_id, "starting", resource=resource)
            return token

    def record_process(self, lease: int, run_id: str, token: int, process: ProcessId) -> None:
        """Record the process of an attempt, for the scheduler that supervises it later."""
        with self.atomic() as db:
            _check_lease(db, lease)
            _set_process(db, run_id, token, process)

    def requeue(self, lease: int, run_id: str, token: int) -> None:
        """Queue a claimed run again because its worker did not start."""
        with self.atomic() as db:
            _check_lease(db, lease)
            db.execute(
                "UPDATE runs SET status='queued', token=0, resource=NULL"
                " WHERE id=? AND token=? AND status='starting' AND pid IS NULL",
                (run_id, token),
            )
            if db.changes():
                _state_event(db, run_id, "queued", why="its worker never came up")

    def time_up(self, lease: int, run_id: str, token: int, text: str) -> None:
        """Ask an attempt to stop because its time is used up. text: the message for the people who watch it"""
        with self.atomic() as db:
            _check_lease(db, lease)
            db.execute(
                "UPDATE runs SET status='stopping', stop_requested=? WHERE id=? AND token=?"
                " AND status IN ('starting','running')",
                (time.time(), run_id, token),
            )
            if db.changes():
                audit.record(db, "time limit", "stop", run_id, text)
                _state_event(db, run_id, "stopping")
                _event(db, run_id, "message", {"text": text, "level": "warning", "code": "time_up"})

    def give_up(self, lease: int, run_id: str, token: int, status: str, error: str, detail: str = "") -> bool:
        """End an attempt from outside, so that its worker can no longer write. False if it had already ended."""
        with self.atomic() as db:
            _check_lease(db, lease)
            return _end(db, run_id, token, status, error, detail, {})

    # Workers

    def begin(self, run_id: str, token: int, process: ProcessId) -> Run:
        """A worker starts on its attempt. Raises StaleWrite if the attempt was given up or has another worker."""
        with self.atomic() as db:
            run = _run(db, run_id)
            if run.token != token or run.status not in ("starting", "stopping"):
                raise StaleWrite(run_id)
            _set_process(db, run_id, token, process)
            now = time.time()
            db.execute("UPDATE runs SET started=?, heartbeat=?, beats=1 WHERE id=?", (now, now, run_id))
            if run.status == "starting":
                db.execute("UPDATE runs SET status='running' WHERE id=?", (run_id,))
                _state_event(db, run_id, "running")
            return _run(db, run_id)

    def write(
        self,
        run_id: str,
        token: int,
        progress: Progress | None = None,
        metrics: Iterable[tuple[str, int, float | None, float, float]] = (),
        events: Iterable[tuple[float, str, dict[str, Any]]] = (),
    ) -> str:
        """Write one batch of a worker; each batch is also a heartbeat. Returns the run's status, which shows a stop.

        metrics: name, step, epoch, time, value; events: time, kind, payload. Raises StaleWrite.
        """
        with self.atomic(durable=False) as db:
            db.execute(
                "UPDATE runs SET beats=beats+1, heartbeat=?"
                " WHERE id=? AND token=? AND status IN ('running','stopping')",
                (time.time(), run_id, token),
            )
            if db.changes() == 0:
                raise StaleWrite(run_id)
            if progress is not None:
                db.execute(
                    "UPDATE runs SET phase=?, step=?, total=?, epoch=? WHERE id=?",
                    (_text(progress.phase), progress.step, progress.total, progress.epoch, run_id),
                )
            ((attempt, status),) = db.execute("SELECT attempt, status FROM runs WHERE id=?", (run_id,))
            db.executemany(
                "INSERT OR REPLACE INTO metrics (run, attempt, name, step, epoch, time, value) VALUES (?,?,?,?,?,?,?)",
                ((run_id, attempt, *metric) for metric in metrics),
            )
            db.executemany(
                "INSERT INTO events (run, attempt, time, kind, payload) VALUES (?,?,?,?,?)",
                ((run_id, attempt, when, kind, json.dumps(payload)) for when, kind, payload in events),
            )
            return str(status)

    def finish(
        self,
        run_id: str,
        token: int,
        status: str,
        error: str = "",
        detail: str = "",
        summary: dict[str, Any] | None = None,
    ) -> None:
        """A worker commits its final state. Raises StaleWrite if its attempt was given up before."""
        with self.atomic() as db:
            if not _end(db, run_id, token, status, error, detail, summary or {}):
                raise StaleWrite(run_id)

    # Connections

    @contextmanager
    def atomic(self, *, durable: bool = True) -> Iterator[apsw.Connection]:
        """One write transaction; waits for its turn. durable: whether it survives a power cut, not only a crash"""
        with self._connection() as connection:
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def check(self) -> None:
        """Raise StoreTrouble if the store cannot be read and written now."""
        with self.atomic(durable=False) as db:
            db.execute("SELECT id FROM runs LIMIT 1")

    @contextmanager
    def _connection(self, *, create: bool = False) -> Iterator[apsw.Connection]:
        """A short-lived connection. Raises StoreTrouble; a store that was deleted in use is not recreated."""
        flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if create else 0)
        try:
            connection = apsw.Connection(str(self.path), flags=flags)
        except apsw.Error as error:
            raise store_trouble.of(self.path, error) or error from None
        try:
            connection.set_busy_timeout(BUSY_TIMEOUT_MS)
            connection.execute("PRAGMA foreign_keys = ON")
            yield connection
        except (apsw.Error, json.JSONDecodeError, UnicodeDecodeError) as error:
            trouble = store_trouble.of(self.path, error)
            if trouble is None:
                raise
            raise trouble from None
        finally:
            connection.close()


def _marks(values: Sequence[str]) -> str:
    return ",".join("?" * len(values))


def _number(value: float | None) -> float:
    return math.nan if value is None else value  # SQLite has no NaN


def _clean_name(name: str) -> str:
    return _text(" ".join(name.split())[:200]) or "Untitled"


def _text(text: str) -> str:
    """`text` as valid UTF-8: undecodable bytes of file names arrive as lone surrogates and become question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _run(db: apsw.Connection, run_id: str) -> Run:
    row = next(iter(db.execute(f"SELECT {COLUMNS} FROM runs WHERE id=?", (run_id,))), None)
    if row is None:
        raise RunNotFound(f"There is no run {run_id[:60]!r}; the Runs page lists those that exist.")
    return _as_run(row)


def _own(db: apsw.Connection, run_id: str) -> Run:
    """A run that was made in this home. Raises RunNotFound, and WrongStatus for one from a bundle."""
    run = _run(db, run_id)
    if run.imported is not None:
        raise WrongStatus(f"Run {run_id} came in a bundle and is read-only; it can be viewed or deleted.")
    return run


def _as_run(row: Sequence[Any]) -> Run:
    values = dict(zip((f.name for f in fields(Run)), row, strict=True))
    trees = {name: json.loads(values[name] or "{}") for name in ("spec", "summary")}
    imported = json.loads(values["imported"]) if values["imported"] else None
    return Run(**{**values, **trees, "imported": imported})


def _state_event(db: apsw.Connection, run_id: str, status: str, **more: Any) -> None:
    _event(db, run_id, "state", {"status": status, **more})


def _event(db: apsw.Connection, run_id: str, kind: str, payload: dict[str, Any]) -> None:
    db.execute(
        "INSERT INTO events (run, attempt, time, kind, payload) SELECT id, attempt, ?, ?, ? FROM runs WHERE id=?",
        (time.time(), kind, json.dumps(payload), run_id),
    )


def _set_process(db: apsw.Connection, run_id: str, token: int, process: ProcessId) -> None:
    db.execute(
        "UPDATE runs SET host=?, boot=?, pid=?, pid_started=? WHERE id=? AND token=?",
        (process.host, process.boot, process.pid, process.started, run_id, token),
    )
    if db.changes() == 0:
        raise StaleWrite(run_id)


def _check_lease(db: apsw.Connection, token: int) -> None:
    row = next(iter(db.execute("SELECT token FROM lease WHERE name='scheduler'")), None)
    if row is None or row[0] != token:
        raise StaleWrite("scheduler")


def _end(
    db: apsw.Connection, run_id: str, token: int, status: str, error: str, detail: str, summary: dict[str, Any]
) -> bool:
    assert status in FINAL, status
    db.execute(
        "UPDATE runs SET status=?, ended=?, error=?, detail=?, summary=? WHERE id=? AND token=?"
        " AND status IN ('starting','running','stopping')",
        (status, time.time(), _text(error) or None, _text(detail) or None, json.dumps(summary), run_id, token),
    )
    if db.changes() == 0:
        return False
    _state_event(db, run_id, status, **({"error": error} if error else {}))
    return True
