"""Writing the audit: a row is written in the same transaction as the change that it records.

So neither exists without the other.
"""

from __future__ import annotations

import time

import apsw

MOST_DETAIL = 500


def record(db: apsw.Connection, person: str, action: str, run: str | None = None, detail: str = "") -> None:
    """Write that a person did something (to a run), inside the caller's transaction."""
    text = detail.encode("utf-8", "replace").decode()[:MOST_DETAIL]
    db.execute(
        "INSERT INTO audit (time, person, action, run, detail) VALUES (?,?,?,?,?)",
        (time.time(), person, action, run, text),
    )
