"""A trained model that answers with torch, exactly. For evaluation, batch prediction and the playground alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from core.errors import ModelError
from core.evaluation.specs import Subject, task_of_subject
from core.evaluation.text_model import TOKENS, Progress, TextModel, ignore
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
from core.store.store import Store
from core.tasks.contract import Task
from core.tasks.texts import pad

GPU_TOKENS = 32_768  # of a batch
FEW_TOKENS = 128

DeviceName = Literal["auto", "cpu", "cuda", "mps"]


class TrainedModel(TextModel):
    """A model of a task in a folder, on this machine's best device."""

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
        title = title or folder.name
        self.device = choose(ExecutionSpec(device=device))
        if self.device.kind == "cpu" and trained_in != self.device.precision:
            self.device = replace(self.device, precision="fp32")
        self.budget = TOKENS if self.device.kind == "cpu" else GPU_TOKENS
        model = model_loading.load_trained(folder, title, Task(task).model.KIND)
        self.model = model.to(self.device.kind).eval()
        super().__init__(folder, self.model.config, max_length, title, task)

    def compute(self, examples: Sequence[dict[str, Any]]) -> np.ndarray:
        outputs: np.ndarray = self.forward(self.batch(examples)).logits.float().cpu().numpy()
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
