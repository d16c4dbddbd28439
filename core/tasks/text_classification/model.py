"""The head of a text classifier, and what it learns by: cross-entropy, smoothed, with a weight for each class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import ModelError, Problem, SpecError
from core.models import class_head
from core.models.head import Head, HeadKind
from core.models.label_names import LONGEST
from core.wording import shortened

if TYPE_CHECKING:
    import torch

    from core.spec.run import RunSpec
    from core.tasks.texts import Encoded

KIND = HeadKind(
    auto_class="AutoModelForSequenceClassification",
    scratch_class="BertForSequenceClassification",
    unfit="{name} is of type {kind!r}, which cannot classify texts; use a text encoder such as BERT",
    untrained=(
        "{title} has no trained head ({missing} is missing), so it cannot classify yet; train it first, or choose one "
        "that was trained for classification"
    ),
    new=(
        "The part that chooses the class (the head) is new: nothing of it is trained. That is normal: the pretrained "
        "part knows language, and this run teaches the head your classes."
    ),
)


def head(label_names: Sequence[str]) -> Head:
    """The head for these classes, in the order of their ids."""
    config = {
        "num_labels": len(label_names),
        "id2label": dict(enumerate(label_names)),
        "label2id": {name: i for i, name in enumerate(label_names)},
        "problem_type": "single_label_classification",
    }
    return Head(KIND, config, tuple(label_names))


def names(config: Any) -> tuple[str, ...]:
    """The classes of a trained model in the order of their ids. config: the model's"""
    return tuple(str(config.id2label[i]) for i in range(len(config.id2label)))


def check_trained(config: Any, saved: dict[str, Any], title: str) -> None:
    """Refuse a trained head that gives something else than one class per text, or whose classes cannot be told.

    config: the loaded model's; saved: the tree of its config.json. Raises ModelError.
    """
    if config.num_labels < 2 or config.problem_type == "regression":
        raise ModelError.of(
            "model-predicts-numbers",
            "{title} predicts a number for each text, not a class; choose a classifier of two classes or more",
            title=title,
        )
    if config.problem_type == "multi_label_classification":
        raise ModelError.of(
            "model-multi-label",
            "{title} gives each text any number of labels (problem_type multi_label_classification), "
            "not one class; choose a classifier that was trained for one class per text",
            title=title,
        )
    try:
        longest = max(map(len, class_head.trained_names({"id2label": saved.get("id2label")})), default=0)
    except ValueError as error:
        raise ModelError.of(
            "model-class-names",
            "{title} cannot answer with names: {reason}; number them so in its config.json",
            title=title,
            reason=error,
        ) from None
    if longest > LONGEST:
        raise ModelError.of(
            "model-class-name-too-long",
            "{title} has a class whose name has {characters:,} characters, and a name has at most {most:,}; shorten it "
            "in its config.json",
            title=title,
            characters=longest,
            most=LONGEST,
        )


def class_weights(spec: RunSpec, encoded: Encoded) -> np.ndarray | None:
    """How much an example of each class counts in the loss: float32 (classes,), or None if all count the same.

    Balanced as scikit-learn has it: examples / (classes x examples of the class), so their mean over the examples is 1.
    Raises SpecError if a custom weight is for a class that is not there.
    """
    training, names = spec.training, encoded.label_names
    match training.class_weights:
        case "off":
            return None
        case "balanced":
            counts = np.bincount(encoded.train["labels"], minlength=len(names))
            return (len(encoded.train) / (len(names) * np.maximum(counts, 1))).astype(np.float32)
        case "custom":
            if unknown := [name for name in training.custom_class_weights if name not in names]:
                problem = Problem.of(
                    "no-class-for-weight",
                    "there is no class {label!r}; the classes are {classes}",
                    "training.custom_class_weights",
                    label=unknown[0],
                    classes=", ".join(shortened(name, 60) for name in names[:20]),
                )
                raise SpecError([problem])
            return np.array([training.custom_class_weights.get(name, 1.0) for name in names], dtype=np.float32)


def torch_loss(spec: RunSpec, encoded: Encoded, device: str) -> Callable[..., torch.Tensor]:
    """`loss(logits, labels, examples=None)`: cross-entropy, smoothed, each example times the weight of its class.

    Summed over the batch and divided by `examples` (those of the batch if None; for accumulated batches, of all).
    device: where the logits are. Raises SpecError, see `class_weights`.
    """
    import torch
    from torch.nn import functional

    smoothing, by_class = spec.training.label_smoothing_factor, class_weights(spec, encoded)
    weights = None if by_class is None else torch.tensor(by_class, dtype=torch.float32, device=device)

    def loss(logits: torch.Tensor, labels: torch.Tensor, examples: int | None = None) -> torch.Tensor:
        each = functional.cross_entropy(logits.float(), labels, reduction="none", label_smoothing=smoothing)
        if weights is not None:
            each = each * weights[labels]
        return each.sum() / (len(labels) if examples is None else examples)  # a tensor's truth would wait for the GPU

    return loss


def keras_loss(spec: RunSpec, encoded: Encoded) -> Callable[[Any, Any], Any]:
    """`loss(labels, logits)` of TensorFlow: the same, summed over the batch. Raises SpecError, see `class_weights`."""
    import tensorflow as tf

    smoothing, by_class = spec.training.label_smoothing_factor, class_weights(spec, encoded)
    weights = None if by_class is None else tf.constant(by_class)

    def loss(labels: Any, logits: Any) -> Any:
        logits = tf.cast(logits, tf.float32)
        targets = tf.one_hot(labels, logits.shape[-1]) * (1 - smoothing) + smoothing / logits.shape[-1]
        each = tf.nn.softmax_cross_entropy_with_logits(targets, logits)
        if weights is not None:
            each *= tf.gather(weights, labels)
        return tf.reduce_sum(each)

    return loss
