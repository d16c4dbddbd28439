"""The commands that ask a model: `evaluate`, `predict`, exactly or fast."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from core.cli import checks
from core.cli import input as cli_input
from core.cli.group import Command, Result
from core.cli.work import outcome, print_lines, say, work_on
from core.errors import TunedeckError
from core.evaluation.fast import kept, words
from core.evaluation.results import read_evaluation
from core.evaluation.specs import EvaluateSpec, PredictSpec
from core.settings import Settings
from core.spec import run as specs
from core.store.store import Store
from core.store.summaries import Certified, Predicted
from core.wording import counted


def add(command: Command) -> None:
    """Give the command line these commands."""
    _add_evaluate(command)
    _add_predict(command)


def _add_evaluate(command: Command) -> None:
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
    _add_fast(evaluate)
    evaluate.add_argument("--examples", type=int, help="judge on so many examples, drawn at random")


def _add_predict(command: Command) -> None:
    predict = command("predict", _predict, "Predict what a model says of a file's texts, and wait for the result.")
    predict.add_argument("model", metavar="MODEL", help="the id of a run, a model folder, or a Hub id")
    predict.add_argument("data", metavar="FILE", help="a file, a folder, a Hub id, or sample")
    predict.add_argument("--out", required=True, metavar="OUT", help="the file to write: .csv or .parquet")
    predict.add_argument("--split", default="", help="the split; all of them if not given")
    predict.add_argument("--config", help="the Hub dataset's configuration")
    predict.add_argument("--text", action="append", default=[], metavar="COLUMN", help="a text column")
    _add_fast(predict)


def _add_fast(command: argparse.ArgumentParser) -> None:
    fast = command.add_mutually_exclusive_group()
    fast.add_argument(
        "--fast",
        action="store_const",
        const="fast",
        dest="answers",
        default="exact",
        help="answer with 8-bit weights if that is shown to lose at most half a point, which is measured first",
    )
    fast.add_argument(
        "--fast-unproven",
        action="store_const",
        const="fast_unproven",
        dest="answers",
        help="the same, also where too few examples could show it",
    )


def _evaluate(options: argparse.Namespace, store: Store, settings: Settings) -> Result:
    data = None
    if options.data:
        data = cli_input.dataset(options.data, options.config, options.text, options.label)
    subject = cli_input.subject(options.model, store, settings)
    tree = {
        "model": subject,
        "data": data,
        "split": options.split,
        "max_examples": options.examples,
        "answers": options.answers,
    }
    spec: EvaluateSpec = specs.build(tree, EvaluateSpec)
    checks.check_evaluation(spec, store, settings)
    if (unmeasured := _certified(spec, store, settings)) is not None:
        return unmeasured
    run_id = store.submit("evaluate", f"Evaluating {options.model}", spec.model_dump(mode="json"))
    result, status = work_on(run_id, False, store, settings)
    if status == 0 and not options.json:
        print_lines("\n".join(outcome(store.run(run_id), settings)))
    evaluation = read_evaluation(settings.run_dir(run_id))
    columns = {
        "split": evaluation.split if evaluation else None,
        "text_columns": evaluation.text_columns if evaluation else None,
        "label_column": evaluation.label_column if evaluation else None,
    }
    return result | columns | {"folder": str(settings.run_dir(run_id))}, status


def _predict(options: argparse.Namespace, store: Store, settings: Settings) -> Result:
    out = Path(options.out).expanduser()
    form = out.suffix.lower().removeprefix(".")
    if form not in ("csv", "parquet"):
        raise TunedeckError.of(
            "output-ending",
            "{out!r} is neither a .csv nor a .parquet file; give --out one of these endings",
            out=options.out,
        )
    data = cli_input.dataset(options.data, options.config, options.text, None)
    subject = cli_input.subject(options.model, store, settings)
    tree = {"model": subject, "data": data, "split": options.split, "form": form, "answers": options.answers}
    spec: PredictSpec = specs.build(tree, PredictSpec)
    checks.check_prediction(spec, out, store, settings)
    if (unmeasured := _certified(spec, store, settings)) is not None:
        return unmeasured
    run_id = store.submit("predict", f"Predicting {options.data}", spec.model_dump(mode="json"))
    result, status = work_on(run_id, False, store, settings)
    kept_summary = store.run(run_id).summary
    summary = Predicted.of(kept_summary)
    if status == 0 and summary.rows is not None:
        _copy(settings.run_dir(run_id) / summary.file, out)
        rows, empty = summary.rows, summary.empty or 0
        say(
            f"{rows - empty:,} of {counted(rows, 'row')} have a prediction, the others have no text: {out}"
            if empty
            else f"{counted(rows, 'row')} with predictions: {out}"
        )
    return result | {"out": str(out), **kept_summary}, status


def _certified(spec: EvaluateSpec | PredictSpec, store: Store, settings: Settings) -> Result | None:
    """Say what fast answers cost, measured now where it was not before; what to return if that ended early, else None.

    Raises ModelError where the model may not answer in this way.
    """
    if spec.answers == "exact":
        return None
    kept.check_packages()
    title = store.run(spec.model.run).name if spec.model.run else spec.model.name
    measured = kept.find(spec.model, settings, store)
    if measured is None:
        asked = kept.measuring(spec.model, title, store)
        run_id = store.submit(kept.KIND, f"Measuring fast answers of {title}", asked.model_dump(mode="json"))
        result, status = work_on(run_id, False, store, settings)
        certificate = Certified.of(store.run(run_id).summary).certificate
        if status or certificate is None:
            return result, status or 1
    else:
        certificate = measured[1]
    for line in (words.measured(certificate), words.permission(certificate), words.faster(certificate)):
        say(line)
    kept.check(certificate, spec.answers, title)
    return None


def _copy(source: Path, out: Path) -> None:
    try:
        shutil.copyfile(source, out)
    except OSError as error:
        raise TunedeckError.of(
            "output-write-failed",
            "{out!r} cannot be written ({reason}); the predictions are kept in {source}",
            out=str(out),
            reason=error.strerror,
            source=source,
        ) from None
