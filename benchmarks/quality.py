"""Checks whether speed costs accuracy: our defaults against the tutorial's recipe, and engine against engine.

    python -m benchmarks.quality --data YELP --cola COLA --model FOLDER [--results FILE] [--quick]

On 1,000 / 2,000 reviews of 128 tokens, three seeds: the Trainer engine against the recipe padded to the same length.
On 4,000 CoLA sentences, two epochs, three seeds: each engine against the Trainer engine. Every run is a process of its
own and writes its numbers to FILE at once, so that an interrupted benchmark continues where it was. Values are those of
the last epoch (choosing the best one on the test set would flatter us). Takes about an hour on two cores.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from benchmarks.training import Silent, load, spec_for, train_ours, train_recipe
from core.runs.process import worker_environment
from core.settings import PROJECT

SEEDS = (1, 2, 3)
T_95 = {1: 12.71, 2: 4.303}  # two-sided 95 % of Student's t, by degrees of freedom
PLANS: dict[str, dict[str, Any]] = {
    "yelp": {
        "metric": "accuracy",
        "sides": ("trainer", "recipe"),
        "changes": {
            "data__max_train_examples": 1000,
            "data__max_eval_examples": 2000,
            "model__max_length": 128,
            "training__num_train_epochs": 3,
        },
    },
    "cola": {
        "metric": "matthews_correlation",
        "sides": ("torch", "keras-tf_data", "keras-numpy", "trainer"),
        "changes": {
            "data__max_train_examples": 4000,
            "model__max_length": 64,
            "training__num_train_epochs": 2,
            "training__per_device_train_batch_size": 16,
            "evaluation__metric_for_best_model": "matthews_correlation",
        },
    },
}
QUICK = {"data__max_train_examples": 64, "data__max_eval_examples": 64, "training__num_train_epochs": 1}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cola", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--results", type=Path, default=Path("build/quality.jsonl"))
    parser.add_argument("--quick", action="store_true", help="64 rows, one seed: only checks that it works")
    parser.add_argument("--only", nargs="*", help="such as yelp:recipe; leaves the rest for another call")
    parser.add_argument("--one", nargs=3, metavar=("PLAN", "SIDE", "SEED"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        print(json.dumps(run_one(options, *options.one)))
        return 0
    options.results.parent.mkdir(parents=True, exist_ok=True)
    done = read(options.results)
    for plan, details in PLANS.items():
        for seed in SEEDS[:1] if options.quick else SEEDS:
            for side in details["sides"]:
                if (plan, side, seed) not in done and (not options.only or f"{plan}:{side}" in options.only):
                    done[plan, side, seed] = in_a_process(options, plan, side, seed)
    print(json.dumps(summary(done)))
    return 0


def read(results: Path) -> dict[tuple[str, str, int], dict[str, Any]]:
    lines = results.read_text().splitlines() if results.exists() else []
    return {(r["plan"], r["side"], r["seed"]): r for r in map(json.loads, lines)}


def in_a_process(options: argparse.Namespace, plan: str, side: str, seed: int) -> dict[str, Any]:
    paths = [f"--{name}={getattr(options, name).resolve()}" for name in ("data", "cola", "model")]
    quick = ["--quick"] if options.quick else []
    environment = dict(os.environ) if side == "recipe" else worker_environment("cpu")
    out = subprocess.run(
        [sys.executable, "-m", "benchmarks.quality", *paths, *quick, "--one", plan, side, str(seed)],
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    result: dict[str, Any] = json.loads(out.splitlines()[-1])
    with options.results.open("a") as file:
        file.write(json.dumps(result) + "\n")
    print(f"{plan} {side} seed {seed}: {result['value']:.4f} in {result['seconds']:.0f} s", file=sys.stderr)
    return result


def run_one(options: argparse.Namespace, plan: str, side: str, seed: str) -> dict[str, Any]:
    details = PLANS[plan]
    changes = details["changes"] | (QUICK if options.quick else {}) | {"training__seed": int(seed)}
    engine = "trainer" if side == "recipe" else side
    spec = spec_for(options.cola if plan == "cola" else options.data, options.model, engine, **changes)
    loaded, since = load(spec), time.perf_counter()
    if side == "recipe":
        values = train_recipe(spec, loaded, None, evaluate=True)[0]
    else:
        report = Silent()
        train_ours(spec, loaded, report)
        values = {name: report.last(name) for name in (f"eval_{details['metric']}", "eval_accuracy", "eval_loss")}
    value = values[f"eval_{details['metric']}"]
    return {
        "plan": plan,
        "side": side,
        "seed": int(seed),
        "value": value,
        "accuracy": values["eval_accuracy"],
        "loss": values["eval_loss"],
        "seconds": time.perf_counter() - since,
    }


def summary(done: dict[tuple[str, str, int], dict[str, Any]]) -> dict[str, Any]:
    """Means, and the 95 % interval of the paired differences from the last side of each plan."""
    rows = []
    for plan, details in PLANS.items():
        *sides, other = details["sides"]
        for side in sides:
            seeds = [seed for seed in SEEDS if (plan, side, seed) in done and (plan, other, seed) in done]
            if not seeds:
                continue
            ours, theirs = ([done[plan, s, seed]["value"] for seed in seeds] for s in (side, other))
            differences = [a - b for a, b in zip(ours, theirs, strict=True)]
            half = T_95[len(seeds) - 1] * stdev(differences) / math.sqrt(len(seeds)) if len(seeds) > 1 else math.inf
            rows.append(
                {
                    "plan": plan,
                    "metric": details["metric"],
                    "ours": side,
                    "other": other,
                    "seeds": len(seeds),
                    "mean": round(mean(ours), 4),
                    "other_mean": round(mean(theirs), 4),
                    "difference": round(mean(differences), 4),
                    "half_interval": round(half, 4),
                    "loses": mean(differences) + half < 0,
                }
            )
    losses = sum(row["loses"] for row in rows)
    return {
        "benchmark": "quality",
        "value": losses,
        "unit": "comparisons lost",
        "target": 0,
        "met": losses == 0,
        "comparisons": rows,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
