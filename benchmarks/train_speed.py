"""The Trainer engine at our defaults against the tutorial's recipe, in examples per second.

The recipe pads every text to 512 tokens and trains with default TrainingArguments. Both sides train the same rows, cut
at the same length, for one epoch of the same number of updates, each in a process of its own with the environment it
would really have: ours a worker's, the other a plain one. They take turns of a few steps, so that a machine that grows
slower in between slows both. Loading, tokenising and imports are not counted; everything in the training loop is.

    python -m benchmarks.train_speed --data FOLDER --model FOLDER [--quick]

FOLDER: train.csv with columns text and label; a model with its tokenizer.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from core.process import PROJECT, worker_environment

ROWS, QUICK_ROWS = 1000, 160
MAX_LENGTH = 512
BATCH = 8
STEPS_PER_TURN = 4
TARGET = 5.0
PLAIN_WITHOUT = ("OMP_", "MKL_", "MALLOC_", "GLIBC_", "KMP_", "LD_PRELOAD")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROWS} rows instead of {ROWS}; under four minutes")
    parser.add_argument("--rows", type=int, help="as many rows")
    parser.add_argument("--side", choices=["ours", "other"], help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    rows = options.rows or (QUICK_ROWS if options.quick else ROWS)
    if options.side:
        {"ours": ours, "other": other}[options.side](options.data, options.model, rows)
        return 0
    sides = {name: Side(name, options.data, options.model, rows) for name in ("ours", "other")}
    while not all(side.done for side in sides.values()):
        for side in sides.values():
            side.take_turn()
    speeds = {name: rows / side.seconds for name, side in sides.items()}
    ratio = speeds["ours"] / speeds["other"]
    result = {
        "benchmark": "train_speed", "value": round(ratio, 2), "unit": "times the examples per second", "target": TARGET,
        "met": ratio >= TARGET, "ours": round(speeds["ours"], 3), "other": round(speeds["other"], 3),
        "ratio": round(ratio, 2), "rows": rows, "updates": sides["ours"].steps,
    }  # fmt: skip
    assert sides["ours"].steps == sides["other"].steps
    print(json.dumps(result))
    return 0


class Side:
    """One of the two: a process that trains while it is told to and waits otherwise."""

    def __init__(self, name: str, data: Path, model: Path, rows: int) -> None:
        plain = {k: v for k, v in os.environ.items() if not k.startswith(PLAIN_WITHOUT)}
        command = ["--side", name, "--data", str(data.resolve()), "--model", str(model.resolve()), "--rows", str(rows)]
        self.name, self.seconds, self.steps, self.done = name, 0.0, 0, False
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.train_speed", *command],
            env=worker_environment("cpu") if name == "ours" else plain,
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._read()  # it says when it is ready

    def take_turn(self) -> None:
        if self.done:
            return
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        turn = self._read()
        self.seconds += turn["seconds"]
        self.steps, self.done = turn["step"], turn["step"] == turn["total"]
        print(f"{self.name:>5}: step {turn['step']:4d} of {turn['total']}, {turn['seconds']:6.2f} s", file=sys.stderr)
        if self.done:
            self._process.stdin.close()
            self._process.wait()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        while line := self._process.stdout.readline():
            if line.startswith('{"turn"'):
                turn: dict[str, Any] = json.loads(line)["turn"]
                return turn
        raise SystemExit(f"the side {self.name!r} ended early, with exit code {self._process.wait()}")


class Turns:
    """Within a side: lets the training run for a turn, measures it, and waits for the next."""

    def __init__(self) -> None:
        self._since: float | None = None

    def ready(self) -> None:
        """Before the first step."""
        if self._since is None:
            self._say({})
            self._wait()

    def step_done(self, step: int, total: int) -> None:
        if step % STEPS_PER_TURN and step < total:
            return
        assert self._since is not None
        self._say({"step": step, "total": total, "seconds": time.perf_counter() - self._since})
        if step < total:
            self._wait()

    def _say(self, turn: dict[str, Any]) -> None:
        print(json.dumps({"turn": turn}), flush=True)

    def _wait(self) -> None:
        if not sys.stdin.readline():
            raise SystemExit("the benchmark is gone")
        self._since = time.perf_counter()


def ours(data: Path, model: Path, rows: int) -> None:
    """The engine as the worker calls it, at the spec's defaults."""
    from types import SimpleNamespace

    from datasets import DatasetDict

    from core import device, models, process
    from core.engines import trainer
    from core.spec import RunSpec, replace
    from core.tasks.text_classification import encode

    class Pacer:
        """A Reporter that passes on nothing; each step that it is told of may end a turn."""

        stop_requested = False

        def __init__(self) -> None:
            self.turns = Turns()

        def progress(self, step: int, total: int, epoch: float | None = None) -> None:
            if step == 0:
                self.turns.ready()
            else:
                self.turns.step_done(step, total)

        def phase(self, text: str) -> None: ...
        def metrics(self, values: dict[str, float], step: int, epoch: float | None = None) -> None: ...
        def message(self, text: str, level: str = "info", code: str = "") -> None: ...
        def checkpoint(self, path: Path, step: int, best: bool) -> None: ...
        def check_stop(self) -> None: ...

    changes = {
        "model.name": str(model), "model.max_length": MAX_LENGTH, "training.num_train_epochs": 1,
        "training.per_device_train_batch_size": BATCH, "training.eval_strategy": "no", "execution.device": "cpu",
    }  # fmt: skip
    spec, report = replace(RunSpec(), changes), Pacer()
    device.set_threads(process.physical_cores())
    train = load_rows(data, rows)
    loaded = SimpleNamespace(
        dataset=DatasetDict({"train": train, "eval": train.select(range(8))}),
        text_columns=("text",),
        label_names=[str(i) for i in sorted(set(train["label"]))],
    )
    tokenizer = models.load_tokenizer(spec.model, model, [], report)
    encoded = encode(loaded, spec, tokenizer, report)  # type: ignore[arg-type]
    network = models.load_model(spec.model, model, loaded.label_names, tokenizer, spec.training.seed, report)
    with tempfile.TemporaryDirectory() as folder:
        trainer.train(spec, encoded, network, Path(folder), report)


def other(data: Path, model: Path, rows: int) -> None:
    """The tutorial's recipe, line by line, for one epoch."""
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )

    class Pace(TrainerCallback):
        turns = Turns()

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.turns.ready()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.turns.step_done(state.global_step, state.max_steps)

    dataset = load_rows(data, rows)
    tokenizer = AutoTokenizer.from_pretrained(model)

    def tokenize_function(examples: dict[str, Any]) -> Any:
        return tokenizer(examples["text"], padding="max_length", truncation=True, max_length=MAX_LENGTH)

    tokenized = dataset.map(tokenize_function, batched=True)
    network = AutoModelForSequenceClassification.from_pretrained(model, num_labels=len(set(dataset["label"])))
    with tempfile.TemporaryDirectory() as folder:
        args = TrainingArguments(output_dir=folder, num_train_epochs=1)
        trainer = Trainer(model=network, args=args, train_dataset=tokenized, callbacks=[Pace()])
        trainer.train()


def load_rows(data: Path, count: int) -> Any:
    """The same rows for both sides: shuffled with the tutorial's seed, labels as 0, 1, 2, …"""
    import pandas as pd
    from datasets import Dataset

    table = pd.read_csv(data / "train.csv")
    labels = {name: i for i, name in enumerate(sorted(table["label"].unique()))}
    table = table.assign(label=table["label"].map(labels))[["text", "label"]]
    dataset = Dataset.from_pandas(table, preserve_index=False).shuffle(seed=42).select(range(min(count, len(table))))
    return dataset.add_column("row", list(range(len(dataset))))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
