"""Files that are either complete or absent: written under a temporary name, synced, then renamed.

`finite` prepares values for JSON.
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
    """A temporary path beside `path` to write to; it replaces `path` when the block ends without an error."""
    partial = _partial(path)
    try:
        yield partial
        sync(partial)
        _replace(partial, path)
        sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a small UTF-8 file atomically."""
    with replace_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


@contextmanager
def replace_folder(folder: Path) -> Iterator[Path]:
    """A new folder beside `folder` to fill; it replaces `folder` when the block ends without an error."""
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
    """Rename `partial` to `path`. Windows refuses while another program has `path` open, so this retries for 3 s.

    Raises PermissionError, with the fix, if the file stays open.
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
    """A name that no other process uses: two writers of one file must not share a temporary file."""
    return path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.partial")


def sync(path: Path) -> None:
    """Flush a file or folder to the disk. Windows cannot sync folders and does not need to."""
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDWR if path.is_file() and os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def finite(value: Any) -> Any:
    """`value` with None in place of NaN and infinities, which JSON cannot hold."""
    if isinstance(value, dict):
        return {key: finite(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
