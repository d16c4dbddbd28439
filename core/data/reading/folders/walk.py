"""Lists the files of a folder and its subfolders with size and time of change, without opening them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from stat import S_ISREG

from core.data.reading.files import is_data_name
from core.errors import DataError, PathError
from core.settings import Settings, allowed_path

MAX_DEPTH = 4  # folders below the chosen one; folders called key=value do not count
MAX_KEYS = 8
MAX_ENTRIES = 250_000
KEY_VALUE = re.compile(r"[^=]{1,100}=.*", re.DOTALL)


@dataclass(frozen=True)
class Entry:
    """A file: its path inside the folder with forward slashes, and the size and time that reveal a change."""

    name: str
    path: Path
    size: int
    mtime_ns: int

    @property
    def inner(self) -> PurePosixPath:
        """The path inside the folder."""
        return PurePosixPath(self.name)


@dataclass
class Walk:
    """All files of a folder, folder by folder, and the data files that could not be listed, by reason."""

    root: Path
    entries: list[Entry] = field(default_factory=list)
    broken_links: list[str] = field(default_factory=list)
    foreign_links: list[str] = field(default_factory=list)


def natural(text: str) -> tuple[tuple[int, int | str], ...]:
    """Returns a sort key that puts part-2 before part-10."""
    pieces = re.findall(r"[0-9]{1,18}|[^0-9]+|[0-9]+", text)
    return tuple((0, int(p)) if p.isascii() and p.isdigit() else (1, p) for p in pieces)


def walk(root: Path, settings: Settings) -> Walk:
    """Lists the files of a folder. Raises DataError if there are too many, or the folder cannot be opened."""
    result = Walk(root)
    for count, (entry, name) in enumerate(_entries(root)):
        if count >= MAX_ENTRIES:
            raise DataError.of(
                "folder-too-many-entries",
                "the folder {folder!r} has over {most:,} entries; choose a smaller one",
                "data.path",
                folder=root.name,
                most=MAX_ENTRIES,
            )
        _add(result, entry, name, settings)
    return result


def in_order(entries: list[Entry]) -> list[Entry]:
    """Sorts files by name, part-2 before part-10."""
    return sorted(entries, key=lambda entry: natural(entry.name))


def _add(result: Walk, entry: os.DirEntry[str], name: str, settings: Settings) -> None:
    try:
        if entry.is_symlink():
            allowed_path(settings, entry.path)
        stat = entry.stat()
        if S_ISREG(stat.st_mode):
            result.entries.append(Entry(name, Path(entry.path), stat.st_size, stat.st_mtime_ns))
    except PathError:
        if is_data_name(name):
            result.foreign_links.append(name)
    except OSError:
        if is_data_name(name):
            result.broken_links.append(name)


def _entries(root: Path) -> Iterator[tuple[os.DirEntry[str], str]]:
    """Yields every file with its path inside `root`, folder by folder."""
    waiting = [(root, "", 0, 0)]
    while waiting:
        folder, prefix, depth, keys = waiting.pop()
        try:
            inside = sorted(os.scandir(folder), key=lambda e: e.name)
        except OSError as error:
            if folder == root:
                raise DataError.of(
                    "folder-not-opened",
                    "the folder {folder!r} cannot be opened ({reason}); check its permissions",
                    "data.path",
                    folder=root.name,
                    reason=error.strerror,
                ) from None
            continue
        for entry in inside:
            hidden = entry.name.startswith(".") or entry.name == "__MACOSX"
            if not entry.is_dir(follow_symlinks=False):
                if not hidden:
                    yield entry, prefix + entry.name
            elif not hidden:
                is_key = KEY_VALUE.fullmatch(entry.name) is not None
                below = (depth, keys + 1) if is_key else (depth + 1, keys)
                if below[0] <= MAX_DEPTH and below[1] <= MAX_KEYS:
                    waiting.append((Path(entry.path), f"{prefix}{entry.name}/", *below))
