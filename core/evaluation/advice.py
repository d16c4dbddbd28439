"""What to try next, in sentences, from what a run has shown."""

from __future__ import annotations

import math
from typing import Any

from core.evaluation.results import Report
from core.models import names as models
from core.spec.run import RunSpec
from core.wording import counted

MOST = 4
PERFECT = 0.99  # accuracy


def advise(spec: RunSpec, report: Report, history: dict[str, Any], language: str = "") -> list[str]:
    """At most four sentences, the most useful first.

    history: an engine's history.json; language: the code of the language of most training texts, empty if there is none
    """
    evaluations = [entry for entry in history["log"] if "eval_loss" in entry]
    found = [
        _stopped(report, history),
        _not_learned(spec, report),
        _too_good(report),
        _foreign(spec, language),
        _overfitted(spec, evaluations),
        _still_improving(spec, evaluations, history),
        _truncated(spec, report),
        _missed_classes(report),
        _scratch(spec, report, language),
        _few_examples(report),
        _uncertain(report),
    ]
    return [sentence for sentence in found if sentence][:MOST]


def _stopped(report: Report, history: dict[str, Any]) -> str:
    if history["steps"] >= history["total_steps"]:
        return ""
    steps = counted(history["total_steps"], "step")
    judged = ""
    if report.eval_examples is not None and report.examples < report.eval_examples:
        judged = f" It was judged on {report.examples:,} of {counted(report.eval_examples, 'example')}."
    return f"Training ended after {history['steps']:,} of {steps}; let it run to the end.{judged}"


def _not_learned(spec: RunSpec, report: Report) -> str:
    main = report.main_metric
    value, baseline = report.metrics[main], report.baseline.metrics[main]
    if value is None or baseline is None or value > baseline + max(0.02, 1.5 * _standard_error(report)):
        return ""
    rate = spec.training.learning_rate
    usual = "about 1e-3" if spec.model.name == "scratch" else "2e-5 to 5e-5"
    return (
        f"The model is hardly better than always answering {report.baseline.label!r}. Train for more epochs, "
        f"check the learning rate ({rate:g}; {usual} is usual), and look at some examples: do the labels follow from "
        "the texts?"
    )


def _too_good(report: Report) -> str:
    if not _perfect(report):
        return ""
    return (
        "Hardly an example was answered wrongly, which is rare. See that no text of the evaluation is in training too "
        "(Datasets, Problems), and that nothing in the texts gives the label away."
    )


def _perfect(report: Report) -> bool:
    return (report.metrics.get("accuracy") or 0.0) > PERFECT


def _foreign(spec: RunSpec, language: str) -> str:
    """A model that knows one language, trained on another."""
    hint = models.foreign_to(spec.model.name, language)
    return f"{spec.model.name} {hint}." if hint else ""


def _overfitted(spec: RunSpec, evaluations: list[dict[str, Any]]) -> str:
    losses = [entry["eval_loss"] for entry in evaluations]
    if len(losses) < 2 or losses[-1] < min(losses) * 1.1:
        return ""
    best = evaluations[losses.index(min(losses))]
    return (
        f"The evaluation loss was lowest after {counted(best['epoch'], 'epoch')} and has risen since: the model began "
        "to learn the training examples by heart. Train for fewer epochs, or with more examples, weight decay or a "
        "lower learning rate."
    )


def _still_improving(spec: RunSpec, evaluations: list[dict[str, Any]], history: dict[str, Any]) -> str:
    name = f"eval_{spec.evaluation.metric_for_best_model}"
    values = [entry.get(name, math.nan) for entry in evaluations]
    if len(values) < 2 or history["steps"] < history["total_steps"] or not values[-1] > max(values[:-1]) + 0.005:
        return ""
    epochs = spec.training.num_train_epochs
    return (
        f"The model was still getting better at the last evaluation ({values[-2]:.3f}, then {values[-1]:.3f}): "
        f"try {counted(epochs * 2, 'epoch')}."
    )


def _truncated(spec: RunSpec, report: Report) -> str:
    share, limit = report.truncated["train"], spec.model.max_length
    if share < 0.1:
        return ""
    return f"{share:.0%} of the texts were cut at {limit} tokens; {limit * 2} would keep more of them, and take longer."


def _missed_classes(report: Report) -> str:
    missed = [entry.label for entry in report.per_class if entry.support and not entry.recall]
    if not missed:
        return ""
    names = ", ".join(repr(name) for name in missed[:3]) + (f" and {len(missed) - 3} more" if len(missed) > 3 else "")
    return f"No example of {names} was recognised: more training examples of such classes would help most."


def _scratch(spec: RunSpec, report: Report, language: str) -> str:
    if spec.model.name != "scratch" or _perfect(report):
        return ""
    return (
        f"This model knew no language before. A pretrained one, such as {models.suited(language)}, "
        "reaches more with the same data."
    )


def _few_examples(report: Report) -> str:
    count = report.train_examples
    return (
        f"{count:,} training examples are few; more of them are the surest way to a better model."
        if count < 1000 and not _perfect(report)
        else ""
    )


def _uncertain(report: Report) -> str:
    error = _standard_error(report)
    if error < 0.015:
        return ""
    return (
        f"With {report.examples:,} evaluation examples, shares are uncertain by about {2 * error:.1%} either way; "
        "smaller differences between runs mean nothing."
    )


def _standard_error(report: Report) -> float:
    accuracy = report.metrics.get("accuracy")
    share = min(0.99, max(0.01, 0.5 if accuracy is None else accuracy))
    return math.sqrt(share * (1 - share) / max(1, report.examples))
