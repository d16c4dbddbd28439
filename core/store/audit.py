"""Who did what: one row per start, stop, resume, rename, delete, publication and sign-in, in the store.

A row is written in the transaction of the change that it tells of, so that neither is there without the other.
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
    """time: seconds since 1970; run: the id of the run that it was done to, empty for none"""

    time: float
    person: str
    action: str
    run: str
    detail: str


def record(db: apsw.Connection, person: str, action: str, run: str | None = None, detail: str = "") -> None:
    """Write a row, inside the caller's transaction."""
    text = detail.encode("utf-8", "replace").decode()[:MOST_DETAIL]
    db.execute(
        "INSERT INTO audit (time, person, action, run, detail) VALUES (?,?,?,?,?)",
        (time.time(), person, action, run, text),
    )


def entries(db: apsw.Connection, limit: int) -> list[Entry]:
    """The newest first."""
    rows = db.execute("SELECT time, person, action, run, detail FROM audit ORDER BY id DESC LIMIT ?", (limit,))
    return [Entry(when, person, action, run or "", detail) for when, person, action, run, detail in rows]


def as_csv(found: list[Entry]) -> bytes:
    """The rows as CSV in UTF-8, times in UTC; opens in a spreadsheet without harm."""
    from core.spreadsheets import harmless

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for entry in found:
        when = datetime.fromtimestamp(entry.time, UTC).isoformat(timespec="seconds")
        writer.writerow([when, *map(harmless, (entry.person, entry.action, entry.run, entry.detail))])
    return b"\xef\xbb\xbf" + out.getvalue().encode("utf-8")
