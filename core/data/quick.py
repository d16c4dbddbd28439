"""Whether a dataset can be prepared while a person waits, or is work for a worker."""

from __future__ import annotations

import math

from core.data.prepare import find_prepared, until_step
from core.data.reading import archives, files
from core.data.reading.folders import layout
from core.data.reading.folders.walk import Entry
from core.errors import DataError, PathError
from core.settings import Settings
from core.spec.data import DataSpec

QUICK_BYTES = 8 * 1024 * 1024  # of text; about a second
QUICK_FILES = 1000
SLOW_WORKBOOK = 4  # times as slow as text, byte by byte of its XML
QUICK_ROWS, QUICK_NEAR_ROWS = 200_000, 6_000


def is_quick(data: DataSpec, settings: Settings) -> bool:
    """Whether `prepare` takes less than about a second. Also True when it will fail at once. Raises nothing."""
    if data.steps:
        return find_prepared(data, settings) is not None or _steps_are_quick(data, settings)
    if data.source == "sample":
        return True
    if data.source == "hub":
        return find_prepared(data, settings) is not None
    try:
        entries = layout.candidates(files.resolve(data.path, settings), settings)
        if find_prepared(data, settings):
            return True
        if len(entries) > QUICK_FILES:
            return False
        return sum(_bytes_to_read(entry, alone=len(entries) == 1) for entry in entries) <= QUICK_BYTES
    except (DataError, PathError, OSError):
        return True


def _steps_are_quick(data: DataSpec, settings: Settings) -> bool:
    source = until_step(data, 0)
    prepared = find_prepared(source, settings)
    if prepared is None:
        return is_quick(source, settings)
    rows = sum(split.rows for split in prepared.splits.values())
    try:
        size = sum(split.path.stat().st_size for split in prepared.splits.values())
    except OSError:
        return True
    near = any(getattr(step, "match", "") == "near" for step in data.steps)
    return size <= QUICK_BYTES and rows <= (QUICK_NEAR_ROWS if near else QUICK_ROWS)


def _bytes_to_read(entry: Entry, alone: bool) -> float:
    """How many bytes of text a file amounts to, after unpacking. Raises DataError, OSError."""
    if not entry.size:
        return 0.0
    kind = files.identify(entry.path).kind
    if kind in files.PACKED:
        return archives.unpacked_bytes(entry.path, kind)
    if kind == ".xlsx":
        return SLOW_WORKBOOK * archives.unpacked_bytes(entry.path, ".zip", everything=True)
    if kind == ".arrow":
        return math.inf  # its parts may be compressed, and it does not say how much they are
    if kind == ".parquet":
        from core.data.reading.tables import structs

        return entry.size * (0.0 if alone and not structs.must_be_read(entry.path) else 0.5)
    return entry.size
