"""What the training benchmarks share: the engines as the worker calls them, and the tutorial's recipe."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from core.machine import physical_cores
from core.messages import Argument, Message
from core.settings import Settings
from core.spec.run import RunSpec, replace

RECIPE_LENGTH = 512


class Silent:
    """A Reporter that only keeps the numbers; it calls `on_step(step, total)` at each step."""

    stop_requested = False
    step = 0

    def __init__(self, on_step: Callable[[int, int], None] = lambda step, total: None) -> None:
        self.on_step = on_step
        self.points: list[tuple[int, dict[str, float]]] = []

    def progress(self, step: int, total: int, epoch: float | None = None) -> None:
        self.step = step
        self.on_step(step, total)

    def metrics(self, values: dict[str, float], step: int, epoch: float | None = None) -> None:
        self.points.append((step, dict(values)))

    def last(self, name: str) -> float:
        return [values[name] for _, values in self.points if name in values][-1]

    def restore(self, log: Sequence[Mapping[str, float | None]]) -> None: ...
    def fraction(self, text: str | Message, done: float | None = None) -> None: ...
    def phase(self, text: str | Message) -> None: ...
    def message(self, text: str, level: str = "info", code: str = "", **arguments: Argument) -> None: ...
    def checkpoint(self, path: Path, step: int, best: bool) -> None: ...
    def check_stop(self) -> None: ...


def spec_for(data: Path, model: Path, engine: str, **changes: Any) -> RunSpec:
    """Our defaults on a folder of files, on the CPU; `engine` may name its input ("keras-numpy").

    changes: by dotted path, with __ for the dot
    """
    name, _, keras_input = engine.partition("-")
    tree: dict[str, Any] = {
        "data.source": "file",
        "data.path": str(data.resolve()),
        "model.name": str(model.resolve()),
        "execution.device": "cpu",
        "engine": name,
    }
    if keras_input:
        tree["keras_input"] = keras_input
    return replace(RunSpec(), tree | {path.replace("__", "."): value for path, value in changes.items()})


def load(spec: RunSpec) -> Any:
    """The examples of a spec, as the worker has them."""
    from core.data.loading.load import load

    with tempfile.TemporaryDirectory() as home:
        loaded = load(spec.data, Settings(home=Path(home)))
        for split in loaded.dataset:
            loaded.dataset[split] = loaded.dataset[split].map(keep_in_memory=True)  # the home is deleted
        return loaded


def train_ours(spec: RunSpec, loaded: Any, report: Any) -> dict[str, Any]:
    """Train with one of our engines; returns the result of `encode` and that of the training."""
    from core.models import loading as model_loading
    from core.runs import device
    from core.spec.engines import ENGINES
    from core.tasks.contract import task_of

    device.set_threads(physical_cores())
    folder = None if spec.model.name == "scratch" else Path(spec.model.name)
    texts = loaded.dataset["train"][loaded.text_columns[0]]
    task = task_of(spec)
    tokenizer = model_loading.load_tokenizer(spec.model, folder, task.model.KIND, texts, report)
    head = task.model.head(loaded.label_names)
    model = model_loading.load_model(spec.model, folder, head, tokenizer, spec.training.seed, report)
    encoded = task.encode.encode(loaded, spec, tokenizer, report)
    engine = importlib.import_module(ENGINES[spec.engine])
    with tempfile.TemporaryDirectory() as run_dir:
        engine.train(spec, encoded, model, Path(run_dir), report)
    return {"encoded": encoded, "model": model}


def train_recipe(spec: RunSpec, loaded: Any, callback: Any, *, tuned: bool = False, evaluate: bool = False) -> Any:
    """Train with the tutorial's code: full padding and default TrainingArguments. Returns the last evaluation.

    tuned: with the settings of an expert: padding per batch, and the Trainer's own grouping by length
    """
    import numpy as np
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    tokenizer = AutoTokenizer.from_pretrained(spec.model.name)
    (column,) = loaded.text_columns

    def tokenize_function(examples: dict[str, Any]) -> Any:
        padding = False if tuned else "max_length"
        return tokenizer(examples[column], padding=padding, truncation=True, max_length=spec.model.max_length)

    def compute_metrics(output: Any) -> dict[str, float]:
        from core.tasks.text_classification.metrics import score

        logits, labels = output
        return score(spec.evaluation.metrics, np.argmax(logits, axis=-1), labels)

    tokenized = loaded.dataset.map(tokenize_function, batched=True)
    set_seed(spec.training.seed)
    network = AutoModelForSequenceClassification.from_pretrained(spec.model.name, num_labels=len(loaded.label_names))
    with tempfile.TemporaryDirectory() as folder:
        args = TrainingArguments(
            output_dir=folder,
            num_train_epochs=spec.training.num_train_epochs,
            per_device_train_batch_size=spec.training.per_device_train_batch_size,
            learning_rate=spec.training.learning_rate,
            seed=spec.training.seed,
            eval_strategy="epoch" if evaluate else "no",
            save_strategy="no",
            report_to="none",
            use_cpu=spec.execution.device == "cpu",
            train_sampling_strategy="group_by_length" if tuned else "random",
        )
        trainer = Trainer(
            model=network,
            args=args,
            train_dataset=tokenized["train"],
            eval_dataset=tokenized["eval"],
            compute_metrics=compute_metrics,
            data_collator=DataCollatorWithPadding(tokenizer) if tuned else None,
            callbacks=[callback] if callback else [],
        )
        trainer.train()
    return [entry for entry in trainer.state.log_history if "eval_loss" in entry][-1:] or None
