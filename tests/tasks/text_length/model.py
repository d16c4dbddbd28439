"""A head of one number that learns by the squared error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from core.errors import ModelError
from core.models.head import Head, HeadKind

KIND = HeadKind(
    auto_class="AutoModelForSequenceClassification",
    scratch_class="BertForSequenceClassification",
    unfit="{name} is of type {kind!r}, which cannot measure texts",
    untrained="{title} has no trained head ({missing} is missing)",
    new="The head is new.",
)


def head(label_names: Sequence[str]) -> Head:
    return Head(KIND, {"num_labels": 1, "problem_type": "regression"}, None)


def names(config: Any) -> tuple[str, ...]:
    return ()


def check_trained(config: Any, saved: dict[str, Any], title: str) -> None:
    if config.num_labels != 1:
        raise ModelError(f"{title} answers with {config.num_labels} numbers")


def torch_loss(spec: Any, encoded: Any, device: str) -> Callable[..., Any]:
    def loss(logits: Any, labels: Any, examples: int | None = None) -> Any:
        return ((logits.float()[:, 0] - labels) ** 2).sum() / (examples or len(labels))

    return loss


def keras_loss(spec: Any, encoded: Any) -> Callable[[Any, Any], Any]:
    import tensorflow as tf

    return lambda labels, logits: tf.reduce_sum((tf.cast(logits, tf.float32)[:, 0] - labels) ** 2)
