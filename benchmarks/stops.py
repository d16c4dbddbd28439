"""Stops and kills real runs at random moments, and compares the resumed run with an undisturbed one.

`python -m benchmarks.stops [--quick] [--engine trainer|torch|keras] [--seed N]`. Per engine, one run of the embedded
sample is undisturbed; another is stopped or killed twelve times (four with --quick), while it loads, trains, evaluates
and writes checkpoints, and is resumed each time, by the product's own scheduler and workers. The benchmark compares the
whole curve, the best step and the predictions on the evaluation split.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from core.runs.scheduler import Scheduler, resume_run
from core.settings import Settings, from_environment
from core.spec.run import RunSpec, replace
from core.store.record import Run
from core.store.store import Store
from core.tasks.text_classification import predictions

PLACES = ("load", "training", "evaluation", "save")
MEASURED = ("loss", "learning_rate", "grad_norm")
TOLERANCE = {"trainer": 1e-5, "torch": 1e-5, "keras": 1e-2}  # TensorFlow adds in another order each time
CHANGES: dict[str, Any] = {
    "data.source": "sample",
    "data.text_columns": ["text"],
    "data.label_column": "label",
    "data.max_train_examples": 1600,
    "data.max_eval_examples": 600,
    "model.name": "scratch",
    "model.max_length": 64,
    "execution.device": "cpu",
    "training.num_train_epochs": 4,
    "training.per_device_train_batch_size": 8,
    "training.learning_rate": 1e-3,
    "training.per_device_eval_batch_size": 2,
    "training.eval_strategy": "steps",
    "training.eval_steps": 100,
    "training.save_strategy": "steps",
    "training.save_steps": 70,
    "training.logging_steps": 15,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="four stops per engine")
    parser.add_argument("--engine", choices=list(TOLERANCE), help="one engine alone")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    os.environ |= {"TUNEDECK_SPARE_WORKER": "off", "TUNEDECK_STOP_GRACE_S": "120"}
    engines = [options.engine] if options.engine else list(TOLERANCE)
    with tempfile.TemporaryDirectory() as home:
        os.environ["TUNEDECK_HOME"] = home
        comparisons = {engine: compared(engine, 4 if options.quick else 12, options.seed) for engine in engines}
    same = all(engine["same"] for engine in comparisons.values())
    print(json.dumps({"benchmark": "stops", "value": int(same), "unit": "1: all the same", "engines": comparisons}))


def compared(engine: str, stops: int, seed: int) -> dict[str, Any]:
    """Run an engine undisturbed and disturbed; returns what was done to the second run, and how far apart they are."""
    settings = from_environment()
    store = Store(settings.store_path)
    scheduler = Scheduler(store, settings, poll_s=0.1)
    scheduler.start()
    try:
        spec = replace(RunSpec(), {**CHANGES, "engine": engine}).model_dump(mode="json")
        ids = [store.submit("train", name, spec) for name in ("undisturbed", "disturbed")]
        wait(store, ids[0], lambda run: run.is_final)
        done = disturb(store, settings, scheduler, ids[1], stops, random.Random(seed))
        return difference(store, settings, ids, engine) | {"stops": done}
    finally:
        scheduler.close()


def disturb(
    store: Store, settings: Settings, scheduler: Scheduler, run_id: str, stops: int, rng: random.Random
) -> list[str]:
    """Stop or kill a run this many times, each time at another place, and let it end."""
    done = []
    for number in range(stops):
        place, kill, steps = PLACES[number % 4], rng.random() < 0.5, rng.randint(1, 50)
        run = wait(store, run_id, lambda run: run.pid is not None)
        reached = moment(place, settings.run_dir(run_id), max(run.step, 1) + steps)
        run = wait(store, run_id, reached, every_s=0.002)
        if run.status == "finished":
            break
        time.sleep(rng.random() * 0.3 if place in ("load", "evaluation") else 0)
        if kill and run.pid is not None:
            psutil.Process(run.pid).kill()
        elif not run.is_final:
            store.stop(run_id)
        run = wait(store, run_id, lambda run: run.is_final)
        done.append(f"{'killed' if kill else 'stopped'} in {place} at step {run.step}: {run.status}")
        print(done[-1], flush=True)
        if run.status == "finished":
            break
        resume_run(store, settings, run_id)
        scheduler.wake()
    wait(store, run_id, lambda run: run.is_final)
    return done


def moment(place: str, folder: Path, step: int) -> Callable[[Run], bool]:
    """A predicate: whether the attempt has ended, or has reached this place; in training, about this step."""
    log = folder / "worker.log"
    begin = log.stat().st_size
    conditions: dict[str, Callable[[Run], bool]] = {
        "load": lambda run: any(word in log_since(log, begin) for word in ("Loading the data", "Tokenising")),
        "training": lambda run: run.step >= step and run.phase == "Training",
        "evaluation": lambda run: "Evaluating" in log_since(log, begin),
        "save": lambda run: any((folder / "checkpoints").glob("*.partial")),
    }
    return lambda run: run.is_final or conditions[place](run)


def log_since(log: Path, begin: int) -> str:
    """The text that a worker has printed since its log had this size."""
    with log.open("rb") as file:
        file.seek(begin)
        return file.read().decode("utf-8", errors="replace")


def wait(store: Store, run_id: str, condition: Callable[[Run], bool], every_s: float = 0.05) -> Run:
    while not condition(run := store.run(run_id)):
        time.sleep(every_s)
    return run


def difference(store: Store, settings: Settings, ids: list[str], engine: str) -> dict[str, Any]:
    curves, best, answers = [], [], []
    for run_id in ids:
        run = store.run(run_id)
        assert run.status == "finished", (run.status, run.error)
        points = store.metrics_since(run_id)
        curves.append({(m.name, m.step): m.value for m in points if m.name in MEASURED or m.name.startswith("eval_")})
        folder = settings.run_dir(run_id)
        best.append(json.loads((folder / "history.json").read_text(encoding="utf-8"))["best_step"])
        answers.append(predictions.read(folder / predictions.NAME).logits)
    missing = curves[0].keys() ^ curves[1].keys()
    common = curves[0].keys() & curves[1].keys()
    curve = max(abs(curves[0][at] - curves[1][at]) / (1e-3 + abs(curves[0][at])) for at in common)
    logits = float(np.abs(answers[0] - answers[1]).max())
    close = curve <= TOLERANCE[engine] and logits <= 10 * TOLERANCE[engine]
    return {
        "same": not missing and best[0] == best[1] and close,
        "points": len(common),
        "points_of_one_only": sorted(map(str, missing))[:10],
        "best_steps": best,
        "largest_relative_difference_of_the_curve": curve,
        "largest_difference_of_a_logit": logits,
    }


if __name__ == "__main__":
    main()
