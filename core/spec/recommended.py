"""What automatic settings become, from the data, the model and the machine, each with its reason.

The rules come from measurement (MiniLM on CoLA, AG News, CLINC150 and SICK, about 1,000 rows each) and, for what was
not measured, from papers: a least number of updates and a warm-up for few examples (Mosbach et al. 2021, Zhang et al.
2021), smaller rates for larger models (Devlin et al. 2019, Liu et al. 2019).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from core.messages import Message
from core.spec.budget.fitting import epochs_within, longest_within
from core.spec.budget.pace import Pace
from core.spec.model import ModelSpec
from core.spec.run import RunSpec, replace
from core.tasks import metrics_of
from core.wording import metric_words

LENGTHS = (32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 2048, 4096, 8192)
LEAST_LENGTH = 8  # that a spec can have
MOST_CUT = 0.02  # of the texts may be cut
LONGEST_HERE = {"cpu": 256, "mps": 512, "cuda": 512}  # beyond, time and memory grow faster than what is learned

SMALL, LARGE = 512, 1024  # widths of models
RATES = {"small": 2e-4, "base": 5e-5, "large": 2e-5}
MOST_FROM_FITTED = 1e-4  # larger steps spoil at first what a fitted head reads
SCRATCH_RATE = 1e-3

LEAST_UPDATES, UPDATES_PER_CLASS = 500, 3
FEWEST_EPOCHS, MOST_EPOCHS = 3, 20
WARM_UP, WITHOUT_WARM_UP = 0.1, "constant"

BATCH_SIZES = ((20_000, 32), (250, 16), (0, 8))  # least number of training examples, and the batch size

# A learning rate that falls makes the last evaluations the best ones, so that few without progress say little.
FEW_EVALUATIONS, LEAST_PATIENCE, PATIENCE_SHARE = 8, 3, 1 / 3

SHORTEST = 64  # tokens, to which a budget of time may cut texts

MOST_FITTED_TO = 5_000  # examples for a head: reading them must stay short beside training on them

FEWEST_PAIRED, FEW, MOST_PAIRED = 4, 64, 1_000  # examples of the rarest class, and of all, of a contrastive stage

UNEVEN = 10  # times as many examples of the most common class as of the rarest


@dataclass(frozen=True)
class Facts:
    """What is known of a run before it starts; None where it is not known yet.

    rows: training examples; tokens: of all of them; classes: their number
    per_class: the examples of the most common and of the rarest class
    cut: longest text in tokens -> the share of texts that it would cut; limit: the most tokens that the model takes
    pretrained: whether the model is; width: of a token's state; device: cpu, cuda or mps
    pace: how fast the run is with a longest text of so many tokens
    """

    rows: int | None = None
    tokens: int | None = None
    classes: int | None = None
    per_class: tuple[int, int] | None = None
    cut: dict[int, float] | None = None
    limit: int | None = None
    pretrained: bool = True
    width: int | None = None
    device: Literal["cpu", "cuda", "mps"] | str = "cpu"
    pace: Callable[[int], Pace] | None = None


@dataclass(frozen=True)
class Choice:
    """One setting that was chosen. path: of the spec; reason: with the value in it"""

    path: str
    value: Any
    reason: Message


def recommend(spec: RunSpec, facts: Facts, paths: Iterable[str] | None = None) -> list[Choice]:
    """A choice for each automatic setting of a spec of which enough is known, in the order of `AUTOMATIC`.

    Whether to compile is no choice of this table: only a worker knows its GPU and the model, see `engines.automatic`.

    paths: of those that are asked for; None asks for all
    """
    chosen = []
    for path in spec.auto if paths is None else [path for path in paths if path in spec.auto]:
        if path in _RULES and (choice := _RULES[path](spec, facts)) is not None:
            chosen.append(Choice(path, *choice))
            spec = replace(spec, {path: choice[0]})  # later rules see it
    return chosen


def settled(spec: RunSpec, choices: Iterable[Choice]) -> RunSpec:
    """The spec with these values, which are no longer automatic."""
    return replace(spec, {choice.path: choice.value for choice in choices})


def any_length(spec: RunSpec) -> ModelSpec:
    """The model of a spec, with the least length where it is yet to be chosen, so that no model is too short for it."""
    automatic = "model.max_length" in spec.auto
    return spec.model.model_copy(update={"max_length": LEAST_LENGTH}) if automatic else spec.model


def may_be_contrastive(facts: Facts) -> bool:
    """Whether there are so few training examples of a class that a contrastive stage may be worth its time."""
    if facts.rows is None or facts.per_class is None:
        return False
    return FEWEST_PAIRED <= facts.per_class[1] <= FEW and facts.rows <= MOST_PAIRED


Rule = Callable[[RunSpec, Facts], "tuple[Any, Message] | None"]


def _max_length(spec: RunSpec, facts: Facts) -> tuple[int, Message] | None:
    usual, minutes = _usual_length(spec, facts), spec.training.budget_minutes
    if "training.per_device_train_batch_size" in spec.auto and (size := _batch_size(spec, facts)) is not None:
        spec = replace(spec, {"training.per_device_train_batch_size": size[0]})
    per_epoch = _updates_per_epoch(spec, facts)
    if usual is None or minutes is None or facts.pace is None or facts.rows is None or per_epoch is None:
        return usual
    lengths = [*(n for n in LENGTHS if SHORTEST <= n < usual[0]), usual[0]]
    epochs = None if "training.num_train_epochs" in spec.auto else spec.training.num_train_epochs
    length = longest_within(spec.training, lengths, facts.pace, facts.rows, per_epoch, epochs)
    if length == usual[0]:
        return usual
    return length, Message.of(
        "auto-length-budget",
        "Longest text {length:,} tokens, not {usual:,}: longer ones take more than {minutes:minute|minutes}. It cuts "
        "{cut:.0%} of the texts.",
        length=length,
        usual=usual[0],
        minutes=minutes,
        cut=(facts.cut or {}).get(length, 0.0),
    )


def _usual_length(spec: RunSpec, facts: Facts) -> tuple[int, Message] | None:
    most = min(LONGEST_HERE.get(facts.device, 512), LENGTHS[-1] if facts.limit is None else facts.limit)
    if facts.cut is None or most < LEAST_LENGTH:
        return None
    allowed = [length for length in LENGTHS if length <= most] or [most]
    length = next((n for n in allowed if facts.cut.get(n, 0.0) <= MOST_CUT), allowed[-1])
    share = facts.cut.get(length)
    if share is None:
        return length, Message.of(
            "auto-length-limit", "Longest text {length:,} tokens: the model takes no more.", length=length
        )
    if not share:
        return length, Message.of("auto-length", "Longest text {length:,} tokens: every text fits.", length=length)
    if share <= MOST_CUT:
        return length, Message.of(
            "auto-length-cut-few",
            "Longest text {length:,} tokens: it cuts {cut:.1%} of the texts.",
            length=length,
            cut=share,
        )
    if length == allowed[-1] and most == facts.limit:
        return length, Message.of(
            "auto-length-limit-cut",
            "Longest text {length:,} tokens: it cuts {cut:.0%} of the texts, but the model takes no more; choose one "
            "for longer texts if the end of yours decides.",
            length=length,
            cut=share,
        )
    return length, Message.of(
        "auto-length-cut",
        "Longest text {length:,} tokens: it cuts {cut:.0%} of the texts, but longer ones cost more time and memory "
        "than they mostly bring; raise it if the end of your texts decides.",
        length=length,
        cut=share,
    )


def _initial_head(spec: RunSpec, facts: Facts) -> tuple[str, Message]:
    if not facts.pretrained:
        return "random", Message.of(
            "auto-head-random", "New head random: what a model of random weights makes of a text says nothing yet."
        )
    perhaps = facts.per_class is None and facts.rows is not None and facts.rows <= MOST_PAIRED
    if perhaps or may_be_contrastive(facts):
        return "fitted", Message.of(
            "auto-head-few",
            "New head fitted to the model: where a class has few examples, cross-validation decides whether a "
            "contrastive stage comes before.",
        )
    return "fitted", Message.of(
        "auto-head-fitted",
        "New head fitted to the frozen model: that takes seconds, and training starts from what is right already.",
    )


def _batch_size(spec: RunSpec, facts: Facts) -> tuple[int, Message] | None:
    if facts.rows is None:
        return None
    size = next(size for least, size in BATCH_SIZES if facts.rows >= least)
    return size, Message.of(
        "auto-batch", "Batch size {size}: for {rows:training example|training examples}.", size=size, rows=facts.rows
    )


def _learning_rate(spec: RunSpec, facts: Facts) -> tuple[float, Message] | None:
    if not facts.pretrained:
        return SCRATCH_RATE, Message.of(
            "auto-rate-scratch", "Learning rate {rate:g}: new weights have everything to learn.", rate=SCRATCH_RATE
        )
    if facts.width is None:
        return None
    rate = RATES["small" if facts.width < SMALL else "base" if facts.width < LARGE else "large"]
    if spec.model.initial_head != "random" and rate > MOST_FROM_FITTED:
        return MOST_FROM_FITTED, Message.of(
            "auto-rate-fitted",
            "Learning rate {rate:g}: larger steps would spoil at first what the fitted head reads.",
            rate=MOST_FROM_FITTED,
        )
    return rate, Message.of(
        "auto-rate",
        "Learning rate {rate:g}: a large pretrained model needs a smaller one than a small model; this one is "
        "{width:,} wide.",
        rate=rate,
        width=facts.width,
    )


def _epochs(spec: RunSpec, facts: Facts) -> tuple[float, Message] | None:
    if (per_epoch := _updates_per_epoch(spec, facts)) is None:
        return None
    fitted = spec.model.initial_head != "random"  # it knows the classes already
    least = LEAST_UPDATES + (0 if fitted else UPDATES_PER_CLASS * (facts.classes or 0))
    epochs = min(MOST_EPOCHS, max(FEWEST_EPOCHS, math.ceil(least / per_epoch)))
    if facts.pace is not None and facts.rows is not None:
        pace = facts.pace(spec.model.max_length)
        if (within := epochs_within(spec.training, pace, facts.rows, per_epoch, epochs)) is not None:
            return within
    updates = epochs * per_epoch
    if updates < least:
        reason = Message.of(
            "auto-epochs-few",
            "{epochs} epochs with {updates:,} updates: about {least:,} would be better, but more epochs would only "
            "repeat what so few examples say.",
            epochs=epochs,
            updates=updates,
            least=least,
        )
    elif epochs > FEWEST_EPOCHS:
        reason = Message.of(
            "auto-epochs-least",
            "{epochs} epochs with {updates:,} updates: it takes about {least:,} to learn these classes.",
            epochs=epochs,
            updates=updates,
            least=least,
        )
    else:
        reason = Message.of(
            "auto-epochs-enough",
            "{epochs} epochs with {updates:,} updates: with so many examples, more of them seldom pay.",
            epochs=epochs,
            updates=updates,
        )
    return float(epochs), reason


def _updates_per_epoch(spec: RunSpec, facts: Facts) -> int | None:
    if facts.rows is None:
        return None
    if (most := spec.training.max_tokens_per_batch) is None:
        batches = math.ceil(facts.rows / spec.training.per_device_train_batch_size)
    elif facts.tokens is None:
        return None
    else:
        batches = math.ceil(facts.tokens / most)
    return max(1, math.ceil(batches / spec.training.gradient_accumulation_steps))


def _warm_up(spec: RunSpec, facts: Facts) -> tuple[float, Message]:
    if spec.training.lr_scheduler_type == WITHOUT_WARM_UP:
        return 0.0, Message.of("auto-warm-up-none", "No warm-up: the constant scheduler has none.")
    return WARM_UP, Message.of(
        "auto-warm-up",
        "Warm-up over {share:.0%} of the updates: the first ones could spoil what the model knows.",
        share=WARM_UP,
    )


def _class_weights(spec: RunSpec, facts: Facts) -> tuple[str, Message] | None:
    metric = spec.evaluation.metric_for_best_model
    known = metrics_of(spec.task).get(metric)
    if known is None or not known.gains_from_class_weights:
        return "off", Message.of("auto-weights-off", "Class weights off: the probabilities stay honest.")
    if facts.per_class is None:
        return None
    most, least = facts.per_class
    if most < UNEVEN * max(1, least):
        return "off", Message.of(
            "auto-weights-even",
            "Class weights off: the classes have {least:,} to {most:,} examples, which is even enough.",
            most=most,
            least=least,
        )
    return "balanced", Message.of(
        "auto-weights-balanced",
        "Class weights balanced: the classes have {least:,} to {most:,} examples, and in {metric} each class counts "
        "the same.",
        most=most,
        least=least,
        metric=metric,
    )


def _early_stopping(spec: RunSpec, facts: Facts) -> tuple[int | None, Message] | None:
    if spec.training.eval_strategy == "no":
        return None, Message.of(
            "auto-stopping-not-evaluated", "Early stopping off: nothing is evaluated during the training."
        )
    if not spec.training.load_best_model_at_end:
        return None, Message.of(
            "auto-stopping-last-kept", "Early stopping off: the run keeps its last model, not its best."
        )
    if (evaluations := _evaluations(spec, facts)) is None:
        return None
    if evaluations < FEW_EVALUATIONS:
        return None, Message.of(
            "auto-stopping-few",
            "Early stopping off: with {evaluations:evaluation|evaluations} there is little to save; the run returns to "
            "its best model anyway.",
            evaluations=evaluations,
        )
    patience = max(LEAST_PATIENCE, math.ceil(evaluations * PATIENCE_SHARE))
    return patience, Message.of(
        "auto-stopping",
        "Early stopping after {patience} evaluations in a row without a better {metric}, of {evaluations:,} planned; "
        "the run returns to its best model.",
        patience=patience,
        metric=metric_words(spec.evaluation.metric_for_best_model),
        evaluations=evaluations,
    )


def _evaluations(spec: RunSpec, facts: Facts) -> int | None:
    """How often a run evaluates while it trains; None where that is not known yet."""
    if "training.num_train_epochs" in spec.auto:
        return None
    if spec.training.eval_strategy == "epoch":
        return math.ceil(spec.training.num_train_epochs)
    if (per_epoch := _updates_per_epoch(spec, facts)) is None:
        return None
    return math.ceil(per_epoch * spec.training.num_train_epochs / spec.training.eval_steps)


_RULES: dict[str, Rule] = {
    "model.max_length": _max_length,
    "model.initial_head": _initial_head,
    "training.per_device_train_batch_size": _batch_size,
    "training.learning_rate": _learning_rate,
    "training.num_train_epochs": _epochs,
    "training.warmup_steps": _warm_up,
    "training.class_weights": _class_weights,
    "evaluation.early_stopping_patience": _early_stopping,
}
