"""Where fine-tuning starts: with a new head that is fitted to the frozen model before anything of it is trained.

`start.safetensors` in the run's folder has the weights that the model gets by it and, as a note, what it reaches with
them: the first evaluation of the run, to which it returns if training makes nothing better of it.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.engines import frozen_model
from core.errors import Problem, SpecError
from core.evaluation.after_training import predict
from core.files import replace_file
from core.messages import Message
from core.models import class_head, pooling
from core.spec import run as specs
from core.tasks.contract import task_of
from core.tasks.frozen import NOTE, START, Features, LinearHead, drawn, read_start
from core.tasks.results import Start
from core.wording import metric_words

if TYPE_CHECKING:
    from core.events import Reporter
    from core.runs.device import Device
    from core.spec.run import RunSpec
    from core.tasks.texts import Encoded

INITIAL_HEAD = "model.initial_head"
MOST = 5_000  # examples that a head is fitted to: reading them must stay short beside training on them


def begin(
    spec: RunSpec, encoded: Encoded, model: Any, new_head: bool, folder: Path, device: Device, report: Reporter
) -> RunSpec:
    """Give the model a fitted head where its spec says so; returns the spec with that settled.

    new_head: whether nothing of the head is trained. A later attempt takes the head that the first one has fitted.
    Raises SpecError if a head is asked for that cannot be fitted; to end the run if it was asked to stop.
    """
    automatic = INITIAL_HEAD in spec.auto
    wanted = spec.model.name != "scratch" if automatic else spec.model.initial_head == "fitted"
    if not wanted:
        return specs.replace(spec, {INITIAL_HEAD: "random"})
    start = read_start(folder)
    if start is not None and start.data == encoded.fingerprint:
        _take(model, start, folder)
        return specs.replace(spec, {INITIAL_HEAD: "fitted"})
    problem = _problem(spec, model, new_head)
    if problem is None and not _fit(spec, encoded, model, folder, device, report):
        problem = Problem.of(
            "head-not-fitted",
            "a head cannot be fitted before training, as there is nothing to tell apart in what this model makes of "
            "the texts; choose random",
            INITIAL_HEAD,
        )
    if problem is not None and not automatic:
        raise SpecError([problem])
    return specs.replace(spec, {INITIAL_HEAD: "random" if problem else "fitted"})


def _problem(spec: RunSpec, model: Any, new_head: bool) -> Problem | None:
    """Why no head can be fitted to a model; None if one can."""
    if not new_head:
        return Problem.of(
            "head-is-trained",
            "a head cannot be fitted before training where the model brings a trained one for these classes; choose "
            "random, which keeps it",
            INITIAL_HEAD,
        )
    if "rivals" not in task_of(spec).facts.OFFERS or frozen_model.last_matrix(model) is None:
        return Problem.of(
            "head-is-no-matrix",
            "a head of this type, {model_type!r}, cannot be fitted before training; choose random",
            INITIAL_HEAD,
            model_type=str(model.config.model_type),
        )
    return None


def _fit(spec: RunSpec, encoded: Encoded, model: Any, folder: Path, device: Device, report: Reporter) -> bool:
    """Fit a head, put it into the model, write `start.safetensors`; whether there is one."""
    started = time.perf_counter()
    task = task_of(spec)
    chosen = drawn(len(encoded.train), MOST, spec)
    train = frozen_model.features(encoded, "train", chosen, model, spec, device, report)
    report.phase(Message("Fitting a head to the frozen model", "fitting-head"))
    head = None if train is None else task.rivals.fit_head(spec, encoded, _readable(train, spec, model))
    if head is None:
        return False
    config, modules = _put_into(model, head)
    seconds = time.perf_counter() - started
    indices, logits = predict(model, encoded, spec.training.per_device_eval_batch_size, device, report)
    report.check_stop()
    labels = np.asarray(encoded.eval["labels"])[indices]
    start = Start(
        metrics=task.metrics.compute(spec.evaluation.metrics, logits, labels),
        train_examples=len(chosen),
        examples=len(labels),
        pooling=head.pooling,
        seconds=seconds,
        data=encoded.fingerprint,
        config=config,
    )
    _write(model, modules, start, folder)
    _tell(spec, start, report)
    return True


def _readable(train: Features, spec: RunSpec, model: Any) -> Features:
    """Features of which the model's head can read both; its own twice where it cannot read the mean of all tokens."""
    can = pooling.can_pool_mean(model) and spec.training.trainable_layers is None
    return train if can else replace(train, mean=train.own)


def _put_into(model: Any, head: LinearHead) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Give the model the head, in place; see `pooling.pool_mean` for what is returned."""
    import torch

    config, modules = pooling.pool_mean(model) if head.pooling == "mean" else ({}, ())
    matrix = frozen_model.last_matrix(model)
    with torch.no_grad():
        matrix.weight.copy_(torch.from_numpy(head.weight))
        if matrix.bias is not None:
            matrix.bias.copy_(torch.from_numpy(head.bias))
    return config, modules


def _write(model: Any, modules: tuple[str, ...], start: Start, folder: Path) -> None:
    from safetensors.torch import save_file

    names = {*class_head.class_parameters(model)}
    names |= {f"{module}.{name}" for module in modules for name, _ in model.get_submodule(module).named_parameters()}
    tensors = {name: model.get_parameter(name).detach().cpu().contiguous() for name in sorted(names)}
    with replace_file(folder / START) as partial:
        save_file(tensors, partial, {"format": "pt", NOTE: start.model_dump_json()})


def _take(model: Any, start: Start, folder: Path) -> None:
    """Give the model the head that an earlier attempt has fitted."""
    from safetensors.torch import load_file

    if start.pooling == "mean":
        pooling.pool_mean(model)
    model.load_state_dict(load_file(folder / START), strict=False)


def _tell(spec: RunSpec, start: Start, report: Reporter) -> None:
    metric = spec.evaluation.metric_for_best_model
    message = Message.of(
        "fitted-head",
        "The new head was fitted to {examples:training example|training examples} while the model stayed frozen: "
        "{value:.3f} {metric} before any training, which starts from there.",
        examples=start.train_examples,
        value=start.metrics[metric] or 0.0,
        metric=metric_words(metric),
    )
    report.message(message.text, "info", message.id, **message.arguments)
    if start.pooling == "mean":
        message = Message.of(
            "mean-pooling",
            "The head reads the mean of all tokens: it tells more about these texts than what the model gives its own "
            "head.",
        )
        report.message(message.text, "info", message.id, **message.arguments)
