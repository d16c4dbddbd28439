"""What answers to labelled texts are worth by their classes: all that evaluating, comparing and disturbing ask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import DataError
from core.models import label_names
from core.tasks.text_classification.predictions import Predictions
from core.tasks.text_classification.results import ClassDifferent, ClassEvaluation, Tuned
from core.wording import counted, shortened

if TYPE_CHECKING:
    from core.data.dataset import Progress
    from core.data.loading.load import Part
    from core.tasks.contract.judging import Material
    from core.tasks.results import Gap

SCORE = "accuracy"
RIGHT_OR_WRONG = True
ERROR = "An error is an answer with another class than the label's."
CLASS_NUMBER = "LABEL_"
MOST_CLASSES = 30  # of which each is a group of examples


def labels(names: Sequence[str], part: Part, title: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The labels as the model's class ids; the places of those that it knows; and sentences on how they were matched.

    names: the model's classes. Raises DataError where it knows none of the data's.
    """
    known, notes = matched(tuple(names), part.label_names, title)
    ids = np.array(known)[np.asarray(part.examples["label"], dtype=np.int64)]
    usable = np.flatnonzero(ids >= 0)
    if not len(usable):
        raise DataError.of(
            "no-class-known",
            "{model} knows the classes {known}, of which {data} has none ({classes}); rename the labels under Prepare",
            "data.label_column",
            model=title,
            known=list(map(_short, names[:10])),
            data=part.prepared.title,
            classes=list(map(_short, part.label_names[:10])),
        )
    if len(usable) < len(ids):
        notes.append(f"{counted(len(ids) - len(usable), 'example')} with a class it does not know were left out.")
    return ids, usable, notes


def matched(model: tuple[str, ...], data: tuple[str, ...], title: str) -> tuple[list[int], list[str]]:
    """The model's class id for each class of the data, or -1; and notes on it.

    By name (see `label_names`); by number where the model has no names (LABEL_0 …) and both have as many classes.
    """
    places = label_names.places(data, model)
    if max(places) >= 0:
        return places, []
    nameless = all(name == f"{CLASS_NUMBER}{i}" for i, name in enumerate(model))
    plain = all(name.lstrip("-").isdigit() for name in (*model, *data))
    if len(model) == len(data) and (nameless or plain):
        pairs = ", ".join(f"{_short(a)} is {_short(b)}" for a, b in zip(model[:5], data[:5], strict=False))
        return list(range(len(data))), [f"{title} has no names for its classes; they are taken in order: {pairs}."]
    return places, []


def in_order(answers: Predictions, names: tuple[str, ...], title: str) -> Predictions:
    """The answers with the classes in the order of `names`. Raises DataError if these are others."""
    if answers.names == names:
        return answers
    places, _ = matched(names, answers.names, title)
    if sorted(places) != list(range(len(names))):
        raise DataError.of(
            "other-classes",
            "{model} knows other classes ({known}) than the first model ({classes}); compare models of the same "
            "classes",
            "",
            model=title,
            known=list(map(_short, answers.names[:8])),
            classes=list(map(_short, names[:8])),
        )
    order = np.argsort(places)
    return Predictions(
        names, answers.rows, answers.text_ids, np.array(places)[answers.labels], answers.logits[:, order]
    )


def scores(answers: Predictions) -> np.ndarray:
    """1 where the answer is right."""
    return answers.right.astype(np.float64)


def errors(answers: Predictions) -> np.ndarray:
    return ~answers.right


def changed(first: Predictions, second: Predictions) -> np.ndarray:
    """Which examples get another class."""
    different: np.ndarray = first.predicted != second.predicted
    return different


def groups(answers: Predictions) -> dict[str, np.ndarray]:
    """The examples of each class; of too many classes none."""
    if len(answers.names) > MOST_CLASSES:
        return {}
    titles = list(map(_short, answers.names))
    return {
        f"class {title if titles.count(title) == 1 else f'{title} ({i})'}": answers.labels == i
        for i, title in enumerate(titles)
    }


def _short(name: str) -> str:
    """A class's name in a sentence or a title: the name itself may have thousands of characters."""
    return shortened(name, 100)


def intervals(names: Sequence[str], answers: Predictions) -> dict[str, tuple[float, float]]:
    from core.tasks.text_classification import statistics

    return statistics.intervals(names, answers.labels, answers.predicted, len(answers.names))


def difference(names: Sequence[str], first: Predictions, second: Predictions) -> dict[str, Gap]:
    from core.tasks.text_classification import statistics

    return statistics.paired_difference(names, first.labels, first.predicted, second.predicted, len(first.names))


def analyse(material: Material, progress: Progress) -> dict[str, Any]:
    """What ClassEvaluation says beside groups and overlap: figures of classes, curves, calibration, doubtful labels."""
    from core.tasks.text_classification import analysis, baselines, label_errors

    answers, names = material.answers, material.metrics
    fields: dict[str, Any] = {"labels": list(answers.names), **analysis.headline(names, answers)}
    progress("Drawing curves", 0.4)
    fields["curves"] = analysis.curves(answers)
    tuned = _tuned(material.tuning)
    fields["tuned"] = tuned
    fields["calibration"] = analysis.calibration(answers, tuned.temperature if tuned else None)
    fields["confidence"] = analysis.confidence(answers)
    fields["mistakes"] = tuple(analysis.mistakes(answers))
    if material.kind != "training":
        progress("Looking for labels that may be wrong", 0.6)
        fields["label_errors"] = label_errors.suspected(answers, ~material.seen)
    progress("Comparing with simple models", 0.7)
    fields["baselines"] = baselines.baselines(
        names,
        material.train,
        material.texts,
        answers.labels,
        answers.predicted,
        len(answers.names),
        lambda text: progress(text, None),
    )
    return fields


def _tuned(answers: Predictions | None) -> Tuned | None:
    """Temperature and thresholds of the run's own evaluation examples; None when judging those same examples."""
    from core.tasks.text_classification import analysis, statistics

    if answers is None:
        return None
    return Tuned(
        temperature=statistics.fit_temperature(answers.logits, answers.labels),
        thresholds={str(curve.label): analysis.best_threshold(curve) for curve in analysis.curves(answers)},
        examples=len(answers),
    )


def own_fields(answers: Predictions) -> dict[str, Any]:
    """What a comparison and a robustness check say beside what those of every task do."""
    return {"labels": list(answers.names)}


def compared(answers: Predictions) -> dict[str, Any]:
    """What a comparison says of one model beside its metrics."""
    from core.tasks.text_classification import statistics

    bins = statistics.reliability(answers.confidence, answers.right)
    return {"ece": statistics.expected_calibration_error(bins)}


def differing(first: Predictions, other: Predictions, places: np.ndarray, most: int) -> tuple[ClassDifferent, ...]:
    """The clearest of these examples: where one is surest while the other is wrong."""
    true = first.labels[places]
    first_shares, other_shares = first.probabilities[places, true], other.probabilities[places, true]
    return tuple(
        ClassDifferent(
            row=int(first.rows[places[i]]),
            label=int(true[i]),
            first=int(first.predicted[places[i]]),
            other=int(other.predicted[places[i]]),
            first_share=float(first_shares[i]),
            other_share=float(other_shares[i]),
        )
        for i in np.argsort(-np.abs(other_shares - first_shares), kind="stable")[:most]
    )


def lines(evaluation: ClassEvaluation) -> list[str]:
    """For a terminal, what else there is to say."""
    words = [f"  {'Calibration error':<22} {evaluation.calibration.ece:.3f}"]
    suspected = evaluation.label_errors
    if suspected and suspected.count:
        words.append(f"  {counted(suspected.count, 'label')} may be wrong")
    if suspected and suspected.held_back:
        words.append(f"  Whether labels are wrong is not told. {suspected.held_back}")
    return words
