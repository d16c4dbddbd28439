"""The Trainer engine: `transformers.Trainer` as the tutorial uses it, watched by a callback.

Steps, in the order that every engine has: device, data, loss, optimizer, record, resume, loop (with evaluation and
checkpoints), best model, save. The Trainer does the learning; the order of the examples, when to evaluate and save, and
what a checkpoint is are decided as for the other engines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from transformers import (
    DefaultFlowCallback,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from core.engines import cpu_dropout, network
from core.engines.padding_free import batches as padding_free_batches
from core.engines.padding_free import use as padding_free
from core.engines.record import Record
from core.engines.sampling import EpochSampler, EvalSampler, TrainingBatches
from core.engines.timetable import Timetable
from core.engines.vocabulary import Vocabulary
from core.events import Reporter
from core.messages import Message
from core.models import loading as model_loading
from core.runs import checkpoints
from core.runs.device import Device, choose_for
from core.spec.run import RunSpec
from core.tasks.contract import Task, task_of
from core.tasks.texts import Encoded


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
    network.freeze(model, spec.training.trainable_layers)
    task = task_of(spec)
    loss = task.model.torch_loss(spec, encoded, device.kind)
    vocabulary = Vocabulary(model, encoded, spec.training)
    without_padding = padding_free.tell(spec, model, encoded.tokenizer, device, report)
    with (
        vocabulary.only_used(model),
        cpu_dropout.used(model, device, spec.execution.torch_compile),
        padding_free.used(model, without_padding),
    ):
        _train(spec, encoded, model, run_dir, report, resume, device, task, loss, vocabulary, without_padding)
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
    task: Task,
    loss: Callable[..., torch.Tensor],
    vocabulary: Vocabulary,
    without_padding: bool,
) -> None:
    batches = TrainingBatches(encoded.train["length"], spec.training)
    record = Record(spec, Timetable.of(spec, batches.count), encoded.fingerprint, report)
    collate: Callable[[list[Any]], dict[str, Any]] = padding_free_batches.collate
    train_dataset, eval_dataset = encoded.train, encoded.eval
    if without_padding:
        train_dataset, eval_dataset = padding_free_batches.splits(model, encoded, vocabulary)
    else:
        collate = _padded(encoded, device, vocabulary)
    trainer = OurTrainer(
        model=model,
        args=arguments(spec, device, run_dir),
        data_collator=collate,
        train_dataset=train_dataset,
        eval_dataset=eval_dataset,
        processing_class=encoded.tokenizer,
        compute_metrics=metrics_function(task, spec.evaluation.metrics),
        compute_loss_func=lambda outputs, labels, num_items_in_batch=None: loss(
            outputs.logits, labels, num_items_in_batch
        ),
    )
    trainer.batches, trainer.eval_lengths, trainer.record = batches, encoded.eval["length"], record
    watcher = Watcher(trainer, record, run_dir)
    trainer.compute_metrics = watcher.whole_evaluations_only(trainer.compute_metrics)
    for callback in (PrinterCallback, DefaultFlowCallback):
        trainer.remove_callback(callback)
    trainer.add_callback(watcher)
    if resume is None:
        record.count_start(run_dir, model.save_pretrained)
    else:
        record.resume(resume)
    try:
        if resume is not None and record.evaluation_due:
            network.load_weights(model, resume)
            trainer.evaluate()
            if not record.evaluation_due:
                record.caught_up(resume)
        if resume is not None and (record.is_done or record.should_stop):  # it had learned all it should
            network.load_weights(model, resume)
        else:
            trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    except UnpicklingError as error:
        assert resume is not None, "nothing else is unpickled"
        raise checkpoints.damaged(resume) from error
    except (MemoryError, RuntimeError, ValueError, IndexError, TypeError) as error:
        raise network.explained(error, spec, device) from error
    record.end(run_dir)
    if record.keeps_best and record.best_step is not None and record.best_step != record.step:
        network.load_weights(model, checkpoints.path_of(run_dir, record.best_step))


class OurTrainer(Trainer):
    """A Trainer that takes its examples in our order (its own grouping by length has no seed, so it cannot resume) and
    writes its checkpoints whole.

    batches of training, eval_lengths (tokens of each example) and record are set before training
    """

    batches: TrainingBatches
    eval_lengths: Sequence[int]
    record: Record
    train_sampler: EpochSampler
    eval_sampler: EvalSampler

    def _get_train_sampler(self, train_dataset: Any = None) -> EpochSampler:
        self.train_sampler = EpochSampler(self.batches)
        return self.train_sampler

    def _get_eval_sampler(self, eval_dataset: Any) -> EvalSampler:
        self.eval_sampler = EvalSampler(
            self.eval_lengths, self.args.eval_batch_size, lambda: self.record.report.stop_requested
        )
        return self.eval_sampler

    def evaluate(self, *arguments: Any, **named: Any) -> dict[str, float]:
        """Draws no random number that dropout would have had, so that an evaluation can be made up later."""
        with torch.random.fork_rng(devices=[]):
            return super().evaluate(*arguments, **named)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        with checkpoints.writing(Path(self.args.output_dir).parent, self.state.global_step) as partial:
            self.model.save_pretrained(partial)
            self._save_optimizer_and_scheduler(str(partial))
            self._save_scaler(str(partial))
            self._save_rng_state(str(partial))
            self.state.save_to_json(str(partial / "trainer_state.json"))
            self.record.save(partial)


def arguments(spec: RunSpec, device: Device, run_dir: Path) -> TrainingArguments:
    """The spec's training section as TrainingArguments, which has the same names."""
    t = spec.training
    args = TrainingArguments(
        output_dir=str(run_dir / checkpoints.FOLDER),
        learning_rate=t.learning_rate,
        num_train_epochs=t.num_train_epochs,
        per_device_train_batch_size=t.per_device_train_batch_size,
        per_device_eval_batch_size=t.per_device_eval_batch_size,
        gradient_accumulation_steps=t.gradient_accumulation_steps,
        weight_decay=t.weight_decay,
        warmup_steps=t.warmup_steps,
        lr_scheduler_type=t.lr_scheduler_type,
        max_grad_norm=t.max_grad_norm,
        label_smoothing_factor=t.label_smoothing_factor,
        eval_strategy=t.eval_strategy,
        eval_steps=t.eval_steps,
        logging_steps=t.logging_steps,
        logging_nan_inf_filter=False,  # a loss that is no number is what a person must see
        seed=t.seed,
        use_cpu=device.kind == "cpu",
        bf16=device.precision == "bf16",
        fp16=device.precision == "fp16",
        torch_compile=spec.execution.torch_compile,
        dataloader_pin_memory=device.kind == "cuda",
        accelerator_config={"non_blocking": device.kind == "cuda"},  # else each batch's copy waits for the step before
        report_to="none",
        disable_tqdm=True,
    )
    assert args.device is not None  # sets up the devices, which counts the GPUs
    args._n_gpu = min(args._n_gpu, 1)  # a run has one GPU; with more in sight the Trainer would split each batch
    return args


def metrics_function(task: Task, names: Sequence[str]) -> Callable[[Any], dict[str, float]]:
    """The function that a `Trainer` calls with (logits, labels) after an evaluation.

    Its `loss` is the mean over examples; the Trainer's own counts an incomplete last batch as a whole one.
    """

    def compute_metrics(output: Any) -> dict[str, float]:
        logits, labels = output
        return task.metrics.compute(names, logits[0] if isinstance(logits, tuple) else logits, labels)

    return compute_metrics


def _padded(encoded: Encoded, device: Device, vocabulary: Vocabulary) -> Callable[[list[Any]], dict[str, torch.Tensor]]:
    return lambda examples: to_tensors(vocabulary.renumber(encoded.pad(examples, device.pad_to_multiple_of)))


def to_tensors(batch: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(values) for name, values in batch.items()}


class Watcher(TrainerCallback):
    """Tells the Record what the Trainer does, and the Trainer when to log, evaluate, save and stop."""

    def __init__(self, trainer: OurTrainer, record: Record, run_dir: Path) -> None:
        self.trainer, self.record, self.run_dir = trainer, record, run_dir
        self.evaluating = False

    def on_train_begin(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.record.begin()

    def on_step_end(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.record.step_done(*self._examples_of_step(args))
        assert self.record.step == state.global_step
        timetable, step = self.record.timetable, self.record.step
        stopping = self.record.report.stop_requested and not timetable.ends(step)
        control.should_log = timetable.logs(step) or stopping
        control.should_evaluate = timetable.evaluates(step) and not stopping
        control.should_save = timetable.saves(step) or stopping
        control.should_training_stop = timetable.ends(step) or stopping

    def on_log(
        self, args: Any, state: TrainerState, control: TrainerControl, logs: dict[str, float] | None = None, **_: Any
    ) -> None:
        if logs is None or "loss" not in logs:
            return
        self.record.trained(logs["loss"], logs["learning_rate"], logs["grad_norm"])
        if self.record.diverged_at is not None:
            control.should_training_stop = True
            control.should_evaluate = control.should_save = False

    def on_prediction_step(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if not self.evaluating:
            self.evaluating = True
            self.record.report.phase(Message("Evaluating", "evaluating"))

    def whole_evaluations_only(self, compute: Any) -> Any:
        """No numbers for an evaluation that a stop cut short, so that it is neither shown nor ever the best."""
        return lambda output: {} if self.trainer.eval_sampler.cut_short else compute(output)

    def on_evaluate(
        self, args: Any, state: TrainerState, control: TrainerControl, metrics: dict[str, float], **_: Any
    ) -> None:
        self.evaluating = False
        if self.trainer.eval_sampler.cut_short:
            control.should_training_stop = control.should_save = True
            return
        names = ("loss", *self.record.spec.evaluation.metrics)
        control.should_save |= self.record.evaluated({name: metrics[f"eval_{name}"] for name in names})
        control.should_training_stop |= self.record.stops_early

    def on_save(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.record.saved(self.run_dir)

    def _examples_of_step(self, args: TrainingArguments) -> tuple[int, int]:
        """Examples and tokens of the step just done: their places in the order of the epoch."""
        sampler, per_step = self.trainer.train_sampler, args.train_batch_size * args.gradient_accumulation_steps
        start = self.record.timetable.place(self.record.step)[1] * per_step
        end = min(start + per_step, len(sampler))
        return end - start, sampler.tokens_until[end] - sampler.tokens_until[start]
