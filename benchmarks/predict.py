"""Compares batch prediction, exact and fast, with the pipeline of transformers, and times the playground's answer.

All sides predict the same texts with the same model, in one process and one environment, in turns:
`transformers.pipeline("text-classification", truncation=True, batch_size=8)`,
`core.evaluation.trained_model.TrainedModel` and, with weights of 8 bits, `core.evaluation.fast.int8_model.Int8Model`.
Ratios are medians of those of each turn. A random head exaggerates what 8 bits change; of a trained model its
certificate says it.
The playground gets one short sentence again and again, through its process.

    python -m benchmarks.predict --data FOLDER --model FOLDER [--quick]

data: a folder with a CSV of texts, such as yelp10k. model: a pretrained encoder; it gets a head of five classes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from core.machine import physical_cores
from core.runs.process import worker_environment
from core.settings import PROJECT, Settings

TEXTS, QUICK_TEXTS, ROUNDS = 1000, 250, 3
CLASSES, LONGEST = 5, 512
TARGET, FAST_TARGET, PLAYGROUND_TARGET_MS, CLOSE = 2.2, 4.0, 60.0, 1e-4
QUESTIONS = 200


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_TEXTS} texts, once")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.side:
        print(json.dumps(both(options)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        model = with_head(options.model, Path(folder) / "model")
        os.environ["TUNEDECK_HOME"] = folder
        command = [sys.executable, "-m", "benchmarks.predict", "--side", "both", "--data", str(options.data.resolve())]
        command += ["--model", str(model), *(["--quick"] if options.quick else [])]
        environment = worker_environment("cpu", None, Settings(Path(folder)))
        done = subprocess.run(command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        result = json.loads(done.stdout.splitlines()[-1])
        result["playground_ms"] = playground(model, Settings(Path(folder)))
    ratio, latency = result["ratio"], result["playground_ms"]["median"]
    met = (
        ratio >= TARGET
        and result["fast_ratio"] >= FAST_TARGET
        and latency <= PLAYGROUND_TARGET_MS
        and result["max_difference"] <= CLOSE
    )
    print(
        json.dumps(
            {
                "benchmark": "predict",
                "value": round(ratio, 2),
                "unit": "times the pipeline's examples per second",
                "target": TARGET,
                "fast_target": FAST_TARGET,
                "met": met,
                **result,
                "playground_target_ms": PLAYGROUND_TARGET_MS,
            }
        )
    )
    return 0


def with_head(source: Path, folder: Path) -> Path:
    """The model with a random head, from a seed; large weights, so that the probabilities differ."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, set_seed

    set_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(source, num_labels=CLASSES)
    with torch.no_grad():
        model.classifier.weight.mul_(40)
    model.save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(source)
    tokenizer.model_max_length = LONGEST
    tokenizer.save_pretrained(folder)
    return folder


def both(options: argparse.Namespace) -> dict[str, Any]:
    import numpy as np
    from transformers import pipeline
    from transformers.utils import logging

    from core.evaluation.fast import onnx_file
    from core.evaluation.fast.int8_model import Int8Model
    from core.evaluation.trained_model import TrainedModel
    from core.runs.environment import hardware
    from core.tasks.text_classification.predictions import softmax

    logging.set_verbosity_error()
    texts = texts_of(options.data)[: QUICK_TEXTS if options.quick else TEXTS]
    ours = TrainedModel(options.model, LONGEST, device="cpu")
    file = options.model.parent / "fast"
    file.mkdir()
    onnx_file.write_int8(ours, file)
    fast = Int8Model(options.model, file / onnx_file.MODEL, LONGEST)
    other: Any = pipeline("text-classification", model=str(options.model), device="cpu", top_k=None)
    rows = [(text,) for text in texts]
    for model in (ours, fast):
        model.logits(rows[:20])
    other(texts[:20], truncation=True, batch_size=8)
    rounds = []
    for _ in range(1 if options.quick else ROUNDS):
        import torch

        torch.set_num_threads(physical_cores())
        started = time.perf_counter()
        answers = other(texts, truncation=True, batch_size=8)
        middle = time.perf_counter()
        logits = ours.logits(rows)
        ended = time.perf_counter()
        quick = fast.logits(rows)
        last = time.perf_counter()
        spans = {"other": middle - started, "ours": ended - middle, "fast": last - ended}
        rounds.append({side: len(texts) / seconds for side, seconds in spans.items()})
        print(rounds[-1], file=sys.stderr)
    shares = softmax(logits)
    theirs = np.array([[next(a["score"] for a in answer if a["label"] == n) for n in ours.names] for answer in answers])
    return {
        "ours": round(statistics.median(r["ours"] for r in rounds), 2),
        "other": round(statistics.median(r["other"] for r in rounds), 2),
        "fast": round(statistics.median(r["fast"] for r in rounds), 2),
        "fast_ratio": round(statistics.median(r["fast"] / r["other"] for r in rounds), 2),
        "fast_same_class": round(float((quick.argmax(1) == logits.argmax(1)).mean()), 4),
        "processor": hardware().processor,
        "ratio": statistics.median(r["ours"] / r["other"] for r in rounds),
        "max_difference": float(np.abs(shares - theirs).max()),
        "spread": float(shares.max(1).std()),
        "texts": len(texts),
        "rounds": len(rounds),
    }


def texts_of(folder: Path) -> list[str]:
    import pandas as pd

    path = folder if folder.is_file() else folder / "test.csv"
    return [str(text) for text in pd.read_csv(path)["text"]]


def playground(model: Path, settings: Settings) -> dict[str, float]:
    """Milliseconds from a question to its answer, as the page measures them."""
    from core.evaluation.specs import Subject
    from core.playground.client import Playground

    asked = Playground(settings)
    subject = Subject(name=str(model), max_length=LONGEST)
    try:
        first = asked.predict(subject, [["The food was good, but the service was slow."]]).total
        times = [
            asked.predict(subject, [[f"The food was good, but the service was slow, visit {i}."]]).total * 1000
            for i in range(QUESTIONS)
        ]
    finally:
        asked.close()
    return {
        "median": round(statistics.median(times), 2),
        "p95": round(sorted(times)[int(0.95 * len(times))], 2),
        "first": round(first * 1000),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
