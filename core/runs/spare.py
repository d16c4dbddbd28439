"""A worker that waits ready, so that a run starts at once: its imports are done, nothing is computed, it knows no run
and no data. It takes one run and is never used again.
"""

from __future__ import annotations

import logging
import subprocess
import time

import psutil

from core.runs import process
from core.settings import Settings

# Free memory below which none is started, none that has Keras too, and at which a waiting one is ended.
LEAST_FREE, LEAST_FREE_WITH_KERAS, TOO_LITTLE_FREE = 4e9, 8e9, 2e9
FIRST_AFTER_S, AGAIN_AFTER_S = 2.0, 60.0

logger = logging.getLogger(__name__)


class Spare:
    """At most one waiting worker; not for several threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._child: subprocess.Popen[bytes] | None = None
        self._not_before = time.monotonic() + FIRST_AFTER_S  # the first page comes first

    def keep(self) -> None:
        """One look: start one if none waits and there is memory for it; end it if memory has become short."""
        free = psutil.virtual_memory().available
        if self._child is not None and self._child.poll() is not None:
            logger.warning("the spare worker ended with exit code %s; see spare.log", self._child.returncode)
            self._child, self._not_before = None, time.monotonic() + AGAIN_AFTER_S
        if self._child is not None and free < TOO_LITTLE_FREE:
            self.close()
            self._not_before = time.monotonic() + AGAIN_AFTER_S
        elif self._child is None and free > LEAST_FREE and time.monotonic() > self._not_before:
            try:
                self._child = process.start_spare(self._settings, with_keras=free > LEAST_FREE_WITH_KERAS)
            except OSError as error:
                logger.warning("no spare worker could be started: %s", error)
                self._not_before = time.monotonic() + AGAIN_AFTER_S

    def take(self, run_id: str, token: int, resource: str, threads: int | None) -> subprocess.Popen[bytes] | None:
        """Hand a run over to the waiting worker; None if there is none."""
        child, self._child = self._child, None
        if child is None or child.poll() is not None:
            return None
        try:
            process.hand_over(child, run_id, token, resource, threads, self._settings)
        except OSError:  # it died this moment
            return None
        return child

    def close(self) -> None:
        """End a waiting worker: it sees the end of its input."""
        if self._child is not None and self._child.stdin is not None:
            self._child.stdin.close()
            self._child = None
