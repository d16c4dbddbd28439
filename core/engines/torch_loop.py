"""The native PyTorch engine: the loop that the tutorial writes by hand, from top to bottom.

Steps, in the order that every engine has: device, data, loss, optimizer, record, resume, loop (with evaluation and
checkpoints), best model, save.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.optim import AdamW
from torch.utils.data import DataLoader
from transformers import get_scheduler, set_seed

from core.engines import cpu_dropout, network
from core.engines.padding_free import batches as padding_free_batches
from core.engines.padding_free import use as padding_free
from core.engines.record import Record
from core.engines.sampling import TrainingBatches
from core.engines.timetable import Timetable
from core.engines.vocabulary import Vocabulary
from core.events import Reporter
from core.messages import Message
from core.models import loading as model_loading
from core.runs import checkpoints
from core.runs.device import Device, choose_for
from core.spec.run import RunSpec
from core.tasks.batches import evaluation_batches
from core.tasks.contract import task_of
from core.tasks.texts import Encoded

Batch = dict[str, Any]  # tensors, and numbers about them
Collate = Callable[[list[Any]], Batch]
STATE = "training_state.pt"


@dataclass(frozen=True)
class Texts:
    """What a DataLoader takes: both splits, and what makes a batch of their examples."""

    train: Any
    eval: Any
    collate: Collate


def train(
    spec: RunSpec, encoded: Encoded, model: Any, run_dir: Path, report: Reporter, resume: Path | None = None
) -> None:
    """Train `model` in place and write `run_dir/model`; checkpoints lie in `run_dir/checkpoints`.

    A run that is asked to stop ends after the current step and keeps the model so far. `history.json` has all that
    was logged. resume: a checkpoint of this run to go on from.
    Raises ModelError if training diverged before there was a checkpoint, or memory ran out; DataError if the examples
    are not those that the checkpoint's run had; SpecError for settings that this model cannot have.
    """
    device = choose_for(spec)
    set_seed(spec.training.seed)
    network.freeze(model, spec.training.trainable_layers)
    vocabulary = Vocabulary(model, encoded, spec.training)
    without_padding = padding_free.tell(spec, model, encoded.tokenizer, device, report)
    texts = _texts(model, encoded, device, vocabulary, without_padding)
    try:
        with (
            vocabulary.only_used(model),
            cpu_dropout.used(model, device, spec.execution.torch_compile),
            padding_free.used(model, without_padding),
        ):
            _train(spec, encoded, model, run_dir, report, resume, device, texts)
    except (MemoryError, RuntimeError, ValueError, IndexError, TypeError) as error:
        raise network.explained(error, spec, device) from error
    report.phase(Message("Saving the model", "saving-model"))
    model_loading.save(model, encoded.tokenizer, run_dir / "model")


def _train(
    spec: RunSpec,
    encoded: Encoded,
    model: Any,
    run_dir: Path,
    report: Reporter,
    resume: Path | None,
    device: Device,
    texts: Texts,
) -> None:
    training = spec.training
    model.to(device.kind)

    batches = TrainingBatches(encoded.train["length"], training)
    loss_of = task_of(spec).model.torch_loss(spec, encoded, device.kind)

    timetable = Timetable.of(spec, batches.count)
    optimizer = AdamW(network.decay_groups(model, training.weight_decay), lr=training.learning_rate, fused=True)
    lr_scheduler = get_scheduler(
        training.lr_scheduler_type,
        optimizer=optimizer,
        num_warmup_steps=network.warmup_steps(spec, timetable.total),
        num_training_steps=timetable.total,
    )
    scaler = torch.amp.GradScaler(device.kind, enabled=device.precision == "fp16")
    state = TrainingState(model, optimizer, lr_scheduler, scaler, device)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]

    record = Record(spec, timetable, encoded.fingerprint, report)
    if resume is None:
        record.count_start(run_dir, model.save_pretrained)
    else:
        record.resume(resume)
        state.load(resume)

    forward = torch.compile(model, dynamic=True) if spec.execution.torch_compile else model
    total_loss, logged = torch.zeros((), device=device.kind), record.step
    if resume is not None and record.evaluation_due:
        metrics = evaluate(model, encoded, spec, device, report, texts)
        if metrics is not None:
            record.evaluated(metrics)
            record.caught_up(resume)
    model.train()
    record.begin()
    for update in _updates(texts, batches, record, device):
        examples = sum(len(batch["labels"]) for batch in update)
        tokens = sum(batch.pop("tokens") for batch in update)
        for batch in update:  # more than one where gradients are accumulated
            batch = _moved(batch, device)
            labels = batch.pop("labels")
            with device.autocast():
                outputs = forward(**batch)
            loss = loss_of(outputs.logits, labels, examples)
            scaler.scale(loss).backward()
            total_loss += loss.detach()

        scaler.unscale_(optimizer)
        grad_norm = torch.nn.utils.clip_grad_norm_(trained, training.max_grad_norm or torch.inf)
        (learning_rate, *_) = lr_scheduler.get_last_lr()
        scaler.step(optimizer)
        scaler.update()
        lr_scheduler.step()
        optimizer.zero_grad()

        record.step_done(examples, tokens)
        step, stopping = record.step, report.stop_requested and not timetable.ends(record.step)
        if timetable.logs(step) or stopping:
            mean_loss = total_loss.item() / (step - logged)  # only here does anything wait for the device
            record.trained(mean_loss, float(learning_rate), grad_norm.item())
            total_loss.zero_()
            logged = step
        if record.diverged_at is not None:
            break
        save = timetable.saves(step) or stopping
        if timetable.evaluates(step) and not stopping:
            metrics = evaluate(model, encoded, spec, device, report, texts)
            save |= report.stop_requested if metrics is None else record.evaluated(metrics)
            model.train()
        if save:
            with checkpoints.writing(run_dir, step) as partial:
                state.save(partial)
                record.save(partial)
            record.saved(run_dir)
        if record.should_stop:
            break

    record.end(run_dir)
    if record.keeps_best and record.best_step is not None and record.best_step != record.step:
        network.load_weights(model, checkpoints.path_of(run_dir, record.best_step))


def evaluate(
    model: Any, encoded: Encoded, spec: RunSpec, device: Device, report: Reporter, texts: Texts
) -> dict[str, float] | None:
    """`loss` (the mean over examples) and the spec's metrics of the evaluation split; None if a stop cut it short."""
    report.phase(Message("Evaluating", "evaluating"))
    batches = evaluation_batches(encoded.eval["length"], spec.training.per_device_eval_batch_size)
    eval_dataloader = _dataloader(texts.eval, batches, device, texts.collate)
    metrics = task_of(spec).metrics.running(spec.evaluation.metrics)
    model.eval()
    for number, batch in enumerate(eval_dataloader):
        if number and report.stop_requested:
            return None
        labels = batch.pop("labels").numpy()
        del batch["tokens"]
        with torch.no_grad(), device.autocast():
            outputs = model(**_moved(batch, device))
        metrics.add_batch(outputs.logits.float().cpu().numpy(), labels)
    return metrics.compute()


def _updates(texts: Texts, batches: TrainingBatches, record: Record, device: Device) -> Iterator[tuple[Batch, ...]]:
    """The batches of one update after the other, through all epochs, from where the record is."""
    accumulation = batches.training.gradient_accumulation_steps
    while not record.is_done:
        epoch, done = record.timetable.place(record.step)
        rest = batches.of(epoch)[done * accumulation :]
        train_dataloader = iter(_dataloader(texts.train, rest, device, texts.collate))
        while update := tuple(islice(train_dataloader, accumulation)):
            yield update


def _moved(batch: Batch, device: Device) -> Batch:
    return {
        name: value.to(device.kind, non_blocking=True) if isinstance(value, torch.Tensor) else value
        for name, value in batch.items()
    }


def _dataloader(dataset: Any, batches: Sequence[np.ndarray], device: Device, collate: Collate) -> DataLoader[Batch]:
    return DataLoader(
        dataset,
        batch_sampler=[batch.tolist() for batch in batches],
        collate_fn=collate,
        pin_memory=device.kind == "cuda",
        generator=torch.Generator(),  # it draws a number for each epoch: not from what dropout draws from
    )


def _texts(model: Any, encoded: Encoded, device: Device, vocabulary: Vocabulary, without_padding: bool) -> Texts:
    if without_padding:
        train, evaluation = padding_free_batches.splits(model, encoded, vocabulary)
        return Texts(train, evaluation, _laid_out)
    padded = [split.with_format("torch", columns=encoded.columns) for split in (encoded.train, encoded.eval)]
    return Texts(padded[0], padded[1], _collate(encoded, device, vocabulary))


def _laid_out(examples: list[Any]) -> Batch:
    batch = padding_free_batches.collate(examples)
    return batch | {"tokens": batch["input_ids"].numel()}


def _collate(encoded: Encoded, device: Device, vocabulary: Vocabulary) -> Collate:
    """Pads the examples of a batch to its longest; `tokens` counts them without the padding."""

    def collate(examples: list[Batch]) -> Batch:
        padded = vocabulary.renumber(encoded.pad(examples, device.pad_to_multiple_of))
        batch = {name: torch.from_numpy(values) for name, values in padded.items()}
        return batch | {"tokens": sum(len(example["input_ids"]) for example in examples)}

    return collate


@dataclass(frozen=True)
class TrainingState:
    """All that a resumed run needs to go on as if nothing had been, besides the record."""

    model: Any
    optimizer: torch.optim.Optimizer
    lr_scheduler: Any
    scaler: torch.amp.GradScaler
    device: Device

    def save(self, folder: Path) -> None:
        """The weights as safetensors, the rest as tensors and numbers, which load without unpickling code."""
        self.model.save_pretrained(folder)
        torch.save(
            {
                "optimizer": self.optimizer.state_dict(),
                "lr_scheduler": self.lr_scheduler.state_dict(),
                "scaler": self.scaler.state_dict(),
                "random": [generator.get_rng_state() for generator in self._generators],
            },
            folder / STATE,
        )

    def load(self, folder: Path) -> None:
        network.load_weights(self.model, folder)
        saved = network.load_state(folder / STATE)
        self.optimizer.load_state_dict(saved["optimizer"])
        self.lr_scheduler.load_state_dict(saved["lr_scheduler"])
        self.scaler.load_state_dict(saved["scaler"])
        for generator, state in zip(self._generators, saved["random"], strict=True):
            generator.set_rng_state(state)

    @property
    def _generators(self) -> list[Any]:
        """What dropout draws from: the CPU's and the GPU's module."""
        return [torch, *([torch.get_device_module(self.device.kind)] if self.device.kind != "cpu" else [])]
