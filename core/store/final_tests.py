"""Final tests: splits that are set aside so that nothing is trained or tuned on them, and the looks at them.

What makes two splits the same is in core/data/loading/holdout.py.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence

from core.store import audit
from core.store.record import Holdout
from core.store.rows import storable
from core.store.store import Store


def holdouts(store: Store, before: float | None = None) -> list[Holdout]:
    """The final tests, the newest first. before: only those set aside by then, in seconds since 1970"""
    query = (
        "SELECT content, title, split, rows, sketch, created,"
        " (SELECT count(*) FROM looks l WHERE l.content = h.content)"
        " FROM holdouts h WHERE created <= ? ORDER BY created DESC"
    )
    with store.connection() as db:
        rows = db.execute(query, (math.inf if before is None else before,))
        return [Holdout(c, t, s, n, tuple(json.loads(k)), when, looks) for c, t, s, n, k, when, looks in rows]


def set_aside(store: Store, content: str, title: str, split: str, rows: int, sketch: Sequence[int]) -> None:
    """Set a split aside as a final test; one that is already set aside stays unchanged. Raises AccessDenied."""
    with store.atomic() as db:
        store.allow("set aside")
        audit.record(db, store.by, "set aside", detail=f"{storable(title)}, {storable(split)}")
        db.execute(
            "INSERT OR IGNORE INTO holdouts (content, title, split, rows, sketch, created) VALUES (?,?,?,?,?,?)",
            (content, storable(title), storable(split), rows, json.dumps(list(sketch)), time.time()),
        )


def give_back(store: Store, content: str) -> None:
    """Make a final test an ordinary split again and forget its looks. Raises AccessDenied."""
    with store.atomic() as db:
        store.allow("give back")
        audit.record(db, store.by, "give back", detail=content)
        db.execute("DELETE FROM holdouts WHERE content=?", (content,))


def count_look(store: Store, content: str, run_id: str) -> None:
    """Count a look at a final test, once per run of kind evaluate."""
    with store.atomic() as db:
        db.execute(
            "INSERT OR IGNORE INTO looks (content, run, time) SELECT content, ?, ? FROM holdouts WHERE content=?",
            (run_id, time.time(), content),
        )
