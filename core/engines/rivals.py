"""What simpler models reach on the data of a run, judged before it trains: its result is measured by them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.evaluation.after_training import RIVALS
from core.messages import Message
from core.models import class_head
from core.tasks.batches import evaluation_batches
from core.tasks.contract import task_of
from core.tasks.frozen import Features, drawn
from core.tasks.results import FrozenEncoder, Rivals
from core.wording import metric_words

if TYPE_CHECKING:
    from core.data.loading.load import Loaded
    from core.events import Reporter
    from core.runs.device import Device
    from core.spec.run import RunSpec
    from core.tasks.texts import Encoded

# Of the examples that training looks at (each counts once for each epoch), the share that the frozen model may read: a
# look costs a third of a step, so that both looks, at training and at evaluation examples, take a tenth of its time.
SHARE = 0.15
FEWEST, MOST = 500, 2_000


def judge(
    spec: RunSpec, loaded: Loaded, encoded: Encoded, model: Any, folder: Path, device: Device, report: Reporter
) -> None:
    """Write what simpler models reach, unless an earlier attempt did. Raises to end the run if it was asked to stop."""
    task = task_of(spec)
    if "rivals" not in task.facts.OFFERS or Rivals.load(folder / RIVALS) is not None:
        return
    report.phase(Message("Training a bag of words to compare with", "training-bag-of-words"))
    bag = task.rivals.bag_of_words(spec, loaded)
    report.check_stop()
    frozen = None if spec.model.name == "scratch" else _frozen_encoder(spec, encoded, model, device, report)
    rivals = Rivals(bag_of_words=bag, frozen_encoder=frozen)
    rivals.save(folder / RIVALS)
    _tell(spec, rivals, report)


def _tell(spec: RunSpec, rivals: Rivals, report: Reporter) -> None:
    metric = spec.evaluation.metric_for_best_model
    messages = []
    if (bag := rivals.bag_of_words) is not None and (value := bag.metrics.get(metric)) is not None:
        messages.append(
            Message.of(
                "bag-of-words",
                "A bag of words reaches {value:.3f} {metric}: the model must do better to be worth its time.",
                value=value,
                metric=metric_words(metric),
            )
        )
    if (frozen := rivals.frozen_encoder) is not None and (value := frozen.metrics.get(metric)) is not None:
        words = metric_words(metric)
        messages.append(
            Message.of(
                "frozen-encoder",
                "A linear classifier on the model before any training reaches {value:.3f} {metric}, learned from "
                "{examples:example|examples}.",
                value=value,
                metric=words,
                examples=frozen.train_examples,
            )
        )
    for message in messages:
        report.message(message.text, "info", message.id, **message.arguments)


def _frozen_encoder(
    spec: RunSpec, encoded: Encoded, model: Any, device: Device, report: Reporter
) -> FrozenEncoder | None:
    """Judge a linear classifier on the model, which stays as it is; None if there can be none."""
    if _last_matrix(model) is None:
        return None
    task, started = task_of(spec), time.perf_counter()
    most = min(MOST, max(FEWEST, int(SHARE * len(encoded.train) * spec.training.num_train_epochs)))
    train = _features(encoded, "train", drawn(len(encoded.train), most, spec), model, spec, device, report)
    if train is None or (pooling := task.rivals.better_pooling(train)) is None:
        return None
    judged = _features(encoded, "eval", drawn(len(encoded.eval), most, spec), model, spec, device, report)
    if judged is None:
        return None
    report.phase(Message("Fitting a linear classifier to the frozen model", "fitting-linear"))
    return FrozenEncoder(
        metrics=task.rivals.linear(spec, train, judged, pooling),
        train_examples=len(train.labels),
        examples=len(judged.labels),
        pooling=pooling,
        seconds=time.perf_counter() - started,
    )


def _features(
    encoded: Encoded, split: str, chosen: np.ndarray, model: Any, spec: RunSpec, device: Device, report: Reporter
) -> Features | None:
    """Of some examples of a split; None if the head reads something else than one vector for each text.

    chosen: their places in it
    """
    import torch

    data = getattr(encoded, split)
    lengths = np.asarray(data["length"])[chosen]
    batches = evaluation_batches(lengths, spec.training.per_device_eval_batch_size)
    own: list[np.ndarray] = []
    mean: list[np.ndarray] = []
    model.to(device.kind).eval()
    with _watched(model) as seen:
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
                mask = inputs["attention_mask"].unsqueeze(-1).to(states.dtype)
            own.append(read.float().cpu().numpy())
            mean.append(((states * mask).sum(1) / mask.sum(1)).float().cpu().numpy())
    back = np.argsort(np.concatenate(batches))
    head_reads, means = np.concatenate(own)[back], np.concatenate(mean)[back]
    if not (np.isfinite(head_reads).all() and np.isfinite(means).all()):
        return None
    return Features(head_reads, means, np.asarray(data["labels"])[chosen])


def _last_matrix(model: Any) -> Any:
    """The dense layer that gives a logit for each class; None if there is no such single one."""
    import torch

    owners = {name.rpartition(".")[0] for name in class_head.class_parameters(model)}
    modules = [model.get_submodule(name) for name in owners]
    return modules[0] if len(modules) == 1 and isinstance(modules[0], torch.nn.Linear) else None


@contextmanager
def _watched(model: Any) -> Iterator[dict[str, Any]]:
    """`read`: what the last matrix of the head was given; `states`: the last states of the tokens."""
    seen: dict[str, Any] = {}
    hooks = [
        _last_matrix(model).register_forward_pre_hook(lambda _, inputs: seen.update(read=inputs[0])),
        model.base_model.register_forward_hook(lambda _, inputs, output: seen.update(states=output[0])),
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()
