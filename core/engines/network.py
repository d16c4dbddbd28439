"""What the PyTorch engines do alike to a model: freeze it, measure its loss, take weights back, explain its memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from core.device import Device
from core.errors import ModelError, Problem, SpecError
from core.spec import RunSpec

NO_DECAY = ("bias", "norm")  # as the Trainer has it: neither biases nor normalisation layers are pulled to zero


def freeze(model: Any, trainable_layers: int | None) -> None:
    """Leave only the head and the `trainable_layers` layers next to it trainable; None leaves all so.

    The pooler, where there is one, belongs to the head. Raises SpecError if the model has fewer layers.
    """
    if trainable_layers is None:
        return
    body = model.base_model
    layers = _layers(body)
    if trainable_layers > len(layers):
        raise SpecError(
            [
                Problem(
                    "training.trainable_layers",
                    f"{trainable_layers} layers are to be trained, but this model has {len(layers)} that can be "
                    f"trained one by one; choose at most {len(layers)}, or leave it empty to train the whole model",
                )
            ]
        )
    top = {id(p) for layer in layers[len(layers) - trainable_layers :] for p in layer.parameters()}
    for name, parameter in body.named_parameters():
        parameter.requires_grad = id(parameter) in top or "pooler" in name


def _layers(body: Any) -> list[Any]:
    """The encoder's layers from the embeddings up; a model whose layers share their weights has none to choose from."""
    if hasattr(body.config, "num_hidden_groups"):  # ALBERT
        return []
    count = body.config.num_hidden_layers
    stacks = [m for m in body.modules() if isinstance(m, torch.nn.ModuleList) and len(m) == count]
    return list(stacks[0]) if stacks else []


def loss_function(spec: RunSpec, class_weights: np.ndarray | None, device: Device) -> Callable[..., torch.Tensor]:
    """`loss(logits, labels, examples=None)`: cross-entropy, smoothed, each example times the weight of its class.

    Summed over the batch and divided by `examples` (those of the batch if None; for accumulated batches, of all).
    class_weights: (classes,) or None
    """
    smoothing = spec.training.label_smoothing_factor
    weights = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float32, device=device.kind)

    def loss(logits: torch.Tensor, labels: torch.Tensor, examples: int | None = None) -> torch.Tensor:
        each = functional.cross_entropy(logits.float(), labels, reduction="none", label_smoothing=smoothing)
        if weights is not None:
            each = each * weights[labels]
        return each.sum() / (examples or len(labels))

    return loss


def load_weights(model: Any, checkpoint: Path) -> None:
    """Take the weights of a checkpoint written with `save_pretrained`; safetensors only."""
    from safetensors.torch import load_model

    load_model(model, checkpoint / "model.safetensors")


def is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def out_of_memory(spec: RunSpec, device: Device) -> ModelError:
    size = spec.training.per_device_train_batch_size
    return ModelError(
        f"memory ran out on the {device.title} with {size} texts of up to {spec.model.max_length:,} tokens per step; "
        f"set the batch size to {max(1, size // 2)} and the gradient accumulation to "
        f"{spec.training.gradient_accumulation_steps * 2}, which learns the same, or shorten the longest text"
    )
