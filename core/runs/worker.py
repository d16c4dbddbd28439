"""The worker: one process, one run. `python -m core.runs.worker RUN TOKEN`, or `--spare` to wait for one ready.

Reads top to bottom as the main path of a run: take up the attempt, load, encode, train, evaluate, commit the final
state. Everything it prints lands in the run's worker.log.
"""

from __future__ import annotations

import atexit
import importlib
import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import apsw

from core.errors import SpecError, StaleWrite, StoreError, TunedeckError
from core.files import write_text
from core.machine import physical_cores
from core.runs import kinds, process
from core.runs.causes import cause_of
from core.runs.writer import GIVEN_UP, RunWriter, Stopped, logger
from core.settings import Settings, from_environment
from core.spec import run as spec
from core.store.record import Run
from core.store.store import Store
from core.wording import library_message

COMMIT_TRIES = 5

# What a run imports, some of it late and by name.
READY: tuple[str, ...] = (
    "core.data.loading.load", "core.engines.torch_loop", "core.engines.trainer", "core.evaluation.after_training",
    "core.models.scratch",
    "transformers.models.auto.modeling_auto", "transformers.models.auto.tokenization_auto",
    "transformers.models.bert.modeling_bert", "transformers.tokenization_utils_tokenizers",
)  # fmt: skip


def main(arguments: list[str]) -> int:
    run_id, token = arguments[0], int(arguments[1])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stdout)
    for chatty in ("httpx", "httpx2", "httpcore", "httpcore2", "filelock", "fsspec"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    process.allow_open_files()
    settings = from_environment()
    try:
        store = Store(settings.store_path)
        run = store.begin(run_id, token, process.identity())
    except StoreError as trouble:
        logger.error("%s", trouble)
        return 1
    except StaleWrite:
        logger.info("This attempt was given up before its worker came up.")
        return GIVEN_UP
    settings = settings.on_behalf_of(run.owner)
    report = RunWriter(store, run, token)
    status, error, detail, summary = _work(run, settings, report)
    report.end_thread()
    for attempt in range(COMMIT_TRIES):
        try:
            report.flush()
            store.finish(run_id, token, status, error, detail, summary)
            break
        except StaleWrite:
            return GIVEN_UP
        except (StoreError, apsw.Error) as trouble:  # a full disk, a busy store: the work is done and worth a wait
            logger.warning("The final state could not be written: %s", trouble)
            if attempt == COMMIT_TRIES - 1:
                return 1
            time.sleep(3)
    return 0 if status in ("finished", "stopped") else 1


def wait_ready(arguments: list[str]) -> int:
    """Import what a run needs and wait for one line of JSON that names it; the end of the input ends the wait."""
    warm(with_keras="--keras" in arguments)
    line = sys.stdin.readline()
    if not line:
        return 0
    message = json.loads(line)
    os.environ.update(message["environment"])
    with Path(message["log"]).open("ab") as log:
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)
    return main([message["run"], message["token"]])


def leave(status: int) -> NoReturn:
    """End at once, once what was registered for the end is done (temporary folders go, helper processes end).

    Python would take all modules down first: seconds in which torch and TensorFlow keep their memory for nothing.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # a full disk
            stream.flush()
    os._exit(status)


def warm(*, with_keras: bool) -> None:
    """Imports alone: whatever computes, opens a store or reads data is for the run."""
    for module in (*READY, *(["core.engines.keras_fit"] if with_keras else [])):
        importlib.import_module(module)


def _work(run: Run, settings: Settings, report: RunWriter) -> tuple[str, str, str, dict[str, Any]]:
    """Do what the run is for; its final status, one sentence, the last lines of a failure, and its summary."""
    try:
        summary = KINDS[run.kind](run, settings, report)
        return ("stopped" if report.stop_requested else "finished"), "", "", summary
    except Stopped as stopped:
        return "stopped", str(stopped), "", {}
    except StaleWrite:
        os._exit(GIVEN_UP)
    except TunedeckError as error:
        logger.error("%s", error)
        return "failed", str(error), "", {}
    except BaseException as error:
        trace = traceback.format_exc()
        logger.error("%s", trace)
        return "failed", explain(error, run.kind), "\n".join(trace.splitlines()[-20:]), {}


def explain(error: BaseException, kind: str) -> str:
    """One sentence for an error nobody foresaw, by the kind of work that it ended."""
    return cause_of(error, kind) or (
        f"Something failed that Tunedeck did not foresee ({type(error).__name__}: {library_message(error)}). "
        "The log has the details."
    )


def train(run: Run, settings: Settings, report: RunWriter) -> dict[str, Any]:
    """A training run, from its spec to its model and its report."""
    plan: spec.RunSpec = spec.build(run.spec)
    folder = settings.run_dir(run.id)
    write_text(folder / "spec.yaml", spec.to_yaml(plan))

    report.phase("Loading libraries")
    from core.data.inspecting.language import main_language
    from core.data.loading.load import load
    from core.data.loading.text_ids import ids_of
    from core.evaluation.after_training import evaluate_run
    from core.models import folder as model_folder
    from core.models import loading as model_loading
    from core.models import names as models
    from core.runs import checkpoints, device, environment
    from core.spec import engines as support
    from core.store.files import trained_data
    from core.tasks.text_classification import encode as task

    engine = importlib.import_module(support.ENGINES[plan.engine])
    chosen = device.choose(plan.execution)  # refuses what this machine lacks before anything else is done
    device.set_threads(plan.execution.threads or physical_cores())

    report.phase("Loading the data")
    data = trained_data(run, settings)  # of a run that goes on: what it guessed at first
    loaded = load(data, settings, report.fraction, report.store.holdouts(before=run.created))
    for note in loaded.notes:
        report.message(note.text, note.level)
    ids = {part: ids_of(rows, loaded.text_columns) for part, rows in loaded.dataset.items()}
    environment.write(folder, plan, loaded, ids, chosen)
    report.check_stop()

    report.phase("Loading the model")
    source = models.fetch(plan.model, settings, report.fraction, report.message)
    if problems := support.problems(plan, model_folder.model_type(source)):
        raise SpecError(problems)
    texts = (text for column in loaded.text_columns for text in loaded.dataset["train"][column])
    tokenizer = model_loading.load_tokenizer(plan.model, source, texts, report)
    model = model_loading.load_model(
        plan.model, source, loaded.label_names, tokenizer, plan.training.seed, report,
        lambda change, value: environment.add(folder, change, value),
    )  # fmt: skip
    report.check_stop()

    report.phase("Tokenising")
    encoded = task.encode(loaded, plan, tokenizer, report, settings.encoded)
    task.say_unread(loaded, plan, tokenizer, report)
    report.check_stop()

    report.phase("Preparing to train")
    engine.train(plan, encoded, model, folder, report, checkpoints.latest(folder))

    report.phase("Evaluating")
    language = main_language(plan.data, loaded.prepared, loaded.train_split, loaded.source_columns)
    result = evaluate_run(plan, encoded, model, folder, report, ids["eval"], language)
    main = result["main_metric"]
    return {
        "main_metric": main,
        "value": result["metrics"].get(main),
        "baseline": result["baseline"]["metrics"].get(main),
        "metrics": result["metrics"],
        "train_examples": result["train_examples"],
        "eval_examples": result["examples"],
    }


def import_data(run: Run, settings: Settings, report: RunWriter) -> dict[str, Any]:
    """Bring a dataset to Parquet, so that pages can browse it."""
    from core.data.prepare import prepare

    report.phase("Opening the dataset")
    prepared = prepare(spec.build(run.spec, spec.DataSpec), settings, report.fraction)
    return {"fingerprint": prepared.fingerprint, "rows": {name: split.rows for name, split in prepared.splits.items()}}


def inspect_data(run: Run, settings: Settings, report: RunWriter) -> dict[str, Any]:
    """Look for what in a dataset will hurt a model; the findings are kept with the dataset."""
    from core.data.inspecting.problems import inspect
    from core.data.prepare import prepare

    data: spec.DataSpec = spec.build(run.spec, spec.DataSpec)
    found = inspect(prepare(data, settings, report.fraction), data, report.fraction)
    return {"findings": len(found)}


def profile_data(run: Run, settings: Settings, report: RunWriter) -> dict[str, Any]:
    """What is in a dataset, in numbers; they are kept with the dataset."""
    from core.data.inspecting.profile import profile_of

    made = profile_of(spec.build(run.spec, spec.ProfileSpec), settings, report.fraction)
    return {"rows": made["rows"], "recommended_max_length": made["recommended_max_length"]}


def judge(run: Run, settings: Settings, report: RunWriter) -> dict[str, Any]:
    """What is done with trained models: the function for this kind of run, and its module below `core`."""
    module, function = JUDGING[run.kind]
    report.phase("Loading libraries")
    work = getattr(importlib.import_module(f"core.{module}"), function)
    summary: dict[str, Any] = work(spec.build(run.spec, kinds.SPECS[run.kind]), run, settings, report)
    return summary


JUDGING: dict[str, tuple[str, str]] = {
    "evaluate": ("evaluation.evaluate", "evaluate"),
    "predict": ("evaluation.batch", "predict"),
    "compare": ("evaluation.compare", "compare"),
    "robustness": ("evaluation.robustness", "check"),
    "neighbours": ("evaluation.neighbours", "keep"),
    "bundle": ("sharing.bundles.bundle", "bundle"),
    "publish": ("sharing.bundles.publish", "publish"),
    "code": ("sharing.code.examples", "export"),
    "push": ("sharing.hub.push", "push"),
    "export": ("sharing.model.export", "export"),
}


KINDS: dict[str, Callable[[Run, Settings, RunWriter], dict[str, Any]]] = {
    "train": train, "import": import_data, "inspect": inspect_data, "profile": profile_data,
    **dict.fromkeys(JUDGING, judge),
}  # fmt: skip

if __name__ == "__main__":
    leave(wait_ready(sys.argv[2:]) if sys.argv[1] == "--spare" else main(sys.argv[1:]))
