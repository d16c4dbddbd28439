"""What simpler models reach on the data of a run, judged before it trains: its result is measured by them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.engines.start import frozen_model
from core.evaluation.after_training import RIVALS
from core.messages import Message
from core.tasks.contract import task_of
from core.tasks.frozen import drawn, read_start
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
    start = read_start(folder)
    frozen: FrozenEncoder | None = start and (start.frozen or start)
    if frozen is None and spec.model.name != "scratch":
        frozen = _frozen_encoder(spec, encoded, model, device, report)
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
    """Judge a linear head on the model, which stays as it is; None if there can be none."""
    if frozen_model.last_matrix(model) is None:
        return None
    task, started = task_of(spec), time.perf_counter()
    most = min(MOST, max(FEWEST, int(SHARE * len(encoded.train) * spec.training.num_train_epochs)))
    train = frozen_model.features(encoded, "train", drawn(len(encoded.train), most, spec), model, spec, device, report)
    report.phase(Message("Fitting a linear classifier to the frozen model", "fitting-linear"))
    if train is None or (head := task.rivals.fit_head(spec, encoded, train)) is None:
        return None
    judged = frozen_model.features(encoded, "eval", drawn(len(encoded.eval), most, spec), model, spec, device, report)
    if judged is None:
        return None
    return FrozenEncoder(
        metrics=task.metrics.compute(spec.evaluation.metrics, head.logits(judged), judged.labels),
        train_examples=len(train.labels),
        examples=len(judged.labels),
        pooling=head.pooling,
        seconds=time.perf_counter() - started,
    )
