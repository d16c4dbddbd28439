"""Notes on how a dataset was read and used, for pages, the command line and the worker's log."""

from __future__ import annotations

from dataclasses import dataclass

from core.events import Level


@dataclass(frozen=True)
class Note:
    """A sentence for people; its level is `warning` if rows or values are not used as the file has them."""

    text: str
    level: Level = "info"
