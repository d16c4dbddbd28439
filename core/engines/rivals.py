"""What simpler models reach on the data of a run, by which its result is measured.

The frozen model is judged before it trains, a bag of words beside that.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
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
LOOK_S = 0.1  # between two looks at how far a run is, and whether it shall stop

logger = logging.getLogger(__name__)


def judge_frozen_model(
    spec: RunSpec, encoded: Encoded, model: Any, folder: Path, device: Device, report: Reporter
) -> None:
    """Write what the model reaches as it is, unless an earlier attempt did. Raises to end the run if it must stop."""
    if "rivals" not in task_of(spec).facts.OFFERS or Rivals.load(folder / RIVALS) is not None:
        return
    start = read_start(folder)
    frozen: FrozenEncoder | None = start and (start.frozen or start)
    if frozen is None and spec.model.name != "scratch":
        frozen = _frozen_encoder(spec, encoded, model, device, report)
    Rivals(frozen_encoder=frozen).save(folder / RIVALS)
    metric = spec.evaluation.metric_for_best_model
    if frozen is None or (value := frozen.metrics.get(metric)) is None:
        return
    message = Message.of(
        "frozen-encoder",
        "A linear classifier on the model before any training reaches {value:.3f} {metric}, learned from "
        "{examples:example|examples}.",
        value=value,
        metric=metric_words(metric),
        examples=frozen.train_examples,
    )
    report.message(message.text, "info", message.id, **message.arguments)


@contextmanager
def bag_of_words_beside(spec: RunSpec, loaded: Loaded, folder: Path, report: Reporter) -> Iterator[None]:
    """Judges a bag of words while the block trains, from its first step on, unless an earlier attempt did.

    It is there when the block ends, but for a run that was asked to stop, which does not wait either.
    """
    rivals = Rivals.load(folder / RIVALS)
    if rivals is None or rivals.bag_of_words is not None:
        yield
        return
    over, failed = Event(), Event()

    def work() -> None:
        while report.step == 0 and not over.wait(LOOK_S):  # the first step is what somebody waits for
            pass
        if not failed.is_set():
            _bag_of_words(spec, loaded, rivals, folder, report)

    thread = Thread(target=work, name="bag-of-words", daemon=True)
    thread.start()
    try:
        yield
    except BaseException:
        failed.set()
        raise
    finally:
        over.set()
    report.phase(Message("Training a bag of words to compare with", "training-bag-of-words"))
    while thread.is_alive() and not report.stop_requested:
        thread.join(LOOK_S)


def _bag_of_words(spec: RunSpec, loaded: Loaded, rivals: Rivals, folder: Path, report: Reporter) -> None:
    try:
        bag = task_of(spec).rivals.bag_of_words(spec, loaded)
        rivals.model_copy(update={"bag_of_words": bag}).save(folder / RIVALS)
    except Exception:  # nothing that was trained shall be lost by it
        logger.warning("the bag of words could not be trained", exc_info=True)
        message = Message.of(
            "bag-of-words-failed",
            "A bag of words to compare with could not be trained, so the result stands without one; worker.log says "
            "why.",
        )
        report.message(message.text, "warning", message.id)
        return
    metric = spec.evaluation.metric_for_best_model
    if bag is None or (value := bag.metrics.get(metric)) is None:
        return
    message = Message.of(
        "bag-of-words",
        "A bag of words reaches {value:.3f} {metric}: the model must do better to be worth its time.",
        value=value,
        metric=metric_words(metric),
    )
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
