"""What the commands do with a run: have it worked on, tell how it goes, and what came of it."""

from __future__ import annotations

import math
import signal
import sys
import time
from contextlib import suppress
from types import FrameType
from typing import Any

from core.cli.group import Result
from core.cli.lines import comparison_lines, evaluation_lines, profile_lines, report_lines
from core.errors import StoreTrouble, TunedeckError, WrongStatus
from core.evaluation.results import read_comparison, read_evaluation, read_report
from core.runs import process
from core.runs.scheduler import Scheduler, free_resource
from core.settings import Settings
from core.sharing.report.document import visible_lines
from core.spec import run as specs
from core.store.lease import lease_holder
from core.store.record import ACTIVE, Run
from core.store.store import Store
from core.store.watching import RunView
from core.wording import counted

POLL_S, TROUBLE_S = 0.5, 20.0


def work_on(run_id: str, detach: bool, store: Store, settings: Settings) -> Result:
    """Have a queued run done, or only started: what `--json` prints, and the exit status."""
    scheduler = Scheduler(store, settings)
    scheduler.start()
    try:
        return _detach(run_id, store, scheduler) if detach else _follow(run_id, store, settings, scheduler)
    finally:
        scheduler.close()


def _detach(run_id: str, store: Store, scheduler: Scheduler) -> Result:
    """Wait until the run works, or until somebody else is known to start it when its turn comes."""
    patience = Patience(scheduler)
    while True:
        run = store.run(run_id)
        patience.look(run)
        held = [other.resource for other in store.runs(statuses=ACTIVE) if other.id != run_id]
        waits = run.status == "queued" and free_resource(run, held) is None
        if run.process is not None or run.is_final or waits:
            break
        time.sleep(POLL_S)
    if waits and (scheduler.leads or lease_holder(store) is None):
        say("Another run has the device. This one starts when a dashboard is open, or with the next `train`.")
    return result_of(run, settings=None), 1 if run.status in ("failed", "lost") else 0


def _follow(run_id: str, store: Store, settings: Settings, scheduler: Scheduler) -> Result:
    """Print the run's messages until it ends. Ctrl-C stops it gracefully; a second one leaves it to work on."""
    view, printed, patience = RunView(run_id), Printed(), Patience(scheduler)
    try:
        with Interrupts() as interrupts:
            while True:
                try:
                    run = view.update(store, settings)
                    patience.look(run)
                except StoreTrouble as error:
                    patience.fail(error)
                    time.sleep(POLL_S)
                    continue
                printed.update(run, view)
                if run.is_final:
                    break
                if interrupts.count and run.stop_requested is None:
                    say("Stopping after the current step; Ctrl-C again leaves the run to work on without this command.")
                    with suppress(WrongStatus, StoreTrouble):  # it ended in this moment
                        store.stop(run_id)
                time.sleep(POLL_S)
    except KeyboardInterrupt:
        say(f"Run {run_id} works on; `python -m core show {run_id}` tells how it is doing.")
        return result_of(store.run(run_id), settings, view), 1
    if run.error:
        say(run.error)
    return result_of(run, settings, view), 0 if run.status in ("finished", "stopped") else 1


class Interrupts:
    """Counts the first Ctrl-C within a `with` block; the second one raises KeyboardInterrupt."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> Interrupts:
        self._previous = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._previous)

    def _interrupt(self, _signal: int, _frame: FrameType | None) -> None:
        self.count += 1
        if self.count > 1:
            raise KeyboardInterrupt


class Printed:
    """What was printed of a run so far, so that each message and each state of its progress is printed once."""

    def __init__(self) -> None:
        self._events, self._line = 0, ""

    def update(self, run: Run, view: RunView) -> None:
        """Print what is new."""
        for event in view.events[self._events :]:
            if event.kind == "message":
                text = event.payload["text"]
                say(f"Warning: {text}" if event.payload["level"] == "warning" else text)
        self._events = len(view.events)
        if (line := _progress_line(run, view)) != self._line:
            say(line)
            self._line = line


class Patience:
    """How long a command waits while the store is in trouble: nobody can tell then how its run is doing."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler, self._since = scheduler, math.inf

    def look(self, run: Run) -> None:
        """The store can be read. Raises StoreTrouble once nothing more will be written of the run."""
        trouble = self._scheduler.trouble
        if not trouble or run.is_final:
            self._since = math.inf
        else:
            self.fail(StoreTrouble(trouble), ended=run.process is None or process.is_dead(run.process))

    def fail(self, error: StoreTrouble, *, ended: bool = True) -> None:
        """The store is in trouble. Raises it once that has lasted, unless the run's process works on."""
        now = time.monotonic()
        if self._since == math.inf:
            self._since = now
            say(str(error))
        if ended and now - self._since > TROUBLE_S:
            raise error


def _progress_line(run: Run, view: RunView) -> str:
    line = f"{run.status}: {run.phase}" if not run.is_final else run.status
    if run.total and not run.is_final:
        tenth = math.floor(10 * run.step / run.total)  # a line per tenth, not per step
        line += f", {tenth * 10} % of {counted(run.total, 'step')}"
    if (value := view.last("eval_loss")) is not None:
        line += f", evaluation loss {value:.4f}"
    return line


def outcome(run: Run, settings: Settings) -> list[str]:
    """What came of a run that has ended, for a terminal."""
    if not run.is_final:
        return []  # a report would be that of an earlier attempt
    folder, model = settings.run_dir(run.id), result_of(run, settings)["model"]
    report = read_report(folder)
    lines = report_lines(report) if report else []
    if (evaluation := read_evaluation(folder)) is not None:
        lines += evaluation_lines(evaluation)
    if (comparison := read_comparison(folder)) is not None:
        lines += comparison_lines(comparison)
    if run.kind == "profile":
        lines += _profile_of(run, settings)
    return [*lines, f"The model is in {model}"] if model else lines


def _profile_of(run: Run, settings: Settings) -> list[str]:
    """The figures of a profile, which are kept with its dataset."""
    from core.data.inspecting.profile import kept_profile

    try:
        profile = kept_profile(specs.build(run.spec, specs.ProfileSpec), settings)
    except TunedeckError as error:
        return [f"The profile cannot be shown: {error}"]
    return profile_lines(profile) if profile else ["The profile is gone: its dataset was deleted or has changed."]


def result_of(run: Run, settings: Settings | None, view: RunView | None = None) -> dict[str, Any]:
    """A run for `--json`. view: what was seen of it, for its notes and advice"""
    model = settings.run_dir(run.id) / "model" if settings else None
    result = {
        "run": run.id,
        "name": run.name,
        "status": run.status,
        "metrics": run.summary.get("metrics", {}),
        "model": str(model) if model is not None and model.is_dir() else None,
        "step": run.step,
        "total": run.total,
        "seconds": run.seconds,
        "error": run.error,
    }
    if view is None or settings is None:
        return result
    report = read_report(settings.run_dir(run.id)) if run.is_final else None  # else it is that of an earlier attempt
    return result | {
        "notes": [_note(event.payload) for event in view.events if event.kind == "message"],
        "advice": [tip.text for tip in report.advice] if report else [],
    }


def _note(payload: dict[str, Any]) -> dict[str, Any]:
    """A message of a run, in the shape of a profile's notes."""
    words = {name: payload[name] for name in ("text", "level")}
    return words | {"id": payload.get("code", ""), "arguments": payload.get("arguments", {})}


def say(text: str) -> None:
    """A sentence for people, on standard error."""
    print(visible_lines(text), file=sys.stderr, flush=True)


def print_lines(text: str) -> None:
    """Names, labels and texts are anybody's: what would steer a terminal is left out."""
    print(visible_lines(text))
