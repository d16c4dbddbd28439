from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from core.tasks import sureness
from core.tasks.evaluations import Answer, Baselines, Different
from core.tasks.results import Baseline
from tests.tasks.text_length import metrics
from tests.tasks.text_length.predictions import ERROR_FROM, Predictions

SCORE = "mae"
RIGHT_OR_WRONG = False
ERROR = f"An error is an answer that is off by more than {ERROR_FROM}."


def labels(names: Sequence[str], part: Any, title: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
    numbers = np.asarray(part.examples["label"], dtype=np.float32)
    return numbers, np.arange(len(numbers)), []


def in_order(answers: Predictions, names: tuple[str, ...], title: str) -> Predictions:
    return answers


def scores(answers: Predictions) -> np.ndarray:
    return np.abs(answers.predicted - answers.labels)


def errors(answers: Predictions) -> np.ndarray:
    return np.asarray(scores(answers) > ERROR_FROM)


def changed(first: Predictions, second: Predictions) -> np.ndarray:
    return np.asarray(np.abs(first.predicted - second.predicted) > ERROR_FROM)


def groups(answers: Predictions) -> dict[str, np.ndarray]:
    middle = float(np.median(answers.labels))
    return {f"label up to {middle:.3g}": answers.labels <= middle, f"label above {middle:.3g}": answers.labels > middle}


def intervals(names: Sequence[str], answers: Predictions) -> dict[str, tuple[float, float]]:
    return sureness.intervals({name: metrics.METRICS[name] for name in names}, answers.labels, answers.predicted)


def difference(names: Sequence[str], first: Predictions, second: Predictions) -> dict[str, Any]:
    table = {name: metrics.METRICS[name] for name in names}
    return {**sureness.differences(table, first.labels, first.predicted, second.predicted)}


def analyse(material: Any, progress: Any) -> dict[str, Any]:
    answers, names = material.answers, material.metrics
    known = answers.labels if material.train is None else material.train[1]
    mean = float(np.mean(known))
    always = np.full((len(answers), 1), mean, dtype=np.float32)
    off = scores(answers)
    return {
        "metrics": metrics.compute(names, answers.logits, answers.labels),
        "intervals": intervals(names, answers),
        "baselines": Baselines(
            constant=Baseline(
                label=mean, metrics=metrics.compute(names, always, answers.labels), from_training=bool(material.train)
            )
        ),
        "mistakes": [
            Answer(
                row=int(answers.rows[i]),
                label=float(answers.labels[i]),
                prediction=float(answers.predicted[i]),
                score=float(off[i]),
            )
            for i in np.argsort(-off)[:20]
        ],
    }


def own_fields(answers: Predictions) -> dict[str, Any]:
    return {}


def compared(answers: Predictions) -> dict[str, Any]:
    return {}


def differing(first: Predictions, other: Predictions, places: np.ndarray, most: int) -> tuple[Different, ...]:
    apart = np.abs(scores(other) - scores(first))
    return tuple(
        Different(
            row=int(first.rows[i]),
            label=float(first.labels[i]),
            first=float(first.predicted[i]),
            other=float(other.predicted[i]),
        )
        for i in places[np.argsort(-apart[places])][:most]
    )


def lines(evaluation: Any) -> list[str]:
    return [f"  the worst answer is off by {evaluation.mistakes[0].score:.3f}"]
