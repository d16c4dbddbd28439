"""The record of all runs: one SQLite file that the dashboard, the command line and the workers share.

Connections live for one call. Three kinds of callers write: people (submit, stop, rename, delete), the scheduler (see
lease.py) and workers (with their attempt's token). A token that is no longer current raises StaleWrite and changes
nothing. Final tests and the audit, in the same file, have modules of their own.
"""

from __future__ import annotations

import json
import math
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw

from core.errors import StaleWrite, StoreError, WrongStatus
from core.messages import Message, message_of
from core.person import OPERATOR
from core.store import audit
from core.store import trouble as store_trouble
from core.store.record import ACTIVE, RESUMABLE, Event, Metric, ProcessId, Progress, Run
from core.store.rows import (
    COLUMNS,
    add_state,
    as_run,
    clean_name,
    end_attempt,
    insert_events,
    insert_metrics,
    insert_run,
    marks,
    own_run,
    run_of,
    set_process,
    storable,
)
from core.store.schema import MIGRATIONS, migrate

if TYPE_CHECKING:
    from core.access.rules import Action

BUSY_TIMEOUT_MS = 15_000


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
        with self.connection(create=True) as connection:
            (version,) = next(iter(connection.execute("PRAGMA user_version")))
            if int(version) > len(MIGRATIONS):
                raise StoreError.of(
                    "store-newer",
                    "{path} was written by a newer Tunedeck; update this one, or set TUNEDECK_HOME",
                    path=path,
                )
            migrate(connection)

    # People

    def submit(
        self, kind: str, name: str, spec: dict[str, Any], *, owner: str = "local", parent: str | None = None
    ) -> str:
        """Queue a run and return its id."""
        run_id = secrets.token_hex(5)
        with self.atomic() as db:
            self.admit(db, kind)
            audit.record(db, self.by, "start", run_id, f"{kind}: {clean_name(name)}")
            db.execute(
                "INSERT INTO runs (id, kind, owner, name, status, spec, parent, created)"
                " VALUES (?,?,?,?,'queued',?,?,?)",
                (run_id, kind, owner, clean_name(name), json.dumps(spec), parent, time.time()),
            )
            add_state(db, run_id, "queued")
        return run_id

    def stop(self, run_id: str) -> Run:
        """Ask a run to stop: a queued one ends at once, a working one after its current step.

        Raises WrongStatus if it has ended.
        """
        with self.atomic() as db:
            run = run_of(db, run_id)
            self.allow("stop", run)
            if run.is_final:
                raise WrongStatus.of(
                    "run-already-ended",
                    "Run {run} has already ended ({status}); there is nothing to stop.",
                    run=run_id,
                    status=run.status,
                )
            audit.record(db, self.by, "stop", run_id, run.name)
            now = time.time()
            if run.status == "queued":
                db.execute("UPDATE runs SET status='stopped', stop_requested=?, ended=? WHERE id=?", (now, now, run_id))
                add_state(db, run_id, "stopped")
            elif run.stop_requested is None:
                db.execute("UPDATE runs SET status='stopping', stop_requested=? WHERE id=?", (now, run_id))
                add_state(db, run_id, "stopping")
            return run_of(db, run_id)

    def resume(self, run_id: str, step: int) -> None:
        """Queue a run that ended early again, to continue after `step`.

        Removes the metrics after that step, which will be measured again. Raises WrongStatus if the run is working or
        has finished.
        """
        with self.atomic() as db:
            run = own_run(db, run_id)
            self.allow("resume", run)
            if run.status not in RESUMABLE:
                raise WrongStatus.of(
                    "run-cannot-resume",
                    "Run {run} is {status}; only one that ended early can be resumed.",
                    run=run_id,
                    status=run.status,
                )
            self.admit(db, run.kind)
            audit.record(db, self.by, "resume", run_id, f"after step {step}")
            db.execute(
                "UPDATE runs SET status='queued', token=0, resource=NULL, ended=NULL,"
                " error=NULL, error_id='', error_arguments=NULL, detail=NULL, summary=NULL, stop_requested=NULL"
                " WHERE id=?",
                (run_id,),
            )
            db.execute("DELETE FROM metrics WHERE run=? AND step>?", (run_id, step))
            add_state(db, run_id, "queued", step=step)

    def rename(self, run_id: str, name: str) -> None:
        with self.atomic() as db:
            run = own_run(db, run_id)
            self.allow("rename", run)
            audit.record(db, self.by, "rename", run_id, f"{run.name} → {clean_name(name)}")
            db.execute("UPDATE runs SET name=? WHERE id=?", (clean_name(name), run_id))

    def check_import(self) -> None:
        """Raise AccessDenied if the person may not import a bundle; called before one is unpacked."""
        self.allow("import")

    def check_replace(self, run: Run) -> None:
        """Raise AccessDenied if the person may not replace an earlier import of the same run."""
        self.allow("delete", run)

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
            self.allow("import")
            audit.record(db, self.by, "import", runs[0].id, runs[0].name)
            for run in runs:
                assert run.imported is not None and run.is_final
                known = next(iter(db.execute("SELECT imported FROM runs WHERE id=?", (run.id,))), None)
                if known is not None and known[0] is None:
                    raise WrongStatus.of(
                        "run-of-this-home",
                        "Run {run} was made in this home and is not replaced; nothing is imported.",
                        run=run.id,
                    )
                if known is not None:
                    self.allow("delete", run_of(db, run.id))
                insert_run(db, run)
            attempts = {run.id: run.attempt for run in runs}
            insert_metrics(db, ((run, attempts[run], *metric) for run, *metric in metrics))
            insert_events(db, ((run, attempts[run], *event) for run, *event in events))

    def delete(self, run_id: str) -> None:
        """Remove a run's record; the caller then removes its files. Raises WrongStatus while the run is working."""
        with self.atomic() as db:
            run = run_of(db, run_id)
            self.allow("delete", run)
            if run.status in ACTIVE:
                raise WrongStatus.of(
                    "run-still-working",
                    "Run {run} is still {status}; stop it before deleting it.",
                    run=run_id,
                    status=run.status,
                )
            audit.record(db, self.by, "delete", run_id, run.name)
            db.execute("DELETE FROM runs WHERE id=?", (run_id,))

    # Hooks of the guarded store (core/guarded_store.py); this store, for scheduler, workers and operator, allows all.

    def allow(self, action: Action, run: Run | None = None) -> None:
        """Raise AccessDenied if the person may not do this, RunNotFound if they may not see the run."""

    def admit(self, db: apsw.Connection, kind: str) -> None:
        """Raise AccessDenied if the person has too many runs in the queue."""

    def condition(self) -> tuple[str, tuple[Any, ...]]:
        """A SQL condition with its values: the runs that the person may see."""
        return "1", ()

    # Readers

    def queue(self) -> list[Run]:
        """All runs that wait or work, the newest first, also those that the person may not see: for counting only."""
        query = f"SELECT {COLUMNS} FROM runs WHERE status IN ('queued', {marks(ACTIVE)}) ORDER BY created DESC, id"
        with self.connection() as db:
            return [as_run(row) for row in db.execute(query, ACTIVE)]

    def sees(self, run: Run) -> bool:
        """Whether the person may see a run."""
        return True

    def of_owner(self, owner: str) -> list[str]:
        """The ids of a person's runs."""
        with self.connection() as db:
            return [row[0] for row in db.execute("SELECT id FROM runs WHERE owner=?", (owner,))]

    def run(self, run_id: str) -> Run:
        """Raises RunNotFound."""
        with self.connection() as db:
            return run_of(db, run_id)

    def runs(
        self, *, kind: str | None = None, statuses: Sequence[str] = (), limit: int = 1000, offset: int = 0
    ) -> list[Run]:
        """Newest first."""
        condition, known = self.condition()
        where, values = [condition], list(known)
        if kind is not None:
            where.append("kind = ?")
            values.append(kind)
        if statuses:
            where.append(f"status IN ({marks(statuses)})")
            values.extend(statuses)
        query = f"SELECT {COLUMNS} FROM runs WHERE {' AND '.join(where)} ORDER BY created DESC, id LIMIT ? OFFSET ?"
        with self.connection() as db:
            return [as_run(row) for row in db.execute(query, (*values, limit, offset))]

    def metrics_since(self, run_id: str, cursor: int = 0, limit: int = 20_000) -> list[Metric]:
        """The metrics written after `cursor` (the `id` of the last one fetched), oldest first.

        A repeated step gets a new id and replaces the earlier metric.
        """
        with self.connection() as db:
            rows = db.execute(
                "SELECT id, name, step, epoch, time, value FROM metrics WHERE run=? AND id>? ORDER BY id LIMIT ?",
                (run_id, cursor, limit),
            )
            return [Metric(i, name, step, epoch, when, _number(value)) for i, name, step, epoch, when, value in rows]

    def last_value(self, run_id: str, name: str) -> float | None:
        """The metric of this name that a run wrote last; None if it wrote none."""
        query = "SELECT value FROM metrics WHERE run=? AND name=? ORDER BY id DESC LIMIT 1"
        with self.connection() as db:
            row = db.execute(query, (run_id, name)).fetchone()
            return None if row is None else _number(row[0])

    def measured(self, run_id: str) -> set[tuple[str, int]]:
        """The name and step of each metric of a run."""
        with self.connection() as db:
            return set(db.execute("SELECT name, step FROM metrics WHERE run=?", (run_id,)))

    def events_since(self, run_id: str, cursor: int = 0, limit: int = 5_000) -> list[Event]:
        """The events written after `cursor`, oldest first."""
        with self.connection() as db:
            rows = db.execute(
                "SELECT id, time, kind, payload FROM events WHERE run=? AND id>? ORDER BY id LIMIT ?",
                (run_id, cursor, limit),
            )
            return [Event(row[0], row[1], row[2], json.loads(row[3])) for row in rows]

    # Workers

    def begin(self, run_id: str, token: int, process: ProcessId) -> Run:
        """A worker starts on its attempt. Raises StaleWrite if the attempt was given up or has another worker."""
        with self.atomic() as db:
            run = run_of(db, run_id)
            if run.token != token or run.status not in ("starting", "stopping"):
                raise StaleWrite(run_id)
            set_process(db, run_id, token, process)
            now = time.time()
            db.execute("UPDATE runs SET started=?, heartbeat=?, beats=1 WHERE id=?", (now, now, run_id))
            if run.status == "starting":
                db.execute("UPDATE runs SET status='running' WHERE id=?", (run_id,))
                add_state(db, run_id, "running")
            return run_of(db, run_id)

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
                phase = message_of(progress.phase)
                sentence = (storable(phase.text), phase.id, json.dumps(dict(phase.arguments)))
                db.execute(
                    "UPDATE runs SET phase=?, phase_id=?, phase_arguments=?, step=?, total=?, epoch=? WHERE id=?",
                    (*sentence, progress.step, progress.total, progress.epoch, run_id),
                )
            ((attempt, status),) = db.execute("SELECT attempt, status FROM runs WHERE id=?", (run_id,))
            insert_metrics(db, ((run_id, attempt, *metric) for metric in metrics))
            insert_events(db, ((run_id, attempt, *event) for event in events))
            return str(status)

    def settle(self, run_id: str, token: int, spec: dict[str, Any]) -> None:
        """A worker notes what became of the settings that its spec left open. Raises StaleWrite as `write` does."""
        with self.atomic() as db:
            db.execute(
                "UPDATE runs SET spec=? WHERE id=? AND token=? AND status IN ('running','stopping')",
                (json.dumps(spec), run_id, token),
            )
            if db.changes() == 0:
                raise StaleWrite(run_id)

    def finish(
        self,
        run_id: str,
        token: int,
        status: str,
        error: str | Message = "",
        detail: str = "",
        summary: dict[str, Any] | None = None,
    ) -> None:
        """A worker commits its final state. Raises StaleWrite if its attempt was given up before."""
        with self.atomic() as db:
            if not end_attempt(db, run_id, token, status, error, detail, summary or {}):
                raise StaleWrite(run_id)

    # Connections

    @contextmanager
    def atomic(self, *, durable: bool = True) -> Iterator[apsw.Connection]:
        """One write transaction; waits for its turn. durable: whether it survives a power cut, not only a crash"""
        with self.connection() as connection:
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
    def connection(self, *, create: bool = False) -> Iterator[apsw.Connection]:
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


def _number(value: float | None) -> float:
    return math.nan if value is None else value  # SQLite has no NaN
