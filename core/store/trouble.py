"""Why the run store cannot be used (deleted, emptied, damaged, read-only, full), each with the fix."""

from __future__ import annotations

import errno
import json
import logging
import os
from pathlib import Path

import apsw

from core.errors import StoreTrouble


def of(path: Path, error: Exception) -> StoreTrouble | None:
    """The trouble behind an error of SQLite or of the stored JSON; None for a bug of ours."""
    match error:
        case apsw.FullError():
            return StoreTrouble.of(
                "store-disk-full", "The disk that holds {path} is full; free some space and try again.", path=path
            )
        case apsw.NotADBError() | apsw.CorruptError() | json.JSONDecodeError() | UnicodeDecodeError():
            return StoreTrouble.of(
                "store-damaged",
                "{path} is not a run store, or is damaged; put a copy of it back, or move it away and "
                "restart Tunedeck to begin with an empty one.",
                path=path,
            )
        case apsw.BusyError() | apsw.LockedError() | apsw.ProtocolError():
            return _read_only(path) or StoreTrouble.of(
                "store-locked", "{path} stays locked by another program; end that program and try again.", path=path
            )
        case apsw.IOError():
            return _read_only(path) or StoreTrouble.of(
                "store-disk-error",
                "{path} cannot be read or written: the disk reports an error ({reason}); check the disk.",
                path=path,
                reason=error,
            )
        case apsw.ReadOnlyError() | apsw.CantOpenError() | apsw.PermissionsError():
            return (
                _out_of_files()
                or _read_only(path)
                or _gone(path)
                or StoreTrouble.of(
                    "store-not-opened",
                    "The run store {path} cannot be opened; check that it and its folder exist and are yours.",
                    path=path,
                )
            )
        case apsw.SQLError() if "no such table" in str(error):
            return _gone(path) or StoreTrouble.of(
                "store-lost-content",
                "{path} has lost its content: it was emptied or replaced; put a copy of "
                "it back, or restart Tunedeck to begin with an empty one.",
                path=path,
            )
        case _:
            return None


def without_folder(path: Path, error: OSError) -> StoreTrouble:
    """The trouble when the store's folder cannot be created."""
    return StoreTrouble.of(
        "store-folder-not-created",
        "The folder {folder} cannot be created ({reason}); set TUNEDECK_HOME to a folder that you can write to.",
        folder=path.parent,
        reason=error.strerror,
    )


def _out_of_files() -> StoreTrouble | None:
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            return StoreTrouble.of(
                "too-many-open-files",
                "Too many files are open in this process; close some tabs, or restart Tunedeck with a "
                "higher limit (ulimit -n 4096).",
            )
    return None


def _gone(path: Path) -> StoreTrouble | None:
    if path.exists():
        return None
    return StoreTrouble.of(
        "store-gone",
        "The run store {path} is gone: it was deleted or moved away; put it back, or restart "
        "Tunedeck to begin with an empty one.",
        path=path,
    )


def _read_only(path: Path) -> StoreTrouble | None:
    places = [place for place in (path, path.parent) if place.exists()]
    closed = next((place for place in reversed(places) if not os.access(place, os.W_OK)), None)
    if closed is None:
        return None
    return StoreTrouble.of(
        "store-read-only",
        "{path} is read-only, so no run can be recorded; make it writable, or set TUNEDECK_HOME to another folder.",
        path=closed,
    )


class Faults:
    """Logs a lasting fault once when it begins and once when it is over."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._text = ""

    @property
    def text(self) -> str:
        """The current fault; empty if there is none."""
        return self._text

    def begin(self, error: Exception) -> None:
        """Record a failure. An error that is not a StoreTrouble is a bug of ours and is logged with its trace."""
        text = str(error) if isinstance(error, StoreTrouble) else f"{type(error).__name__}: {error}"
        if text != self._text:
            trace = None if isinstance(error, StoreTrouble) else error
            self._logger.error("%s", text, exc_info=trace)
        self._text = text

    def end(self) -> None:
        """Record a success."""
        if self._text:
            self._logger.warning("This fault is over: %s", self._text)
        self._text = ""
