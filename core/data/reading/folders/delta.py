"""Reads the log of a Delta Lake table, which decides the files of its current version. Files that the log has removed
may still lie in the folder, and must not be read.

The log is read from the last checkpoint on. Features that need more than a list of files are refused with a reason:
deletion vectors, renamed columns, checkpoints in several parts.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

from core.data.reading.folders.walk import Entry
from core.data.reading.tables import bounded
from core.errors import DataError

MAX_LOG_BYTES = 64 * 1024**2
COMMIT = re.compile(r"_delta_log/(\d{20})\.json")
CHECKPOINT = re.compile(r"_delta_log/(\d{20})\.checkpoint\.parquet")
WRITE_PARQUET = "write the table as plain Parquet files"


@dataclass
class Table:
    """The files of a Delta table as of its last commit, each with the values of its partition columns."""

    files: dict[str, dict[str, str | None]] = field(default_factory=dict)
    log: list[Entry] = field(default_factory=list)


def table(entries: list[Entry]) -> Table | None:
    """Returns the table that a folder's log describes; None if there is no log. Raises DataError."""
    log = [entry for entry in entries if entry.name.startswith("_delta_log/")]
    if not log:
        return None
    if sum(entry.size for entry in log) > MAX_LOG_BYTES:
        raise DataError.of(
            "delta-log-too-large",
            "the log of the Delta table is too large to be read here; {advice}",
            "data.path",
            advice=WRITE_PARQUET,
        )
    commits = {int(m.group(1)): e for e in log if (m := COMMIT.fullmatch(e.name))}
    checkpoints = {int(m.group(1)): e for e in log if (m := CHECKPOINT.fullmatch(e.name))}
    first = max(checkpoints, default=-1) + 1
    expected = range(first, max(commits, default=-1) + 1)
    if any(number not in commits for number in expected) or not (commits or checkpoints):
        raise DataError.of(
            "delta-log-gap",
            "the log of the Delta table has a gap, or a kind of checkpoint that is not read here; {advice}",
            "data.path",
            advice=WRITE_PARQUET,
        )
    result = Table(log=log)
    if first:
        _checkpoint(result, checkpoints[first - 1])
    for number in expected:
        _commit(result, commits[number])
    return result


def _checkpoint(result: Table, entry: Entry) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(entry.path) as file:
            wanted = [c for c in ("add", "metaData", "sidecar") if c in file.schema_arrow.names]
        for batch in bounded.batches(entry.path, 10_000, wanted):
            for action in batch.to_pylist(maps_as_pydicts="lossy"):
                _apply(result, action)
    except (pa.ArrowException, OSError) as error:
        raise DataError.of(
            "delta-file-unreadable",
            "{file} cannot be read ({reason}); {advice}",
            "data.path",
            file=entry.name,
            reason=str(error)[:100],
            advice=WRITE_PARQUET,
        ) from None


def _commit(result: Table, entry: Entry) -> None:
    try:
        for line in entry.path.read_text(encoding="utf-8").splitlines():
            if line.strip():
                action = json.loads(line)
                _apply(result, action if isinstance(action, dict) else {})
    except (OSError, ValueError, RecursionError) as error:
        raise DataError.of(
            "delta-file-unreadable",
            "{file} cannot be read ({reason}); {advice}",
            "data.path",
            file=entry.name,
            reason=str(error)[:100],
            advice=WRITE_PARQUET,
        ) from None


def _apply(result: Table, action: dict[str, Any]) -> None:
    if action.get("sidecar"):
        raise DataError.of(
            "delta-checkpoint-in-parts",
            "the Delta table has a checkpoint in several files; {advice}",
            "data.path",
            advice=WRITE_PARQUET,
        )
    settings = (action.get("metaData") or {}).get("configuration") or {}
    if settings.get("delta.columnMapping.mode", "none") != "none":
        raise DataError.of(
            "delta-renamed-columns",
            "the Delta table has renamed columns (column mapping); {advice}",
            "data.path",
            advice=WRITE_PARQUET,
        )
    if removed := action.get("remove"):
        result.files.pop(_inner(removed.get("path")), None)
    if added := action.get("add"):
        if added.get("deletionVector"):
            raise DataError.of(
                "delta-deleted-rows",
                "the Delta table has deleted rows inside files (deletion vectors); {advice}",
                "data.path",
                advice=WRITE_PARQUET,
            )
        values = added.get("partitionValues") or {}
        result.files[_inner(added.get("path"))] = {
            str(k): None if v in ("", None) else str(v) for k, v in values.items()
        }


def _inner(path: Any) -> str:
    """Returns a file's path inside the table's folder. Raises DataError for a path outside."""
    inner = PurePosixPath(unquote(str(path or "")))
    if inner.is_absolute() or ".." in inner.parts or ":" in inner.parts[0] or not inner.parts:
        raise DataError.of(
            "delta-file-outside",
            "the Delta table names a file outside its folder; {advice}",
            "data.path",
            advice=WRITE_PARQUET,
        )
    return inner.as_posix()
