"""What processes that were killed in the middle have left in the home folder: it is removed by the next scheduler."""

from __future__ import annotations

import json
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from core.files import write_text
from core.runs import process
from core.store.record import ProcessId

DELETED, IMPORTING, OWNER = ".deleted-", ".importing-", ".owner"
STALE_S = 24 * 3600
# What is written under a temporary name (core.files); nothing of it is looked at before it has its own.
PARTIAL = (
    "*.partial",
    "encoded/*.partial",
    "datasets/*/*.partial",
    "datasets/*/*/*.partial",
    "runs/*/*.partial",
    "runs/*/*/*.partial",
)


@contextmanager
def half_made(parent: Path, prefix: str = IMPORTING) -> Iterator[Path]:
    """A new folder for work in progress, gone at the end; beside it stands whose it is, in case they are killed."""
    folder = parent / f"{prefix}{uuid.uuid4().hex[:8]}"
    owner = folder.with_name(folder.name + OWNER)
    folder.mkdir(parents=True)
    try:
        write_text(owner, json.dumps(asdict(process.identity())))
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        owner.unlink(missing_ok=True)


def sweep(home: Path) -> None:
    """Remove deleted runs whose deletion was cut short, imports of dead processes, and old unfinished files."""
    for folder in (home / "runs").glob(f"{DELETED}*"):
        shutil.rmtree(folder, ignore_errors=True)
    for parent in (home, home / "runs"):
        for path in parent.glob(f"{IMPORTING}*"):
            if path.suffix != OWNER and (_owner_is_dead(path) or _is_old(path)):
                _remove(path)
                _remove(path.with_name(path.name + OWNER))
        for path in parent.glob(f"{IMPORTING}*{OWNER}"):
            if not path.with_suffix("").exists() and _is_old(path):
                _remove(path)
    for pattern in PARTIAL:
        for path in home.glob(pattern):
            if _is_old(path):
                _remove(path)


def _owner_is_dead(folder: Path) -> bool:
    try:
        tree = json.loads(folder.with_name(folder.name + OWNER).read_text(encoding="utf-8"))
        return process.is_dead(ProcessId(**tree))
    except (OSError, ValueError, TypeError):
        return False


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > STALE_S
    except OSError:
        return False


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):  # somebody has it open, or the home can only be read: the next sweep
            path.unlink(missing_ok=True)
