"""Queue, capacity, stop and failure, with real processes."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import psutil
import pytest

from core.errors import RunNotFound, StaleWrite, WrongStatus
from core.runs import kinds, process
from core.runs.causes import cause_of_death
from core.runs.scheduler import Scheduler, _Watch, free_resource, remove_run
from core.runs.worker import explain
from core.settings import Settings
from core.store.lease import Lease, acquire_lease, lease_holder
from core.store.store import Store
from tests.scheduling import counting
from tests.scheduling.conftest import Dashboard, wait_for


def test_runs_train_one_at_a_time_in_order(store: Store, start_dashboard: Callable[[], Dashboard]) -> None:
    start_dashboard()
    ids = [store.submit("train", f"run {i}", {"steps": 5, "pause": 0.02}) for i in range(3)]
    runs = [wait_for(store, run_id, lambda r: r.is_final) for run_id in ids]
    assert [run.status for run in runs] == ["finished"] * 3
    for earlier, later in pairwise(runs):
        assert earlier.ended is not None and later.started is not None and earlier.ended <= later.started


def test_graceful_stop_ends_after_the_step_and_keeps_the_result(
    store: Store, start_dashboard: Callable[[], Dashboard]
) -> None:
    start_dashboard()
    run_id = store.submit("train", "long", {"steps": 100_000})
    wait_for(store, run_id, lambda r: r.step > 3)
    assert store.stop(run_id).status == "stopping"
    run = wait_for(store, run_id, lambda r: r.is_final)
    assert run.status == "stopped" and run.error is None and run.summary["steps"] > 3


def test_stop_that_is_not_heard_becomes_terminate(store: Store, start_dashboard: Callable[[], Dashboard]) -> None:
    start_dashboard()
    run_id = store.submit("train", "deaf", {"steps": 1, "fault": "deaf"})
    running = wait_for(store, run_id, lambda r: r.status == "running")
    store.stop(run_id)
    run = wait_for(store, run_id, lambda r: r.is_final)
    assert run.status == "stopped" and "no model" in (run.error or "")
    assert running.process is not None and process.is_dead(running.process)


def test_a_queued_run_stops_at_once_and_never_starts(store: Store, start_dashboard: Callable[[], Dashboard]) -> None:
    run_id = store.submit("train", "waits", {"steps": 1})
    assert store.stop(run_id).status == "stopped"
    start_dashboard()
    other = store.submit("train", "other", {"steps": 1})
    wait_for(store, other, lambda r: r.is_final)
    assert store.run(run_id).attempt == 0


def test_an_unforeseen_error_is_a_sentence_with_the_trace_behind_it(
    store: Store, start_dashboard: Callable[[], Dashboard]
) -> None:
    start_dashboard()
    run_id = store.submit("train", "bad", {"steps": 2, "fault": "raise"})
    run = wait_for(store, run_id, lambda r: r.is_final)
    assert run.status == "failed"
    assert "the data is bad" in (run.error or "") and "\n" not in (run.error or "")
    assert "Traceback" in (run.detail or "") or "ValueError" in (run.detail or "")


def test_a_worker_that_never_comes_up_is_put_back(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scheduler died between claiming a run and starting its worker."""
    lease = acquire_lease(store, process.identity(), 0.0, lambda holder: True)
    run_id = store.submit("train", "orphan", {"steps": 2})
    assert lease is not None
    old = lease.claim(run_id, "cpu")
    monkeypatch.setattr("core.runs.scheduler.COME_UP_S", 0.2)
    monkeypatch.setattr(process, "WORKER", counting.MODULE)
    scheduler = Scheduler(store, settings, poll_s=0.05)
    scheduler.start()
    try:
        run = wait_for(store, run_id, lambda r: r.is_final)
    finally:
        scheduler.close()
    assert (run.status, run.attempt) == ("finished", 2) and run.token != old
    assert lease_holder(store) is None, "a closed scheduler gives its lease back"


def test_what_a_worker_started_dies_with_it(store: Store, start_dashboard: Callable[[], Dashboard]) -> None:
    start_dashboard()
    run_id = store.submit("train", "parent", {"steps": 100_000, "fault": "child"})
    run = wait_for(store, run_id, lambda r: r.step > 3)
    (pid,) = [int(m.value) for m in store.metrics_since(run_id) if m.name == "child"]
    child = process.identity(pid)
    assert run.process is not None and not process.is_dead(child)
    psutil.Process(run.process.pid).kill()
    assert wait_for(store, run_id, lambda r: r.is_final).status == "lost"
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=10)
    assert process.is_dead(child)


def test_a_stranger_with_the_same_pid_is_left_alone() -> None:
    me = process.identity()
    stranger = type(me)(me.host, me.boot, me.pid, me.started - 1000)
    process.signal_group(stranger, force=True)
    assert process.is_dead(stranger) and not process.is_dead(me)


def test_delete_refuses_a_working_run_and_takes_the_files_of_an_ended_one(
    store: Store, settings: Settings, start_dashboard: Callable[[], Dashboard]
) -> None:
    start_dashboard()
    run_id = store.submit("train", "long", {"steps": 100_000})
    wait_for(store, run_id, lambda r: r.step > 1)
    with pytest.raises(WrongStatus, match="stop it"):
        remove_run(store, settings, run_id)
    store.stop(run_id)
    wait_for(store, run_id, lambda r: r.is_final)
    time.sleep(0.2)
    remove_run(store, settings, run_id)
    assert not settings.run_dir(run_id).exists()
    with pytest.raises(RunNotFound):
        store.run(run_id)


@pytest.mark.parametrize(
    ("code", "log", "word"),
    [
        (-signal.SIGKILL if os.name == "posix" else 1, "", "memory" if os.name == "posix" else "exit code"),
        (1, "OSError: [Errno 28] No space left on device", "disk is full"),
        (1, "ModuleNotFoundError: No module named 'torch'", "make setup"),
        (1, "torch.OutOfMemoryError: CUDA out of memory", "batch size"),
        (None, "", "nobody saw"),
        (-35 if os.name == "posix" else 35, "", "35"),
        (1, "the final state: The disk that holds store is full; free some space", "disk is full"),
        (3, "", "exit code 3"),
    ],
)
def test_causes_are_plain_words(code: int | None, log: str, word: str) -> None:
    assert word in cause_of_death(code, log, "train").text


@pytest.mark.skipif(os.name != "posix", reason="there are no signals")
def test_a_kill_is_not_put_down_to_memory_alone() -> None:
    cause = cause_of_death(-signal.SIGKILL, "", "train", memory_gb=3.24).text
    assert "killed from outside (signal 9)" in cause and "3.2 GB" in cause
    assert "GB" not in cause_of_death(-signal.SIGKILL, "", "train").text


@pytest.mark.parametrize("kind", kinds.KINDS)
@pytest.mark.parametrize(("code", "log"), [(-9, ""), (None, ""), (1, "MemoryError")])
def test_advice_fits_the_kind_of_work(kind: str, code: int | None, log: str) -> None:
    """Only training has a batch size to halve."""
    cause = cause_of_death(code, log, kind).text
    assert ("batch size" in cause) == (kind == "train" and not (process.WINDOWS and code == -9))
    if not (process.WINDOWS and code == -9):
        assert "memory" in cause.lower() and "start again" in cause
    for error in (MemoryError(), OSError(30, "Read-only file system"), ImportError("no torch")):
        assert "did not foresee" not in (explained := explain(error, kind).text)
        assert ("batch size" in explained) == (kind == "train" and isinstance(error, MemoryError))


def test_a_store_that_was_moved_away_takes_no_model_with_it(store: Store, settings: Settings) -> None:
    """The files of runs that this store does not know are somebody's; only what a delete has marked is swept."""
    kept, leftover = settings.run_dir("abcd1234ef") / "model", settings.home / "runs" / ".deleted-0123456789"
    for folder in (kept, leftover):
        folder.mkdir(parents=True)
        os.utime(folder.parent, (0, 0))
        os.utime(folder, (0, 0))
    scheduler = Scheduler(store, settings)
    scheduler.tick()
    scheduler.close()
    assert kept.is_dir() and not leftover.exists()


def test_a_scheduler_that_lost_its_lease_kills_nobody(
    store: Store, settings: Settings, start_dashboard: Callable[[], Dashboard]
) -> None:
    """It holds an old look at a run whose worker seems silent; the fence comes before the kill."""
    start_dashboard()
    run_id = store.submit("train", "healthy", {"steps": 200, "pause": 0.02})
    run = wait_for(store, run_id, lambda r: r.step > 3)
    stale = Scheduler(store, settings)
    stale._lease = Lease(store, 1_000_000)
    watch = _Watch(run.beats, time.monotonic() - 1000)
    assert run.process is not None
    with pytest.raises(StaleWrite):
        stale._check_beat(run, run.process, watch, time.monotonic())
    with pytest.raises(StaleWrite):
        stale._bury(run, watch, -9)
    assert wait_for(store, run_id, lambda r: r.is_final).status == "finished"


def test_a_stop_pressed_while_the_worker_comes_up_is_not_lost(store: Store) -> None:
    lease = acquire_lease(store, process.identity(), 10.0, process.is_dead)
    run_id = store.submit("train", "x", {})
    assert lease is not None
    token = lease.claim(run_id, "cpu")
    assert token is not None
    store.stop(run_id)
    lease.requeue(run_id, token)
    assert store.run(run_id).status == "stopping"
    assert store.begin(run_id, token, process.identity()).status == "stopping"


def test_a_clock_that_is_set_does_not_make_strangers_of_processes() -> None:
    if sys.platform != "linux":
        pytest.skip("elsewhere a process's start is a time of day")
    booted = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert 0 < process.identity().started < booted < 10**8, "seconds since boot, which no clock change moves"


def test_the_operators_choice_of_gpus_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert process.worker_environment("gpu:1")["CUDA_VISIBLE_DEVICES"] == "5"
    assert process.worker_environment("cpu")["CUDA_VISIBLE_DEVICES"] == ""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert process.worker_environment("gpu:1")["CUDA_VISIBLE_DEVICES"] == "1"


def test_a_demo_gives_memory_back(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_"):
        monkeypatch.delenv(name, raising=False)
    demo = process.worker_environment("cpu", None, replace(settings, mode="demo"))
    own = process.worker_environment("cpu", None, settings)
    assert "MALLOC_MMAP_MAX_" not in demo and demo["MALLOC_MMAP_THRESHOLD_"] == "131072"
    assert "MALLOC_MMAP_THRESHOLD_" not in own and own["MALLOC_MMAP_MAX_"] == "0"


def test_threads_that_wait_leave_the_core_to_others_unless_the_operator_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    assert process.worker_environment("cpu")["GOMP_SPINCOUNT"] == "1000"
    monkeypatch.setenv("GOMP_SPINCOUNT", "infinity")
    assert process.worker_environment("cpu")["GOMP_SPINCOUNT"] == "infinity"


def test_what_asks_a_model_takes_a_gpu_that_is_free_and_waits_for_none(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = {kind: store.run(store.submit(kind, kind, {})) for kind in ("evaluate", "predict", "profile", "train")}
    monkeypatch.setattr(process, "gpus", lambda: ("one",))
    assert free_resource(run["evaluate"], []) == free_resource(run["predict"], ["light"]) == "gpu:0"
    assert free_resource(run["evaluate"], ["gpu:0"]) == free_resource(run["profile"], []) == "light"
    assert free_resource(run["train"], ["gpu:0"]) is None, "a training waits for its GPU"
    monkeypatch.setattr(process, "gpus", lambda: ())
    assert free_resource(run["evaluate"], []) == "light" and free_resource(run["train"], []) == "cpu"
