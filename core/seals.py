"""Kept files that are used again only while they are as they were written.

A power cut, a dying disk or a hand can leave a file with its name and other content. Each kept file therefore has a
seal: its size, its time of change and a checksum. The size is compared at every look, the checksum where the time is
another one, and, for small files, at the first look of a process. What does not match is as if it were not there, so
that it is made again.
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

_known: dict[str, tuple[int, ...]] = {}  # files that this process has found whole, with their state at that time


@dataclass(frozen=True)
class Seal:
    """size: in bytes; mtime_ns: the time of change; checksum: BLAKE2b of the content, in hex"""

    size: int
    mtime_ns: int
    checksum: str


def seal_of(path: Path) -> Seal:
    """The seal of a file as it is now. Raises OSError."""
    state = path.stat()
    return Seal(state.st_size, state.st_mtime_ns, _checksum(path))


def matches(path: Path, seal: Seal) -> bool:
    """Whether a file is as it was when it was sealed."""
    try:
        found = path.stat()
        if found.st_size != seal.size:
            return False
        if _known.get(str(path)) == _state(found):
            return True
        unchanged = found.st_mtime_ns == seal.mtime_ns
        if not (unchanged and found.st_size > SMALL) and _checksum(path) != seal.checksum:
            return False
        if not unchanged:  # a copied home: the next process need not read it all again
            found = _with_time(path, found, seal.mtime_ns)
        if len(_known) >= MOST_KNOWN:
            _known.clear()
        _known[str(path)] = _state(found)
        return True
    except OSError:
        return False


def _with_time(path: Path, found: os.stat_result, mtime_ns: int) -> os.stat_result:
    """Give a file this time of change, and return its new state; the old one where the system refuses."""
    try:
        os.utime(path, ns=(found.st_atime_ns, mtime_ns))
        changed = path.stat()
    except OSError:  # a home that can only be read
        return found
    return changed if (changed.st_size, changed.st_ino) == (found.st_size, found.st_ino) else found


def _state(found: os.stat_result) -> tuple[int, ...]:
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


@contextmanager
def sealed_file(path: Path, info: dict[str, Any] | None = None) -> Iterator[Path]:
    """Like `files.replace_file`, and sealed. info: JSON to keep with the seal; may be filled within the block"""
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
    """The text of a sealed file; None if there is none, or it is not as it was written."""
    return path.read_text(encoding="utf-8") if info(path) is not None else None


def info(path: Path) -> dict[str, Any] | None:
    """What was kept with the seal of a file; None if the file is not there, or not as it was written."""
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
    """Where the seal of a file lies."""
    return path.with_name(path.name + SUFFIX)


def remove(path: Path) -> None:
    """Delete a kept file with its seal; on Windows not while somebody reads it. Raises OSError."""
    path.unlink(missing_ok=True)
    seal_path(path).unlink(missing_ok=True)


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()
