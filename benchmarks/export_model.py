"""Compares an exported model with torch: ONNX with 32-bit and with 8-bit weights, on the same texts in turn.

    python -m benchmarks.export_model --data FOLDER --model FOLDER [--quick]

data: a folder with a CSV of texts, such as yelp10k. model: a pretrained encoder; it gets a head of five classes. The
texts are predicted in batches of eight of similar length by torch (the model of Tunedeck's batch prediction),
onnxruntime, and onnxruntime with 8-bit weights; a round covers all three, batch by batch. The cost of 8-bit weights is
the share of texts whose class changes: the head is random, so there is no accuracy to lose.
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

from benchmarks.predict import LONGEST, texts_of, with_head
from core.machine import physical_cores
from core.runs.process import worker_environment
from core.settings import PROJECT, Settings

TEXTS, QUICK_TEXTS, ROUNDS = 400, 80, 3
TARGET, CLOSE = 1.0, 1e-3


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_TEXTS} texts, once")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.side:
        print(json.dumps(all_sides(options)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        model = with_head(options.model, Path(folder) / "model")
        command = [sys.executable, "-m", "benchmarks.export_model", "--side", "all", "--model", str(model)]
        command += ["--data", str(options.data.resolve()), *(["--quick"] if options.quick else [])]
        environment = worker_environment("cpu", None, Settings(Path(folder))) | {"TUNEDECK_HOME": folder}
        done = subprocess.run(
            command, cwd=PROJECT, env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=True
        )
    result = json.loads(done.stdout.splitlines()[-1])
    met = result["ratio"] >= TARGET and result["max_difference"] <= CLOSE
    print(
        json.dumps(
            {
                "benchmark": "export_model",
                "value": result["ratio"],
                "unit": "times torch's texts per second (ONNX)",
                "target": TARGET,
                "met": met,
                **result,
            }
        )
    )
    return 0


def all_sides(options: argparse.Namespace) -> dict[str, Any]:
    import shutil

    import numpy as np
    import torch

    from core.evaluation.fast import onnx_file
    from core.evaluation.trained_model import TrainedModel
    from core.runs.device import set_threads
    from core.sharing.model import onnx_model
    from core.sharing.model.inputs import Inputs

    count, rounds = (QUICK_TEXTS, 1) if options.quick else (TEXTS, ROUNDS)
    texts: list[tuple[str, ...]] = [(text,) for text in texts_of(options.data)[:count]]
    inputs = Inputs(texts, None, "texts of the benchmark")
    model = TrainedModel(options.model, LONGEST, device="cpu")
    whole, small = options.model.parent / "making" / "fp32", options.model.parent / "making" / "int8"
    whole.mkdir(parents=True)
    started = time.perf_counter()
    known = onnx_model.reference(model, inputs, count, quiet)
    middle = time.perf_counter()
    onnx_model.write(model, whole)
    print(f"asked torch in {middle - started:.1f} s, wrote in {time.perf_counter() - middle:.1f} s", file=sys.stderr)
    onnx_model.write_tokenizer(model, whole / onnx_model.TOKENIZER)
    check = onnx_model.check(model, whole, inputs, known, quiet)
    shutil.copytree(whole, small)
    onnx_model.quantise(small, "the model")
    runtimes = {"onnx": onnx_model.Runtime(whole), "int8": onnx_model.Runtime(small)}

    batches = [[texts[i] for i in places] for places in onnx_model.like_batches(texts)]
    tokens = [model.batch(model.encode(batch)) for batch in batches]
    arrays = [runtimes["onnx"].tokens(batch) for batch in batches]
    seconds = dict.fromkeys(("torch", *runtimes), 0.0)
    set_threads(physical_cores())
    for _ in range(rounds):
        for torch_side, onnx_side in zip(tokens, arrays, strict=True):
            began = time.perf_counter()
            with torch.inference_mode():
                model.model(**torch_side)
            seconds["torch"] += time.perf_counter() - began
            for name, runtime in runtimes.items():
                began = time.perf_counter()
                runtime.run(onnx_side)
                seconds[name] += time.perf_counter() - began
        print({name: round(value, 1) for name, value in seconds.items()}, file=sys.stderr)
    fp32, int8 = (np.concatenate([runtime.run(a) for a in arrays]) for runtime in runtimes.values())
    rate = {name: round(rounds * count / value, 2) for name, value in seconds.items()}
    return {
        "ours": rate["onnx"],
        "other": rate["torch"],
        "int8": rate["int8"],
        "ratio": round(seconds["torch"] / seconds["onnx"], 3),
        "int8_ratio": round(seconds["torch"] / seconds["int8"], 3),
        "max_difference": check["max_difference"],
        "same_class": check["same_class"],
        "int8_same_class": float((fp32.argmax(1) == int8.argmax(1)).mean()),
        "bytes": onnx_file.bytes_of(whole),
        "int8_bytes": onnx_file.bytes_of(small),
        "texts": count,
        "rounds": rounds,
    }


def quiet(text: str, share: float | None) -> None:
    """Progress that nobody watches."""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
