"""The tables of the run store, as ordered migrations; each is committed with its version number, so none runs twice."""

from __future__ import annotations

import time

import apsw

MIGRATIONS = (
    """
    CREATE TABLE runs (
        id TEXT PRIMARY KEY,
        kind TEXT NOT NULL,                 -- train, import, inspect, profile, evaluate, …
        owner TEXT NOT NULL,
        name TEXT NOT NULL,
        status TEXT NOT NULL,               -- queued starting running stopping finished stopped failed lost
        spec TEXT NOT NULL,                 -- JSON
        parent TEXT,                        -- the run this was cloned from
        resource TEXT,                      -- what it holds while it works: cpu, gpu:0, light
        created REAL NOT NULL,              -- seconds since 1970, as all times here
        started REAL,
        ended REAL,
        attempt INTEGER NOT NULL DEFAULT 0,
        token INTEGER NOT NULL DEFAULT 0,   -- of the current attempt; every write of its worker carries it
        claimed REAL,
        host TEXT, boot TEXT, pid INTEGER, pid_started REAL,
        beats INTEGER NOT NULL DEFAULT 0,   -- counts heartbeats: a clock that is set back does not matter
        heartbeat REAL,
        stop_requested REAL,
        phase TEXT NOT NULL DEFAULT '',
        step INTEGER NOT NULL DEFAULT 0,
        total INTEGER NOT NULL DEFAULT 0,
        epoch REAL,
        error TEXT,                         -- one sentence for a person
        detail TEXT,                        -- the last lines of the log, for whoever looks closer
        summary TEXT                        -- JSON: what a list shows of a run that ended
    ) STRICT;
    CREATE INDEX runs_newest ON runs (created DESC, id);
    CREATE INDEX runs_active ON runs (status) WHERE status IN ('queued', 'starting', 'running', 'stopping');

    CREATE TABLE metrics (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        attempt INTEGER NOT NULL,
        name TEXT NOT NULL,
        step INTEGER NOT NULL,
        epoch REAL,
        time REAL NOT NULL,
        value REAL,                         -- NULL is not a number
        UNIQUE (run, name, step)
    ) STRICT;
    CREATE INDEX metrics_of_run ON metrics (run, id);

    CREATE TABLE events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        attempt INTEGER NOT NULL,
        time REAL NOT NULL,
        kind TEXT NOT NULL,                 -- state, message, checkpoint
        payload TEXT NOT NULL               -- JSON
    ) STRICT;
    CREATE INDEX events_of_run ON events (run, id);

    CREATE TABLE lease (
        name TEXT PRIMARY KEY,
        holder TEXT NOT NULL,               -- JSON: host, boot, pid, pid_started
        token INTEGER NOT NULL,             -- grows with each new holder
        expires REAL NOT NULL
    ) STRICT;
    """,
    """
    CREATE TABLE holdouts (                 -- final tests: see core/data/loading/holdout.py
        content TEXT PRIMARY KEY,
        title TEXT NOT NULL,
        split TEXT NOT NULL,
        rows INTEGER NOT NULL,
        sketch TEXT NOT NULL,               -- JSON: its smallest text keys
        created REAL NOT NULL
    ) STRICT;
    CREATE TABLE looks (                    -- evaluations on one; they outlive the run that made them
        content TEXT NOT NULL REFERENCES holdouts (content) ON DELETE CASCADE,
        run TEXT NOT NULL,
        time REAL NOT NULL,
        UNIQUE (content, run)
    ) STRICT;
    """,
    """
    ALTER TABLE runs ADD COLUMN imported TEXT;  -- JSON: the bundle that it came in; NULL is a run of this home's own
    """,
    """
    CREATE TABLE audit (                    -- who did what; outlives the run that it was done to
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        time REAL NOT NULL,
        person TEXT NOT NULL,
        action TEXT NOT NULL,               -- start, stop, resume, rename, delete, publish, push, sign in, …
        run TEXT,
        detail TEXT NOT NULL
    ) STRICT;
    CREATE INDEX runs_of_owner ON runs (owner);
    """,
    """
    ALTER TABLE runs ADD COLUMN phase_id TEXT;         -- ids and arguments of the sentences in phase and
    ALTER TABLE runs ADD COLUMN phase_arguments TEXT;  -- error: see core/messages.py; arguments are JSON
    ALTER TABLE runs ADD COLUMN error_id TEXT;
    ALTER TABLE runs ADD COLUMN error_arguments TEXT;
    """,
)


def migrate(connection: apsw.Connection) -> None:
    """Bring a store to the newest schema."""
    _use_wal(connection)
    if _version(connection) == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for number in range(_version(connection), len(MIGRATIONS)):
            connection.execute(MIGRATIONS[number])
            connection.execute(f"PRAGMA user_version = {number + 1}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _use_wal(connection: apsw.Connection) -> None:
    """Switch to WAL. SQLite does not wait for a lock here, so two processes that start at once would fail."""
    for _ in range(50):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except apsw.BusyError:
            time.sleep(0.1)
    connection.execute("PRAGMA journal_mode = WAL")


def _version(connection: apsw.Connection) -> int:
    (version,) = next(iter(connection.execute("PRAGMA user_version")))
    return int(version)
