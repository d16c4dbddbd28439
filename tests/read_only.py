"""A folder that cannot be written, on whatever machine and as whoever the tests run."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nobody can write into `folder` within the block; skips the test where that cannot be had.

    An ordinary user takes the right to write from themselves. Root has it anyway, and makes the files immutable.
    """
    if os.name == "nt":
        pytest.skip("folders are not made read-only on Windows")
    # SQLite maps its -shm file into memory: a process that writes to a mapped file that became immutable is ended by
    # the system (SIGBUS), which no disk does.
    paths = [folder, *(path for path in folder.rglob("*") if not path.name.endswith("-shm"))]
    if os.geteuid() == 0:
        close, reopen = ["chattr", "+i"], ["chattr", "-i"]
        if shutil.which("chattr") is None:
            pytest.skip("root writes everywhere, and there is no chattr")
        done = subprocess.run([*close, *map(str, paths)], capture_output=True, text=True)
        try:
            if done.returncode != 0:
                pytest.skip(f"root writes everywhere here: {done.stderr.strip()[:100]}")
            yield
        finally:
            subprocess.run([*reopen, *map(str, paths)], capture_output=True)
        return
    modes = {path: path.stat().st_mode for path in paths}
    try:
        for path, mode in modes.items():
            path.chmod(mode & 0o555)
        yield
    finally:
        for path, mode in modes.items():
            path.chmod(mode)
