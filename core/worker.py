"""The worker: one process, one run. `python -m core.worker RUN TOKEN`, or `--spare` to wait for one ready.

Reads top to bottom as the main path of a run: take up the attempt, load, encode, train, evaluate, commit the final
state. Everything it prints lands in the run's worker.log.
"""

from __future__ import annotations

import atexit
import importlib
import json
import logging
import math
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import apsw
import psutil

from core import kinds, process, spec
from core.causes import cause_of
from core.errors import SpecError, StaleWrite, StoreError, TunedeckError
from core.events import Level
from core.files import write_text
from core.settings import Settings, from_environment
from core.store import Progress, Run, Store
from core.store_trouble import Faults
from core.wording import library_message

FLUSH_S = 0.5
USAGE_S = 2.0
GIVEN_UP = 70
COMMIT_TRIES = 5

# What a run imports, some of it late and by name.
READY: tuple[str, ...] = (
    "core.data.load", "core.engines.torch_loop", "core.engines.trainer", "core.evaluation.report", "core.scratch",
    "transformers.models.auto.modeling_auto", "transformers.models.auto.tokenization_auto",
    "transformers.models.bert.modeling_bert", "transformers.tokenization_utils_tokenizers",
)  # fmt: skip

logger = logging.getLogger("tunedeck")


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


class Stopped(TunedeckError):
    """A stop was asked for before there was anything to keep."""


def train(run: Run, settings: Settings, report: RunWriter) -> dict[str, Any]:
    """A training run, from its spec to its model and its report."""
    plan: spec.RunSpec = spec.build(run.spec)
    folder = settings.run_dir(run.id)
    write_text(folder / "spec.yaml", spec.to_yaml(plan))

    report.phase("Loading libraries")
    from core import device, model_folder, model_loading, models
    from core.data.language import main_language
    from core.data.load import load
    from core.data.text_ids import ids_of
    from core.engines import checkpoints, support
    from core.evaluation.report import evaluate_run
    from core.results import trained_data
    from core.sharing import environment
    from core.tasks import text_classification as task

    engine = importlib.import_module(support.ENGINES[plan.engine])
    chosen = device.choose(plan.execution)  # refuses what this machine lacks before anything else is done
    device.set_threads(plan.execution.threads or process.physical_cores())

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
    from core.data.prepared import prepare

    report.phase("Opening the dataset")
    prepared = prepare(spec.build(run.spec, spec.DataSpec), settings, report.fraction)
    return {"fingerprint": prepared.fingerprint, "rows": {name: split.rows for name, split in prepared.splits.items()}}


def inspect_data(run: Run, settings: Settings, report: RunWriter) -> dict[str, Any]:
    """Look for what in a dataset will hurt a model; the findings are kept with the dataset."""
    from core.data.prepared import prepare
    from core.data.problems import inspect

    data: spec.DataSpec = spec.build(run.spec, spec.DataSpec)
    found = inspect(prepare(data, settings, report.fraction), data, report.fraction)
    return {"findings": len(found)}


def profile_data(run: Run, settings: Settings, report: RunWriter) -> dict[str, Any]:
    """What is in a dataset, in numbers; they are kept with the dataset."""
    from core.data.profile import profile_of

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


class RunWriter:
    """The worker's Reporter: gathers what is said and writes it in batches, a heartbeat with each."""

    def __init__(self, store: Store, run: Run, token: int) -> None:
        self.store, self._run, self._token = store, run, token
        self._lock = threading.Lock()
        self._progress = Progress("Starting", 0, 0, None)
        self._changed = True
        self._metrics: list[tuple[str, int, float | None, float, float]] = []
        self._events: list[tuple[float, str, dict[str, Any]]] = []
        self._stop = threading.Event()
        if run.status == "stopping":
            self._stop.set()
        self._closing, self._wake = threading.Event(), threading.Event()
        self._self = psutil.Process()
        self._self.cpu_percent()
        self._usage_at = time.monotonic()
        self._thread = threading.Thread(target=self._loop, name="tunedeck-writer", daemon=True)
        self._thread.start()

    @property
    def stop_requested(self) -> bool:
        return self._stop.is_set()

    def check_stop(self) -> None:
        """Raises Stopped if the run was asked to stop."""
        if self._stop.is_set():
            raise Stopped("Stopped before training began; there is no model.")

    def phase(self, text: str) -> None:
        logger.info("%s", text)
        with self._lock:
            self._progress = Progress(text, self._progress.step, self._progress.total, self._progress.epoch)
            self._changed = True

    def fraction(self, text: str, done: float | None = None) -> None:
        """A phase that knows how far it is: `done` of 1."""
        shown = text if done is None else f"{text} ({done:.0%})"
        with self._lock:
            self._changed |= shown != self._progress.phase
            self._progress = Progress(shown, self._progress.step, self._progress.total, self._progress.epoch)
        self.check_stop()

    def progress(self, step: int, total: int, epoch: float | None = None) -> None:
        with self._lock:
            first = step > 0 and self._progress.step == 0
            self._progress = Progress(self._progress.phase, step, total, epoch)
            self._changed = True
        if first:
            self._wake.set()  # that it learns is worth telling at once

    def metrics(self, values: dict[str, float], step: int, epoch: float | None = None) -> None:
        now = time.time()
        with self._lock:
            self._metrics.extend((name, step, epoch, now, float(value)) for name, value in values.items())

    def restore(self, log: Sequence[Mapping[str, float | None]]) -> None:
        try:
            told = self.store.measured(self._run.id)
        except StoreError as error:
            logger.warning("%s Metrics of the earlier attempt may be missing.", error)
            return
        for entry in log:
            step, epoch = int(entry["step"] or 0), entry["epoch"]
            lost = {name for name in entry.keys() - {"step", "epoch"} if (name, step) not in told}
            values = {name: math.nan if value is None else value for name, value in entry.items()}
            self.metrics({name: values[name] for name in lost}, step, epoch)

    def message(self, text: str, level: Level = "info", code: str = "") -> None:
        logger.info("%s", text)
        self._event("message", {"text": text, "level": level, "code": code})

    def checkpoint(self, path: Path, step: int, best: bool) -> None:
        logger.info("Checkpoint at step %d%s", step, " (best so far)" if best else "")
        self._event("checkpoint", {"name": path.name, "step": step, "best": best})

    def end_thread(self) -> None:
        """Stop writing in the background; what is left to write is for `flush`."""
        self._closing.set()
        self._wake.set()
        self._thread.join()

    def _event(self, kind: str, payload: dict[str, Any]) -> None:
        with self._lock:
            self._events.append((time.time(), kind, payload))

    def _loop(self) -> None:
        faults = Faults(logger)
        while not self._closing.is_set():
            self._wake.wait(FLUSH_S)
            self._wake.clear()
            try:
                self._measure_usage()
                self.flush()
                faults.end()
            except StaleWrite:
                os._exit(GIVEN_UP)  # another attempt, or the verdict of the scheduler, has taken this one's place
            except Exception as error:  # what was not written is kept and tried again
                faults.begin(error)

    def flush(self) -> None:
        """Write what was gathered. Raises StaleWrite if the attempt was given up; what else fails keeps it gathered."""
        with self._lock:
            metrics, events = self._metrics, self._events
            progress = self._progress if self._changed else None
            self._metrics, self._events, self._changed = [], [], False
        try:
            status = self.store.write(self._run.id, self._token, progress, metrics, events)
        except StaleWrite:
            raise
        except Exception:
            with self._lock:
                self._metrics, self._events, self._changed = metrics + self._metrics, events + self._events, True
            raise
        if status == "stopping":
            self._stop.set()

    def _measure_usage(self) -> None:
        """CPU in percent of one core, memory in GB, and the GPU's memory in GB if torch uses one."""
        if time.monotonic() - self._usage_at < USAGE_S:
            return
        self._usage_at = time.monotonic()
        usage = {"cpu_percent": self._self.cpu_percent(), "memory_gb": self._self.memory_info().rss / 1e9}
        if (self._run.resource or "").startswith("gpu"):
            cuda = getattr(sys.modules.get("torch"), "cuda", None)  # None while torch is half imported
            if cuda is not None and cuda.is_initialized():
                usage["gpu_memory_gb"] = cuda.memory_reserved() / 1e9
        with self._lock:
            step = self._progress.step
        self.metrics(usage, step)


KINDS: dict[str, Callable[[Run, Settings, RunWriter], dict[str, Any]]] = {
    "train": train, "import": import_data, "inspect": inspect_data, "profile": profile_data,
    **dict.fromkeys(JUDGING, judge),
}  # fmt: skip

if __name__ == "__main__":
    leave(wait_ready(sys.argv[2:]) if sys.argv[1] == "--spare" else main(sys.argv[1:]))
