"""Tiny real models and data for the learning tests, and a reporter that remembers."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.messages import Argument, Message
from core.models import loading as model_loading
from core.models import names as models
from core.models import scratch
from core.runs import device
from core.spec import run as spec_module
from core.spec.run import RunSpec

LABELS = ("bad", "middling", "good")
FILLER = [f"word{i}" for i in range(60)]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Models this small compute no faster with more, and several times slower on a busy machine."""
    device.set_threads(1)


@dataclass
class Recorder:
    """A Reporter that keeps all it is told; `stop_at` asks for a stop once that step is reached."""

    stop_at: int | None = None
    stop_in_phase: str | None = None
    steps: list[tuple[int, int]] = field(default_factory=list)
    points: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    messages: list[tuple[str, str, str]] = field(default_factory=list)
    checkpoints: list[tuple[Path, int, bool]] = field(default_factory=list)
    phases: list[str] = field(default_factory=list)
    stop_requested: bool = False

    def phase(self, text: str | Message) -> None:
        self.phases.append(str(text))
        if self.stop_in_phase and str(text).startswith(self.stop_in_phase):
            self.stop_requested = True

    @property
    def step(self) -> int:
        return self.steps[-1][0] if self.steps else 0

    def fraction(self, text: str | Message, done: float | None = None) -> None:
        self.phase(text)
        self.check_stop()

    def progress(self, step: int, total: int, epoch: float | None = None) -> None:
        self.steps.append((step, total))
        if self.stop_at is not None and step >= self.stop_at:
            self.stop_requested = True

    def metrics(self, values: dict[str, float], step: int, epoch: float | None = None) -> None:
        self.points.append((step, dict(values)))

    def restore(self, log: Sequence[Mapping[str, float | None]]) -> None: ...

    def message(self, text: str, level: str = "info", code: str = "", **arguments: Argument) -> None:
        self.messages.append((text, level, code))

    def checkpoint(self, path: Path, step: int, best: bool) -> None:
        self.checkpoints.append((path, step, best))

    def check_stop(self) -> None:
        if self.stop_requested:
            raise InterruptedError("stopped")

    def series(self, name: str) -> list[float]:
        return [values[name] for _, values in self.points if name in values]

    @property
    def codes(self) -> set[str]:
        return {code for _, _, code in self.messages if code}


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def make_texts(count: int, seed: int) -> tuple[list[str], list[int]]:
    """Texts of 3 to 40 words in which a quarter of the words belong to the class."""
    rng = random.Random(seed)
    texts, labels = [], []
    for _ in range(count):
        label = rng.randrange(len(LABELS))
        words = [
            f"{LABELS[label]}{rng.randrange(5)}" if rng.random() < 0.25 else rng.choice(FILLER)
            for _ in range(rng.randrange(3, 40))
        ]
        texts.append(" ".join(words))
        labels.append(label)
    return texts, labels


@pytest.fixture(scope="session")
def make_loaded() -> Callable[..., Any]:
    """(train texts, eval texts) or counts -> what `core.data.loading.load` hands over."""
    from datasets import Dataset, DatasetDict

    def split(texts: Sequence[Any], labels: Sequence[int], columns: tuple[str, ...]) -> Dataset:
        by_column = {c: list(t) for c, t in zip(columns, zip(*texts, strict=True), strict=True)}
        return Dataset.from_dict({**by_column, "label": list(labels), "row": list(range(100, 100 + len(labels)))})

    def make(
        train: int | tuple[list[Any], list[int]] = 200,
        eval: int | tuple[list[Any], list[int]] = 40,
        label_names: tuple[str, ...] = LABELS,
        columns: tuple[str, ...] = ("text",),
    ) -> Any:
        parts = {}
        for seed, (name, given) in enumerate((("train", train), ("eval", eval))):
            texts, labels = make_texts(given, seed) if isinstance(given, int) else given
            parts[name] = split([t if isinstance(t, tuple) else (t,) for t in texts], labels, columns)
        return SimpleNamespace(dataset=DatasetDict(parts), text_columns=columns, label_names=label_names)

    return make


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a BERT of one layer of 32 and a vocabulary, as if pretrained: without a head."""
    from transformers import BertConfig, BertModel, set_seed

    folder = tmp_path_factory.mktemp("models") / "tiny-bert"
    tokenizer = scratch.tokenizer(make_texts(300, 0)[0], 64)
    set_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        pad_token_id=tokenizer.pad_token_id,
    )
    model_loading.save(BertModel(config), tokenizer, folder)
    return folder


@pytest.fixture
def make_spec(tiny_bert: Path) -> Callable[..., RunSpec]:
    """A short run on the CPU with the tiny model; dotted paths (with __ for the dot) change it."""

    def make(**changes: Any) -> RunSpec:
        base: dict[str, Any] = {
            "model.name": str(tiny_bert),
            "model.max_length": 48,
            "training.learning_rate": 5e-3,
            "training.num_train_epochs": 3,
            "execution.device": "cpu",
            "execution.precision": "fp32",
        }
        return spec_module.replace(RunSpec(), base | {k.replace("__", "."): v for k, v in changes.items()})

    return make


@dataclass
class Prepared:
    spec: RunSpec
    encoded: Any
    model: Any
    run_dir: Path
    report: Recorder


@pytest.fixture
def prepare(settings: Any, tmp_path: Path, recorder: Recorder, make_spec: Any, make_loaded: Any) -> Any:
    """Everything up to the training, as the worker does it."""
    from core.tasks.contract import task_of

    def make(loaded: Any = None, report: Recorder = recorder, folder: str = "run", **changes: Any) -> Prepared:
        spec = make_spec(**changes)
        task = task_of(spec)
        loaded = loaded or make_loaded()
        source = models.fetch(spec.model, settings, lambda text, share: None)
        texts = loaded.dataset["train"][loaded.text_columns[0]]
        tokenizer = model_loading.load_tokenizer(spec.model, source, task.model.KIND, texts, report)
        encoded = task.encode.encode(loaded, spec, tokenizer, report)
        head = task.model.head(encoded.label_names)
        model = model_loading.load_model(spec.model, source, head, tokenizer, spec.training.seed, report)
        run_dir = tmp_path / folder
        run_dir.mkdir()
        return Prepared(spec, encoded, model, run_dir, report)

    return make


@pytest.fixture
def new_recorder() -> type[Recorder]:
    return Recorder
