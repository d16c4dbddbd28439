"""One watcher's view of a run. Each `update` fetches only what is new, so every tick costs the same."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import pandas as pd

from core.settings import Settings
from core.store.record import Event, Run
from core.store.store import Store

LOG_LINES = 2_000
LOG_BYTES_PER_TICK = 512 * 1024


@dataclass
class RunView:
    """A run's record, metrics, events and the tail of its log, as of the last `update`.

    points: metric name -> step -> (epoch, time, value); a repeated step replaces the earlier one
    log: the last lines, oldest first
    """

    run_id: str
    run: Run | None = None
    points: dict[str, dict[int, tuple[float | None, float, float]]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    log: deque[str] = field(default_factory=lambda: deque(maxlen=LOG_LINES))
    _metric_cursor: int = 0
    _event_cursor: int = 0
    _log_offset: int = 0
    _half_line: bytes = b""

    def update(self, store: Store, settings: Settings) -> Run:
        """Fetch what is new. Raises RunNotFound."""
        run = store.run(self.run_id)  # first: once its state is final, all its metrics and events are in the store
        if self.run is not None and run.attempt != self.run.attempt:  # a resumed run repeats some steps
            self.points, self._metric_cursor = {}, 0
        self.run = run
        while metrics := store.metrics_since(self.run_id, self._metric_cursor):
            for metric in metrics:
                self.points.setdefault(metric.name, {})[metric.step] = (metric.epoch, metric.time, metric.value)
            self._metric_cursor = metrics[-1].id
        while events := store.events_since(self.run_id, self._event_cursor):
            self.events.extend(events)
            self._event_cursor = events[-1].id
        self._read_log(settings)
        return run

    def _read_log(self, settings: Settings) -> None:
        path = settings.run_dir(self.run_id) / "worker.log"
        try:
            size = path.stat().st_size
            self._log_offset = max(self._log_offset, size - LOG_BYTES_PER_TICK)
            with path.open("rb") as log:
                log.seek(self._log_offset)
                new = log.read(LOG_BYTES_PER_TICK)
        except OSError:
            return
        self._log_offset += len(new)
        *lines, self._half_line = (self._half_line + new).split(b"\n")
        # A progress bar redraws its line with carriage returns: only its last text counts.
        self.log.extend(line.rstrip(b"\r").rpartition(b"\r")[2].decode("utf-8", errors="replace") for line in lines)

    @property
    def version(self) -> int:
        """A number that grows whenever a metric arrives."""
        return self._metric_cursor

    def series(self, name: str) -> pd.DataFrame:
        """One metric by step: columns step, epoch, time, value; empty if it was never reported."""
        rows = sorted((step, *point) for step, point in self.points.get(name, {}).items())
        return pd.DataFrame(rows, columns=["step", "epoch", "time", "value"])

    def last(self, name: str) -> float | None:
        points = self.points.get(name)
        return points[max(points)][2] if points else None

    @property
    def seconds_left(self) -> float | None:
        """The remaining training time at the pace of the last steps; None while it cannot be estimated."""
        run = self.run
        if run is None or run.is_final or not run.total or run.step >= run.total:
            return None
        losses = self.series("loss")
        if len(losses) < 2:
            return None
        recent = losses.tail(20)
        steps = recent["step"].iloc[-1] - recent["step"].iloc[0]
        seconds = recent["time"].iloc[-1] - recent["time"].iloc[0]
        return float(seconds / steps * (run.total - run.step)) if steps > 0 else None
