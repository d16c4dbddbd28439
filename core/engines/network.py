"""What the PyTorch engines do alike to a model: freeze it, take weights back, explain its memory."""

from __future__ import annotations

import logging
import math
import re
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from core.errors import ModelError, Problem, SpecError
from core.runs import checkpoints
from core.runs.device import Device
from core.spec.run import RunSpec
from core.wording import library_message

logger = logging.getLogger(__name__)


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
                Problem.of(
                    "too-many-trainable-layers",
                    "{layers} layers are to be trained, but this model has {most} that can be trained one by "
                    "one; choose at most {most}, or leave it empty to train the whole model",
                    "training.trainable_layers",
                    layers=trainable_layers,
                    most=len(layers),
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


def load_weights(model: Any, checkpoint: Path) -> None:
    """Take the weights of a checkpoint written with `save_pretrained`; safetensors only."""
    from safetensors.torch import load_model

    load_model(model, checkpoint / "model.safetensors")


def load_state(path: Path) -> Any:
    """What `torch.save` wrote of tensors and numbers, on the CPU; nothing else is unpickled. Raises ModelError."""
    try:
        return torch.load(path, weights_only=True, map_location="cpu")
    except MemoryError:
        raise
    except Exception as error:  # whatever torch makes of what is no state of its own
        raise checkpoints.damaged(path.parent) from error


def decay_groups(model: Any, weight_decay: float) -> list[dict[str, Any]]:
    """The trainable parameters for an optimizer: biases and normalisation layers are not pulled to zero."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in trained if decays(p)], "weight_decay": weight_decay},
        {"params": [p for p in trained if not decays(p)], "weight_decay": 0.0},
    ]


def decays(parameter: torch.Tensor) -> bool:
    return parameter.ndim > 1  # biases and the weights of normalisation layers have one dimension


def warmup_steps(spec: RunSpec, total: int) -> int:
    """The number of warm-up steps, as TrainingArguments counts them: below 1, a share of all steps."""
    wanted = spec.training.warmup_steps
    return int(wanted) if wanted >= 1 else math.ceil(total * wanted)


def schedule(spec: RunSpec, total: int) -> Callable[[int], float]:
    """The learning rate of the update that follows `step` updates, for an engine that has no optimizer of torch."""
    from transformers import get_scheduler

    rate = spec.training.learning_rate
    lr_scheduler = get_scheduler(
        spec.training.lr_scheduler_type,
        torch.optim.SGD([torch.zeros(1)], lr=rate),
        num_warmup_steps=warmup_steps(spec, total),
        num_training_steps=total,
    )
    factor = lr_scheduler.lr_lambdas[0]
    return lambda step: rate * factor(step)


def explained(error: Exception, spec: RunSpec, device: Device) -> Exception:
    """What to raise for an error of torch: a sentence, if it is one that a person can do something about."""
    from torch._dynamo.exc import TorchDynamoException

    if isinstance(error, TorchDynamoException):
        return ModelError.of(
            "compile-failed",
            'torch.compile could not make kernels for this model here ({reason}); turn off "Compile '
            'the model", or install a C++ compiler',
            reason=library_message(error, 200),
        )
    if is_out_of_memory(error):
        return out_of_memory(spec, device)
    if kind := _in_code_of_a_model(error):
        logger.error("%s", "".join(traceback.format_exception(error)))
        return ModelError.of(
            "model-cannot-compute",
            "models of type {kind!r} cannot compute these texts ({reason}); use another model, or "
            "other settings for the longest text and the padding",
            kind=kind,
            reason=library_message(error, 200),
        )
    return error


def is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _in_code_of_a_model(error: BaseException) -> str:
    """The kind of model in whose code of transformers an error arose; empty if it arose elsewhere."""
    frames = traceback.extract_tb(error.__traceback__)
    places = (re.search(r"transformers[/\\]models[/\\](\w+)[/\\]modeling_", frame.filename) for frame in frames)
    return next((place[1] for place in reversed(list(places)) if place), "")


def out_of_memory(spec: RunSpec, device: Device) -> ModelError:
    size = spec.training.per_device_train_batch_size
    return ModelError.of(
        "out-of-memory",
        "memory ran out on the {device} with {batch_size} texts of up to {tokens:,} tokens per "
        "step; set the batch size to {smaller_batch_size} and the gradient accumulation to "
        "{accumulation}, which learns the same, or shorten the longest text",
        device=device.title,
        batch_size=size,
        tokens=spec.model.max_length,
        smaller_batch_size=max(1, size // 2),
        accumulation=spec.training.gradient_accumulation_steps * 2,
    )
