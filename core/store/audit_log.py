"""The audit as it is read: one row per start, stop, resume, rename, delete, import, final test and sign-in."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import UTC, datetime

from core.store import audit
from core.store.store import Store

COLUMNS = ("time", "person", "action", "run", "detail")


@dataclass(frozen=True)
class Entry:
    """One action. time: seconds since 1970; run: the id of the run concerned, empty for none"""

    time: float
    person: str
    action: str
    run: str
    detail: str


def entries(store: Store, limit: int = 10_000) -> list[Entry]:
    """Who did what, the newest first. Raises AccessDenied."""
    store.allow("audit")
    query = "SELECT time, person, action, run, detail FROM audit ORDER BY id DESC LIMIT ?"
    with store.connection() as db:
        rows = db.execute(query, (limit,))
        return [Entry(when, person, action, run or "", detail) for when, person, action, run, detail in rows]


def record_sign_in(store: Store, role: str, since: float) -> None:
    """Record in the audit that the person signed in at `since`, once for all their tabs."""
    known = "SELECT 1 FROM audit WHERE person=? AND action='sign in' AND time>=?"
    with store.atomic() as db:
        if next(iter(db.execute(known, (store.by, since))), None) is None:
            audit.record(db, store.by, "sign in", detail=role)


def as_csv(log: list[Entry]) -> bytes:
    """The rows as CSV in UTF-8, times in UTC; opens in a spreadsheet without harm."""
    from core.spreadsheets import harmless

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for entry in log:
        when = datetime.fromtimestamp(entry.time, UTC).isoformat(timespec="seconds")
        writer.writerow([when, *map(harmless, (entry.person, entry.action, entry.run, entry.detail))])
    return b"\xef\xbb\xbf" + out.getvalue().encode("utf-8")
