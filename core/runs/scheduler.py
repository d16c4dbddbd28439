"""The background thread that owns the life of every run: queue, start, heartbeat, stop, crash.

Any number of dashboards and command lines may run one over the same home; the lease decides which of them acts. The
others stand by, and take over when the holder dies or its lease runs out.
"""

from __future__ import annotations

import logging
import math
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psutil

from core.errors import StaleWrite, StoreError, StoreTrouble, WrongStatus
from core.messages import Message
from core.person import OPERATOR, VISITOR
from core.runs import checkpoints, leftovers, process
from core.runs.causes import cause_of_death
from core.runs.kinds import KINDS
from core.runs.spare import Spare
from core.settings import Settings
from core.store.lease import Lease, acquire_lease
from core.store.record import ACTIVE, FINAL, RESUMABLE, ProcessId, Run
from core.store.store import Store
from core.store.trouble import Faults
from core.wording import duration

LEASE_S = 10.0
POLL_S = 0.5
COME_UP_S = 30.0
TERMINATE_S = 10.0
CLEAR_EVERY_S = 60.0

logger = logging.getLogger(__name__)


@dataclass
class _Watch:
    """What this scheduler saw of one attempt; times are monotonic, so a laptop that slept is not a hung worker."""

    beats: int
    changed: float
    stop_seen: float | None = None
    terminated: float | None = None
    killed: float | None = None


class Scheduler:
    """One per process. `start` makes the thread, `close` ends it and leaves the workers to work on."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        *,
        poll_s: float = POLL_S,
        lease_s: float = LEASE_S,
        keep_spare: bool = False,
        make_room: Callable[[], None] | None = None,
    ) -> None:
        """keep_spare: whether a worker waits ready; for processes that live long
        make_room: called before a worker is started in a demo, which has memory for one thing at a time
        """
        self._store, self._settings = store, settings
        self._spare = Spare(settings) if keep_spare and settings.spare_worker else None
        self._make_room = make_room
        self._cleared = 0.0
        self._poll_s, self._lease_s = poll_s, lease_s
        self._me = process.identity()
        self._lease: Lease | None = None
        self._renewed = 0.0
        self._looked = time.monotonic()
        self._faults = Faults(logger)
        self._run_faults: dict[str, Faults] = {}
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        self._watches: dict[int, _Watch] = {}
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="tunedeck-scheduler", daemon=True)

    @property
    def leads(self) -> bool:
        """Whether this process holds the lease, as far as it knows."""
        return self._lease is not None

    @property
    def trouble(self) -> str:
        """What keeps it from looking after runs now, in a sentence; empty if nothing does."""
        return self._faults.text

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Look at once, not at the next tick."""
        self._wake.set()

    def close(self) -> None:
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=self._lease_s)
        if self._spare is not None:
            self._spare.close()
        if self._lease is not None:
            with suppress(StoreTrouble):  # it runs out by itself
                self._lease.release()
            self._lease = None

    def _loop(self) -> None:
        while not self._closing.is_set():
            try:
                self.tick()
                self._faults.end()
            except StaleWrite:
                self._lease = None  # somebody took over while this process was frozen
            except Exception as error:
                self._faults.begin(error)
            self._wake.wait(self._poll_s)
            self._wake.clear()

    def tick(self) -> None:
        """One look at everything: keep the lease, look after working runs, start queued ones."""
        self._excuse_own_absence()
        if not self._hold_lease():
            return
        working = self._store.runs(statuses=ACTIVE)
        for run in working:
            faults = self._run_faults.setdefault(run.id, Faults(logger))
            try:
                self._look_after(run)
                faults.end()
            except (StaleWrite, StoreTrouble):
                raise
            except Exception as error:  # the others are looked after
                faults.begin(error)
        self._run_faults = {run.id: self._run_faults[run.id] for run in working}
        self._forget({run.token for run in working})
        self._start_queued()
        self._clear_demo()
        if self._spare is not None and not any(_computes(r.kind) for r in self._store.runs(statuses=ACTIVE)):
            self._spare.keep()

    def _excuse_own_absence(self) -> None:
        """While this scheduler was frozen or asleep it did not look: no worker was silent then, and no stop overdue."""
        now = time.monotonic()
        if now - self._looked > 10 * self._poll_s + 5:
            for watch in self._watches.values():
                watch.changed = now
                watch.stop_seen = now if watch.stop_seen is not None else None
        self._looked = now

    def _hold_lease(self) -> bool:
        now = time.monotonic()
        if self._lease is not None:
            if now - self._renewed > self._lease_s / 4:
                self._lease.renew(self._lease_s)
                self._renewed = now
            return True
        self._lease = acquire_lease(self._store, self._me, self._lease_s, process.is_dead)
        if self._lease is None:
            return False
        self._renewed = now
        leftovers.sweep(self._settings.home)
        return True

    # Working runs

    def _look_after(self, run: Run) -> None:
        now = time.monotonic()
        watch = self._watches.setdefault(run.token, _Watch(run.beats, now))
        child = self._children.get(run.token)
        exit_code = child.poll() if child else None
        if run.process is None:
            self._await_worker(run, watch, exit_code, now)
        elif exit_code is not None or process.is_dead(run.process):
            self._bury(run, watch, exit_code)
        elif run.status == "stopping":
            self._press(run, run.process, watch, now)
        else:
            self._check_beat(run, run.process, watch, now)
            self._check_time(run)

    def _await_worker(self, run: Run, watch: _Watch, exit_code: int | None, now: float) -> None:
        if exit_code is not None:
            self._bury(run, watch, exit_code)
        elif now - watch.changed > COME_UP_S:
            if run.status == "stopping":
                self._give_up(
                    run,
                    "stopped",
                    Message("Stopped before its worker came up; there is no model.", "stopped-before-worker"),
                )
            else:
                self._held.requeue(run.id, run.token)

    def _bury(self, run: Run, watch: _Watch, exit_code: int | None) -> None:
        if self._store.run(run.id).status in FINAL:
            return  # it committed its own final state a moment ago
        folder = self._settings.run_dir(run.id)
        tail = process.log_tail(folder / "worker.log")
        if watch.terminated is None and run.status != "stopping":
            memory_gb = self._store.last_value(run.id, "memory_gb")
            cause = cause_of_death(exit_code, tail, run.kind, memory_gb)
            ended = self._give_up(run, "lost", cause, tail)
        elif (folder / "model" / "config.json").is_file():
            ended = self._give_up(
                run, "stopped", Message("Stopped before it was judged; its model is kept.", "stopped-before-evaluation")
            )
        else:
            ended = self._give_up(
                run, "stopped", Message("Stopped before it could save; there is no model.", "stopped-before-saving")
            )
        if ended and run.process is not None:
            process.signal_group(run.process, force=True)  # whatever it had started

    def _check_beat(self, run: Run, worker: ProcessId, watch: _Watch, now: float) -> None:
        if run.beats != watch.beats:
            watch.beats, watch.changed = run.beats, now
        elif now - watch.changed > self._settings.hung_after_s:
            tail = process.log_tail(self._settings.run_dir(run.id) / "worker.log")
            cause = Message.of(
                "worker-silent",
                "The worker gave no sign of life for {seconds:.0f} s and was ended. Start it again.",
                seconds=self._settings.hung_after_s,
            )
            if self._give_up(run, "lost", cause, tail):  # first: a scheduler that lost its lease kills nobody
                process.signal_group(worker, force=True)

    def _check_time(self, run: Run) -> None:
        """Have a run stop that has worked for as long as one of its owner may."""
        limit = self._settings.limits.run_s
        limited = self._settings.mode != "local" and run.owner != OPERATOR.id
        if limited and run.status in ("starting", "running") and (run.seconds or 0) > limit:
            text = f"Stopped after {duration(limit)}, the longest that a run may take here; the model so far is kept."
            self._held.time_up(run.id, run.token, Message(text, "time-up", {"seconds": limit}))

    def _clear_demo(self) -> None:
        """Delete what visitors' runs have left, some hours after they ended."""
        if self._settings.mode != "demo" or time.monotonic() - self._cleared < CLEAR_EVERY_S:
            return
        self._cleared = time.monotonic()
        old = time.time() - self._settings.demo.keep_s
        for run in self._store.runs(statuses=FINAL):
            if run.owner.startswith(VISITOR) and (run.ended or run.created) < old:
                try:
                    remove_run(self._store, self._settings, run.id)
                except StoreError as error:
                    logger.warning("%s", error)

    def _press(self, run: Run, worker: ProcessId, watch: _Watch, now: float) -> None:
        """Ask, then tell, then force: a graceful stop that takes too long is ended from outside."""
        watch.stop_seen = watch.stop_seen or now
        worked = (run.heartbeat or 0.0) - (run.started or 0.0)
        step_s = worked / run.step if run.step and worked > 0 else 0.0
        if now - watch.stop_seen < self._settings.stop_grace_s + 2 * step_s:  # the current step may be a long one
            return
        self._held.renew(self._lease_s)  # a scheduler that lost its lease kills nobody
        if watch.terminated is None:
            watch.terminated = now
            process.signal_group(worker, force=False)
        elif now - watch.terminated > TERMINATE_S and watch.killed is None:
            watch.killed = now
            process.signal_group(worker, force=True)
        elif watch.killed is not None and now - watch.killed > TERMINATE_S:
            stuck = "Stopped, but its process does not die; restart the machine to free its memory."
            self._give_up(run, "stopped", Message(stuck, "process-does-not-end"))

    def _give_up(self, run: Run, status: str, error: str | Message, detail: str = "") -> bool:
        return self._held.give_up(run.id, run.token, status, error, detail)

    def _forget(self, tokens: set[int]) -> None:
        for token in [t for t in self._watches if t not in tokens]:
            del self._watches[token]
        for token in [t for t, child in self._children.items() if t not in tokens and child.poll() is not None]:
            del self._children[token]

    # Queued runs

    def _start_queued(self) -> None:
        queued = self._store.runs(statuses=("queued",))
        if not queued:
            return
        held = [run.resource for run in self._store.runs(statuses=ACTIVE)]
        for run in reversed(queued):  # oldest first
            if self._settings.mode == "demo" and held:
                return  # one at a time, the oldest first
            resource = free_resource(run, held)
            if resource is None:
                continue
            held.append(resource)
            self._start(run, resource)

    def _start(self, run: Run, resource: str) -> None:
        token = self._held.claim(run.id, resource)
        if token is None:
            return
        threads = run.spec.get("execution", {}).get("threads")
        if self._settings.mode == "demo" and self._make_room is not None:
            self._make_room()
        try:
            waiting = (
                self._spare.take(run.id, token, resource, threads) if self._spare and _computes(run.kind) else None
            )
            child = waiting or process.start_worker(run.id, token, resource, threads, self._settings)
        except OSError as error:
            reason = error.strerror or "unknown error"
            self._held.give_up(
                run.id,
                token,
                "failed",
                Message.of("worker-not-started", "The worker could not be started: {reason}.", reason=reason),
            )
            return
        self._children[token] = child
        try:
            self._held.record_process(run.id, token, process.identity(child.pid))
        except (StaleWrite, psutil.NoSuchProcess):
            pass  # it was quicker than we are, or another scheduler has it

    @property
    def _held(self) -> Lease:
        if self._lease is None:
            raise StaleWrite("scheduler")
        return self._lease


def wants(spec: dict[str, Any], kind: str) -> str:
    """The resource a run needs: `light`, `cpu` or `gpu`."""
    if not _computes(kind):
        return "light"
    device = spec.get("execution", {}).get("device", "auto")
    return "gpu" if device in ("auto", "cuda") and process.gpus() else "cpu"


def _computes(kind: str) -> bool:
    """Whether work of this kind takes a device for itself."""
    return kind in KINDS and KINDS[kind].lane == "device"


def free_resource(run: Run, held: list[str | None]) -> str | None:
    """A free place for a run: one training per GPU, one on the CPU, light work by cores.

    What asks a model about many texts takes a GPU that nobody uses, but never waits for one.
    """
    kind = KINDS.get(run.kind)
    free = [f"gpu:{i}" for i in range(len(process.gpus())) if f"gpu:{i}" not in held]
    match wants(run.spec, run.kind):
        case "light" if kind is not None and kind.asks_model and free:
            return free[0]
        case "light":
            return "light" if held.count("light") < max(2, math.ceil((os.cpu_count() or 1) / 2)) else None
        case "cpu":
            return "cpu" if "cpu" not in held else None
        case _:
            return free[0] if free else None


def resume_point(run: Run, settings: Settings) -> int | None:
    """The step that a run would go on after, 0 to begin again; None if it cannot: it works, finished, or failed early.

    What was stopped or lost before its first checkpoint begins again; what failed there would fail again.
    """
    if run.kind != "train" or run.status not in RESUMABLE:
        return None
    steps = checkpoints.steps(settings.run_dir(run.id))
    if not steps:
        return None if run.status == "failed" else 0
    return steps[-1]


def resume_run(store: Store, settings: Settings, run_id: str) -> int:
    """Queue a run to go on from its last checkpoint; the step of that, or 0. Raises RunNotFound, WrongStatus."""
    run = store.run(run_id)
    step = resume_point(run, settings)
    if step is None:
        why = "it left no checkpoint" if run.status in RESUMABLE else f"it is {run.status}"
        raise WrongStatus.of(
            "run-not-resumable",
            "Run {run} cannot be resumed: {reason}. Change and run again starts a new one.",
            run=run_id,
            reason=why,
        )
    store.resume(run_id, step)
    return step


def remove_run(store: Store, settings: Settings, run_id: str) -> None:
    """Delete a run with its files. Raises RunNotFound, WrongStatus; StoreError if some files would not go."""
    folder = settings.run_dir(run_id)
    store.delete(run_id)
    if not folder.exists():
        return
    leftover = folder.with_name(f"{leftovers.DELETED}{run_id}")
    try:
        folder.rename(leftover)  # what a crash leaves from here on, the next scheduler removes
    except OSError:  # on Windows, while somebody has a file of it open
        leftover = folder
    shutil.rmtree(leftover, ignore_errors=True)
    if leftover.exists():
        raise StoreError.of(
            "run-files-left",
            "The run is deleted, but some of its files could not be removed; delete {folder} by hand.",
            folder=leftover,
        )
