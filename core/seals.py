"""Cached files that are reused only while they are unchanged.

A power cut, a failing disk or a person can change a file's content and leave its name. Each cached file therefore has
a seal: its size, modification time and checksum. The size is compared on every read; the checksum when the time
differs and, for small files, on a process's first read. A file that does not match counts as absent and is rebuilt.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core import files

SUFFIX = ".seal"
SMALL = 16 * 1024 * 1024  # bytes; about 20 ms
MOST_KNOWN = 10_000

_known: dict[str, tuple[int, ...]] = {}  # files that this process has verified, with their state at that time


@dataclass(frozen=True)
class Seal:
    """size: in bytes; mtime_ns: the modification time; checksum: BLAKE2b of the content, in hex"""

    size: int
    mtime_ns: int
    checksum: str


def seal_of(path: Path) -> Seal:
    """The seal of a file as it is now. Raises OSError."""
    state = path.stat()
    return Seal(state.st_size, state.st_mtime_ns, checksum(path))


def matches(path: Path, seal: Seal) -> bool:
    """Whether a file is unchanged since it was sealed."""
    try:
        stat = path.stat()
        if stat.st_size != seal.size:
            return False
        if _known.get(str(path)) == _state(stat):
            return True
        unchanged = stat.st_mtime_ns == seal.mtime_ns
        if not (unchanged and stat.st_size > SMALL) and checksum(path) != seal.checksum:
            return False
        if not unchanged:  # a copied home: saves the next process from reading the whole file
            stat = _with_time(path, stat, seal.mtime_ns)
        if len(_known) >= MOST_KNOWN:
            _known.clear()
        _known[str(path)] = _state(stat)
        return True
    except OSError:
        return False


def _with_time(path: Path, stat: os.stat_result, mtime_ns: int) -> os.stat_result:
    """Set a file's modification time and return its new stat; the old stat if the system refuses."""
    try:
        os.utime(path, ns=(stat.st_atime_ns, mtime_ns))
        changed = path.stat()
    except OSError:  # a read-only home
        return stat
    return changed if (changed.st_size, changed.st_ino) == (stat.st_size, stat.st_ino) else stat


def _state(stat: os.stat_result) -> tuple[int, ...]:
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino


@contextmanager
def sealed_file(path: Path, info: dict[str, Any] | None = None) -> Iterator[Path]:
    """Like `files.replace_file`, with a seal. info: JSON to store in the seal; may be filled within the block"""
    with files.replace_file(path) as partial:
        yield partial
        seal = seal_of(partial)
    body = json.dumps({**asdict(seal), "info": info or {}})
    files.write_text(seal_path(path), f"{body}\n{_digest(body.encode())}\n")


def write_text(path: Path, text: str) -> None:
    """Write a sealed UTF-8 file."""
    with sealed_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def read_text(path: Path) -> str | None:
    """The text of a sealed file; None if it is absent or has changed."""
    return path.read_text(encoding="utf-8") if info(path) is not None else None


def info(path: Path) -> dict[str, Any] | None:
    """The info stored in a file's seal; None if the file is absent or has changed."""
    try:
        body, checksum = seal_path(path).read_text(encoding="utf-8").splitlines()
        if checksum != _digest(body.encode()):
            return None
        tree = json.loads(body)
        kept: dict[str, Any] = tree.pop("info")
        return kept if matches(path, Seal(**tree)) else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def seal_path(path: Path) -> Path:
    """The path of a file's seal."""
    return path.with_name(path.name + SUFFIX)


def remove(path: Path) -> None:
    """Delete a cached file and its seal. Raises OSError, on Windows also while a program reads the file."""
    path.unlink(missing_ok=True)
    seal_path(path).unlink(missing_ok=True)


def checksum(path: Path) -> str:
    """A digest of what a file holds."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()
