"""A trained model that answers: texts in, outputs out. For evaluation, batch prediction and the playground alike.

Texts are taken a few thousand at a time, sorted by length, and computed in batches of about as many tokens: nearly no
padding, and the memory of one batch, however many texts there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from core.errors import ModelError
from core.evaluation.specs import Subject, task_of_subject
from core.machine import physical_cores
from core.models import folder as model_folder
from core.models import loading as model_loading
from core.models import names as models
from core.runs.device import choose, set_threads
from core.runs.environment import read_environment
from core.settings import Settings
from core.spec.evaluation import FIRST_TASK
from core.spec.execution import ExecutionSpec
from core.spec.model import ModelSpec
from core.store.files import read_temperature
from core.store.store import Store
from core.tasks.contract import Task
from core.tasks.texts import pad

AT_ONCE = 4096  # texts tokenised and sorted together
TOKENS, GPU_TOKENS = 2048, 32_768  # of a batch
MOST_TEXTS = 128  # of a batch
FEW_TOKENS = 128
LONGEST = 512  # for a model that names no limit

DeviceName = Literal["auto", "cpu", "cuda", "mps"]
Progress = Callable[[str, float | None], None]


def ignore(text: str, share: float | None) -> None:
    """A progress callback for those who do not watch."""


class TrainedModel:
    """A model of a task in a folder, on this machine's best device.

    names: its classes in the order of their ids, if its task has classes
    temperature: what its logits are divided by before the softmax; 1 where they are none
    """

    def __init__(
        self,
        folder: Path,
        max_length: int | None = None,
        title: str = "",
        *,
        device: DeviceName = "auto",
        task: str = FIRST_TASK,
        trained_in: str = "fp32",
    ) -> None:
        """trained_in: the precision of its training; on a CPU it answers in a lower one only if that was lower

        Raises ModelError for a folder that holds no trained model of the task.
        """
        model_folder.check_folder(folder, max_length, title)
        self.folder, self.title = folder, title or folder.name
        self.device = choose(ExecutionSpec(device=device))
        if self.device.kind == "cpu" and trained_in != self.device.precision:
            self.device = replace(self.device, precision="fp32")
        self.tokenizer = model_loading.open_tokenizer(folder, self.title)
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        own = Task(task).model
        self.model = model_loading.load_trained(folder, self.title, own.KIND).to(self.device.kind).eval()
        own.check_trained(self.model.config, model_folder.read_config(folder), self.title)
        self.model.config.pad_token_id = self.tokenizer.pad_token_id
        self.names = own.names(self.model.config)
        self.max_length = max_length or self._limit()
        self.temperature = read_temperature(folder)

    def _limit(self) -> int:
        limit = model_folder.position_limit(self.model.config.to_dict())
        return min(limit or LONGEST, self.tokenizer.model_max_length, LONGEST)

    def encode(self, texts: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
        """Token ids of texts, each a row of one text or a pair."""
        columns = [list(column) for column in zip(*texts, strict=True)]
        with model_loading.tokenizer_failures(f"the tokenizer of {self.title} cannot read these texts"):
            encoding = self.tokenizer(*columns, truncation=True, max_length=self.max_length)
        names = [name for name in ("input_ids", "attention_mask", "token_type_ids") if name in encoding]
        return [dict(zip(names, row, strict=True)) for row in zip(*(encoding[n] for n in names), strict=True)]

    def reads(self, texts: Sequence[Sequence[str]]) -> list[dict[str, int]]:
        """How the model reads each text: its number of tokens without the special ones, how many of them are unknown
        to the vocabulary, and how many the model reads before the text is cut off.
        """
        columns = [list(column) for column in zip(*texts, strict=True)]
        special = self.tokenizer.num_special_tokens_to_add(pair=len(columns) > 1)
        unknown = self.tokenizer.unk_token_id
        with model_loading.tokenizer_failures(f"the tokenizer of {self.title} cannot read these texts"):
            ids = self.tokenizer(*columns, add_special_tokens=False, verbose=False)["input_ids"]
        room = max(0, self.max_length - special)
        return [{"tokens": len(row), "unknown": row.count(unknown), "read": min(len(row), room)} for row in ids]

    def logits(self, texts: Sequence[Sequence[str]], progress: Progress = ignore) -> np.ndarray:
        """float32 (texts, outputs). What `progress` raises ends it."""
        outputs = np.empty((len(texts), len(self.model.config.id2label)), dtype=np.float32)
        for start in range(0, len(texts), AT_ONCE):
            examples = self.encode(texts[start : start + AT_ONCE])
            done = start
            for places in self.batches([len(e["input_ids"]) for e in examples]):
                batch = self.batch([examples[i] for i in places])
                outputs[start + places] = self.forward(batch).logits.float().cpu().numpy()
                done += len(places)
                progress("Predicting", done / len(texts))
        return outputs

    def batch(self, examples: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        padded = pad(examples, self.tokenizer, multiple_of=self.device.pad_to_multiple_of)
        return {name: torch.from_numpy(values).to(self.device.kind) for name, values in padded.items()}

    def forward(self, inputs: dict[str, torch.Tensor], **more: Any) -> Any:
        """The model's outputs. One thread answers a short text: waiting for another takes longer than it helps."""
        if self.device.kind == "cpu":
            small = inputs["input_ids"].numel() <= FEW_TOKENS
            set_threads(1 if small else physical_cores())
        with torch.inference_mode(), self.device.autocast():
            return self.model(**inputs, **more)

    def batches(self, lengths: Sequence[int]) -> list[np.ndarray]:
        """Places of texts of like length, the longest first: memory runs out at once or never."""
        order = np.argsort(-np.asarray(lengths), kind="stable")
        budget = TOKENS if self.device.kind == "cpu" else GPU_TOKENS
        batches, start = [], 0
        while start < len(order):
            count = min(MOST_TEXTS, max(1, budget // lengths[order[start]]))
            batches.append(order[start : start + count])
            start += count
        return batches


def open_subject(subject: Subject, settings: Settings, progress: Progress = ignore) -> TrainedModel:
    """The model of a run, or a folder or Hub id. Raises ModelError, HubError, PathError, RunNotFound."""
    folder, max_length, title = find_subject(subject, settings, progress)
    task = task_of_subject(subject, Store(settings.store_path)).name
    return TrainedModel(folder, max_length, title, task=task, trained_in=trained_in(subject, settings))


def trained_in(subject: Subject, settings: Settings) -> str:
    """The precision in which a run's model was trained; fp32 for any other."""
    environment = read_environment(settings.run_dir(subject.run)) if subject.run else None
    return environment.hardware.precision if environment else "fp32"


def find_subject(subject: Subject, settings: Settings, progress: Progress = ignore) -> tuple[Path, int | None, str]:
    """Where a model lies, its longest text and what it is called."""
    if subject.run:
        run = Store(settings.store_path).run(subject.run)
        folder = settings.run_dir(run.id) / "model"
        if not (folder / "config.json").is_file():
            raise ModelError.of(
                "run-left-no-model", "the run {run!r} left no model; choose one that has finished", run=run.name
            )
        return folder, subject.max_length or run.spec["model"]["max_length"], run.name
    if models.kind_of(subject.name) == "scratch":
        raise ModelError.of(
            "scratch-is-untrained",
            "scratch has learned nothing yet; name a folder or a Hub id of a model that classifies texts",
        )
    fetched = models.fetch(ModelSpec(name=subject.name, revision=subject.revision, max_length=8), settings, progress)
    assert fetched is not None, "scratch has no folder"
    return fetched, subject.max_length, subject.name
