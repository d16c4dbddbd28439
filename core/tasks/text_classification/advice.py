"""What to try next, as far as it follows from classes and how often they are answered rightly.

`core.evaluation.advice` puts these pieces among its own, each in its place; None where there is nothing to say.
"""

from __future__ import annotations

import math

from core.messages import Message
from core.spec.run import RunSpec
from core.tasks.text_classification.results import ClassReport
from core.wording import shortened

PERFECT = 0.99  # accuracy
NAME = 60  # characters of a class's name in a sentence: the name itself may have thousands


def is_perfect(report: ClassReport) -> bool:
    return (report.metrics.get("accuracy") or 0.0) > PERFECT


def not_learned(spec: RunSpec, report: ClassReport) -> Message | None:
    main = report.main_metric
    value, baseline = report.metrics[main], report.baseline.metrics[main]
    if value is None or baseline is None or value > baseline + max(0.02, 1.5 * _standard_error(report)):
        return None
    rate = spec.training.learning_rate
    usual = "about 1e-3" if spec.model.name == "scratch" else "2e-5 to 2e-4, less for a larger model,"
    label = shortened(str(report.baseline.label), NAME)
    return Message(
        f"The model is hardly better than always predicting {label!r}. Train for more epochs, "
        f"check the learning rate ({rate:g}; {usual} is usual), and look at some examples: do the labels follow from "
        "the texts?",
        "not-learned",
        {"baseline": label, "learning_rate": rate, "usual": usual},
    )


def too_good(report: ClassReport) -> Message | None:
    if not is_perfect(report):
        return None
    return Message(
        "Almost every prediction is right, which is rare. Check that no text of the evaluation is also in training "
        "(Datasets, Problems), and that nothing in the texts reveals the label.",
        "too-good",
    )


def weak_spots(report: ClassReport) -> Message | None:
    missed = [shortened(entry.label, NAME) for entry in report.per_class if entry.support and not entry.recall]
    if not missed:
        return None
    names = ", ".join(repr(name) for name in missed[:3]) + (f" and {len(missed) - 3} more" if len(missed) > 3 else "")
    return Message(
        f"No example of {names} was recognised: more training examples of such classes would help most.",
        "classes-missed",
        {"classes": ", ".join(missed[:3]), "count": len(missed)},
    )


def uncertain(report: ClassReport) -> Message | None:
    error = _standard_error(report)
    if error < 0.015:
        return None
    return Message(
        f"With {report.examples:,} evaluation examples, shares are uncertain by about {2 * error:.1%} either way; "
        "smaller differences between runs mean nothing.",
        "uncertain",
        {"examples": report.examples, "margin": 2 * error},
    )


def _standard_error(report: ClassReport) -> float:
    accuracy = report.metrics.get("accuracy")
    examples = max(1, report.examples)
    least = max(0.01, 1 / (examples + 2))  # none wrong of four does not mean that none ever will be (Laplace's rule)
    share = min(1 - least, max(least, 0.5 if accuracy is None else accuracy))
    return math.sqrt(share * (1 - share) / examples)
