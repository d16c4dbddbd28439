"""Advice on what to try next, from the results of a training run."""

from __future__ import annotations

import math

from core.messages import Argument, Message
from core.models import names as models
from core.runs.history import History
from core.spec.run import RunSpec
from core.tasks import larger_is_better
from core.tasks.contract import task_of
from core.tasks.results import Report
from core.wording import counted

MOST = 4
WEAKER = 0.02  # of a metric: less may be luck, and so may a standard error of a share, which is at most this by root n
STANDARD_ERROR = 0.5
BEST = 0.995  # of a metric: it cannot get much better


def advise(
    spec: RunSpec, report: Report, history: History, language: str = "", limit: int | None = None
) -> list[Message]:
    """At most four pieces of advice, the most useful first.

    language: the code of the language of most training texts, empty if there is none
    limit: the most tokens of a text that the model can take, None if it has no limit
    """
    task = task_of(spec).advice
    perfect = task.is_perfect(report)
    evaluations = history.evaluations
    advice = [
        _stopped(report, history),
        task.not_learned(spec, report),
        (weaker := _weaker_than_simple(spec, report)),
        task.too_good(report),
        _start_is_best(history),
        _foreign(spec, language),
        _overfitted(spec, evaluations),
        _still_improving(spec, evaluations, history),
        _truncated(spec, report, limit),
        None if weaker else task.weak_spots(report),
        _scratch(spec, perfect, language),
        _few_examples(report, perfect),
        task.uncertain(report),
    ]
    return [message for message in advice if message is not None][:MOST]


def _stopped(report: Report, history: History) -> Message | None:
    if history.is_whole:
        return None
    done, total = history.steps, history.total_steps
    counts: dict[str, Argument] = {"steps": done, "total_steps": total}
    text = f"Training ended after {done:,} of {counted(total, 'step')}; let it run to the end."
    if report.eval_examples is None or report.examples >= report.eval_examples:
        return Message(text, "ended-early", counts)
    evaluated = f"It was evaluated on {report.examples:,} of {counted(report.eval_examples, 'example')}."
    counts |= {"examples": report.examples, "of": report.eval_examples}
    return Message(f"{text} {evaluated}", "ended-early-evaluated-in-part", counts)


def _weaker_than_simple(spec: RunSpec, report: Report) -> Message | None:
    """A simpler model does better, so this one has not learned what there is to learn."""
    metric, rivals = report.main_metric, report.rivals
    ours = report.metrics[metric]
    if ours is None or not larger_is_better(metric):
        return None
    frozen, bag = (
        rival.metrics.get(metric) if rival else None for rival in (rivals.frozen_encoder, rivals.bag_of_words)
    )
    weaker = max(WEAKER, STANDARD_ERROR / math.sqrt(max(1, report.examples)))
    epochs, rate = spec.training.num_train_epochs, spec.training.learning_rate
    if frozen is not None and frozen > ours + weaker:
        return Message.of(
            "weaker-than-frozen",
            "A linear classifier on the model before any training reaches {theirs:.3f}, more than this one "
            "({ours:.3f}): it was trained too little, or too hard. Try {epochs:epoch|epochs} "
            "(this had {had:g}), or another learning rate than {rate:g}.",
            theirs=frozen,
            ours=ours,
            epochs=math.ceil(epochs * 2),
            had=epochs,
            rate=rate,
        )
    if bag is not None and bag > ours + weaker:
        return Message.of(
            "weaker-than-bag-of-words",
            "A bag of words reaches {theirs:.3f}, more than this model ({ours:.3f}): it has not learned what the words "
            "alone tell. Try {epochs:epoch|epochs} (this had {had:g}), or a higher learning rate than {rate:g}.",
            theirs=bag,
            ours=ours,
            epochs=math.ceil(epochs * 2),
            had=epochs,
            rate=rate,
        )
    return None


def _start_is_best(history: History) -> Message | None:
    """The run returned to the head that was fitted before training."""
    if history.best_step != 0:
        return None
    return Message.of(
        "start-is-best",
        "Training made nothing better than the start with its fitted head, so the run returned to that. "
        "Try a lower learning rate; with few examples that may be the best there is.",
    )


def _foreign(spec: RunSpec, language: str) -> Message | None:
    """The model knows one language and was trained on another."""
    hint = models.foreign_to(spec.model.name, language)
    arguments: dict[str, Argument] = {"model": spec.model.name, "language": language}
    return Message(f"{spec.model.name} {hint}.", "foreign-language", arguments) if hint else None


def _overfitted(spec: RunSpec, evaluations: list[dict[str, float]]) -> Message | None:
    losses = [entry["eval_loss"] for entry in evaluations]
    if len(losses) < 2 or losses[-1] < min(losses) * 1.1:
        return None
    best = evaluations[losses.index(min(losses))]
    if best["step"] == 0:  # nothing was memorised yet: the head was fitted to the frozen model
        return None
    return Message(
        f"The evaluation loss was lowest after {counted(best['epoch'], 'epoch')} and has risen since: the model began "
        "to memorise the training examples. Train for fewer epochs, or with more examples, weight decay or a lower "
        "learning rate.",
        "overfitted",
        {"epoch": best["epoch"]},
    )


def _still_improving(spec: RunSpec, evaluations: list[dict[str, float]], history: History) -> Message | None:
    name = f"eval_{spec.evaluation.metric_for_best_model}"
    values = [entry.get(name, math.nan) for entry in evaluations]
    if len(values) < 2 or not history.is_whole or not all(map(math.isfinite, values[-2:])):
        return None
    rising = larger_is_better(spec.evaluation.metric_for_best_model)
    improved = values[-1] > max(values[:-1]) + 0.005 if rising else values[-1] < min(values[:-1]) - 0.005
    if not improved or (rising and values[-1] > BEST):
        return None
    epochs = spec.training.num_train_epochs
    return Message(
        f"The model was still getting better at the last evaluation ({values[-2]:.3f}, then {values[-1]:.3f}): "
        f"try {counted(epochs * 2, 'epoch')}.",
        "still-improving",
        {"before": values[-2], "last": values[-1], "epochs": epochs * 2},
    )


def _truncated(spec: RunSpec, report: Report, limit: int | None) -> Message | None:
    share, length = report.truncated["train"], spec.model.max_length
    if share < 0.1:
        return None
    if limit is not None and length >= limit and spec.model.name != "scratch":
        return Message.of(
            "texts-cut-at-limit",
            "{share:.0%} of the texts were cut at {max_length:,} tokens, the most that this model takes; a model for "
            "longer texts would read more of them.",
            share=share,
            max_length=length,
        )
    longer = length * 2 if limit is None or spec.model.name == "scratch" else min(length * 2, limit)
    return Message(
        f"{share:.0%} of the texts were cut at {length} tokens; {longer} would keep more of them, and take longer.",
        "texts-cut",
        {"share": share, "max_length": length, "longer": longer},
    )


def _scratch(spec: RunSpec, perfect: bool, language: str) -> Message | None:
    if spec.model.name != "scratch" or perfect:
        return None
    suited = models.suited(language)
    return Message(
        f"This model knew no language before. A pretrained one, such as {suited}, reaches more with the same data.",
        "try-pretrained",
        {"model": suited},
    )


def _few_examples(report: Report, perfect: bool) -> Message | None:
    count = report.train_examples
    if count >= 1000 or perfect:
        return None
    text = f"{count:,} training examples are few; more of them are the surest way to a better model."
    return Message(text, "few-examples", {"examples": count})
