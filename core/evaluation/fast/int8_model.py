"""A trained model that answers fast: its weights in 8 bits, on the processor, by onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.evaluation.fast import onnx_file
from core.evaluation.text_model import TextModel
from core.models import folder as model_folder
from core.models import loading as model_loading
from core.spec.evaluation import FIRST_TASK
from core.tasks.texts import pad


class Int8Model(TextModel):
    """The model in `folder`, computed by a file that `core.evaluation.fast.onnx_file` made of it."""

    mode = "fast"

    def __init__(
        self, folder: Path, file: Path, max_length: int | None = None, title: str = "", task: str = FIRST_TASK
    ) -> None:
        """Raises ModelError for a folder without a model, and what onnxruntime raises for another file."""
        model_folder.check_folder(folder, max_length, title)
        super().__init__(folder, model_loading.open_config(folder), max_length, title, task)
        self.session = onnx_file.session(file)
        self.inputs = [part.name for part in self.session.get_inputs()]

    def compute(self, examples: Sequence[dict[str, Any]]) -> np.ndarray:
        padded = pad(examples, self.tokenizer)
        (logits,) = self.session.run(["logits"], {name: padded[name] for name in self.inputs})
        return np.asarray(logits)
