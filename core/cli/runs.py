"""The commands on recorded runs: `runs`, `show`, `stop`, `delete`."""

from __future__ import annotations

import argparse
from datetime import datetime

from core.cli.group import Command, Result
from core.cli.work import outcome, print_lines, result_of, say
from core.runs.scheduler import remove_run
from core.settings import Settings
from core.store.store import Store
from core.store.summaries import Summary
from core.store.watching import RunView
from core.wording import duration


def add(command: Command) -> None:
    """Give the command line these commands."""
    command("runs", _runs, "List the runs, newest first.")
    for name, function, text in (
        ("show", _show, "Show one run."),
        ("stop", _stop, "Stop a run after its current step; its model is kept."),
        ("delete", _delete, "Delete a run that has ended, with its model and files."),
    ):
        command(name, function, text).add_argument("run", metavar="RUN", help="the id of the run")


def _runs(options: argparse.Namespace, store: Store, settings: Settings) -> Result:
    runs = store.runs(kind="train")
    if not options.json:
        for run in runs:
            summary = Summary.of(run.summary)
            score = f"{summary.main_metric} {summary.value:.4f}" if summary.value is not None else ""
            when = datetime.fromtimestamp(run.created).strftime("%Y-%m-%d %H:%M")
            print_lines(f"{run.id}  {run.status:<9} {when}  {score:<18} {run.name}")
        if not runs:
            say("No runs yet. `python -m core train SPEC.yaml` makes one.")
    return {"runs": [result_of(run, settings) for run in runs]}, 0


def _show(options: argparse.Namespace, store: Store, settings: Settings) -> Result:
    run = store.run(options.run)
    if not options.json:
        did = f", step {run.step:,} of {run.total:,}" if run.total else ""
        lines = [f"{run.name} ({run.kind} {run.id}): {run.status}{did}, {duration(run.seconds)}"]
        lines += [run.error] if run.error else []
        print_lines("\n".join([*lines, *outcome(run, settings)]))
    view = RunView(run.id)
    view.update(store, settings)
    return result_of(run, settings, view), 0


def _stop(options: argparse.Namespace, store: Store, settings: Settings) -> Result:
    run = store.stop(options.run)
    say(f"Run {run.id} is {run.status}.")
    return result_of(run, settings), 0


def _delete(options: argparse.Namespace, store: Store, settings: Settings) -> Result:
    remove_run(store, settings, options.run)
    say(f"Run {options.run} is deleted.")
    return {"run": options.run, "deleted": True}, 0
