"""The command line: the same runs, store, scheduler and workers as the pages.

Messages for people go to standard error. With `--json` the last line of standard output is one JSON object.
Exit status: 0 done, 1 the run failed, 2 bad input, with a message that names the value, the rule and the fix.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from core.cli import input as cli_input
from core.cli import sharing as cli_sharing
from core.cli.work import outcome, print_lines, result_of, say, work_on
from core.errors import HubError, SpecError, TunedeckError
from core.evaluation.results import read_evaluation
from core.evaluation.specs import EvaluateSpec, PredictSpec
from core.files import finite
from core.runs import outlook as plan
from core.runs.scheduler import remove_run, resume_run
from core.settings import Settings, from_environment, home_warning
from core.sharing.hub.push_spec import PushSpec
from core.spec import run as specs
from core.spec.names import run_name
from core.store.lease import lease_holder
from core.store.store import Store
from core.store.watching import RunView
from core.wording import counted, duration, profile_lines


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    try:
        settings = from_environment()
        if warning := home_warning(settings.home):
            say(warning)
        result, status = options.command(options, Store(settings.store_path), settings)
    except SpecError as error:
        result, status = {"error": str(error), "problems": [vars(p) for p in error.problems]}, 2
        say(str(error))
    except TunedeckError as error:
        result, status = {"error": str(error)}, 2
        say(str(error))
    if options.json:
        print(json.dumps(finite(result), ensure_ascii=False), flush=True)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m core", description="Fine-tune transformers without a browser.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: Any, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.add_argument("--json", action="store_true", help="print one JSON object as the last line")
        sub.set_defaults(command=function)
        return sub

    train = command("train", _train, "Train from a spec, and wait for the result.")
    train.add_argument("spec", metavar="SPEC.yaml", help="a spec as the New run page writes it; - reads standard input")
    train.add_argument("--set", action="append", default=[], metavar="a.b=VALUE", help="change one field of the spec")
    train.add_argument("--name", help="what to call the run")
    command("runs", _runs, "List the runs, newest first.")
    for name, function, text in (
        ("show", _show, "Show one run."),
        ("stop", _stop, "Stop a run after its current step; its model is kept."),
        (
            "resume",
            _resume,
            "Go on with a run that ended early, from its last checkpoint, and wait.",
        ),
        ("delete", _delete, "Delete a run that has ended, with its model and files."),
    ):
        command(name, function, text).add_argument("run", metavar="RUN", help="the id of the run")
    evaluate = command("evaluate", _evaluate, "Judge a model on a split, and wait for the result.")
    evaluate.add_argument("model", metavar="MODEL", help="the id of a run, a model folder, or a Hub id")
    evaluate.add_argument(
        "--split",
        default="",
        help="the split; if not given that the run was evaluated on, of --data its only, test or validation split",
    )
    evaluate.add_argument("--data", help="another dataset: a file, a folder, a Hub id, or sample")
    evaluate.add_argument("--config", help="the Hub dataset's configuration")
    evaluate.add_argument("--text", action="append", default=[], metavar="COLUMN", help="a text column of --data")
    evaluate.add_argument("--label", metavar="COLUMN", help="the label column of --data")
    evaluate.add_argument("--examples", type=int, help="judge on so many examples, drawn at random")
    predict = command("predict", _predict, "Predict the classes of a file's texts, and wait for the result.")
    predict.add_argument("model", metavar="MODEL", help="the id of a run, a model folder, or a Hub id")
    predict.add_argument("data", metavar="FILE", help="a file, a folder, a Hub id, or sample")
    predict.add_argument("--out", required=True, metavar="OUT", help="the file to write: .csv or .parquet")
    predict.add_argument("--split", default="", help="the split; all of them if not given")
    predict.add_argument("--config", help="the Hub dataset's configuration")
    predict.add_argument("--text", action="append", default=[], metavar="COLUMN", help="a text column")
    profile = command("profile", _profile, "Tell what is in a dataset.")
    profile.add_argument("data", metavar="DATA", help="a file, a folder with train and test files, a Hub id, or sample")
    profile.add_argument("--config", help="the Hub dataset's configuration")
    profile.add_argument(
        "--text", action="append", default=[], metavar="COLUMN", help="a text column; guessed if not given"
    )
    profile.add_argument("--label", metavar="COLUMN", help="the label column; guessed if not given")
    profile.add_argument("--model", default="scratch", metavar="NAME", help="whose tokens to count")
    profile.add_argument("--exact", action="store_true", help="count the tokens of all rows, not of a sample")
    push = command("push", _push, "Push a run's model, or its dataset, to the Hugging Face Hub; private unless asked.")
    push.add_argument("run", metavar="RUN", help="the id of the run")
    push.add_argument("--to", required=True, metavar="OWNER/NAME", help="the repository; made if it is not there")
    push.add_argument("--public", action="store_true", help="let everybody see it")
    push.add_argument("--dataset", action="store_true", help="push the run's dataset instead of its model")
    push.add_argument("--may-publish-texts", action="store_true", help="confirm that the dataset's texts may go out")
    push.add_argument("--final-tests", action="store_true", help="with --split: final tests may go out too")
    push.add_argument("--split", action="append", default=[], metavar="SPLIT", help="a split of the dataset to push")
    push.add_argument("--licence", default="", help="the dataset's licence as the Hub calls it, such as cc-by-4.0")
    push.add_argument("--language", default="", help="the dataset's language, such as en")
    push.add_argument("--update", action="store_true", help="replace what a repository of this name holds")
    push.add_argument("--branch", help="the branch of the repository; main if not given")
    push.add_argument("--message", default="", help="one line for the repository's history")
    push.add_argument("--card", metavar="README.md", help="the file with the card's text")
    cli_sharing.add(command, lambda run_id, store, settings: work_on(run_id, False, store, settings), say)
    for name in ("train", "resume"):
        commands.choices[name].add_argument(
            "--detach", action="store_true", help="return once the run has started, or is in the queue"
        )
    return parser


def _train(options: argparse.Namespace, store: Store, settings: Settings) -> tuple[dict[str, Any], int]:
    spec = specs.replace(cli_input.read_spec(options.spec, settings), specs.parse_assignments(options.set))
    prepared = cli_input.check_training(spec, store, settings)
    hints = plan.advice(spec, prepared=prepared)
    if prepared is not None and (unread := plan.unread(spec, prepared, settings)) is not None:
        hints.append(unread)
    for hint in hints:
        say(f"{hint.field}: {hint.message}")
    run_id = store.submit("train", options.name or run_name(spec), spec.model_dump(mode="json"))
    say(f"Run {run_id} is queued.")
    result, status = _trained(run_id, options, store, settings)
    return result | {"hints": [vars(hint) for hint in hints]}, status


def _resume(options: argparse.Namespace, store: Store, settings: Settings) -> tuple[dict[str, Any], int]:
    step = resume_run(store, settings, options.run)
    say(f"Run {options.run} goes on after step {step:,}." if step else f"Run {options.run} begins again.")
    return _trained(options.run, options, store, settings)


def _trained(run_id: str, options: argparse.Namespace, store: Store, settings: Settings) -> tuple[dict[str, Any], int]:
    result, status = work_on(run_id, options.detach, store, settings)
    if not options.json and (lines := outcome(store.run(run_id), settings)):
        print_lines("\n".join(lines))
    return result, status


def _evaluate(options: argparse.Namespace, store: Store, settings: Settings) -> tuple[dict[str, Any], int]:
    data = None
    if options.data:
        data = cli_input.dataset(options.data, options.config, options.text, options.label)
    subject = cli_input.subject(options.model, store, settings)
    tree = {"model": subject, "data": data, "split": options.split, "max_examples": options.examples}
    spec: EvaluateSpec = specs.build(tree, EvaluateSpec)
    cli_input.check_evaluation(spec, store, settings)
    run_id = store.submit("evaluate", f"Evaluating {options.model}", spec.model_dump(mode="json"))
    result, status = work_on(run_id, False, store, settings)
    if status == 0 and not options.json:
        print_lines("\n".join(outcome(store.run(run_id), settings)))
    evaluation = read_evaluation(settings.run_dir(run_id))
    read = {name: getattr(evaluation, name, None) for name in ("split", "text_columns", "label_column")}
    return result | read | {"folder": str(settings.run_dir(run_id))}, status


def _predict(options: argparse.Namespace, store: Store, settings: Settings) -> tuple[dict[str, Any], int]:
    out = Path(options.out).expanduser()
    form = out.suffix.lower().removeprefix(".")
    if form not in ("csv", "parquet"):
        raise TunedeckError(f"{options.out!r} is neither a .csv nor a .parquet file; give --out one of these endings")
    data = cli_input.dataset(options.data, options.config, options.text, None)
    subject = cli_input.subject(options.model, store, settings)
    spec: PredictSpec = specs.build({"model": subject, "data": data, "split": options.split, "form": form}, PredictSpec)
    cli_input.check_prediction(spec, out, store, settings)
    run_id = store.submit("predict", f"Predicting {options.data}", spec.model_dump(mode="json"))
    result, status = work_on(run_id, False, store, settings)
    summary = store.run(run_id).summary
    if status == 0 and summary:
        _copy(settings.run_dir(run_id) / summary["file"], out)
        say(f"{counted(summary['rows'], 'row')} with predictions: {out}")
    return result | {"out": str(out), **summary}, status


def _copy(source: Path, out: Path) -> None:
    try:
        shutil.copyfile(source, out)
    except OSError as error:
        raise TunedeckError(
            f"{str(out)!r} cannot be written ({error.strerror}); the predictions are kept in {source}"
        ) from None


def _push(options: argparse.Namespace, store: Store, settings: Settings) -> tuple[dict[str, Any], int]:
    trained = store.run(options.run)
    tree = {
        "run": trained.id, "attempt": trained.attempt, "what": "dataset" if options.dataset else "model",
        "repo_id": options.to, "private": not options.public, "branch": options.branch, "message": options.message,
        "update": options.update, "card": cli_input.read_card(options.card, settings), "splits": options.split,
        "licence": options.licence, "language": options.language, "with_texts": options.may_publish_texts,
        "final_tests": options.final_tests,
    }  # fmt: skip
    spec: PushSpec = specs.build(tree, PushSpec)
    if lease_holder(store) is not None:
        say("The dashboard that is open does the upload, with the Hub token that it has.")
    run_id = store.submit("push", f"Pushing {trained.name} to {spec.repo_id}", spec.model_dump(mode="json"))
    result, status = work_on(run_id, False, store, settings)
    summary = store.run(run_id).summary
    if summary.get("commit"):
        say(f"{summary['url']} has it ({'private' if summary['private'] else 'public'}).")
    return result | {"push": summary}, status


def _profile(options: argparse.Namespace, store: Store, settings: Settings) -> tuple[dict[str, Any], int]:
    from core.data.inspecting.profile import profile_of

    data = cli_input.dataset(options.data, options.config, options.text, options.label)
    spec = specs.build({"data": data, "model": {"name": options.model}, "exact": options.exact}, specs.ProfileSpec)
    try:
        made = profile_of(spec, settings, cli_input.progress())
    except HubError as error:
        if data["source"] == "hub":
            raise HubError(cli_input.with_path(error, options.data)) from None
        raise
    if not options.json:
        print_lines("\n".join(profile_lines(made)))
    return made, 0


def _runs(options: argparse.Namespace, store: Store, settings: Settings) -> tuple[dict[str, Any], int]:
    runs = store.runs(kind="train")
    if not options.json:
        for run in runs:
            value = run.summary.get("value")
            score = f"{run.summary['main_metric']} {value:.4f}" if value is not None else ""
            when = datetime.fromtimestamp(run.created).strftime("%Y-%m-%d %H:%M")
            print_lines(f"{run.id}  {run.status:<9} {when}  {score:<18} {run.name}")
        if not runs:
            say("No runs yet. `python -m core train SPEC.yaml` makes one.")
    return {"runs": [result_of(run, settings) for run in runs]}, 0


def _show(options: argparse.Namespace, store: Store, settings: Settings) -> tuple[dict[str, Any], int]:
    run = store.run(options.run)
    if not options.json:
        did = f", step {run.step:,} of {run.total:,}" if run.total else ""
        lines = [f"{run.name} ({run.kind} {run.id}): {run.status}{did}, {duration(run.seconds)}"]
        lines += [run.error] if run.error else []
        print_lines("\n".join([*lines, *outcome(run, settings)]))
    view = RunView(run.id)
    view.update(store, settings)
    return result_of(run, settings, view), 0


def _stop(options: argparse.Namespace, store: Store, settings: Settings) -> tuple[dict[str, Any], int]:
    run = store.stop(options.run)
    say(f"Run {run.id} is {run.status}.")
    return result_of(run, settings), 0


def _delete(options: argparse.Namespace, store: Store, settings: Settings) -> tuple[dict[str, Any], int]:
    remove_run(store, settings, options.run)
    say(f"Run {options.run} is deleted.")
    return {"run": options.run, "deleted": True}, 0
