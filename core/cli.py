"""The command line: the same runs, store, scheduler and workers as the pages.

Messages for people go to standard error. With `--json` the last line of standard output is one JSON object.
Exit status: 0 done, 1 the run failed, 2 bad input, with a message that names the value, the rule and the fix.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any

from core import cli_sharing, plan
from core import spec as specs
from core.engines import support
from core.errors import RunNotFound, SpecError, TunedeckError, WrongStatus
from core.evaluation.specs import EvaluateSpec, PredictSpec
from core.files import finite
from core.naming import run_name
from core.results import read_evaluation, read_report
from core.run_view import RunView
from core.scheduler import Scheduler, free_resource, remove_run, resume_run
from core.settings import Settings, allowed_path, from_environment, home_warning
from core.sharing.hub.push_spec import PushSpec
from core.sharing.report.document import visible_lines
from core.store import ACTIVE, Run, Store
from core.wording import duration, evaluation_lines, profile_lines, report_lines

POLL_S = 0.5


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    try:
        settings = from_environment()
        if warning := home_warning(settings.home):
            _say(warning)
        result, status = options.command(options, Store(settings.store_path), settings)
    except SpecError as error:
        result, status = {"error": str(error), "problems": [vars(p) for p in error.problems]}, 2
        _say(str(error))
    except TunedeckError as error:
        result, status = {"error": str(error)}, 2
        _say(str(error))
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
    cli_sharing.add(command, lambda run_id, store, settings: _work_on(run_id, False, store, settings), _say)
    for name in ("train", "resume"):
        commands.choices[name].add_argument(
            "--detach", action="store_true", help="return once the run has started, or is in the queue"
        )
    return parser


def _train(options: argparse.Namespace, store: Store, settings: Settings) -> tuple[dict[str, Any], int]:
    spec = specs.replace(_read_spec(options.spec, settings), specs.parse_assignments(options.set))
    if problems := support.problems(spec, None):
        raise SpecError(problems)
    for hint in plan.advice(spec):
        _say(f"{hint.field}: {hint.message}")
    run_id = store.submit("train", options.name or run_name(spec), spec.model_dump(mode="json"))
    _say(f"Run {run_id} is queued.")
    return _trained(run_id, options, store, settings)


def _resume(options: argparse.Namespace, store: Store, settings: Settings) -> tuple[dict[str, Any], int]:
    step = resume_run(store, settings, options.run)
    _say(f"Run {options.run} goes on after step {step:,}.")
    return _trained(options.run, options, store, settings)


def _trained(run_id: str, options: argparse.Namespace, store: Store, settings: Settings) -> tuple[dict[str, Any], int]:
    result, status = _work_on(run_id, options.detach, store, settings)
    if not options.json and (lines := _outcome(store.run(run_id), settings)):
        _print("\n".join(lines))
    return result, status


def _work_on(run_id: str, detach: bool, store: Store, settings: Settings) -> tuple[dict[str, Any], int]:
    scheduler = Scheduler(store, settings)
    scheduler.start()
    try:
        return _detach(run_id, store, scheduler) if detach else _follow(run_id, store, settings)
    finally:
        scheduler.close()


def _read_spec(path: str, settings: Settings) -> specs.RunSpec:
    if path == "-":
        return specs.from_yaml(sys.stdin.read(specs.MAX_SPEC_CHARACTERS + 1))
    file = allowed_path(settings, path)
    try:
        with file.open(encoding="utf-8-sig") as stream:
            return specs.from_yaml(stream.read(specs.MAX_SPEC_CHARACTERS + 1))
    except FileNotFoundError:
        raise TunedeckError(f"There is no file {path!r}; give the path of a YAML spec.") from None
    except (OSError, UnicodeDecodeError) as error:
        why = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise TunedeckError(f"{path!r} cannot be read as a spec: {why}.") from None


def _detach(run_id: str, store: Store, scheduler: Scheduler) -> tuple[dict[str, Any], int]:
    """Wait until the run works, or until somebody else is known to start it when its turn comes."""
    while True:
        run = store.run(run_id)
        held = [other.resource for other in store.runs(statuses=ACTIVE) if other.id != run_id]
        waits = run.status == "queued" and free_resource(run, held) is None
        if run.process is not None or run.is_final or waits:
            break
        time.sleep(POLL_S)
    if waits and (scheduler.leads or store.lease_holder() is None):
        _say("Another run has the device. This one starts when a dashboard is open, or with the next `train`.")
    return _result(run, None), 1 if run.status in ("failed", "lost") else 0


def _follow(run_id: str, store: Store, settings: Settings) -> tuple[dict[str, Any], int]:
    """Print what the run says until it ends. Ctrl-C stops it gracefully; a second one leaves it to work on."""
    interrupts = 0

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        nonlocal interrupts
        interrupts += 1
        if interrupts > 1:
            raise KeyboardInterrupt

    previous = signal.signal(signal.SIGINT, interrupt)
    view, seen, shown = RunView(run_id), 0, ""
    try:
        while True:
            run = view.update(store, settings)
            for event in view.events[seen:]:
                if event.kind == "message":
                    _say(("Warning: " if event.payload["level"] == "warning" else "") + event.payload["text"])
            seen = len(view.events)
            if (line := _progress_line(run, view)) != shown:
                _say(line)
                shown = line
            if run.is_final:
                break
            if interrupts == 1 and run.stop_requested is None:
                _say("Stopping after the current step; Ctrl-C again leaves the run to work on without this command.")
                with suppress(WrongStatus):  # it ended in this moment
                    store.stop(run_id)
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        _say(f"Run {run_id} works on; `python -m core show {run_id}` tells how it is doing.")
        return _result(store.run(run_id), settings), 1
    finally:
        signal.signal(signal.SIGINT, previous)
    if run.error:
        _say(run.error)
    return _result(run, settings), 0 if run.status in ("finished", "stopped") else 1


def _progress_line(run: Run, view: RunView) -> str:
    line = f"{run.status}: {run.phase}" if not run.is_final else run.status
    if run.total and not run.is_final:
        tenth = math.floor(10 * run.step / run.total)  # a line per tenth, not per step
        line += f", {tenth * 10} % of {run.total} steps"
    if (value := view.last("eval_loss")) is not None:
        line += f", evaluation loss {value:.4f}"
    return line


def _evaluate(options: argparse.Namespace, store: Store, settings: Settings) -> tuple[dict[str, Any], int]:
    subject = _subject(options.model, store)
    data = None
    if options.data:
        data = _data(options.data, options.config, options.text, options.label)
    tree = {"model": subject, "data": data, "split": options.split, "max_examples": options.examples}
    spec: EvaluateSpec = specs.build(tree, EvaluateSpec)
    run_id = store.submit("evaluate", f"Evaluating {options.model}", spec.model_dump(mode="json"))
    result, status = _work_on(run_id, False, store, settings)
    if status == 0 and not options.json:
        _print("\n".join(_outcome(store.run(run_id), settings)))
    return result | {"folder": str(settings.run_dir(run_id))}, status


def _predict(options: argparse.Namespace, store: Store, settings: Settings) -> tuple[dict[str, Any], int]:
    out = Path(options.out).expanduser()
    form = out.suffix.lower().removeprefix(".")
    data = _data(options.data, options.config, options.text, None)
    tree = {"model": _subject(options.model, store), "data": data, "split": options.split, "form": form}
    if form not in ("csv", "parquet"):
        raise TunedeckError(f"{options.out!r} is neither a .csv nor a .parquet file; give --out one of these endings")
    if not out.parent.is_dir():
        raise TunedeckError(f"there is no folder {str(out.parent)!r} to write {out.name} to; make it first")
    spec: PredictSpec = specs.build(tree, PredictSpec)
    run_id = store.submit("predict", f"Predicting {options.data}", spec.model_dump(mode="json"))
    result, status = _work_on(run_id, False, store, settings)
    summary = store.run(run_id).summary
    if status == 0 and summary:
        shutil.copyfile(settings.run_dir(run_id) / summary["file"], out)
        _say(f"{summary['rows']:,} rows are in {out}.")
    return result | {"out": str(out), **summary}, status


def _push(options: argparse.Namespace, store: Store, settings: Settings) -> tuple[dict[str, Any], int]:
    trained = store.run(options.run)
    tree = {
        "run": trained.id, "attempt": trained.attempt, "what": "dataset" if options.dataset else "model",
        "repo_id": options.to, "private": not options.public, "branch": options.branch, "message": options.message,
        "update": options.update, "card": _read_card(options.card, settings), "splits": options.split,
        "licence": options.licence, "language": options.language, "with_texts": options.may_publish_texts,
        "final_tests": options.final_tests,
    }  # fmt: skip
    spec: PushSpec = specs.build(tree, PushSpec)
    if store.lease_holder() is not None:
        _say("The dashboard that is open does the upload, with the Hub token that it has.")
    run_id = store.submit("push", f"Pushing {trained.name} to {spec.repo_id}", spec.model_dump(mode="json"))
    result, status = _work_on(run_id, False, store, settings)
    summary = store.run(run_id).summary
    if summary.get("commit"):
        _say(f"{summary['url']} has it ({'private' if summary['private'] else 'public'}).")
    return result | {"push": summary}, status


def _read_card(path: str | None, settings: Settings) -> str:
    if path is None:
        return ""
    try:
        return allowed_path(settings, path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise TunedeckError(f"{path!r} cannot be read as a card: {why}; give a Markdown file") from None


def _subject(model: str, store: Store) -> dict[str, Any]:
    """What a person means by a model: the id of a run if there is one, else a folder or a Hub id."""
    try:
        run = store.run(model)
        return {"run": run.id, "attempt": run.attempt}
    except RunNotFound:
        return {"name": model}


def _data(path: str, config: str | None, texts: list[str], label: str | None) -> dict[str, Any]:
    """What a person means by a dataset: the sample, a file or folder that is there, else a Hub id."""
    source = "sample" if path == "sample" else "file" if Path(path).expanduser().exists() else "hub"
    return {
        "source": source, "path": "" if source == "sample" else path, "config": config, "text_columns": texts,
        "label_column": label,
    }  # fmt: skip


def _profile(options: argparse.Namespace, store: Store, settings: Settings) -> tuple[dict[str, Any], int]:
    from core.data.profile import profile_of

    data = _data(options.data, options.config, options.text, options.label)
    spec = specs.build({"data": data, "model": {"name": options.model}, "exact": options.exact}, specs.ProfileSpec)
    shown = ""

    def progress(text: str, share: float | None) -> None:
        nonlocal shown
        if text != shown:
            shown = text
            _say(text)

    made = profile_of(spec, settings, progress)
    if not options.json:
        _print("\n".join(profile_lines(made)))
    return made, 0


def _runs(options: argparse.Namespace, store: Store, settings: Settings) -> tuple[dict[str, Any], int]:
    runs = store.runs(kind="train")
    if not options.json:
        for run in runs:
            value = run.summary.get("value")
            score = f"{run.summary['main_metric']} {value:.4f}" if value is not None else ""
            when = datetime.fromtimestamp(run.created).strftime("%Y-%m-%d %H:%M")
            _print(f"{run.id}  {run.status:<9} {when}  {score:<18} {run.name}")
        if not runs:
            _say("No runs yet. `python -m core train SPEC.yaml` makes one.")
    return {"runs": [_result(run, settings) for run in runs]}, 0


def _show(options: argparse.Namespace, store: Store, settings: Settings) -> tuple[dict[str, Any], int]:
    run = store.run(options.run)
    if not options.json:
        did = f", step {run.step:,} of {run.total:,}" if run.total else ""
        lines = [f"{run.name} ({run.kind} {run.id}): {run.status}{did}, {duration(run.seconds)}"]
        lines += [run.error] if run.error else []
        _print("\n".join([*lines, *_outcome(run, settings)]))
    return _result(run, settings), 0


def _outcome(run: Run, settings: Settings) -> list[str]:
    """What came of a run that has ended, for a terminal."""
    if not run.is_final:
        return []  # a report would be that of an earlier attempt
    folder, model = settings.run_dir(run.id), _result(run, settings)["model"]
    report = read_report(folder)
    lines = report_lines(report) if report else []
    lines += evaluation_lines(read_evaluation(folder) or {})
    return [*lines, f"The model is in {model}"] if model else lines


def _stop(options: argparse.Namespace, store: Store, settings: Settings) -> tuple[dict[str, Any], int]:
    run = store.stop(options.run)
    _say(f"Run {run.id} is {run.status}.")
    return _result(run, settings), 0


def _delete(options: argparse.Namespace, store: Store, settings: Settings) -> tuple[dict[str, Any], int]:
    remove_run(store, settings, options.run)
    _say(f"Run {options.run} is deleted.")
    return {"run": options.run, "deleted": True}, 0


def _result(run: Run, settings: Settings | None) -> dict[str, Any]:
    model = settings.run_dir(run.id) / "model" if settings else None
    return {
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


def _say(text: str) -> None:
    print(visible_lines(text), file=sys.stderr, flush=True)


def _print(text: str) -> None:
    """Names, labels and texts are anybody's: what would steer a terminal is left out."""
    print(visible_lines(text))
