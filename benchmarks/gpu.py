"""Training on one GPU: our engines against a plain Trainer in fp32 and against a tuned one, on the same updates.

    python -m benchmarks.gpu [--lengths reviews|news|requests] [--rows N] [--minutes 8] [--sides …] [--tiny]

    torch, trainer   our engines as `auto` has them: bf16, batches without padding
    compiled         torch with torch.compile, only if asked for
    tuned            a Trainer as an expert sets it up: bf16, each batch padded to its longest text, grouped by length,
                     fused AdamW, batches made by two other processes
    plain            a Trainer with default TrainingArguments: fp32, each batch padded to its longest text

Nothing is downloaded: a BERT of base size gets random weights, and texts are token ids, whose lengths are those of real
texts (see `benchmarks.made_texts`) and of which some tell the class. It needs the packages in NEEDED, and no others of
ours; to a machine without a network they can be carried: `pip download`, then `pip install --no-index --target`.

Speed is of the steps after the first WARM_UP; the GPU has then done all that was asked of it. The utilisation (MFU) is
useful operations (as `benchmarks.utilisation` counts them, without padding) over PEAKS. `--tiny`: a small model on a
CPU, in seconds, to see whether this script works; its speeds say nothing about a GPU.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import importlib.util
import json
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.made_texts import CLASSES, LENGTHS, MadeTexts, Size

NEEDED = (
    "torch", "transformers", "accelerate", "safetensors", "tokenizers", "numpy", "datasets", "evaluate", "pyarrow",
    "pydantic", "psutil", "yaml",
)  # fmt: skip

# Operations per second with dense matrices of bf16, from the makers' data sheets; the first name that fits counts.
PEAKS = {
    "B200": 2250e12, "H100 PCIe": 756e12, "H100 NVL": 835e12, "H100": 989e12, "H200": 989e12, "GH200": 989e12,
    "A100": 312e12, "A10G": 70e12, "A10": 125e12, "L40S": 362e12, "L40": 181e12, "L4": 121e12,
    "RTX 4090": 165e12, "RTX 3090": 71e12,
}  # fmt: skip
SIDES = ("torch", "trainer", "tuned", "plain")
TARGETS = {"plain": 4.0, "tuned": 1.4}
TARGET_MFU = 0.45
WARM_UP = 20
SECONDS_AROUND = 25  # for making data and models, and judging, kept back from the time of a side


BASE = Size(6400, 1000, 32, 2, 512, 5e-5, WARM_UP, {"vocab_size": 30522, "initializer_range": 0.036})
TINY = Size(256, 100, 8, 3, 32, 3e-3, 4, {
    "vocab_size": 200, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
    "max_position_embeddings": 32, "initializer_range": 0.15,
})  # fmt: skip


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lengths", choices=LENGTHS, default="reviews")
    parser.add_argument("--rows", type=int, help="to train on")
    parser.add_argument("--minutes", type=float, default=8.0, help="at most")
    parser.add_argument("--sides", nargs="*", choices=(*SIDES, "compiled"), default=list(SIDES))
    parser.add_argument("--peak", type=float, help="TFLOP/s of the GPU in bf16, where PEAKS does not know it")
    parser.add_argument("--tiny", action="store_true", help="a small model on the CPU, in seconds")
    options = parser.parse_args(arguments)
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        print(f"These packages are missing here: {', '.join(missing)}; any version will do.", file=sys.stderr)
        return 2
    import torch

    if not options.tiny and not torch.cuda.is_available():
        print("torch sees no CUDA GPU here; --tiny tries this script on the CPU.", file=sys.stderr)
        return 2
    print(json.dumps(measure(options)))
    return 0


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All sides, one after the other, each within its share of the time that is left."""
    size, end = TINY if options.tiny else BASE, time.monotonic() + options.minutes * 60
    texts = MadeTexts(size, options.rows or size.rows, LENGTHS[options.lengths], "cpu" if options.tiny else "cuda")
    sides: dict[str, dict[str, Any]] = {}
    for number, name in enumerate(options.sides):
        share = (end - time.monotonic()) / (len(options.sides) - number) - (0 if options.tiny else SECONDS_AROUND)
        print(f"{name}: at most {share:.0f} s", file=sys.stderr)
        try:
            sides[name] = one_side(name, texts, share)
        except Exception as error:  # the others' figures are worth having all the same
            sides[name] = {"failed": f"{type(error).__name__}: {error}"[:500]}
    return result_of(sides, options, texts)


@dataclass
class Clock:
    """Times the steps after the warm-up; `over` once a side has had its time."""

    texts: MadeTexts
    seconds: float
    began: float = field(default_factory=time.monotonic)
    first: tuple[int, float] | None = None
    last: tuple[int, float] | None = None
    is_whole: bool = False

    def step(self, step: int, total: int) -> None:
        if step == self.texts.size.warm_up:
            self.first = step, self._now()
        elif self.first is not None and (step == total or self.over):
            self.last, self.is_whole = (step, self._now()), step == total

    @property
    def over(self) -> bool:
        return time.monotonic() - self.began > self.seconds

    def _now(self) -> float:
        import torch

        if self.texts.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    @property
    def examples_per_second(self) -> float:
        assert self.first is not None and self.last is not None, "too little time for the first steps"
        return (self.last[0] - self.first[0]) * self.texts.size.batch / (self.last[1] - self.first[1])


def one_side(name: str, texts: MadeTexts, seconds: float) -> dict[str, Any]:
    """Trains one side; its speed, memory and F1. A side whose time ends before its updates are done has no F1."""
    import torch

    model = texts.model()
    operations = texts.operations_per_text(model)
    gc.collect()  # the side before may lie in circles
    if texts.device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    clock = Clock(texts, seconds)
    notes = (train_trainer if name in ("tuned", "plain") else train_ours)(name, texts, model, clock)
    speed = clock.examples_per_second
    memory = torch.cuda.max_memory_allocated() / 1e9 if texts.device == "cuda" else None
    return {
        "examples_per_second": round(speed, 1),
        "operations_per_second": speed * operations,
        "memory_gb": None if memory is None else round(memory, 2),
        "f1": round(macro_f1(model, texts), 4) if clock.is_whole else None,
        "updates": clock.last and clock.last[0],
        **notes,
    }


def train_ours(name: str, texts: MadeTexts, model: Any, clock: Clock) -> dict[str, Any]:
    """One of our engines, as a worker calls it."""
    from core.spec.engines import ENGINES
    from core.spec.run import RunSpec, replace
    from core.tasks.texts import Encoded

    engine = "torch" if name == "compiled" else name
    size = texts.size
    spec = replace(RunSpec(), {
        "engine": engine, "execution.device": texts.device, "execution.torch_compile": name == "compiled",
        "model.max_length": size.longest, "training.learning_rate": size.rate,
        "training.num_train_epochs": size.epochs, "training.per_device_train_batch_size": size.batch,
        "training.warmup_steps": 0.1, "training.eval_strategy": "no", "training.save_strategy": "no",
        "training.load_best_model_at_end": False, "training.logging_steps": 50,
        **({"execution.precision": "fp32", "execution.padding_free": "on"} if texts.device == "cpu" else {}),
    })  # fmt: skip
    encoded = Encoded(
        texts.train, texts.eval, tuple(f"class {i}" for i in range(CLASSES)), texts.tokenizer, {}, {}, None, "bench"
    )
    report = reporter(clock)
    with tempfile.TemporaryDirectory() as folder:
        importlib.import_module(ENGINES[engine]).train(spec, encoded, model, Path(folder), report)
    return {"padding_free": "padding-free" in report.codes}


def reporter(clock: Clock) -> Any:
    from benchmarks.training import Silent

    class Watching(Silent):
        """Counts the steps, keeps the ids of messages, and asks for a stop when the time is over."""

        def __init__(self) -> None:
            super().__init__(clock.step)
            self.codes: set[str] = set()

        @property
        def stop_requested(self) -> bool:  # type: ignore[override]
            return clock.over

        def message(self, text: str, level: str = "info", code: str = "", **arguments: Any) -> None:
            self.codes.add(code)
            print(f"  {text}", file=sys.stderr)

    return Watching()


def train_trainer(name: str, texts: MadeTexts, model: Any, clock: Clock) -> dict[str, Any]:
    """A Trainer without anything of ours."""
    from transformers import DataCollatorWithPadding, Trainer, TrainerCallback, TrainingArguments

    class Watching(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            clock.step(state.global_step, state.max_steps)
            control.should_training_stop |= clock.over

    size, on_gpu = texts.size, texts.device == "cuda"
    expert: dict[str, Any] = {
        "bf16": on_gpu, "train_sampling_strategy": "group_by_length", "optim": "adamw_torch_fused",
        "dataloader_num_workers": 2 if on_gpu else 0,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            learning_rate=size.rate,
            num_train_epochs=size.epochs,
            per_device_train_batch_size=size.batch,
            warmup_steps=0.1,
            use_cpu=not on_gpu,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            logging_steps=50,
            **(expert if name == "tuned" else {"bf16": False, "fp16": False}),
        )
        collator = DataCollatorWithPadding(texts.tokenizer, pad_to_multiple_of=8 if name == "tuned" else None)
        Trainer(model, arguments, collator, texts.train, callbacks=[Watching()]).train()
    return {}


def macro_f1(model: Any, texts: MadeTexts) -> float:
    """On the judged texts, in fp32, the same for every side."""
    import numpy as np
    import torch

    model.eval()
    ids, labels, answers = texts.eval["input_ids"], np.array(texts.eval["labels"]), []
    for start in range(0, len(labels), 64):
        batch = texts.tokenizer.pad({"input_ids": ids[start : start + 64]}, return_tensors="pt").to(model.device)
        with torch.no_grad():
            answers.append(model(**batch).logits.argmax(-1).cpu().numpy())
    answer = np.concatenate(answers)
    scores = []
    for label in range(CLASSES):
        hits, either = ((answer == label) & (labels == label)).sum(), (answer == label).sum() + (labels == label).sum()
        scores.append(2 * hits / max(1, either))
    return float(np.mean(scores))


def peak_of(title: str) -> float | None:
    return next((value for name, value in PEAKS.items() if name in title), None)


def result_of(sides: dict[str, dict[str, Any]], options: argparse.Namespace, texts: MadeTexts) -> dict[str, Any]:
    """Ratios, utilisation and the largest difference in F1, each with its target."""
    import torch
    import transformers

    title = torch.cuda.get_device_name(0) if texts.device == "cuda" else "CPU"
    peak = options.peak * 1e12 if options.peak else peak_of(title)
    speeds = {name: side["examples_per_second"] for name, side in sides.items() if "failed" not in side}
    for name in speeds:
        operations = sides[name].pop("operations_per_second")
        sides[name]["mfu"] = round(operations / peak, 4) if peak else None
    ours = max((speeds[name] for name in ("torch", "trainer", "compiled") if name in speeds), default=None)
    ratios = {
        other: {"ratio": round(ours / speeds[other], 2), "target": target, "met": ours / speeds[other] >= target}
        for other, target in TARGETS.items()
        if ours and other in speeds
    }
    mfu = max((sides[name]["mfu"] or 0 for name in speeds if name not in TARGETS), default=None)
    scores = [side["f1"] for side in sides.values() if side.get("f1") is not None]
    noise = 1.96 * (0.5 / len(texts.eval)) ** 0.5  # the widest that two scores of these texts differ by chance
    difference = max(scores) - min(scores) if scores else None
    equal = difference is not None and difference <= noise
    return {
        "benchmark": "gpu",
        "value": ratios.get("tuned", {}).get("ratio"),
        "target": TARGETS["tuned"],
        "unit": "times the examples per second of a tuned Trainer",
        "met": bool(ratios) and all(entry["met"] for entry in ratios.values()) and (mfu or 0) >= TARGET_MFU and equal,
        "ratios": ratios,
        "mfu": {"value": mfu if peak else None, "target": TARGET_MFU, "peak_tflops": peak and peak / 1e12},
        "f1": {"difference": difference, "by_chance": round(noise, 4)},
        "sides": sides,
        "device": title,
        "lengths": options.lengths,
        "rows": texts.rows,
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
