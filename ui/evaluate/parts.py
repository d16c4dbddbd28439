"""Parts of pages that only some tasks have: a task names those that it has, as it names the tabs of `views`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from core.tasks.contract import Task
from ui.evaluate.text_classification import answer, classes, verdict

Place = Literal["run", "headline", "verdict", "example"]


@dataclass(frozen=True)
class Part:
    """place: on a run's page; among the cards of a verdict, or beside its intervals; under a judged example

    draw: called with the report of a run, with an evaluation, or with an answer, its texts, what was judged and a key
    """

    place: Place
    draw: Callable[..., None]


PARTS: dict[str, Part] = {
    "classes of a run": Part("run", classes.of_report),
    "calibration error": Part("headline", verdict.calibration_error),
    "class by class": Part("verdict", verdict.class_by_class),
    "reasons": Part("example", answer.explained),
}


def of(task: str, place: Place) -> list[Callable[..., Any]]:
    """Those of a task at one place, in its order."""
    return [PARTS[name].draw for name in Task(task).facts.PARTS if PARTS[name].place == place]
