"""Workers and dashboards killed, frozen and thawed in the middle of a run.

Each case draws its moment from a seed and prints seed, moment, and the states before and after (`pytest -rP` shows).
After each: the state is right, nothing committed is lost, no stale write lands, the next run starts and finishes.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable

import psutil
import pytest

from core.runs import process
from core.store.lease import acquire_lease, lease_holder
from core.store.record import ProcessId, Run
from core.store.store import Store
from tests.scheduling.conftest import Dashboard, wait_for

pytestmark = pytest.mark.skipif(process.WINDOWS, reason="freezing is by signal")
SEEDS = range(3)


@pytest.fixture(params=SEEDS)
def moment(request: pytest.FixtureRequest) -> tuple[int, int]:
    """A seed and the step at which to strike."""
    return request.param, random.Random(request.param).randint(3, 40)


def losses(store: Store, run_id: str) -> dict[int, float]:
    return {m.step: m.value for m in store.metrics_since(run_id) if m.name == "loss"}


def strike(store: Store, steps: int, at: int) -> tuple[Run, dict[int, float]]:
    """Start a run and wait for the moment; the run and what it had committed by then."""
    run_id = store.submit("train", "struck", {"steps": steps, "pause": 0.02})
    run = wait_for(store, run_id, lambda r: r.step >= at)
    return run, losses(store, run_id)


def worker_of(run: Run) -> ProcessId:
    assert run.process is not None
    return run.process


def tell(moment: tuple[int, int], before: Run, after: Run) -> None:
    print(
        f"seed {moment[0]}, struck at step >= {moment[1]}: {before.status} at step {before.step} -> {after.status}"
        f" at step {after.step}: {after.error}"
    )


def assert_next_run_works(store: Store) -> None:
    next_id = store.submit("train", "next", {"steps": 3})
    assert wait_for(store, next_id, lambda r: r.is_final).status == "finished"
    assert len(losses(store, next_id)) == 3


def test_killed_worker_is_lost_with_a_cause(
    store: Store, start_dashboard: Callable[[], Dashboard], moment: tuple[int, int]
) -> None:
    start_dashboard()
    before, committed = strike(store, 10_000, moment[1])
    os.kill(worker_of(before).pid, signal.SIGKILL)
    after = wait_for(store, before.id, lambda r: r.is_final)
    tell(moment, before, after)
    error, reported = after.error or "", store.last_value(before.id, "memory_gb")
    assert after.status == "lost" and "killed from outside (signal 9)" in error
    assert (" GB " in error) == (reported is not None)
    assert committed.items() <= losses(store, before.id).items()
    assert_next_run_works(store)


def test_frozen_worker_is_given_up_and_writes_nothing_when_thawed(
    store: Store, start_dashboard: Callable[[], Dashboard], moment: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The verdict comes without the kill here (as if it were on another machine), so that the thawed worker can try."""
    start_dashboard()
    before, committed = strike(store, 10_000, moment[1])
    worker = psutil.Process(worker_of(before).pid)
    worker.suspend()
    frozen = store.run(before.id)
    lease = acquire_lease(store, process.identity(), 0.5, lambda holder: True)
    assert lease is not None and lease.give_up(before.id, before.token, "lost", "frozen")
    written = losses(store, before.id)
    worker.resume()
    worker.wait(timeout=20)
    after = store.run(before.id)
    tell(moment, before, after)
    assert (after.status, after.error, after.beats) == ("lost", "frozen", frozen.beats)
    assert losses(store, before.id) == written and committed.items() <= written.items()
    assert_next_run_works(store)


def test_frozen_worker_is_noticed_and_killed(
    store: Store, start_dashboard: Callable[[], Dashboard], moment: tuple[int, int]
) -> None:
    start_dashboard()
    before, committed = strike(store, 10_000, moment[1])
    psutil.Process(worker_of(before).pid).suspend()
    after = wait_for(store, before.id, lambda r: r.is_final)
    tell(moment, before, after)
    assert after.status == "lost" and "no sign of life" in (after.error or "")
    assert committed.items() <= losses(store, before.id).items()
    assert_next_run_works(store)
    assert process.is_dead(worker_of(before))


def test_killed_dashboard_leaves_its_worker_which_the_next_one_adopts(
    store: Store, start_dashboard: Callable[[], Dashboard], moment: tuple[int, int]
) -> None:
    first = start_dashboard()
    before, _ = strike(store, 150, moment[1])
    first.kill()
    first.wait()
    later = wait_for(store, before.id, lambda r: r.step > before.step + 3)
    assert later.status == "running", "the run needs no dashboard"
    start_dashboard()
    after = wait_for(store, before.id, lambda r: r.is_final)
    tell(moment, before, after)
    assert (after.status, after.pid, after.attempt) == ("finished", before.pid, 1)
    assert sorted(losses(store, before.id)) == list(range(1, 151))
    assert_next_run_works(store)


def test_dashboard_and_worker_killed_together(
    store: Store, start_dashboard: Callable[[], Dashboard], moment: tuple[int, int]
) -> None:
    first = start_dashboard()
    before, committed = strike(store, 10_000, moment[1])
    first.kill()
    os.kill(worker_of(before).pid, signal.SIGKILL)
    first.wait()
    assert store.run(before.id).status == "running", "nobody is there to say otherwise"
    start_dashboard()
    after = wait_for(store, before.id, lambda r: r.is_final)
    tell(moment, before, after)
    assert after.status == "lost" and "nobody saw it end" in (after.error or "")
    assert committed.items() <= losses(store, before.id).items()
    assert_next_run_works(store)


def test_frozen_dashboard_loses_its_lease_and_stands_by_when_thawed(
    store: Store, start_dashboard: Callable[[], Dashboard], moment: tuple[int, int]
) -> None:
    first = start_dashboard()
    before, _ = strike(store, 400, moment[1])
    psutil.Process(first.pid).suspend()
    second = start_dashboard()
    queued = store.submit("train", "waits", {"steps": 3})
    wait_for_holder(store, second.pid)
    psutil.Process(first.pid).resume()
    after = wait_for(store, before.id, lambda r: r.is_final)
    tell(moment, before, after)
    assert (after.status, after.attempt) == ("finished", 1)
    waited = wait_for(store, queued, lambda r: r.is_final)
    assert (waited.status, waited.attempt) == ("finished", 1), "two dashboards start a run once"
    assert_next_run_works(store)


def wait_for_holder(store: Store, pid: int) -> None:
    end = time.monotonic() + 20
    while (holder := lease_holder(store)) is None or holder.pid != pid:
        assert time.monotonic() < end, f"the lease stayed with {holder}"
        time.sleep(0.05)
