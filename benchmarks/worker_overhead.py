"""Measures the cost of the store, the scheduler and the reporting: a run in a worker against a bare script.

Both train the same model on the same batches in the same environment; the bare script is a plain `Trainer` that only
measures the time. Rounds alternate. Speed is in examples per second, from the first logged step to the last.

    python -m benchmarks.worker_overhead [--data FOLDER --model FOLDER] [--quick]

Without FOLDER: the sample and scratch, whose short steps show an overhead per step best.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from core.machine import physical_cores
from core.runs.process import worker_environment
from core.settings import PROJECT, Settings
from core.spec import run as specs
from core.spec.run import RunSpec
from core.store.store import Store
from core.store.watching import RunView

ROUNDS, QUICK_ROUNDS = 5, 2
TARGET = 0.97


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROUNDS} rounds instead of {ROUNDS}")
    parser.add_argument("--rows", type=int, help="as many training rows")
    parser.add_argument("--bare", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.bare:
        print(json.dumps({"speed": bare(options.bare)}))
        return 0
    pairs = []
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder))
        path = settings.home / "spec.yaml"
        path.write_text(specs.to_yaml(plan(options)), encoding="utf-8")
        for number in range(QUICK_ROUNDS if options.quick else ROUNDS):
            pair = {"ours": through_worker(path, settings), "other": in_a_script(path, settings)}
            print(f"round {number + 1}: {pair}", file=sys.stderr)
            pairs.append(pair)
    ratio = statistics.median(pair["ours"] / pair["other"] for pair in pairs)
    result = {
        "benchmark": "worker_overhead",
        "value": round(ratio, 3),
        "unit": "of a bare script's examples per second",
        "target": TARGET,
        "met": ratio >= TARGET,
        "ours": round(statistics.median(p["ours"] for p in pairs), 2),
        "other": round(statistics.median(p["other"] for p in pairs), 2),
        "ratio": round(ratio, 3),
    }
    print(json.dumps(result))
    return 0


def plan(options: argparse.Namespace) -> RunSpec:
    """The spec: one epoch, no evaluation during training, logging at the default interval."""
    changes: dict[str, Any] = {
        "training.num_train_epochs": 1,
        "training.eval_strategy": "no",
        "execution.device": "cpu",
    }
    if options.data is None:
        changes |= {"training.per_device_train_batch_size": 32, "training.learning_rate": 1e-3}
    else:
        changes |= {"data.source": "file", "data.path": str(options.data.resolve()), "data.max_eval_examples": 32}
    changes["data.max_train_examples"] = options.rows or (2000 if options.model is None else 240)
    if options.model is not None:
        changes["model.name"] = str(options.model.resolve())
    return specs.replace(RunSpec(), changes)


def through_worker(path: Path, settings: Settings) -> float:
    """Examples per second of a run that is started as a person starts it."""
    out = subprocess.run(
        [sys.executable, "-m", "core", "train", str(path), "--json"],
        env={**os.environ, "TUNEDECK_HOME": str(settings.home)},
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    ).stdout
    run_id = json.loads(out.splitlines()[-1])["run"]
    view = RunView(run_id)
    view.update(Store(settings.store_path), settings)
    losses = view.series("loss")
    seconds = float(losses["time"].iloc[-1] - losses["time"].iloc[0])
    batch = specs.from_yaml(path.read_text(encoding="utf-8")).training.per_device_train_batch_size
    return float(losses["step"].iloc[-1] - losses["step"].iloc[0]) * batch / seconds


def in_a_script(path: Path, settings: Settings) -> float:
    """Examples per second of `bare`, in a process with a worker's environment."""
    out = subprocess.run(
        [sys.executable, "-m", "benchmarks.worker_overhead", "--bare", str(path)],
        env=worker_environment("cpu", settings=settings),
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    ).stdout
    return float(json.loads(out.splitlines()[-1])["speed"])


def bare(path: Path) -> float:
    """Train with a plain Trainer on the same batches, without a store, reports or anything else of Tunedeck."""
    import time

    from transformers import PrinterCallback, Trainer, TrainerCallback

    from benchmarks.training import Silent
    from core.data.loading.load import load
    from core.engines.sampling import EpochSampler, TrainingBatches
    from core.engines.trainer import arguments, to_tensors
    from core.engines.vocabulary import Vocabulary
    from core.models import loading as model_loading
    from core.models import names as models
    from core.runs import device
    from core.settings import from_environment
    from core.tasks.contract import task_of

    class SameOrder(Trainer):
        def _get_train_sampler(self, train_dataset: Any = None) -> EpochSampler:
            return EpochSampler(batches)

    class Clock(TrainerCallback):
        def __init__(self) -> None:
            self.seen: list[tuple[int, float]] = []

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if "loss" in logs:
                self.seen.append((state.global_step, time.time()))

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            control.should_log |= state.global_step >= state.max_steps

    spec, settings, report, clock = (
        specs.from_yaml(path.read_text(encoding="utf-8")),
        from_environment(),
        Silent(),
        Clock(),
    )
    device.set_threads(physical_cores())
    loaded = load(spec.data, settings)
    source = models.fetch(spec.model, settings, lambda text, share: None)
    texts = (text for column in loaded.text_columns for text in loaded.dataset["train"][column])
    task = task_of(spec)
    tokenizer = model_loading.load_tokenizer(spec.model, source, task.model.KIND, texts, report)
    encoded = task.encode.encode(loaded, spec, tokenizer, report)
    batches = TrainingBatches(encoded.train["length"], spec.training)
    head = task.model.head(encoded.label_names)
    network = model_loading.load_model(spec.model, source, head, tokenizer, spec.training.seed, report)
    vocabulary = Vocabulary(network, encoded, spec.training)
    trainer = SameOrder(
        model=network,
        args=arguments(spec, device.choose(spec.execution), settings.home / "bare"),
        data_collator=lambda examples: to_tensors(vocabulary.renumber(encoded.pad(examples))),
        train_dataset=encoded.train,
        callbacks=[clock],
    )
    trainer.remove_callback(PrinterCallback)
    with vocabulary.only_used(network):
        trainer.train()
    (first, since), (last, until) = clock.seen[0], clock.seen[-1]
    return (last - first) * spec.training.per_device_train_batch_size / (until - since)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
