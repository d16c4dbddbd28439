"""The share of the processor's speed that training uses: its useful operations per second over those of a matmul.

Useful operations of a step are 6 x non-embedding parameters x tokens + 12 x layers x hidden x sum of squared lengths,
padding not counted; the processor's speed is the median of ten float32 products of 1536 x 1536 matrices in the same
process, before and after. Our PyTorch engines and the tutorial's recipe take turns on the same rows.

    python -m benchmarks.utilisation --data FOLDER --model FOLDER [--quick] [--rows N]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.train_speed import PLAIN_WITHOUT
from benchmarks.training import Silent, load, spec_for, train_ours, train_recipe
from benchmarks.turns import Side, Turns, in_turn, say_result
from core.runs.process import worker_environment

ROWS, QUICK_ROWS = 400, 64
SIDES = ("torch", "trainer", "recipe")
TARGET = 0.60
SIZE, PRODUCTS = 1536, 10


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROWS} rows instead of {ROWS}")
    parser.add_argument("--rows", type=int)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.rows = options.rows or (QUICK_ROWS if options.quick else ROWS)
    if options.side:
        run_side(options)
        return 0
    plain = {k: v for k, v in os.environ.items() if not k.startswith(PLAIN_WITHOUT)}
    sides = []
    for name in SIDES:
        arguments = [f"--data={options.data.resolve()}", f"--model={options.model.resolve()}", f"--rows={options.rows}"]
        environment = plain if name == "recipe" else worker_environment("cpu")
        sides.append(Side(name, ["benchmarks.utilisation", *arguments, "--side", name], environment))
    in_turn(sides)
    shares = {side.name: side.result["operations"] / side.seconds / side.result["matmul"] for side in sides}
    ours = min(shares["torch"], shares["trainer"])
    result = {
        "benchmark": "utilisation",
        "value": round(ours, 3),
        "unit": "share of the matmul rate",
        "target": TARGET,
        "met": ours >= TARGET,
        "ours": round(ours, 3),
        "other": round(shares["recipe"], 3),
        "ratio": round(ours / shares["recipe"], 2),
        "shares": {name: round(share, 3) for name, share in shares.items()},
        "matmul_gflops": {side.name: round(side.result["matmul"] / 1e9, 1) for side in sides},
        "rows": options.rows,
    }
    print(json.dumps(result))
    return 0


def run_side(options: argparse.Namespace) -> None:
    changes = {
        "data__max_train_examples": options.rows,
        "data__max_eval_examples": 8,
        "model__max_length": 512,
        "training__num_train_epochs": 1,
        "training__eval_strategy": "no",
        "training__save_strategy": "no",
    }
    spec = spec_for(options.data, options.model, "torch" if options.side == "recipe" else options.side, **changes)
    loaded, turns = load(spec), Turns()
    before = matmul_rate()
    if options.side == "recipe":
        train_recipe(spec, loaded, turns.callback())
    else:
        train_ours(spec, loaded, Silent(turns.on_step))
    after = matmul_rate()
    say_result({"operations": useful_operations(options.model, spec, loaded), "matmul": (before + after) / 2})


def matmul_rate() -> float:
    """Operations per second in a product of two float32 matrices."""
    import torch

    a, b = torch.rand(SIZE, SIZE), torch.rand(SIZE, SIZE)
    out = torch.empty(SIZE, SIZE)
    seconds = []
    for _ in range(PRODUCTS + 2):
        since = time.perf_counter()
        torch.mm(a, b, out=out)
        seconds.append(time.perf_counter() - since)
    return 2 * SIZE**3 / median(seconds[2:])


def useful_operations(model: Path, spec: Any, loaded: Any) -> float:
    """Useful operations of one epoch, forward and backward."""
    import numpy as np
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    network = AutoModelForSequenceClassification.from_pretrained(model, num_labels=len(loaded.label_names))
    inside = sum(p.numel() for name, p in network.named_parameters() if "embeddings" not in name)
    (column,) = loaded.text_columns
    texts = list(loaded.dataset["train"][column])
    ids = AutoTokenizer.from_pretrained(model)(texts, truncation=True, max_length=spec.model.max_length)["input_ids"]
    lengths = np.array([len(i) for i in ids], dtype=np.float64)
    config = network.config
    attention = 12 * config.num_hidden_layers * config.hidden_size * float((lengths**2).sum())
    return float(6 * inside * lengths.sum() + attention)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
