"""A contrastive stage before a head is fitted: the model learns to give texts of one class alike vectors.

Where a class has few examples, their pairs say more than they do one by one (SetFit: Tunstall et al. 2022,
https://arxiv.org/abs/2209.11055). Here each batch gives all of its pairs, and the vectors are what the head reads.
"""

from __future__ import annotations

import copy
import math
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from core.engines.start import frozen_model
from core.messages import Message
from core.tasks.contract import task_of
from core.tasks.frozen import Features, LinearHead

if TYPE_CHECKING:
    import torch

    from core.events import Reporter
    from core.runs.device import Device
    from core.spec.run import RunSpec
    from core.tasks.texts import Encoded

BATCH, UPDATES, MOST_EPOCHS = 32, 250, 20
RATES = ((512, 1e-4), (1024, 5e-5), (math.inf, 2e-5))  # models narrower than this, and their learning rate
WARM_UP, CLIP = 0.1, 1.0
FOLDS, ONE_FOLD_FROM = 3, 100  # the stage costs as much again for each fold


def cross_validated(
    model: Any,
    frozen: Features,
    chosen: np.ndarray,
    encoded: Encoded,
    spec: RunSpec,
    device: Device,
    report: Reporter,
) -> tuple[float, float] | None:
    """The main metric in cross-validation on the training examples, without the stage and with it.

    frozen: what the head reads of the chosen ones before it. None where a fold cannot be learned. The model stays as it
    is.
    """
    from sklearn.model_selection import StratifiedKFold

    folds = list(StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(frozen.own, frozen.labels))
    folds = folds[:1] if len(frozen.labels) >= ONE_FOLD_FROM else folds
    logits: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for rest, held in folds:
        trial = copy.deepcopy(model)
        learn(trial, chosen[rest], encoded, spec, device, report)
        for features, outputs in zip((frozen, read(trial, chosen, encoded, spec, device, report)), logits, strict=True):
            answers = None if features is None else _outputs(features, rest, held, encoded, spec)
            if answers is None:
                return None
            outputs.append(answers)
    metric = spec.evaluation.metric_for_best_model
    labels = frozen.labels[np.concatenate([held for _, held in folds])]
    values = [task_of(spec).metrics.compute((metric,), np.concatenate(outputs), labels)[metric] for outputs in logits]
    return float(values[0] or 0), float(values[1] or 0)


def learn(model: Any, places: np.ndarray, encoded: Encoded, spec: RunSpec, device: Device, report: Reporter) -> None:
    """Train the body of a model, in place. places: of the training examples. Raises to end the run if it must stop."""
    import torch
    from transformers import get_scheduler

    labels = np.asarray(encoded.train["labels"])[places]
    per_epoch = math.ceil(len(places) / BATCH)
    updates = min(UPDATES, MOST_EPOCHS * per_epoch)
    rate = next(rate for width, rate in RATES if model.config.hidden_size < width)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.0)
    warm_up = math.ceil(updates * WARM_UP)
    schedule = get_scheduler("linear", optimizer, num_warmup_steps=warm_up, num_training_steps=updates)
    draw = np.random.default_rng(spec.training.seed)
    autocast = nullcontext if device.precision == "fp16" else device.autocast  # which would need its loss scaled
    model.to(device.kind).train()
    gpus = [torch.cuda.current_device()] if device.kind == "cuda" else []
    with torch.random.fork_rng(gpus), frozen_model.watched(model) as seen:
        torch.manual_seed(spec.training.seed)
        for update in range(updates):
            report.fraction(Message("Learning to tell the classes apart", "contrastive-stage"), update / updates)
            chosen = _batch(labels, draw)
            batch = encoded.pad(encoded.train.__getitems__(places[chosen].tolist()), device.pad_to_multiple_of)
            batch.pop("labels")
            with autocast():
                model(**{name: torch.from_numpy(values).to(device.kind) for name, values in batch.items()})
            _loss(seen["read"].float(), torch.from_numpy(labels[chosen]).to(device.kind)).backward()
            torch.nn.utils.clip_grad_norm_(parameters, CLIP)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    model.eval()


def read(
    model: Any, chosen: np.ndarray, encoded: Encoded, spec: RunSpec, device: Device, report: Reporter
) -> Features | None:
    """What the head reads of some training examples; see `frozen_model.features`."""
    features = frozen_model.features(encoded, "train", chosen, model, spec, device, report)
    return features and Features(features.own, features.own, features.labels)


def _outputs(x: Features, rest: np.ndarray, held: np.ndarray, encoded: Encoded, spec: RunSpec) -> np.ndarray | None:
    """The logits of the held-out examples from a head that is fitted to the rest."""
    parts = [Features(x.own[places], x.own[places], x.labels[places]) for places in (rest, held)]
    head: LinearHead | None = task_of(spec).rivals.fit_head(spec, encoded, parts[0])
    return None if head is None else head.logits(parts[1])


def _batch(labels: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Places of a batch with as many examples of each of its classes, at least two where there are so many."""
    classes = draw.permutation(np.unique(labels))
    each = max(2, BATCH // len(classes))
    members = [draw.permutation(np.flatnonzero(labels == name))[:each] for name in classes[: BATCH // each]]
    return np.concatenate(members)


def _loss(vectors: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The squared error of cosines: 1 between examples of one class, 0 between others; both count the same.

    vectors: (examples, width); labels: (examples,)
    """
    import torch

    cosines = torch.nn.functional.normalize(vectors, dim=1)
    cosines = cosines @ cosines.T
    alike = labels[:, None] == labels[None]
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    parts = [(cosines[alike & ~itself] - 1) ** 2, cosines[~alike] ** 2]
    return torch.stack([part.mean() for part in parts if part.numel()]).sum()
