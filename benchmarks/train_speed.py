"""Compares the training speed of the engines with the tutorial's recipe and a tuned Trainer, in examples per second.

On the same rows of a CSV, batches of 8, texts cut at 512 tokens, one epoch of the same number of updates: each PyTorch
engine at our defaults; the recipe, which pads every text to 512 tokens with default TrainingArguments; and a Trainer as
an expert sets it up, with padding per batch and its own grouping by length. On the same sentences of CoLA, batches of
32: the Keras engine with tf.data against whole NumPy arrays. The engines have a worker's environment, the others a
plain one. All take turns of a few steps. Loading, tokenising and imports do not count; everything in the training loop
does, including the tracing of Keras.

    python -m benchmarks.train_speed --data FOLDER --model FOLDER [--cola FOLDER] [--quick] [--rows N] [--sides …]

FOLDER: train.csv with columns text and label; a model with its tokenizer. CoLA is expected beside the first FOLDER.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks.training import Silent, load, spec_for, train_ours, train_recipe
from benchmarks.turns import Side, Turns, in_turn
from core.runs.process import worker_environment

ROWS, QUICK_ROWS = 1000, 64
COLA_ROWS, QUICK_COLA_ROWS = 8551, 1024  # all of CoLA: one epoch
PYTORCH, OTHERS, KERAS = ("trainer", "torch"), ("tuned", "recipe"), ("keras-tf_data", "keras-numpy")
TARGETS = {"recipe": 6.0, "tuned": 1.3, "keras-numpy": 3.0}
PLAIN_WITHOUT = ("OMP_", "GOMP_", "MKL_", "MALLOC_", "GLIBC_", "KMP_", "LD_PRELOAD")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--cola", type=Path)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROWS} rows; about four minutes")
    parser.add_argument("--rows", type=int, help="as many rows")
    parser.add_argument("--sides", nargs="*", default=[*PYTORCH, *OTHERS, *KERAS], help="only these")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.cola = options.cola or options.data.parent / "cola"
    if options.side:
        run_side(options)
        return 0
    speeds: dict[str, float] = {}
    for group in ((*PYTORCH, *OTHERS), KERAS):
        speeds |= measure(options, [name for name in group if name in options.sides])
    print(json.dumps(result_of(speeds, options)))
    return 0


def measure(options: argparse.Namespace, names: list[str]) -> dict[str, float]:
    """Examples per second of sides that train on the same rows."""
    sides = [start(options, name) for name in names]
    in_turn(sides)
    assert len({side.steps for side in sides}) <= 1
    return {side.name: rows_of(options, side.name) / side.seconds for side in sides}


def start(options: argparse.Namespace, name: str) -> Side:
    plain = {k: v for k, v in os.environ.items() if not k.startswith(PLAIN_WITHOUT)}
    paths = [f"--{path}={getattr(options, path).resolve()}" for path in ("data", "model", "cola")]
    size = ["--rows", str(options.rows)] if options.rows else ["--quick"] if options.quick else []
    command = ["benchmarks.train_speed", *paths, *size, "--side", name]
    return Side(name, command, plain if name in OTHERS else worker_environment("cpu"))


def rows_of(options: argparse.Namespace, side: str) -> int:
    if options.rows:
        return int(options.rows)
    if side in KERAS:
        return QUICK_COLA_ROWS if options.quick else COLA_ROWS
    return QUICK_ROWS if options.quick else ROWS


def run_side(options: argparse.Namespace) -> None:
    keras = options.side in KERAS
    changes: dict[str, Any] = {
        "data__max_train_examples": rows_of(options, options.side),
        "data__max_eval_examples": 8,
        "model__max_length": 128 if keras else 512,
        "training__num_train_epochs": 1,
        "training__per_device_train_batch_size": 32 if keras else 8,
        "training__eval_strategy": "no",
        "training__save_strategy": "no",
    }
    ours = options.side not in OTHERS
    data = options.cola if keras else options.data
    spec = spec_for(data, options.model, options.side if ours else "trainer", **changes)
    loaded, turns = load(spec), Turns()
    if ours:
        train_ours(spec, loaded, Silent(turns.on_step))
    else:
        train_recipe(spec, loaded, turns.callback(), tuned=options.side == "tuned")


def result_of(speeds: dict[str, float], options: argparse.Namespace) -> dict[str, Any]:
    """The ratio of each engine to each opponent. The value is the smallest ratio to recipe or next opponent."""
    pairs = [(ours, other) for ours in PYTORCH for other in OTHERS] + [KERAS]
    ratios = {
        f"{ours} / {other}": {
            "ratio": round(speeds[ours] / speeds[other], 2),
            "target": TARGETS[other],
            "met": speeds[ours] / speeds[other] >= TARGETS[other],
        }
        for ours, other in pairs
        if ours in speeds and other in speeds
    }
    other = next((name for name in TARGETS if name in speeds), "recipe")
    beaten = {
        ours: speeds[ours] / speeds[other]
        for ours, against in pairs
        if against == other and ours in speeds and other in speeds
    }
    slowest = min(beaten, key=beaten.__getitem__, default="")
    value = round(beaten[slowest], 2) if beaten else None
    return {
        "benchmark": "train_speed",
        "value": value,
        "target": TARGETS[other],
        "unit": f"times the examples per second of {other}",
        "met": all(entry["met"] for entry in ratios.values()),
        "ours": round(speeds.get(slowest, 0.0), 3),
        "other": round(speeds.get(other, 0.0), 3),
        "ratio": value,
        "ratios": ratios,
        "examples_per_second": {name: round(speed, 2) for name, speed in speeds.items()},
        "rows": {name: rows_of(options, name) for name in speeds},
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
