"""Reads texts with a model before any of it is trained: what a linear head can be fitted to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from core.messages import Message
from core.models import class_head, pooling
from core.tasks.batches import evaluation_batches
from core.tasks.frozen import Features

if TYPE_CHECKING:
    import torch

    from core.events import Reporter
    from core.runs.device import Device
    from core.spec.run import RunSpec
    from core.tasks.texts import Encoded


def features(
    encoded: Encoded, split: str, chosen: np.ndarray, model: Any, spec: RunSpec, device: Device, report: Reporter
) -> Features | None:
    """Of some examples of a split; None if the head reads something else than one vector for each text.

    chosen: their places in it. Raises to end the run if it was asked to stop.
    """
    import torch

    data = getattr(encoded, split)
    lengths = np.asarray(data["length"])[chosen]
    batches = evaluation_batches(lengths, spec.training.per_device_eval_batch_size)
    own: list[np.ndarray] = []
    mean: list[np.ndarray] = []
    model.to(device.kind).eval()
    with watched(model) as seen:
        for number, places in enumerate(batches):
            report.fraction(Message("Reading the texts with the frozen model", "reading-frozen"), number / len(batches))
            batch = encoded.pad(data.__getitems__(chosen[places].tolist()), device.pad_to_multiple_of)
            batch.pop("labels")
            inputs = {name: torch.from_numpy(values).to(device.kind) for name, values in batch.items()}
            with torch.inference_mode(), device.autocast():
                model(**inputs)
                read, states = seen["read"], seen["states"]
                if read.ndim != 2 or states.ndim != 3 or not len(read) == len(states) == len(places):
                    return None
                means = _mean(model, states, inputs["attention_mask"])
            own.append(read.float().cpu().numpy())
            mean.append(means.float().cpu().numpy())
    back = np.argsort(np.concatenate(batches))
    head_reads, of_means = np.concatenate(own)[back], np.concatenate(mean)[back]
    if not (np.isfinite(head_reads).all() and np.isfinite(of_means).all()):
        return None
    return Features(head_reads, of_means, np.asarray(data["labels"])[chosen])


def last_matrix(model: Any) -> Any:
    """The dense layer that gives a logit for each class; None if there is no such single one."""
    import torch

    owners = {name.rpartition(".")[0] for name in class_head.class_parameters(model)}
    modules = [model.get_submodule(name) for name in owners]
    return modules[0] if len(modules) == 1 and isinstance(modules[0], torch.nn.Linear) else None


def _mean(model: Any, states: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    if pooling.can_pool_mean(model):
        return pooling.mean_features(model, states, attention_mask)
    return pooling.mean_of(states, attention_mask)


@contextmanager
def watched(model: Any) -> Iterator[dict[str, Any]]:
    """`read`: what the last matrix of the head was given; `states`: the last states of the tokens."""
    seen: dict[str, Any] = {}
    hooks = [
        last_matrix(model).register_forward_pre_hook(lambda _, inputs: seen.update(read=inputs[0])),
        model.base_model.register_forward_hook(lambda _, inputs, output: seen.update(states=output[0])),
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()
