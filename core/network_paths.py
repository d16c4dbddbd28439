"""Paths that lead to another machine. Opening one reveals the user: Windows sends credentials along."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NETWORK = re.compile(
    r"[\\/]{2}"  # \\host\share, //host/share, \\?\UNC\host\share, \\.\pipe
    r"|[\\/]\?\?[\\/]"  # \??\UNC\host\share
    r"|[a-z][a-z0-9+.-]+:[\\/]{2}"  # smb://host/share, file://host/share
    r"|/(net|Network)/",  # folders that an automounter mounts when they are opened
    re.IGNORECASE,
)


def leads_to_network(path: str) -> bool:
    """Whether a path leads to another machine, judged by its text alone; the path is not opened."""
    path = path.strip(" \t\r\n\"'")
    if NETWORK.match(path):
        return True
    try:
        base, rest = (str(Path.home()), path[2:]) if path.startswith("~/") else (str(Path.cwd()), path)
    except (OSError, RuntimeError):  # no home or working folder: no path can begin there
        base, rest = "/", path
    full = posixpath.normpath(posixpath.join(base, rest))  # ../../net/host, /./net/host
    return NETWORK.match(full) is not None and not full.startswith(f"{base}/")


def network_path_in(spec: Mapping[str, Any]) -> str | None:
    """The first path in a spec's data or model that leads to another machine; None if there is none."""
    places = [spec, *(spec.get(part) for part in ("data", "model"))]
    names = [place.get(field) for place in places if isinstance(place, Mapping) for field in ("path", "name")]
    return next((name for name in names if isinstance(name, str) and leads_to_network(name)), None)
