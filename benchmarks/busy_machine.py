"""Training speed beside another program: threads that wait asleep, as a worker's do, against threads that wait busily.

One side has a worker's environment; the other has the same without the settings for waiting threads. Both train on the
same rows with the PyTorch loop, one after the other, twice (turns of a few steps would give the other program time to
rest): first on an idle machine, then beside a process that keeps one core busy, like a browser that draws.

    python -m benchmarks.busy_machine [--data FOLDER --model FOLDER] [--quick]

Without FOLDER: the sample and its small new model. FOLDER: train.csv with columns text and label; a model with its
tokenizer.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from benchmarks.training import Silent, load, spec_for, train_ours
from benchmarks.turns import Side, Turns, in_turn
from core.runs.process import WAITING, worker_environment
from core.spec.presets import PRESETS, SAMPLE
from core.spec.run import RunSpec, replace

ROWS, QUICK_ROWS = 640, 192
ROUNDS = 2
TARGET = 3.0
BUSY = "while True: sum(range(1000))"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROWS} rows instead of {ROWS}")
    parser.add_argument("--side", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.side:
        spec = spec_of(options)
        train_ours(spec, load(spec), Silent(Turns().on_step))
        return 0
    speeds = {"idle": measure(options, arguments)}
    with subprocess.Popen([sys.executable, "-c", BUSY]) as other:
        try:
            speeds["busy"] = measure(options, arguments)
        finally:
            other.kill()
    ratios = {when: round(speed["ours"] / speed["busily"], 2) for when, speed in speeds.items()}
    print(
        json.dumps(
            {
                "benchmark": "busy_machine",
                "value": ratios["busy"],
                "target": TARGET,
                "met": ratios["busy"] >= TARGET,
                "unit": "times the examples per second of threads that wait busily, beside another program",
                "ratio_idle": ratios["idle"],
                "examples_per_second": speeds,
                "rows": rows_of(options),
            }
        )
    )
    return 0


def rows_of(options: argparse.Namespace) -> int:
    return QUICK_ROWS if options.quick else ROWS


def measure(options: argparse.Namespace, arguments: list[str]) -> dict[str, float]:
    """Examples per second of each side."""
    ours = worker_environment("cpu")
    plain = {name: value for name, value in ours.items() if name not in WAITING}
    seconds = {"ours": 0.0, "busily": 0.0}
    for name, environment in (("ours", ours), ("busily", plain)) * ROUNDS:
        side = Side(name, ["benchmarks.busy_machine", *arguments, "--side"], environment)
        in_turn([side])
        seconds[name] += side.seconds
    return {name: round(ROUNDS * rows_of(options) / spent, 2) for name, spent in seconds.items()}


def spec_of(options: argparse.Namespace) -> RunSpec:
    changes = {
        "data.max_train_examples": rows_of(options),
        "data.max_eval_examples": 8,
        "model.max_length": 128,
        "training.num_train_epochs": 1,
        "training.eval_strategy": "no",
        "training.save_strategy": "no",
    }
    if options.data and options.model:
        return replace(spec_for(options.data, options.model, "torch"), changes)
    return replace(PRESETS[SAMPLE].spec, changes | {"engine": "torch"})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
