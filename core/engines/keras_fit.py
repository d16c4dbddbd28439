"""The Keras engine: `model.fit` on TensorFlow, as the tutorial has it, with whole arrays or a tf.data pipeline.

Steps, in the order that every engine has: device, data, loss, optimizer, record, resume, loop (with evaluation and
checkpoints), best model, save. KerasHub's classifier learns; its weights come from the Transformers model and go back.

Parts of this file are copied, as text, into the exact.py of exported scripts: see core/sharing/code.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from core.engines import keras_weights  # isort: skip  # first: it chooses TensorFlow for Keras
import keras
import tensorflow as tf
import torch

from core.engines import network
from core.engines.record import Record
from core.engines.sampling import TrainingBatches
from core.engines.timetable import Timetable
from core.engines.vocabulary import Vocabulary
from core.errors import DataError, Problem, SpecError
from core.events import Reporter
from core.messages import Message
from core.models import loading as model_loading
from core.runs import checkpoints
from core.runs.device import Device, choose_for
from core.spec.run import RunSpec
from core.tasks.batches import evaluation_batches
from core.tasks.contract import task_of
from core.tasks.texts import Encoded

POLICIES = {"fp32": "float32", "bf16": "mixed_bfloat16"}
NAMES = {"input_ids": "token_ids", "attention_mask": "padding_mask", "token_type_ids": "segment_ids"}
STATE, KERAS_FILE = "state.npz", "model.keras"


def train(
    spec: RunSpec, encoded: Encoded, model: Any, run_dir: Path, report: Reporter, resume: Path | None = None
) -> None:
    """Train `model` in place and write `run_dir/model`, and beside it `model.keras`.

    A run that is asked to stop ends after the current step and keeps the model so far. `history.json` has all that
    was logged. resume: a checkpoint of this run to go on from.
    Raises ModelError if the model is not one that Keras can take, training diverged before there was a checkpoint, or
    memory ran out; DataError if the examples are not those that the checkpoint's run had, or whole arrays of them do
    not fit the memory; SpecError for settings that this model or machine cannot have.
    """
    device = _device(spec, report)
    keras.utils.set_random_seed(spec.training.seed)
    network.freeze(model, spec.training.trainable_layers)
    vocabulary = Vocabulary(model, encoded, spec.training)
    try:
        with vocabulary.only_used(model):
            _train(spec, encoded, model, run_dir, report, resume, device, vocabulary)
        report.phase(Message("Saving the model", "saving-model"))
        keras_weights.compute_as_keras(model)
        model_loading.save(model, encoded.tokenizer, run_dir / "model")
        classifier = keras_weights.build(model)
        keras_weights.to_keras(model, classifier)
        classifier.save(run_dir / KERAS_FILE)
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        raise network.out_of_memory(spec, device) from error
    finally:
        keras.utils.clear_session()


def _train(
    spec: RunSpec,
    encoded: Encoded,
    model: Any,
    run_dir: Path,
    report: Reporter,
    resume: Path | None,
    device: Device,
    vocabulary: Vocabulary,
) -> None:
    training = spec.training
    keras_weights.check(model.config)
    classifier = keras_weights.build(model, POLICIES[device.precision])
    keras_weights.to_keras(model, classifier)

    encoded.tokenizer.padding_side = "right"  # Keras counts positions from the left
    batches = TrainingBatches(encoded.train["length"], training)
    pad = Padding(encoded, vocabulary, classifier.backbone.max_sequence_length)
    data_of = WholeArrays(encoded, pad, report) if spec.keras_input == "numpy" else Pipeline(encoded, pad)
    timetable = Timetable.of(spec, batches.count)

    learner = Learner(classifier, spec, task_of(spec).model.keras_loss(spec, encoded))
    optimizer = Adam(learning_rate=training.learning_rate, epsilon=1e-8, weight_decay=training.weight_decay or None)
    pairs = keras_weights.weights(classifier, model)
    optimizer.exclude_from_weight_decay([p.variable for p in pairs if not network.decays(p.parameter)])
    optimizer.build(learner.trainable_variables)
    learner.compile(optimizer=optimizer)

    record = Record(spec, timetable, encoded.fingerprint, report)
    if resume is None:
        record.count_start(run_dir, lambda folder: _save(learner, folder))
    else:
        record.resume(resume)
        _load(learner, resume)
    if resume is not None and record.evaluation_due:
        metrics = evaluate(classifier, encoded, pad, spec, report)
        if metrics is not None:
            record.evaluated(metrics)
            record.caught_up(resume)
    watcher = Watcher(learner, record, encoded, pad, run_dir)
    record.begin()
    while not (record.is_done or learner.stop_training):
        epoch, done = timetable.place(record.step)
        watcher.batches = batches.of(epoch)[done * training.gradient_accumulation_steps :]
        learner.fit(
            data_of(watcher.batches, training.per_device_train_batch_size),
            epochs=epoch + 1,
            initial_epoch=epoch,
            steps_per_epoch=len(watcher.batches),
            callbacks=[watcher],
            shuffle=False,
            verbose=0,
        )

    record.end(run_dir)
    if record.keeps_best and record.best_step is not None and record.best_step != record.step:
        _load(learner, checkpoints.path_of(run_dir, record.best_step))
    keras_weights.to_torch(classifier, model)


class Learner(keras.Model):
    """A model with what an update is here: the task's loss, accumulated and clipped as in every engine.

    loss_of: `loss_of(labels, logits)`, the task's loss summed over a batch
    total_loss: the sum of the losses of all updates since it was last taken
    grad_norm: of the last update, before clipping
    examples, completes: of the coming batch, where gradients are accumulated: the examples of its whole update, and
        whether it is the last of them
    """

    def __init__(self, classifier: Any, spec: RunSpec, loss_of: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        self.classifier, self.loss_of = classifier, loss_of
        self.max_grad_norm = spec.training.max_grad_norm
        self.total_loss, self.grad_norm = tf.Variable(0.0), tf.Variable(0.0)
        self.sums: list[tf.Variable] = []
        if spec.training.gradient_accumulation_steps > 1:
            self.examples, self.completes = tf.Variable(1.0), tf.Variable(False)
            self.sums = [tf.Variable(tf.zeros(v.shape)) for v in classifier.trainable_variables]
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return self.classifier(inputs, training=training)

    def train_step(self, data: Any) -> dict[str, Any]:
        inputs, labels = data
        examples = self.examples if self.sums else tf.cast(tf.shape(labels)[0], tf.float32)
        with tf.GradientTape() as tape:
            loss = self.loss_of(labels, self(inputs, training=True)) / examples
        # The embeddings' gradient is sparse; its norm is that of the sums, not of the parts.
        gradients = [tf.convert_to_tensor(g) for g in tape.gradient(loss, self.classifier.trainable_variables)]
        self.total_loss.assign_add(loss)
        if not self.sums:
            self.update(gradients)
            return {"loss": loss}
        for total, gradient in zip(self.sums, gradients, strict=True):
            total.assign_add(gradient)
        tf.cond(self.completes, self.update_with_sums, lambda: False)
        return {"loss": loss}

    def update_with_sums(self) -> bool:
        self.update([tf.identity(total) for total in self.sums])
        for total in self.sums:
            total.assign(tf.zeros_like(total))
        return True

    def update(self, gradients: list[Any]) -> None:
        norm = tf.linalg.global_norm(gradients)
        self.grad_norm.assign(norm)
        if self.max_grad_norm:
            scale = tf.minimum(1.0, self.max_grad_norm / (norm + 1e-6))
            gradients = [gradient * scale for gradient in gradients]
        self.optimizer.apply(gradients, self.classifier.trainable_variables)


class Adam(keras.optimizers.Adam):
    """Keras's Adam, each variable updated in one pass over memory instead of a dozen. The same numbers."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations.value + 1, tf.float32)
        beta_1_power, beta_2_power = tf.pow(self.beta_1, step), tf.pow(self.beta_2, step)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=beta_1_power,
            beta2_power=beta_2_power,
            lr=tf.cast(learning_rate, tf.float32),
            beta1=self.beta_1,
            beta2=self.beta_2,
            grad=gradient,
            epsilon=self.epsilon * tf.sqrt(1 - beta_2_power),  # so that it is added where PyTorch adds it
        )


class Watcher(keras.callbacks.Callback):
    """Sets each update's learning rate, tells the Record what was done, evaluates, saves and stops.

    batches: of the fit that runs, or comes next: indices of examples
    """

    batches: list[np.ndarray]

    def __init__(self, learner: Learner, record: Record, encoded: Encoded, pad: Padding, run_dir: Path) -> None:
        super().__init__()
        self.learner, self.record, self.encoded, self.pad, self.run_dir = learner, record, encoded, pad, run_dir
        self.lengths = np.asarray(encoded.train["length"])
        self.accumulation = record.spec.training.gradient_accumulation_steps
        self.rate_of = network.schedule(record.spec, record.timetable.total)
        self.logged = record.step

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if batch % self.accumulation == 0:
            self.rate = self.rate_of(self.record.step)
            self.learner.optimizer.learning_rate = self.rate
        if self.learner.sums:
            self.learner.examples.assign(float(len(self._examples(batch))))
            self.learner.completes.assign(self._completes(batch))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if not self._completes(batch):
            return
        record, timetable, report = self.record, self.record.timetable, self.record.report
        examples = self._examples(batch)
        record.step_done(len(examples), int(self.lengths[examples].sum()))
        step, stopping = record.step, report.stop_requested and not timetable.ends(record.step)
        if timetable.logs(step) or stopping:
            mean_loss = float(self.learner.total_loss.numpy()) / (step - self.logged)
            record.trained(mean_loss, self.rate, float(self.learner.grad_norm.numpy()))
            self.learner.total_loss.assign(0.0)
            self.logged = step
        if record.diverged_at is None:
            save = timetable.saves(step) or stopping
            if timetable.evaluates(step) and not stopping:
                metrics = evaluate(self.learner.classifier, self.encoded, self.pad, record.spec, report)
                save |= report.stop_requested if metrics is None else record.evaluated(metrics)
            if save:
                with checkpoints.writing(self.run_dir, step) as partial:
                    _save(self.learner, partial)
                    record.save(partial)
                record.saved(self.run_dir)
        self.learner.stop_training = record.should_stop

    def _completes(self, batch: int) -> bool:
        return (batch + 1) % self.accumulation == 0 or batch + 1 == len(self.batches)

    def _examples(self, batch: int) -> np.ndarray:
        """Those of the whole update that a batch belongs to."""
        start = batch - batch % self.accumulation
        return np.concatenate(self.batches[start : start + self.accumulation])


def evaluate(
    classifier: Any, encoded: Encoded, pad: Padding, spec: RunSpec, report: Reporter
) -> dict[str, float] | None:
    """`loss` (the mean over examples) and the spec's metrics of the evaluation split; None if a stop cut it short."""
    report.phase(Message("Evaluating", "evaluating"))
    order: list[np.ndarray] = []
    outputs: list[np.ndarray] = []
    for number, batch in enumerate(
        evaluation_batches(encoded.eval["length"], spec.training.per_device_eval_batch_size)
    ):
        if number and report.stop_requested:
            return None
        inputs, _ = pad([encoded.eval[int(i)] for i in batch])
        outputs.append(np.asarray(classifier.predict_on_batch(inputs), dtype=np.float32))
        order.append(batch)
    logits = np.concatenate(outputs)[np.argsort(np.concatenate(order))]
    return task_of(spec).metrics.compute(spec.evaluation.metrics, logits, np.asarray(encoded.eval["labels"]))


class WholeArrays:
    """The NumPy way: all training texts in arrays of (examples, longest length), which are cut into batches."""

    def __init__(self, encoded: Encoded, pad: Padding, report: Reporter) -> None:
        width = encoded.pad_to or max(encoded.train["length"])
        size = 2 * 4 * len(NAMES) * len(encoded.train) * width  # int32, and once more in the order of an epoch
        free = psutil.virtual_memory().available
        if size > 0.8 * free:
            raise DataError.of(
                "arrays-too-large",
                "whole arrays of {examples:,} texts padded to {tokens:,} tokens take {gigabytes:.1f} GB, "
                "but only {free:.1f} GB of memory is free; choose tf.data as Keras input, or a shorter "
                "longest text",
                "keras_input",
                examples=len(encoded.train),
                tokens=width,
                gigabytes=size / 1000000000.0,
                free=free / 1000000000.0,
            )
        used = sum(encoded.train["length"]) / (len(encoded.train) * width)
        report.message(
            f"Whole arrays: {len(encoded.train):,} texts, all padded to {width:,} tokens, take {size / 1e6:,.0f} MB; "
            f"{1 - used:.0%} of that is padding. tf.data pads each batch only.",
            level="notice",
            code="whole-arrays",
            texts=len(encoded.train),
            tokens=width,
            bytes=int(size),
            padding=float(1 - used),
        )
        self.inputs, self.labels = pad(list(encoded.train))

    def __call__(self, batches: list[np.ndarray], batch_size: int) -> Any:
        order = np.concatenate(batches)
        inputs = {name: values[order] for name, values in self.inputs.items()}
        return tf.data.Dataset.from_tensor_slices((inputs, self.labels[order])).batch(batch_size).prefetch(2)


class Pipeline:
    """The tf.data way: batches are fetched while the one before is learned from, and padded to their own longest."""

    def __init__(self, encoded: Encoded, pad: Padding) -> None:
        self.encoded, self.pad = encoded, pad

    def __call__(self, batches: list[np.ndarray], batch_size: int) -> Any:
        in_order = self.encoded.train.select_columns(self.encoded.columns).select(np.concatenate(batches))
        # to_tf_dataset takes a width that its test batches share for the only one; so its two differ.
        widths = chain((self.pad.most, self.pad.most + 1), repeat(None))

        def collate(examples: list[dict[str, Any]]) -> dict[str, np.ndarray]:
            inputs, labels = self.pad(examples, next(widths))
            return inputs | {"labels": labels}

        dataset = in_order.to_tf_dataset(
            batch_size=batch_size, shuffle=False, collate_fn=collate, num_test_batches=2, prefetch=False
        )
        return dataset.map(_inputs_and_labels).prefetch(2)


def _inputs_and_labels(batch: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    return {name: values for name, values in batch.items() if name != "labels"}, batch["labels"]


def bucket(length: int) -> int:
    """The width of a batch: one of eight in each doubling, so that few shapes occur and at most an eighth is added."""
    step = max(1, 2 ** (length.bit_length() - 4))
    return -(-length // step) * step


@dataclass(frozen=True)
class Padding:
    """Examples to a batch as Keras reads it; no wider than `most`, the positions that the model has."""

    encoded: Encoded
    vocabulary: Vocabulary
    most: int

    def __call__(
        self, examples: list[dict[str, Any]], width: int | None = None
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Inputs, each (examples, width) of int32, and labels, (examples,)."""
        longest = self.encoded.pad_to or max(len(example["input_ids"]) for example in examples)
        width = width or min(bucket(longest), self.most)
        batch = self.vocabulary.renumber(replace(self.encoded, pad_to=width).pad(examples))
        labels = batch.pop("labels")
        batch.setdefault("token_type_ids", np.zeros_like(batch["input_ids"]))
        return {NAMES[name]: values.astype(np.int32) for name, values in batch.items()}, labels


def _state(learner: Learner) -> list[Any]:
    """All that a resumed run needs to go on: weights, what dropout draws from, and the optimizer's."""
    return [*learner.classifier.variables, *learner.optimizer.variables]


def _save(learner: Learner, folder: Path) -> None:
    np.savez(folder / STATE, *[np.asarray(v) for v in _state(learner)])


def _load(learner: Learner, checkpoint: Path) -> None:
    try:
        with np.load(checkpoint / STATE, allow_pickle=False) as saved:
            for number, variable in enumerate(_state(learner)):
                variable.assign(saved[f"arr_{number}"])
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise checkpoints.damaged(checkpoint) from error


def _device(spec: RunSpec, report: Reporter) -> Device:
    """Where TensorFlow computes, which may not see a GPU that torch does. Raises SpecError if it was asked for one."""
    device = choose_for(spec)
    gpus = tf.config.list_physical_devices("GPU")
    if device.kind != "cpu" and not gpus:
        if spec.execution.device != "auto":
            raise SpecError(
                [
                    Problem.of(
                        "keras-no-gpu",
                        "the device is {device!r}, but TensorFlow sees no GPU here; choose auto or cpu",
                        "execution.device",
                        device=spec.execution.device,
                    )
                ]
            )
        report.message("TensorFlow sees no GPU here, so Keras computes on the CPU.", level="notice", code="keras-cpu")
        device = Device("cpu", "bf16" if spec.execution.precision == "bf16" else "fp32", "CPU")
    with suppress(RuntimeError):  # it has computed before, in this process
        if device.kind == "cpu":
            tf.config.set_visible_devices([], "GPU")
            tf.config.threading.set_intra_op_parallelism_threads(torch.get_num_threads())
        for gpu in gpus if device.kind == "cuda" else []:
            tf.config.experimental.set_memory_growth(gpu, True)
    return device
