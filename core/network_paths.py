"""Paths that lead to another machine. To look at one tells that machine who looks: Windows sends a sign-in along."""

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
    r"|/(net|Network)/",  # what automounters bring when it is looked at
    re.IGNORECASE,
)


def leads_to_network(path: str) -> bool:
    """Whether a path, by its look alone, is one of another machine: what it says is not touched to find out."""
    path = path.strip(" \t\r\n\"'")
    if NETWORK.match(path):
        return True
    try:
        base, rest = (str(Path.home()), path[2:]) if path.startswith("~/") else (str(Path.cwd()), path)
    except (OSError, RuntimeError):  # where neither is, nothing begins there
        base, rest = "/", path
    full = posixpath.normpath(posixpath.join(base, rest))  # ../../net/host, /./net/host
    return NETWORK.match(full) is not None and not full.startswith(f"{base}/")


def network_path_in(spec: Mapping[str, Any]) -> str | None:
    """The first path of another machine that a spec's data or model names; None if none does."""
    places = [spec, *(spec.get(part) for part in ("data", "model"))]
    names = [place.get(field) for place in places if isinstance(place, Mapping) for field in ("path", "name")]
    return next((name for name in names if isinstance(name, str) and leads_to_network(name)), None)
