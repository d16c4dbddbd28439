"""Where fine-tuning starts: with a new head that is fitted to the frozen model before anything of it is trained, or
after a contrastive stage.

`start.safetensors` in the run's folder has the weights that the model gets by it and, as a note, what it reaches with
them: the first evaluation of the run, to which it returns if training makes nothing better of it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.engines.automatic import facts_of
from core.engines.start import contrastive, frozen_model
from core.errors import Problem, SpecError
from core.evaluation.after_training import predict
from core.files import replace_file
from core.messages import Message
from core.models import class_head, pooling
from core.spec import run as specs
from core.spec.recommended import MOST_FITTED_TO, may_be_contrastive
from core.tasks.contract import task_of
from core.tasks.frozen import NOTE, START, Features, LinearHead, Pooling, drawn, read_start
from core.tasks.results import FrozenEncoder, Start
from core.wording import metric_words

if TYPE_CHECKING:
    from core.events import Reporter
    from core.runs.device import Device
    from core.spec.run import RunSpec
    from core.tasks.texts import Encoded

INITIAL_HEAD = "model.initial_head"


def begin(
    spec: RunSpec, encoded: Encoded, model: Any, new_head: bool, folder: Path, device: Device, report: Reporter
) -> RunSpec:
    """Give the model a fitted head where its spec says so; returns the spec with that settled.

    new_head: whether nothing of the head is trained. A later attempt takes the head that the first one has fitted.
    Raises SpecError if a head is asked for that cannot be fitted; to end the run if it was asked to stop.
    """
    automatic_head = INITIAL_HEAD in spec.auto
    wanted = spec.model.name != "scratch" if automatic_head else spec.model.initial_head != "random"
    if not wanted:
        return specs.replace(spec, {INITIAL_HEAD: "random"})
    start = read_start(folder)
    if start is not None and start.data == encoded.fingerprint:
        _take(model, start, folder)
        return specs.replace(spec, {INITIAL_HEAD: _name(start)})
    problem = _problem(spec, model, new_head)
    if problem is None:
        start = _fit(spec, encoded, model, folder, device, report)
        if start is not None:
            return specs.replace(spec, {INITIAL_HEAD: _name(start)})
        problem = Problem.of(
            "head-not-fitted",
            "a head cannot be fitted before training, as there is nothing to tell apart in what this model makes of "
            "the texts; choose random",
            INITIAL_HEAD,
        )
    if not automatic_head:
        raise SpecError([problem])
    return specs.replace(spec, {INITIAL_HEAD: "random"})


def _name(start: Start) -> str:
    return "contrastive" if start.frozen else "fitted"


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


def _fit(spec: RunSpec, encoded: Encoded, model: Any, folder: Path, device: Device, report: Reporter) -> Start | None:
    """Fit a head, put it into the model, write `start.safetensors` and return its note; None if none can be fitted."""
    started = time.perf_counter()
    task = task_of(spec)
    chosen = drawn(len(encoded.train), MOST_FITTED_TO, spec)
    train = frozen_model.features(encoded, "train", chosen, model, spec, device, report)
    report.phase(Message("Fitting a head to the frozen model", "fitting-head"))
    train = train and _readable(train, spec, model)
    head = None if train is None else task.rivals.fit_head(spec, encoded, train)
    if train is None or head is None:
        return None
    config, modules = _put_into(model, head)
    seconds = time.perf_counter() - started
    frozen = _judged(spec, encoded, model, len(chosen), head.pooling, seconds, device, report)
    start = Start(**frozen.model_dump(), data=encoded.fingerprint, config=config)
    names = {*class_head.class_parameters(model)}
    names |= {f"{module}.{name}" for module in modules for name, _ in model.get_submodule(module).named_parameters()}
    read = train.of(head.pooling)
    if _learns_pairs(spec, encoded, model, replace(train, own=read, mean=read), chosen, device, report):
        before = {name: tensor.detach().to("cpu", copy=True) for name, tensor in model.state_dict().items()}
        contrastive.learn(model, chosen, encoded, spec, device, report)
        learned = contrastive.read(model, chosen, encoded, spec, device, report)
        head = None if learned is None else task.rivals.fit_head(spec, encoded, learned)
        if head is None:
            model.load_state_dict(before)
            _tell_of_failed_stage(report)
        else:
            _fill(model, head)
            seconds = time.perf_counter() - started
            judged = _judged(spec, encoded, model, len(chosen), frozen.pooling, seconds, device, report)
            start = Start(**judged.model_dump(), data=encoded.fingerprint, config=config, frozen=frozen)
            names = {name for name, _ in model.named_parameters()}
    _write(model, names, start, folder)
    _tell(spec, start, report)
    return start


def _tell_of_failed_stage(report: Reporter) -> None:
    message = Message.of(
        "contrastive-failed",
        "No head could be fitted after the contrastive stage, so the run goes on from the head that was fitted before "
        "it.",
    )
    report.message(message.text, "warning", message.id)


def _learns_pairs(
    spec: RunSpec,
    encoded: Encoded,
    model: Any,
    frozen: Features,
    chosen: np.ndarray,
    device: Device,
    report: Reporter,
) -> bool:
    """Whether a contrastive stage comes before the head: as the spec says, else by cross-validation where it may pay.

    frozen: what the head reads before it of the chosen training examples
    """
    if INITIAL_HEAD not in spec.auto:
        return spec.model.initial_head == "contrastive"
    able = "contrastive" in task_of(spec).facts.OFFERS and spec.training.trainable_layers is None
    if not able or not may_be_contrastive(facts_of(spec, encoded, model, device)):
        return False
    if spec.training.budget_minutes is not None:
        message = Message.of(
            "contrastive-not-in-budget",
            "No contrastive stage is tried where a time budget is given; choose contrastive as new head to have it.",
        )
        report.message(message.text, "info", message.id)
        return False
    values = _cross_validated(model, frozen, chosen, encoded, spec, device, report)
    return values is not None and _pays(*values, len(chosen), spec, report)


def _cross_validated(
    model: Any,
    frozen: Features,
    chosen: np.ndarray,
    encoded: Encoded,
    spec: RunSpec,
    device: Device,
    report: Reporter,
) -> tuple[float, float] | None:
    """See `contrastive.cross_validated`; None also where its batches do not fit into the memory."""
    report.phase(Message("Cross-validating a contrastive stage", "cross-validating-stage"))
    try:
        return contrastive.cross_validated(model, frozen, chosen, encoded, spec, device, report)
    except (RuntimeError, MemoryError) as error:
        from core.engines.network import is_out_of_memory  # which needs torch

        if not is_out_of_memory(error):
            raise
    message = Message.of(
        "contrastive-no-memory",
        "No contrastive stage is tried: its batches of {batch} texts do not fit into the memory of this device.",
        batch=contrastive.BATCH,
    )
    report.message(message.text, "info", message.id, **message.arguments)
    return None


def _pays(without: float, after: float, examples: int, spec: RunSpec, report: Reporter) -> bool:
    """Whether a contrastive stage is worth its time, by the main metric without it and after it; says so."""
    # Few examples tell too little to hold a draw against it; with more of them it would only cost time.
    pays = after > without or (after == without and examples < contrastive.ONE_FOLD_FROM)
    metric = metric_words(spec.evaluation.metric_for_best_model)
    message = (
        Message.of(
            "contrastive-chosen",
            "A contrastive stage comes first: in cross-validation on the training examples a head reaches {after:.3f} "
            "{metric} after it, {without:.3f} without.",
            after=after,
            without=without,
            metric=metric,
        )
        if pays
        else Message.of(
            "contrastive-left-out",
            "No contrastive stage: in cross-validation on the training examples a head reaches {after:.3f} {metric} "
            "after it, {without:.3f} without.",
            after=after,
            without=without,
            metric=metric,
        )
    )
    report.message(message.text, "info", message.id, **message.arguments)
    return pays


def _judged(
    spec: RunSpec,
    encoded: Encoded,
    model: Any,
    train_examples: int,
    pooling: Pooling,
    seconds: float,
    device: Device,
    report: Reporter,
) -> FrozenEncoder:
    """What the model reaches on the evaluation examples with the head that it has."""
    indices, logits = predict(model, encoded, spec.training.per_device_eval_batch_size, device, report)
    report.check_stop()
    labels = np.asarray(encoded.eval["labels"])[indices]
    return FrozenEncoder(
        metrics=task_of(spec).metrics.compute(spec.evaluation.metrics, logits, labels),
        train_examples=train_examples,
        examples=len(labels),
        pooling=pooling,
        seconds=seconds,
    )


def _readable(train: Features, spec: RunSpec, model: Any) -> Features:
    """Features of which the model's head can read both; its own twice where it cannot read the mean of all tokens."""
    can = pooling.can_pool_mean(model) and spec.training.trainable_layers is None
    return train if can else replace(train, mean=train.own)


def _put_into(model: Any, head: LinearHead) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Give the model the head, in place; see `pooling.pool_mean` for what is returned."""
    config, modules = pooling.pool_mean(model) if head.pooling == "mean" else ({}, ())
    _fill(model, head)
    return config, modules


def _fill(model: Any, head: LinearHead) -> None:
    import torch

    matrix = frozen_model.last_matrix(model)
    with torch.no_grad():
        matrix.weight.copy_(torch.from_numpy(head.weight))
        if matrix.bias is not None:
            matrix.bias.copy_(torch.from_numpy(head.bias))


def _write(model: Any, names: Iterable[str], start: Start, folder: Path) -> None:
    """names: of the parameters that differ from those of the pretrained model"""
    from safetensors.torch import save_file

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
    name = spec.evaluation.metric_for_best_model
    value, metric = start.metrics[name] or 0.0, metric_words(name)
    message = (
        Message.of(
            "head-after-contrastive",
            "The model learned from {examples:training example|training examples} to give texts of one class alike "
            "vectors, and the new head was fitted to those: {value:.3f} {metric}, from where training starts.",
            examples=start.train_examples,
            value=value,
            metric=metric,
        )
        if start.frozen
        else Message.of(
            "fitted-head",
            "The new head was fitted to {examples:training example|training examples} while the model stayed frozen: "
            "{value:.3f} {metric} before any training, which starts from there.",
            examples=start.train_examples,
            value=value,
            metric=metric,
        )
    )
    report.message(message.text, "info", message.id, **message.arguments)
    if start.pooling == "mean":
        message = Message.of(
            "mean-pooling",
            "The head reads the mean of all tokens: it tells more about these texts than what the model gives its own "
            "head.",
        )
        report.message(message.text, "info", message.id, **message.arguments)
