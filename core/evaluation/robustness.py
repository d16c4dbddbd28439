"""What typos, other case and the like cost: an evaluation's examples, disturbed, and answered again."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import ModelError
from core.evaluation.results import ROBUSTNESS, read_evaluation
from core.evaluation.specs import EvaluateSpec, RobustnessSpec, owner_of_data
from core.settings import Settings
from core.spec import run as specs
from core.spec.data import DataSpec
from core.tasks.text_classification import predictions, statistics
from core.tasks.text_classification.results import ClassDisturbance, ClassDisturbed, ClassRobustness

if TYPE_CHECKING:
    from core.runs.writer import RunWriter
    from core.store.record import Run

TYPO_SHARE = 0.1  # of the words
EXAMPLES_KEPT = 30
SHOWN_CHARACTERS = 400
PUNCTUATION = re.compile(r"[^\w\s]|_")


def typos(text: str, draw: random.Random) -> str:
    """In a tenth of the words, and in at least one, two neighbouring letters are swapped, or one is lost or doubled."""
    words = re.split(r"(\s+)", text)
    long = [i for i, word in enumerate(words) if len(word) > 2]
    for i in draw.sample(long, min(len(long), max(1, round(TYPO_SHARE * len(long))))):
        word, at = words[i], draw.randrange(len(words[i]) - 1)
        words[i] = draw.choice(
            [
                word[:at] + word[at + 1] + word[at] + word[at + 2 :],
                word[:at] + word[at + 1 :],
                word[:at] + word[at] + word[at:],
            ]
        )
    return "".join(words)


def without_punctuation(text: str) -> str:
    return " ".join(PUNCTUATION.sub(" ", text).split())


def first_half(text: str) -> str:
    """The first half of the words; of a text without blanks, of the characters."""
    words = text.split()
    return " ".join(words[: -(-len(words) // 2)]) if len(words) > 1 else text[: -(-len(text) // 2)]


DISTURBANCES: dict[str, tuple[str, Callable[[str, random.Random], str]]] = {
    "typos": ("Typos in a tenth of the words", typos),
    "lower": ("All in small letters", lambda text, draw: text.lower()),
    "upper": ("ALL IN CAPITALS", lambda text, draw: text.upper()),
    "punctuation": ("No punctuation", lambda text, draw: without_punctuation(text)),
    "half": ("The first half only", lambda text, draw: first_half(text)),
    "spaces": ("Extra blanks", lambda text, draw: re.sub(r" ", "  ", f" {text} ")),
}


def check(spec: RobustnessSpec, run: Run, settings: Settings, report: RunWriter) -> dict[str, Any]:
    """Writes robustness.json: for each disturbance the change of accuracy with its interval, and flipped predictions.

    Raises DataError, HubError, ModelError, PathError, RunNotFound.
    """
    from core.data.loading.load import load_split
    from core.evaluation.classifier import open_subject

    judged = report.store.run(spec.evaluation)
    folder = settings.run_dir(judged.id)
    answers, evaluation = predictions.read(folder / predictions.NAME), read_evaluation(folder)
    if evaluation is None:
        raise ModelError(f"the evaluation {spec.evaluation} is not complete; evaluate the model again")
    chosen = np.sort(np.random.default_rng(0).permutation(len(answers))[: spec.examples])
    answers = answers.take(chosen)
    report.phase("Loading the data")
    data: DataSpec = specs.build(evaluation.data, DataSpec)
    theirs = settings.on_behalf_of(owner_of_data(judged, report.store))
    columns = {"text_columns": tuple(evaluation.text_columns), "label_column": evaluation.label_column}
    part = load_split(data.model_copy(update=columns), evaluation.split, theirs, report.fraction)
    place = {row: i for i, row in enumerate(part.examples["row"])}
    rows = part.examples.select([place[row] for row in answers.rows.tolist()])
    texts = list(zip(*(rows[column] for column in part.text_columns), strict=True))
    report.phase("Loading the model")
    model = open_subject(specs.build(judged.spec, EvaluateSpec).model, settings, report.fraction)
    kinds = []
    for number, (name, (title, disturb)) in enumerate(DISTURBANCES.items()):

        def tick(text: str, share: float | None, number: int = number, title: str = title) -> None:
            report.fraction(title, (number + (share or 0)) / len(DISTURBANCES))

        draw = random.Random(number)
        disturbed = [tuple(disturb(text, draw) or text for text in row) for row in texts]
        predicted = np.asarray(model.logits(disturbed, tick).argmax(axis=1), dtype=np.int64)
        kinds.append(_measured(name, title, answers, predicted, texts, disturbed))
    robustness = ClassRobustness(
        examples=len(answers), score=float(answers.right.mean()), labels=list(answers.names), kinds=tuple(kinds)
    )
    robustness.save(folder / ROBUSTNESS)
    return {"examples": len(answers), "worst": min(kinds, key=lambda kind: kind.change).title}


def _measured(
    name: str,
    title: str,
    answers: predictions.Predictions,
    predicted: np.ndarray,
    texts: Sequence[Sequence[str]],
    disturbed: Sequence[Sequence[str]],
) -> ClassDisturbance:
    """answers: to the texts as they are; predicted: class ids of the disturbed ones"""
    classes = len(answers.names)
    gaps = statistics.paired_difference(["accuracy"], answers.labels, answers.predicted, predicted, classes)
    change = gaps["accuracy"]
    right = predicted == answers.labels
    flipped = np.flatnonzero(predicted != answers.predicted)
    order = flipped[np.argsort(right[flipped], kind="stable")][:EXAMPLES_KEPT]  # what became wrong comes first
    return ClassDisturbance(
        name=name,
        title=title,
        score=float(right.mean()),
        change=change.value,
        low=change.low,
        high=change.high,
        turned=len(flipped),
        mcnemar=statistics.mcnemar(answers.right, right),
        examples=tuple(
            ClassDisturbed(
                row=int(answers.rows[i]),
                label=int(answers.labels[i]),
                before=int(answers.predicted[i]),
                after=int(predicted[i]),
                text=" / ".join(texts[i])[:SHOWN_CHARACTERS],
                disturbed=" / ".join(disturbed[i])[:SHOWN_CHARACTERS],
            )
            for i in order
        ),
    )
