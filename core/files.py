"""Files that are either complete or not there: written under a temporary name, synced, then renamed.

And what may stand in a JSON file.
"""

from __future__ import annotations

import math
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WINDOWS = os.name == "nt"
REPLACE_WAITS_S = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` to write to; it takes the place of `path` when the block ends well."""
    partial = _partial(path)
    try:
        yield partial
        sync(partial)
        _replace(partial, path)
        sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a small UTF-8 file, all of it or nothing."""
    with replace_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


@contextmanager
def replace_folder(folder: Path) -> Iterator[Path]:
    """A new folder beside `folder` to fill; it takes the place of `folder` when the block ends well."""
    partial = _partial(folder)
    partial.mkdir(parents=True)
    try:
        yield partial
        for path in partial.rglob("*"):
            sync(path)
        sync(partial)
        old = _partial(folder)
        if folder.exists():
            _replace(folder, old)
        try:
            _replace(partial, folder)
        except OSError:
            if old.exists():
                _replace(old, folder)
            raise
        shutil.rmtree(old, ignore_errors=True)
        sync(folder.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _replace(partial: Path, path: Path) -> None:
    """Windows refuses while somebody has the old one open, be it a virus scanner; most let go within moments.

    Raises PermissionError, with what to do, if they do not.
    """
    for wait_s in (*REPLACE_WAITS_S, None):
        try:
            partial.replace(path)
            return
        except PermissionError as error:
            if not WINDOWS:
                raise
            if wait_s is None:
                why = f"{path.name} is open in another program, so it cannot be replaced; close it there and try again"
                raise PermissionError(error.errno, why, str(path)) from None
            time.sleep(wait_s)


def _partial(path: Path) -> Path:
    """A name that no other process uses, so that two that write the same file do not write into one another's."""
    return path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.partial")


def sync(path: Path) -> None:
    """Have the disk hold what was written to a file or folder. Windows cannot sync folders, and need not."""
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDWR if path.is_file() and os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def finite(value: Any) -> Any:
    """`value` with None for each number that JSON has not: NaN and the infinities."""
    if isinstance(value, dict):
        return {key: finite(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
