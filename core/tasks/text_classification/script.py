"""What the exported script of a text classifier has of its own: its classes, its head, its loss and its answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.tasks.code import KerasLoss, Section

if TYPE_CHECKING:
    from core.spec.run import RunSpec

NEW_HEAD = "a new head for these classes with random weights"
KEPT_HEAD = "The model was a classifier before; each class that is here too keeps its row of the trained head."
LABELS = ('label_names = dataset["train"].features["label"].names',)
LABEL_DTYPE = "int64"
OUTPUTS = "len(label_names)"
PROBLEM_TYPE = "single_label_classification"
HEAD = "id2label=dict(enumerate(label_names)), label2id={n: i for i, n in enumerate(label_names)}"
ANSWERS = {
    "trainer": "logits.argmax(axis=-1)",
    "torch": "logits.argmax(dim=-1)",
    "keras": "np.argmax(logits, axis=-1)",
}
MEAN_LOSSES = {
    "trainer": "torch.nn.functional.cross_entropy(torch.tensor(logits).double(), torch.tensor(references)).item()",
    "torch": "torch.nn.functional.cross_entropy(logits.double(), references).item()",
    "keras": "float(np.mean(keras.losses.sparse_categorical_crossentropy(references, logits, from_logits=True)))",
}
LABEL_WORDS = "label is a number, and its name stands in the file's schema."


def label_feature(label_names: Sequence[str]) -> tuple[str, str]:
    return "ClassLabel", f"ClassLabel(names={list(label_names)!r})"


def torch_loss(spec: RunSpec) -> Section | None:
    """None where it is just the mean cross-entropy, which every model of transformers computes itself."""
    training = spec.training
    weights, smoothed = class_weights(spec), training.label_smoothing_factor > 0
    if not weights and not smoothed and training.gradient_accumulation_steps == 1:
        return None
    smoothing = f", label_smoothing={training.label_smoothing_factor!r}" if smoothed else ""
    code = [*weights]
    if weights:
        code.append("class_weights = torch.tensor(class_weights)")
    code += [
        "",
        "def compute_loss(outputs, labels, num_items_in_batch=None):",
        f'    each = torch.nn.functional.cross_entropy(outputs.logits.float(), labels, reduction="none"{smoothing})',
        *(["    each = each * class_weights.to(labels.device)[labels]"] if weights else []),
        "    return each.sum() / (len(labels) if num_items_in_batch is None else num_items_in_batch)",
    ]
    what = [
        *(["each example counts by the weight of its class"] if weights else []),
        *(["labels are smoothed"] if smoothing else []),
        *(["the mean is over all batches of an update"] if training.gradient_accumulation_steps > 1 else []),
    ]
    imports = ["import torch", *(["import numpy as np"] if weights else [])]
    return Section("Loss", f"Cross-entropy; {', '.join(what)}.", "\n".join(code).strip("\n"), tuple(imports))


def class_weights(spec: RunSpec) -> list[str]:
    """Lines that set `class_weights`, a NumPy array of float32, if this run has them."""
    match spec.training.class_weights:
        case "balanced":
            return [
                'counts = np.bincount(dataset["train"]["label"], minlength=len(label_names))',
                'class_weights = len(dataset["train"]) / (len(label_names) * np.maximum(counts, 1))',
                "class_weights = class_weights.astype(np.float32)",
            ]
        case "custom":
            return [
                f"named = {dict(spec.training.custom_class_weights)!r}",
                "class_weights = np.array([named.get(name, 1.0) for name in label_names], dtype=np.float32)",
            ]
    return []


def keras_loss(spec: RunSpec) -> KerasLoss:
    weights = class_weights(spec)
    if not weights:
        return KerasLoss(_loss(spec), (*_each(spec),), _own_loss(spec))
    return KerasLoss(
        loss=_loss(spec),
        each=(*_each(spec), "each *= tf.gather(self.class_weights, labels)"),
        lines=_own_loss(spec),
        needs=Section("Class weights", "What each class counts.", "\n".join(weights), ("import numpy as np",)),
        argument="class_weight=dict(enumerate(class_weights.tolist()))",
        parameter="class_weight",
        kept="self.class_weights = tf.constant(list(class_weight.values()), tf.float32)",
    )


def _loss(spec: RunSpec) -> str:
    if spec.training.label_smoothing_factor:
        return "loss"
    return "keras.losses.SparseCategoricalCrossentropy(from_logits=True)"


def _own_loss(spec: RunSpec) -> tuple[str, ...]:
    """Lines that define `loss` where labels are smoothed."""
    if not (smoothing := spec.training.label_smoothing_factor):
        return ()
    return (
        "",
        "def loss(labels, logits):",
        "    targets = keras.ops.one_hot(labels, len(label_names))",
        "    return keras.losses.categorical_crossentropy(",
        f"        targets, logits, from_logits=True, label_smoothing={smoothing!r}",
        "    )",
        "",
    )


def _each(spec: RunSpec) -> tuple[str, str]:
    target = "tf.one_hot(labels, logits.shape[-1])"
    if smoothing := spec.training.label_smoothing_factor:
        target += f" * (1 - {smoothing!r}) + {smoothing!r} / logits.shape[-1]"
    return f"targets = {target}", "each = tf.nn.softmax_cross_entropy_with_logits(targets, logits)"
