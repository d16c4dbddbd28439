"""The records of the run store: runs, their metrics, events and progress, and final tests."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from core.messages import Message

ACTIVE = ("starting", "running", "stopping")
FINAL = ("finished", "stopped", "failed", "lost")
RESUMABLE = ("stopped", "failed", "lost")


@dataclass(frozen=True)
class ProcessId:
    """One process on one boot of one machine; a pid alone may be reused. host, boot: see `core.machine`"""

    host: str
    boot: str
    pid: int
    started: float


@dataclass(frozen=True)
class Run:
    """A run as the store records it; times are seconds since 1970."""

    id: str
    kind: str
    owner: str
    name: str
    status: str
    spec: dict[str, Any]
    parent: str | None
    resource: str | None
    created: float
    started: float | None
    ended: float | None
    attempt: int
    token: int
    claimed: float | None
    host: str | None
    boot: str | None
    pid: int | None
    pid_started: float | None
    beats: int
    heartbeat: float | None
    stop_requested: float | None
    phase: str
    step: int
    total: int
    epoch: float | None
    error: str | None
    detail: str | None
    summary: dict[str, Any] = field(default_factory=dict)
    imported: dict[str, Any] | None = None
    """For a run that came in a bundle (see `core.sharing.bundles.importing`); such a run is read-only."""
    phase_id: str = ""
    phase_arguments: dict[str, Any] = field(default_factory=dict)
    error_id: str = ""
    error_arguments: dict[str, Any] = field(default_factory=dict)
    """Of the sentences in `phase` and `error`, see `core.messages`; empty if they are not known."""

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    @property
    def process(self) -> ProcessId | None:
        if self.pid is None or self.host is None or self.boot is None or self.pid_started is None:
            return None
        return ProcessId(self.host, self.boot, self.pid, self.pid_started)

    @property
    def seconds(self) -> float | None:
        """How long the run has been working, or worked; None before its start."""
        return None if self.started is None else (self.ended or time.time()) - self.started


@dataclass(frozen=True)
class Metric:
    id: int
    name: str
    step: int
    epoch: float | None
    time: float
    value: float


@dataclass(frozen=True)
class Event:
    id: int
    time: float
    kind: str
    payload: dict[str, Any]


@dataclass(frozen=True)
class Progress:
    phase: str | Message
    step: int
    total: int
    epoch: float | None


@dataclass(frozen=True)
class Holdout:
    """A final test: a split that stays unseen until the end.

    content: identifies its texts; title, split: the dataset in which they were first set aside
    rows: the number of different texts; sketch: the smallest keys of its texts; looks: the evaluations on it
    """

    content: str
    title: str
    split: str
    rows: int
    sketch: tuple[int, ...]
    created: float
    looks: int
