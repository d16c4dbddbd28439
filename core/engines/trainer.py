"""The Trainer engine: `transformers.Trainer` as the tutorial uses it, watched by a callback.

Steps, in the order that every engine has: device, arguments, data, loop (with evaluation and checkpoints), best model,
save. Of the Trainer only the order of the examples is overridden.
"""

from __future__ import annotations

import json
import logging
import math
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from core import models
from core.device import Device, choose
from core.engines.sampling import EpochSampler, EvalSampler
from core.errors import ModelError
from core.evaluation.metrics import compute_metrics
from core.events import Reporter
from core.files import write_text
from core.spec import RunSpec
from core.tasks.text_classification import Encoded

logger = logging.getLogger(__name__)


def train(spec: RunSpec, encoded: Encoded, model: Any, run_dir: Path, report: Reporter) -> None:
    """Train `model` in place and write `run_dir/model`; checkpoints lie in `run_dir/checkpoints`.

    A run that is asked to stop ends after the current step and keeps the model so far. `history.json` has all that
    was logged. Raises ModelError if training diverged before there was a checkpoint, or memory ran out.
    """
    device = choose(spec.execution)
    trainer = LengthGroupedTrainer(
        model=model,
        args=arguments(spec, device, run_dir),
        data_collator=lambda examples: to_tensors(encoded.pad(examples, device.pad_to_multiple_of)),
        train_dataset=encoded.train,
        eval_dataset=encoded.eval,
        processing_class=encoded.tokenizer,
        compute_metrics=compute_metrics(spec.evaluation.metrics),
    )
    trainer.lengths = {"train": np.asarray(encoded.train["length"]), "eval": np.asarray(encoded.eval["length"])}
    trainer.by_length, trainer.report = spec.training.train_sampling_strategy == "group_by_length", report
    trainer.remove_callback(PrinterCallback)
    watcher = Watcher(trainer, report)
    trainer.add_callback(watcher)
    trainer.compute_metrics = watcher.whole_evaluations_only(trainer.compute_metrics)
    try:
        trainer.train()
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise ModelError(out_of_memory(spec, device)) from error
    watcher.check_diverged(spec)
    write_text(run_dir / "history.json", json.dumps(watcher.history(spec)))
    report.phase("Saving the model")
    models.save(model, encoded.tokenizer, run_dir / "model")


class LengthGroupedTrainer(Trainer):
    """A Trainer that takes its examples in our order: its own grouping by length has no seed, so it cannot resume.

    lengths: tokens of each example of `train` and `eval`; set before training, as are by_length and report
    """

    lengths: dict[str, np.ndarray]
    by_length: bool
    report: Reporter
    train_sampler: EpochSampler
    eval_sampler: EvalSampler

    def _get_train_sampler(self, train_dataset: Any = None) -> EpochSampler:
        self.train_sampler = EpochSampler(
            self.lengths["train"], self.args.train_batch_size, self.args.seed, self.by_length
        )
        return self.train_sampler

    def _get_eval_sampler(self, eval_dataset: Any) -> EvalSampler:
        self.eval_sampler = EvalSampler(
            self.lengths["eval"], self.args.eval_batch_size, lambda: self.report.stop_requested
        )
        return self.eval_sampler


def arguments(spec: RunSpec, device: Device, run_dir: Path) -> TrainingArguments:
    """The spec's training section as TrainingArguments, which has the same names."""
    t = spec.training
    args = TrainingArguments(
        output_dir=str(run_dir / "checkpoints"),
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
        save_strategy=t.eval_strategy,  # what is evaluated can be the best, so it is kept
        save_steps=t.eval_steps,
        save_total_limit=t.save_total_limit,
        load_best_model_at_end=t.load_best_model_at_end and t.eval_strategy != "no",
        metric_for_best_model=f"eval_{spec.evaluation.metric_for_best_model}",
        greater_is_better=True,
        logging_steps=t.logging_steps,
        logging_first_step=True,
        logging_nan_inf_filter=False,  # a loss that is no number is what a person must see
        seed=t.seed,
        use_cpu=device.kind == "cpu",
        bf16=device.precision == "bf16",
        fp16=device.precision == "fp16",
        dataloader_pin_memory=device.kind == "cuda",
        report_to="none",
        disable_tqdm=True,
    )
    assert args.device is not None  # sets up the devices, which counts the GPUs
    args._n_gpu = min(args._n_gpu, 1)  # a run has one GPU; with more in sight the Trainer would split each batch
    return args


def to_tensors(batch: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(values) for name, values in batch.items()}


def is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def out_of_memory(spec: RunSpec, device: Device) -> str:
    size = spec.training.per_device_train_batch_size
    return (
        f"memory ran out on the {device.title} with {size} texts of up to {spec.model.max_length:,} tokens per step; "
        f"set the batch size to {max(1, size // 2)} and the gradient accumulation to "
        f"{spec.training.gradient_accumulation_steps * 2}, which learns the same, or shorten the longest text"
    )


class Watcher(TrainerCallback):
    """Tells the Reporter what the Trainer does, and the Trainer when to stop."""

    def __init__(self, trainer: LengthGroupedTrainer, report: Reporter) -> None:
        self.trainer, self.report = trainer, report
        self.diverged_at: int | None = None
        self.evaluating = False
        self.log: list[dict[str, float]] = []
        self._start_clock()

    def on_train_begin(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.report.phase("Training")
        self.report.progress(state.global_step, state.max_steps, state.epoch)
        self._start_clock()

    def on_step_end(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.report.progress(state.global_step, state.max_steps, state.epoch)
        self._count(args, state)
        if state.global_step >= state.max_steps or control.should_evaluate:
            control.should_log = True  # the last steps too, where they do not fill an interval
        elif self.report.stop_requested:
            control.should_training_stop = control.should_log = control.should_save = True

    def on_epoch_end(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        control.should_log = True  # before an evaluation, so that a diverged model is not evaluated
        if (control.should_training_stop and state.global_step < state.max_steps) or self.diverged_at:
            control.should_evaluate = control.should_save = False  # ended within the epoch; a stop has saved already

    def on_log(
        self, args: Any, state: TrainerState, control: TrainerControl, logs: dict[str, float] | None = None, **_: Any
    ) -> None:
        if logs is None or "loss" not in logs:
            return
        values: dict[str, float] = {name: logs[name] for name in ("loss", "learning_rate", "grad_norm") if name in logs}
        values |= self._speed(args.logging_steps)
        self._tell(values, state)
        logger.info("step %d of %d: %s", state.global_step, state.max_steps, _in_words(values))
        if not math.isfinite(logs["loss"]) and self.diverged_at is None:
            self.diverged_at = state.global_step
            control.should_training_stop = True
            control.should_evaluate = control.should_save = False

    def on_prediction_step(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if not self.evaluating:
            self.evaluating = True
            self.report.phase("Evaluating")

    def whole_evaluations_only(self, compute: Callable[[Any], dict[str, float]]) -> Callable[[Any], dict[str, float]]:
        """No numbers for an evaluation that a stop cut short, so that it is neither shown nor ever the best."""

        def compute_or_not(output: Any) -> dict[str, float]:
            if self.trainer.eval_sampler.cut_short:
                return {self.trainer.args.metric_for_best_model.removeprefix("eval_"): math.nan}
            return compute(output)

        return compute_or_not

    def on_evaluate(
        self, args: Any, state: TrainerState, control: TrainerControl, metrics: dict[str, float], **_: Any
    ) -> None:
        self.evaluating = False
        if self.trainer.eval_sampler.cut_short:
            control.should_training_stop = True
            return
        values = {name: value for name, value in metrics.items() if name.startswith("eval_") and not _TIMING(name)}
        self._tell(values, state)
        logger.info("evaluation at step %d: %s", state.global_step, _in_words(values))
        if state.global_step < state.max_steps:
            self.report.phase("Training")
        self._start_clock()

    def on_save(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        path = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        self.report.checkpoint(path, state.global_step, best=state.best_global_step == state.global_step)
        self._start_clock()

    def check_diverged(self, spec: RunSpec) -> None:
        """Say so if the loss became no number; raises ModelError if no earlier model is there to fall back to."""
        if self.diverged_at is None:
            return
        cause = (
            f"The loss was no longer a number at step {self.diverged_at}: training diverged. "
            f"Lower the learning rate from {spec.training.learning_rate:g} to {spec.training.learning_rate / 10:g}, "
            "add a warm-up, or choose fp32 as precision"
        )
        if not self.trainer.args.load_best_model_at_end or self.trainer.state.best_model_checkpoint is None:
            raise ModelError(cause)
        self.report.message(f"{cause}. The best model before that is kept.", level="warning", code="diverged")

    def history(self, spec: RunSpec) -> dict[str, Any]:
        """What the final report's advice is drawn from."""
        state = self.trainer.state
        return {
            "steps": state.global_step,
            "total_steps": state.max_steps,
            "best_step": state.best_global_step if self.trainer.args.load_best_model_at_end else None,
            "log": self.log,
        }

    def _tell(self, values: dict[str, float], state: TrainerState) -> None:
        self.report.metrics(values, state.global_step, state.epoch)
        self.log.append({"step": state.global_step, "epoch": state.epoch or 0.0, **values})

    def _start_clock(self) -> None:
        self._since, self._steps, self._examples, self._tokens = time.perf_counter(), 0, 0, 0

    def _count(self, args: TrainingArguments, state: TrainerState) -> None:
        """Add the examples of the step just done: their places in the order of the epoch."""
        sampler = self.trainer.train_sampler
        count, per_step = len(sampler), args.train_batch_size * args.gradient_accumulation_steps
        start = (state.global_step - 1) % math.ceil(count / per_step) * per_step
        end = min(start + per_step, count)
        self._steps += 1
        self._examples += end - start
        self._tokens += int(sampler.tokens_until[end] - sampler.tokens_until[start])

    def _speed(self, least_steps: int) -> dict[str, float]:
        """Of training alone: the clock starts anew after each evaluation and checkpoint."""
        seconds, enough = time.perf_counter() - self._since, self._steps >= least_steps
        values = {"examples_per_second": self._examples / seconds, "tokens_per_second": self._tokens / seconds}
        self._start_clock()
        return values if enough else {}


_TIMING = re.compile("_runtime$|_per_second$|_time$").search


def _in_words(values: dict[str, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in values.items())
