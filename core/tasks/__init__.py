"""The tasks that a model can learn, and the metrics that judge it: the table that forms, specs, figures and words ask.

Light: it imports nothing, and of a task's room only `metrics`, once somebody asks. See `core.tasks.contract` for what a
room holds.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# `spec.task` -> the package that is its room.
TASKS: dict[str, str] = {
    "text-classification": "core.tasks.text_classification",
}


@dataclass(frozen=True)
class Metric:
    """One number that says how good a model is.

    title: as a heading; meaning: one sentence for people
    proper_name: whether the title keeps its capital letter within a sentence, as F1 and Matthews do
    function: the dotted name of `function(labels, predictions, **arguments) -> float`, imported when it is called
    hub: the metric's id on the Hugging Face Hub, with `hub_arguments`; empty if it has none there
    larger_is_better: False for errors such as a mean absolute error
    gains_from_class_weights: whether it rises where training makes up for rare classes, because each counts the same
    """

    title: str
    meaning: str
    function: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    hub: str = ""
    hub_arguments: Mapping[str, str] = field(default_factory=dict)
    larger_is_better: bool = True
    proper_name: bool = False
    gains_from_class_weights: bool = False

    def __call__(self, labels: Any, predictions: Any) -> float:
        module, name = self.function.rsplit(".", 1)
        return float(getattr(importlib.import_module(module), name)(labels, predictions, **self.arguments))


# Of the loss, which every engine reports beside the metrics of its task.
LOSS = Metric("Loss", "", "", hub="loss", larger_is_better=False)


def metrics_of(task: str) -> dict[str, Metric]:
    """The metrics that a task computes, by name and in the order in which they are shown."""
    metrics: dict[str, Metric] = _metrics_module(task).METRICS
    return metrics


def main_metric(task: str) -> str:
    """The name of the metric that a task is judged by unless a spec says otherwise."""
    return str(_metrics_module(task).MAIN)


def engines_of(task: str) -> tuple[str, ...]:
    """The names of the engines that can train a task."""
    engines: tuple[str, ...] = importlib.import_module(TASKS[task]).ENGINES
    return engines


def offers_of(task: str) -> tuple[str, ...]:
    """What a task offers beyond training and judging; see `core.tasks.contract.offers`."""
    offers: tuple[str, ...] = importlib.import_module(TASKS[task]).OFFERS
    return offers


def metric(name: str) -> Metric | None:
    """The metric of this name, of whichever task; the loss; None for a name that no task has."""
    if name == "loss":
        return LOSS
    return next((metrics[name] for task in TASKS if name in (metrics := metrics_of(task))), None)


def larger_is_better(name: str) -> bool:
    """Whether a larger value of a metric is better; of a metric that is not known, it is."""
    known = metric(name)
    return known is None or known.larger_is_better


def _metrics_module(task: str) -> Any:
    return importlib.import_module(f"{TASKS[task]}.metrics")
