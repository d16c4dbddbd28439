"""The audit: one row in the store per start, stop, resume, rename, delete, publication and sign-in.

A row is written in the same transaction as the change that it records, so neither exists without the other.
"""

from __future__ import annotations

import csv
import io
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import apsw

COLUMNS = ("time", "person", "action", "run", "detail")
MOST_DETAIL = 500


@dataclass(frozen=True)
class Entry:
    """One action. time: seconds since 1970; run: the id of the run concerned, empty for none"""

    time: float
    person: str
    action: str
    run: str
    detail: str


def record(db: apsw.Connection, person: str, action: str, run: str | None = None, detail: str = "") -> None:
    """Write a row within the caller's transaction."""
    text = detail.encode("utf-8", "replace").decode()[:MOST_DETAIL]
    db.execute(
        "INSERT INTO audit (time, person, action, run, detail) VALUES (?,?,?,?,?)",
        (time.time(), person, action, run, text),
    )


def entries(db: apsw.Connection, limit: int) -> list[Entry]:
    """At most `limit` rows, the newest first."""
    rows = db.execute("SELECT time, person, action, run, detail FROM audit ORDER BY id DESC LIMIT ?", (limit,))
    return [Entry(when, person, action, run or "", detail) for when, person, action, run, detail in rows]


def as_csv(entries: list[Entry]) -> bytes:
    """The rows as CSV in UTF-8, times in UTC, safe to open in a spreadsheet."""
    from core.spreadsheets import harmless

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for entry in entries:
        when = datetime.fromtimestamp(entry.time, UTC).isoformat(timespec="seconds")
        writer.writerow([when, *map(harmless, (entry.person, entry.action, entry.run, entry.detail))])
    return b"\xef\xbb\xbf" + out.getvalue().encode("utf-8")
