"""What a worker writes to the store: progress, metrics and events in batches, a heartbeat with each."""

from __future__ import annotations

import logging
import math
import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from core.errors import StaleWrite, StoreError, StoreTrouble, TunedeckError
from core.events import Level
from core.messages import Argument, Message, as_json, message_of
from core.spec.run import RunSpec
from core.store.record import Progress, Run
from core.store.store import Store
from core.store.trouble import Faults

FLUSH_S = 0.5

USAGE_S = 2.0

SETTLE_WAITS_S = (1.0, 3.0, 6.0)

GIVEN_UP = 70

logger = logging.getLogger("tunedeck")


class Stopped(TunedeckError):
    """A stop was asked for before there was anything to keep."""


class RunWriter:
    """The worker's Reporter: gathers what is said and writes it in batches, a heartbeat with each."""

    def __init__(self, store: Store, run: Run, token: int) -> None:
        self.store, self._run, self._token = store, run, token
        self._lock = threading.Lock()
        self._progress = Progress(Message("Starting", "starting"), 0, 0, None)
        self._changed = True
        self._metrics: list[tuple[str, int, float | None, float, float]] = []
        self._events: list[tuple[float, str, dict[str, Any]]] = []
        self._stop = threading.Event()
        if run.status == "stopping":
            self._stop.set()
        self._closing, self._wake = threading.Event(), threading.Event()
        self._self = psutil.Process()
        self._self.cpu_percent()
        self._usage_at = time.monotonic()
        self._thread = threading.Thread(target=self._loop, name="tunedeck-writer", daemon=True)
        self._thread.start()

    @property
    def step(self) -> int:
        return self._progress.step

    @property
    def stop_requested(self) -> bool:
        return self._stop.is_set()

    def check_stop(self) -> None:
        """Raises Stopped if the run was asked to stop."""
        if self._stop.is_set():
            raise Stopped.of("stopped-before-training", "Stopped before training began; there is no model.")

    def phase(self, text: str | Message) -> None:
        logger.info("%s", text)
        with self._lock:
            self._progress = Progress(text, self._progress.step, self._progress.total, self._progress.epoch)
            self._changed = True

    def fraction(self, text: str | Message, done: float | None = None) -> None:
        """A phase that knows how far it is: `done` of 1."""
        phase = message_of(text)
        if done is not None:
            phase = Message(f"{text} ({done:.0%})", phase.id, {**phase.arguments, "done": done})
        with self._lock:
            self._changed |= str(phase) != str(self._progress.phase)
            self._progress = Progress(phase, self._progress.step, self._progress.total, self._progress.epoch)
        self.check_stop()

    def progress(self, step: int, total: int, epoch: float | None = None) -> None:
        with self._lock:
            first = step > 0 and self._progress.step == 0
            self._progress = Progress(self._progress.phase, step, total, epoch)
            self._changed = True
        if first:
            self._wake.set()  # that it learns is worth telling at once

    def metrics(self, values: dict[str, float], step: int, epoch: float | None = None) -> None:
        now = time.time()
        with self._lock:
            self._metrics.extend((name, step, epoch, now, float(value)) for name, value in values.items())

    def restore(self, log: Sequence[Mapping[str, float | None]]) -> None:
        try:
            measured = self.store.measured(self._run.id)
        except StoreError as error:
            logger.warning("%s Metrics of the earlier attempt may be missing.", error)
            return
        for entry in log:
            step, epoch = int(entry["step"] or 0), entry["epoch"]
            lost = {name for name in entry.keys() - {"step", "epoch"} if (name, step) not in measured}
            values = {name: math.nan if value is None else value for name, value in entry.items()}
            self.metrics({name: values[name] for name in lost}, step, epoch)

    def message(self, text: str, level: Level = "info", code: str = "", **arguments: Argument) -> None:
        logger.info("%s", text)
        self._event("message", {"text": text, "level": level, "code": code, "arguments": as_json(arguments)})

    def checkpoint(self, path: Path, step: int, best: bool) -> None:
        logger.info("Checkpoint at step %d%s", step, " (best so far)" if best else "")
        self._event("checkpoint", {"name": path.name, "step": step, "best": best})

    def settle(self, spec: RunSpec) -> None:
        """Have the run's record say what became of the settings that its spec left open.

        A store that cannot be written now is waited for a while. Raises StaleWrite, StoreTrouble.
        """
        for wait_s in (*SETTLE_WAITS_S, None):
            try:
                self.store.settle(self._run.id, self._token, spec.model_dump(mode="json"))
                return
            except StoreTrouble as trouble:  # a full disk, a busy store
                if wait_s is None:
                    raise
                logger.warning("The chosen settings could not be written: %s", trouble)
                time.sleep(wait_s)

    def end_thread(self) -> None:
        """Stop writing in the background; what is left to write is for `flush`."""
        self._closing.set()
        self._wake.set()
        self._thread.join()

    def _event(self, kind: str, payload: dict[str, Any]) -> None:
        with self._lock:
            self._events.append((time.time(), kind, payload))

    def _loop(self) -> None:
        faults = Faults(logger)
        while not self._closing.is_set():
            self._wake.wait(FLUSH_S)
            self._wake.clear()
            try:
                self._measure_usage()
                self.flush()
                faults.end()
            except StaleWrite:
                os._exit(GIVEN_UP)  # another attempt, or the verdict of the scheduler, has taken this one's place
            except Exception as error:  # what was not written is kept and tried again
                faults.begin(error)

    def flush(self) -> None:
        """Write what was gathered. Raises StaleWrite if the attempt was given up; what else fails keeps it gathered."""
        with self._lock:
            metrics, events = self._metrics, self._events
            progress = self._progress if self._changed else None
            self._metrics, self._events, self._changed = [], [], False
        try:
            status = self.store.write(self._run.id, self._token, progress, metrics, events)
        except StaleWrite:
            raise
        except Exception:
            with self._lock:
                self._metrics, self._events, self._changed = metrics + self._metrics, events + self._events, True
            raise
        if status == "stopping":
            self._stop.set()

    def _measure_usage(self) -> None:
        """CPU in percent of one core, memory in GB, and the GPU's memory in GB if torch uses one."""
        if time.monotonic() - self._usage_at < USAGE_S:
            return
        self._usage_at = time.monotonic()
        usage = {"cpu_percent": self._self.cpu_percent(), "memory_gb": self._self.memory_info().rss / 1e9}
        if (self._run.resource or "").startswith("gpu"):
            cuda = getattr(sys.modules.get("torch"), "cuda", None)  # None while torch is half imported
            if cuda is not None and cuda.is_initialized():
                usage["gpu_memory_gb"] = cuda.memory_reserved() / 1e9
        with self._lock:
            step = self._progress.step
        self.metrics(usage, step)
