"""A head of one number, learned by the squared error, as an exported script has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.tasks.code import KerasLoss, Section

NEW_HEAD = "a new head of one number with random weights"
KEPT_HEAD = "The model measured texts before; it keeps its head."
LABELS = ("label_names = []",)
LABEL_WORDS = "label is a number."
LABEL_DTYPE = "float32"
PROBLEM_TYPE = "regression"
HEAD = "num_labels=1"
OUTPUTS = "1"
ANSWERS = {"trainer": "logits[:, 0]", "torch": "logits[:, 0].float()", "keras": "logits[:, 0]"}
MEAN_LOSSES = {
    "trainer": "float(np.mean((predictions - references) ** 2))",
    "torch": "((predictions - references) ** 2).mean().item()",
    "keras": "float(np.mean((predictions - references) ** 2))",
}


def label_feature(label_names: Sequence[str]) -> tuple[str, str]:
    return "Value", 'Value("float32")'


def torch_loss(spec: Any) -> Section | None:
    code = [
        "def compute_loss(outputs, labels, num_items_in_batch=None):",
        "    each = (outputs.logits.float()[:, 0] - labels) ** 2",
        "    return each.sum() / (num_items_in_batch or len(labels))",
    ]
    return Section("Loss", "The squared error.", "\n".join(code), ("import numpy as np",))


def keras_loss(spec: Any) -> KerasLoss:
    return KerasLoss("keras.losses.MeanSquaredError()", ("each = (logits[:, 0] - labels) ** 2",))
