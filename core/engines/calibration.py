"""How fast a run learns on this machine, measured on some of its own batches before its first update."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from core.engines import cpu_dropout, network
from core.engines.sampling import TrainingBatches
from core.engines.vocabulary import Vocabulary
from core.runs.proposing import CHECKPOINT_BYTES, DISK_RATE, END_S
from core.spec.budget.pace import Pace
from core.tasks.batches import evaluation_batches
from core.tasks.contract import task_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.events import Reporter
    from core.runs.device import Device
    from core.spec.run import RunSpec
    from core.tasks.texts import Encoded

MOST_BATCHES, FEWEST_BATCHES = 12, 3
SHARE, MOST_S = 0.05, 20.0  # of the budget, and seconds, that measuring may take
KERAS_SLOWER = 1.5  # than PyTorch in fp32 on a CPU, which is what is measured; with building its model once
KERAS_START_S = 15.0

Work = Callable[[int, int], float]


def measure(spec: RunSpec, encoded: Encoded, model: Any, device: Device, report: Reporter, spent: float = 0.0) -> Pace:
    """The pace of a run whose batch size is chosen. The model stays as it is; engines draw random numbers anew.

    spent: seconds since the run began. Raises to end the run if it was asked to stop.
    """
    import torch

    started = time.perf_counter()
    network.freeze(model, spec.training.trainable_layers)
    vocabulary = Vocabulary(model, encoded, spec.training)
    was_training = model.training
    try:
        with vocabulary.only_used(model), cpu_dropout.used(model, device, spec.execution.torch_compile):
            model.to(device.kind)
            work = _work_of(model)
            seconds, updates = _training(spec, encoded, model, device, report, vocabulary, work)
            forward = _evaluation(spec, encoded, model, device, report, vocabulary, work)
            trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    finally:
        model.train(was_training)
        model.zero_grad(set_to_none=True)
    if device.kind == "cuda":
        torch.cuda.empty_cache()
    slower, start_s = (KERAS_SLOWER, KERAS_START_S) if spec.engine == "keras" else (1.0, 0.0)
    saving = 0.0 if spec.training.save_strategy == "no" else CHECKPOINT_BYTES * trained / DISK_RATE
    return Pace(
        once=spent + time.perf_counter() - started + start_s + END_S + forward,
        evaluation=slower * forward + saving,
        example=slower * seconds,
        update=slower * updates,
    )


def _training(
    spec: RunSpec, encoded: Encoded, model: Any, device: Device, report: Reporter, vocabulary: Vocabulary, work: Work
) -> tuple[float, float]:
    """Seconds of learning from one example, on average, and of one update of the weights, which stay as they are."""
    import torch

    batches = TrainingBatches(encoded.train["length"], spec.training).of(0)
    loss_of = task_of(spec).model.torch_loss(spec, encoded, device.kind)
    model.train()

    def learn(places: np.ndarray) -> None:
        batch = _batch(encoded.train, places, encoded, device, vocabulary)
        labels = batch.pop("labels")
        with device.autocast():
            outputs = model(**batch)
        loss_of(outputs.logits, labels, len(labels)).backward()
        model.zero_grad(set_to_none=False)

    lengths = np.asarray(encoded.train["length"])
    per_work = _seconds_per_work(batches, lengths, learn, work, spec, device, report)
    # All gradients are zero now, so that updates leave the weights as they are, to the bit.
    trained = [p for p in model.parameters() if p.requires_grad and p.grad is not None]
    optimizer = torch.optim.AdamW(trained, lr=0.0, weight_decay=0.0, fused=True)
    optimizer.step()
    with _clock(device) as took:
        optimizer.step()
    total = sum(work(len(batch), int(lengths[batch].max())) for batch in batches)
    return per_work * total / len(encoded.train), took[0]


def _evaluation(
    spec: RunSpec, encoded: Encoded, model: Any, device: Device, report: Reporter, vocabulary: Vocabulary, work: Work
) -> float:
    """Seconds that the model takes to read the evaluation examples."""
    import torch

    lengths = np.asarray(encoded.eval["length"])
    batches = evaluation_batches(lengths, spec.training.per_device_eval_batch_size)
    model.eval()

    def look(places: np.ndarray) -> None:
        batch = _batch(encoded.eval, places, encoded, device, vocabulary)
        del batch["labels"]
        with torch.no_grad(), device.autocast():
            model(**batch)

    per_work = _seconds_per_work(batches, lengths, look, work, spec, device, report)
    return per_work * sum(work(len(batch), int(lengths[batch].max())) for batch in batches)


def _seconds_per_work(
    batches: list[np.ndarray],
    lengths: np.ndarray,
    do: Callable[[np.ndarray], None],
    work: Work,
    spec: RunSpec,
    device: Device,
    report: Reporter,
) -> float:
    """Measured on batches of all lengths, the middle one first, as far as time allows."""
    most = min(MOST_S, SHARE * 60 * (spec.training.budget_minutes or 1.0)) / 2
    by_length = sorted(batches, key=lambda batch: work(len(batch), int(lengths[batch].max())))
    places = (np.arange(MOST_BATCHES) + 0.5) / MOST_BATCHES * len(by_length)
    order = np.random.default_rng(0).permutation(len(places))
    do(by_length[len(by_length) // 2])  # the first one is slower than any other
    seconds = done = 0.0
    for number, place in enumerate(order):
        report.check_stop()
        if number >= FEWEST_BATCHES and seconds > most:
            break
        batch = by_length[int(places[place])]
        with _clock(device) as took:
            do(batch)
        seconds, done = seconds + took[0], done + work(len(batch), int(lengths[batch].max()))
    return seconds / done


def _work_of(model: Any) -> Work:
    """How much a padded batch is to do, in multiplications, from its examples and their longest text."""
    embedding = model.get_input_embeddings().weight.numel()
    weights = max(1, sum(p.numel() for p in model.parameters()) - embedding)
    layers, width = getattr(model.config, "num_hidden_layers", 1), getattr(model.config, "hidden_size", 1)
    return lambda examples, longest: examples * longest * (weights + 2.0 * layers * width * longest)


def _batch(split: Any, places: np.ndarray, encoded: Encoded, device: Device, vocabulary: Vocabulary) -> dict[str, Any]:
    import torch

    padded = vocabulary.renumber(encoded.pad(split.__getitems__(places.tolist()), device.pad_to_multiple_of))
    return {name: torch.from_numpy(values).to(device.kind) for name, values in padded.items()}


@contextmanager
def _clock(device: Device) -> Iterator[list[float]]:
    """The seconds that what is done within takes, as the one value of a list."""
    import torch

    wait = torch.cuda.synchronize if device.kind == "cuda" else lambda: None
    took = [0.0]
    wait()
    started = time.perf_counter()
    yield took
    wait()
    took[0] = time.perf_counter() - started
