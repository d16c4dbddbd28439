"""The worker: one process, one run. `python -m core.runs.worker RUN TOKEN`, or `--spare` to wait for one ready.

Takes up the attempt, calls the function that the run's kind names (see core.runs.kinds), and commits the final state.
Everything it prints lands in the run's worker.log.
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
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import apsw

from core.errors import StaleWrite, StoreError, TunedeckError
from core.messages import Message
from core.runs import kinds, process
from core.runs.causes import cause_of
from core.runs.writer import GIVEN_UP, RunWriter, Stopped, logger
from core.settings import Settings, from_environment
from core.spec.run import build
from core.store.record import Run
from core.store.store import Store
from core.store.summaries import Summary
from core.tasks import TASKS
from core.wording import library_message

COMMIT_TRIES = 5

# What a run imports, some of it late and by name. tests/scheduling/test_spare.py holds that nothing is missing.
ROOM = ("columns", "encode", "model", "metrics", "predictions", "analysis", "advice", "rivals")
READY: tuple[str, ...] = (
    "core.engines.training_run",
    "core.engines.torch_loop",
    "core.engines.trainer",
    "core.models.scratch",
    "core.data.reading.ingest",
    "core.tasks.running_metrics",
    "sklearn.metrics",
    "sklearn.feature_extraction.text",
    "sklearn.linear_model",
    "sklearn.pipeline",
    *(f"{room}.{part}" for room in TASKS.values() for part in ROOM),
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.bert.modeling_bert",
    "transformers.tokenization_utils_tokenizers",
)


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


def _work(run: Run, settings: Settings, report: RunWriter) -> tuple[str, str | Message, str, dict[str, Any]]:
    """Do what the run is for; its final status, one sentence, the last lines of a failure, and its summary."""
    try:
        summary = do(run, settings, report)
        return ("stopped" if report.stop_requested else "finished"), "", "", summary.tree()
    except Stopped as stopped:
        return "stopped", stopped.message, "", {}
    except StaleWrite:
        os._exit(GIVEN_UP)
    except TunedeckError as error:
        logger.error("%s", error)
        return "failed", error.message, "", {}
    except BaseException as error:
        trace = traceback.format_exc()
        logger.error("%s", trace)
        return "failed", explain(error, run.kind), "\n".join(trace.splitlines()[-20:]), {}


def do(run: Run, settings: Settings, report: RunWriter) -> Summary:
    """What the run is for, by the function of its kind; its summary. Raises SpecError, and what that function does."""
    kind = kinds.kind_of(run.kind)
    spec = build(run.spec, kind.spec_class())
    report.phase(Message.of("loading-libraries", "Loading libraries"))
    return kind.work_function()(spec, run, settings, report)


def explain(error: BaseException, kind: str) -> Message:
    """One sentence for an error nobody foresaw, by the kind of work that it ended."""
    return cause_of(error, kind) or Message.of(
        "unforeseen-error",
        "Something failed that Tunedeck did not foresee ({type}: {reason}). The log has the details.",
        type=type(error).__name__,
        reason=library_message(error),
    )


if __name__ == "__main__":
    leave(wait_ready(sys.argv[2:]) if sys.argv[1] == "--spare" else main(sys.argv[1:]))
