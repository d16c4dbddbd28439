"""What typos, other case and the like cost: an evaluation's examples, disturbed, and answered again."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import ModelError
from core.evaluation.after_training import PREDICTIONS
from core.evaluation.evaluate import measured
from core.evaluation.results import ROBUSTNESS, read_evaluation
from core.evaluation.specs import EvaluateSpec, RobustnessSpec, owner_of_data
from core.settings import Settings
from core.spec import run as specs
from core.spec.data import DataSpec
from core.store import summaries
from core.tasks import larger_is_better, sureness
from core.tasks.contract import Task
from core.tasks.contract.judging import Answers
from core.tasks.evaluations import Robustness

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


def check(spec: RobustnessSpec, run: Run, settings: Settings, report: RunWriter) -> summaries.Disturbed:
    """Writes robustness.json: for each disturbance the change of the main metric with its interval, and what flipped.

    Raises DataError, HubError, ModelError, PathError, RunNotFound.
    """
    from core.evaluation.fast.opening import open_model

    judged = report.store.run(spec.evaluation)
    folder = settings.run_dir(judged.id)
    evaluation = read_evaluation(folder)
    if evaluation is None:
        raise ModelError.of(
            "evaluation-not-complete",
            "the evaluation {evaluation} is not complete; evaluate the model again",
            evaluation=spec.evaluation,
        )
    task = Task(evaluation.task)
    answers: Answers = task.predictions.read(folder / PREDICTIONS)
    chosen = np.sort(np.random.default_rng(0).permutation(len(answers))[: spec.examples])
    answers = answers.take(chosen)
    report.phase("Loading the data")
    data: DataSpec = specs.build(evaluation.data, DataSpec)
    theirs = settings.on_behalf_of(owner_of_data(judged, report.store))
    columns = {"text_columns": tuple(evaluation.text_columns), "label_column": evaluation.label_column}
    part = task.columns.load_split(data.model_copy(update=columns), evaluation.split, theirs, report.fraction)
    place = {row: i for i, row in enumerate(part.examples["row"])}
    rows = part.examples.select([place[row] for row in answers.rows.tolist()])
    texts = list(zip(*(rows[column] for column in part.text_columns), strict=True))
    report.phase("Loading the model")
    asked: EvaluateSpec = specs.build(judged.spec, EvaluateSpec)
    model, _ = open_model(asked.model, asked.answers, settings, report.fraction)
    kinds = []
    for number, (name, (title, disturb)) in enumerate(DISTURBANCES.items()):

        def tick(text: str, share: float | None, number: int = number, title: str = title) -> None:
            report.fraction(title, (number + (share or 0)) / len(DISTURBANCES))

        draw = random.Random(number)
        disturbed = [tuple(disturb(text, draw) or text for text in row) for row in texts]
        logits = model.logits(disturbed, tick)
        after = task.predictions.Predictions(answers.names, answers.rows, answers.text_ids, answers.labels, logits)
        kinds.append({"name": name, "title": title, **_measured(task, answers, after, texts, disturbed)})
    main = task.metrics.MAIN
    robustness: Robustness = task.results.ROBUSTNESS.model_validate(
        {
            "task": task.name,
            "metric": main,
            "score": measured(task, answers, (main,))[main],
            "examples": len(answers),
            "kinds": kinds,
            **task.evaluation.own_fields(answers),
        }
    )
    robustness.save(folder / ROBUSTNESS)
    sign = 1 if larger_is_better(main) else -1
    worst = min(robustness.kinds, key=lambda kind: sign * kind.change).title
    return summaries.Disturbed(examples=len(answers), worst=worst)


def _measured(
    task: Task, before: Answers, after: Answers, texts: Sequence[Sequence[str]], disturbed: Sequence[Sequence[str]]
) -> dict[str, Any]:
    """The fields of a Disturbance. before, after: the answers to the texts as they are, and disturbed"""
    main = task.metrics.MAIN
    change = task.evaluation.difference((main,), before, after)[main]
    sign = 1 if larger_is_better(task.evaluation.SCORE) else -1
    scores = sign * task.evaluation.scores(before), sign * task.evaluation.scores(after)
    flipped = np.flatnonzero(task.evaluation.changed(before, after))
    order = flipped[np.argsort((scores[1] - scores[0])[flipped], kind="stable")]  # what became worse comes first
    labels, answers = task.predictions.values(before)
    _, others = task.predictions.values(after)
    return {
        "score": measured(task, after, (main,))[main],
        "change": change.value,
        "low": change.low,
        "high": change.high,
        "turned": len(flipped),
        "mcnemar": sureness.mcnemar(*scores),
        "examples": [
            {
                "row": int(before.rows[i]),
                "label": labels[i],
                "before": answers[i],
                "after": others[i],
                "text": " / ".join(texts[i])[:SHOWN_CHARACTERS],
                "disturbed": " / ".join(disturbed[i])[:SHOWN_CHARACTERS],
            }
            for i in order[:EXAMPLES_KEPT]
        ],
    }
