"""A worker and a dashboard that are real but light: the work is counting, all else is the product's own code.

`python -m tests.scheduling.counting RUN TOKEN` is the worker, `… dashboard` the dashboard: the same entry
points with torch left out, so that a test can kill and freeze dozens of them.
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from typing import Literal

from core.runs import kinds, process, spare, worker, writer
from core.runs.scheduler import Scheduler
from core.settings import Settings, from_environment
from core.spec.section import Section
from core.store.record import Run
from core.store.store import Store
from core.store.summaries import Summary

MODULE = "tests.scheduling.counting"


class CountSpec(Section):
    """steps: of `pause` seconds each; fault: what goes wrong"""

    steps: int
    pause: float = 0.01
    fault: Literal["child", "raise", "deaf"] | None = None


class Counted(Summary):
    steps: int = 0


def count(spec: CountSpec, run: Run, settings: Settings, report: writer.RunWriter) -> Counted:
    """Steps that report like training does."""
    steps, pause, fault = spec.steps, spec.pause, spec.fault
    report.phase("Training")
    if fault == "child":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        report.metrics({"child": child.pid}, 0)
    for step in range(1, steps + 1):
        if fault == "raise" and step == steps:
            raise ValueError("the data is bad")
        if fault == "deaf":
            while True:  # never looks at stop_requested
                time.sleep(0.1)
        report.metrics({"loss": 1 / step}, step)
        report.progress(step, steps)
        if report.stop_requested:
            return Counted(steps=step)
        time.sleep(pause)
    return Counted(steps=steps)


def dashboard() -> None:
    """What a dashboard's background thread does, until it is killed. Runs its ticks quickly so that tests are quick."""
    settings = from_environment()
    process.WORKER = MODULE
    spare.FIRST_AFTER_S = 0.0
    scheduler = Scheduler(Store(settings.store_path), settings, poll_s=0.05, lease_s=2.0, keep_spare=True)
    scheduler.start()
    print("up", flush=True)
    while True:
        time.sleep(1)


if __name__ == "__main__":
    if sys.argv[1] == "dashboard":
        dashboard()
    else:
        counting = replace(kinds.KINDS["train"], spec=f"{MODULE}:CountSpec", work=f"{MODULE}:count")
        kinds.KINDS["train"] = counting
        worker.READY = ()
        sys.exit(worker.wait_ready([]) if sys.argv[1] == "--spare" else worker.main(sys.argv[1:]))
