"""The commands that train: `train`, `resume`."""

from __future__ import annotations

import argparse

from core.cli import checks
from core.cli import input as cli_input
from core.cli.group import Command, Result
from core.cli.work import outcome, print_lines, say, work_on
from core.runs import outlook as plan
from core.runs import proposing
from core.runs.scheduler import resume_run
from core.settings import Settings
from core.spec import run as specs
from core.spec.names import run_name
from core.store.store import Store


def add(command: Command) -> None:
    """Give the command line these commands."""
    train = command("train", _train, "Train from a spec, and wait for the result.")
    train.add_argument("spec", metavar="SPEC.yaml", help="a spec as the New run page writes it; - reads standard input")
    train.add_argument("--set", action="append", default=[], metavar="a.b=VALUE", help="change one field of the spec")
    train.add_argument("--name", help="what to call the run")
    resume = command("resume", _resume, "Go on with a run that ended early, from its last checkpoint, and wait.")
    resume.add_argument("run", metavar="RUN", help="the id of the run")
    for sub in (train, resume):
        sub.add_argument("--detach", action="store_true", help="return once the run has started, or is in the queue")


def _train(options: argparse.Namespace, store: Store, settings: Settings) -> Result:
    given, changes = cli_input.read_spec(options.spec, settings), specs.parse_assignments(options.set)
    spec = specs.replace(given, changes)
    names_model = "name" in given.model.model_fields_set or "model.name" in changes
    if not names_model and spec.data.source != "sample":
        spec = _with_model(spec, settings)
    prepared = checks.check_training(spec, store, settings)
    hints = plan.advice(spec, prepared=prepared)
    if prepared is not None and (unread := plan.unread(spec, prepared, settings)) is not None:
        hints.append(unread)
    for hint in hints:
        say(f"{hint.field}: {hint.message}")
    run_id = store.submit("train", options.name or run_name(spec), spec.model_dump(mode="json"))
    say(f"Run {run_id} is queued.")
    result, status = _trained(run_id, options, store, settings)
    return result | {"hints": [vars(hint) for hint in hints]}, status


def _with_model(spec: specs.RunSpec, settings: Settings) -> specs.RunSpec:
    """The spec with the proposed model, as it names none. A line says which, and why."""
    choice = proposing.choose_model(spec, checks.opened(spec.data, settings), settings)
    if choice is None:
        say(
            "The spec names no model, none on this machine suits these texts, and the Hub cannot be asked: a small new "
            "BERT (scratch) learns from your rows alone, and gets less right. Give model.name to choose one."
        )
        return spec
    name = choice.entry.name
    say(f"The spec names no model, so {name} is chosen. {choice.reason} Give model.name to choose another.")
    return specs.replace(spec, {"model.name": name})


def _resume(options: argparse.Namespace, store: Store, settings: Settings) -> Result:
    step = resume_run(store, settings, options.run)
    say(f"Run {options.run} goes on after step {step:,}." if step else f"Run {options.run} begins again.")
    return _trained(options.run, options, store, settings)


def _trained(run_id: str, options: argparse.Namespace, store: Store, settings: Settings) -> Result:
    result, status = work_on(run_id, options.detach, store, settings)
    if not options.json and (lines := outcome(store.run(run_id), settings)):
        print_lines("\n".join(lines))
    return result, status
