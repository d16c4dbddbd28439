"""The texts on which a converted model is compared with torch: the run's evaluation examples, else the sample."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import numpy as np

from core.data.reading import sample
from core.errors import DataError, HubError, PathError
from core.evaluation.specs import Subject
from core.runs.environment import trained_data
from core.settings import Settings
from core.spec import run as specs
from core.spec.evaluation import FIRST_TASK
from core.spec.run import RunSpec
from core.store import final_tests
from core.tasks.contract import Task, task_of

if TYPE_CHECKING:
    from core.runs.writer import RunWriter

SAMPLES = 500


@dataclass(frozen=True)
class Inputs:
    """Texts for a comparison, with their labels.

    texts: each one text or a pair; labels: class ids of the model, int64 (texts,), None if unknown
    source: where the texts come from, for people
    metrics: the main one of the task, and the run's `metric_for_best_model`
    """

    texts: list[tuple[str, ...]]
    labels: np.ndarray | None
    source: str
    task: Task = field(default_factory=lambda: Task(FIRST_TASK))
    metrics: tuple[str, ...] = ()


def gather(subject: Subject, names: tuple[str, ...], most: int, settings: Settings, report: RunWriter) -> Inputs:
    """At most `most` texts, chosen at random. names: the model's classes in the order of their ids"""
    if not subject.run:
        return _sample(most)
    try:
        return _of_run(subject.run, names, most, settings, report)
    except (DataError, HubError, PathError) as error:
        report.message(
            f"The run's data cannot be loaded ({error}), so the comparison with torch uses generated reviews, and the "
            "cost of 8-bit weights is not measured.",
            level="warning",
            code="no-data",
            reason=str(error),
        )
        return _sample(most)


def _of_run(run_id: str, names: tuple[str, ...], most: int, settings: Settings, report: RunWriter) -> Inputs:
    from core.data.loading.load import Part

    run = report.store.run(run_id)
    spec = cast(RunSpec, specs.build(run.spec))
    task, holdouts = task_of(spec), final_tests.holdouts(report.store, before=run.created)
    loaded = task.columns.load(trained_data(run, settings), settings, report.fraction, holdouts)
    examples = loaded.dataset["eval"]
    chosen = np.sort(np.random.default_rng(0).permutation(len(examples))[:most])
    examples = examples.select(chosen)
    texts = list(zip(*(examples[column] for column in loaded.text_columns), strict=True))
    if not texts:
        raise DataError.of("run-without-evaluation-examples", "the run has no evaluation examples")
    part = Part(
        examples,
        loaded.text_columns,
        loaded.source_columns,
        loaded.label_column,
        tuple(loaded.label_names),
        loaded.prepared,
        (),
    )
    labels, usable, _ = task.evaluation.labels(names, part, run.name)
    return Inputs(
        texts,
        labels if len(usable) == len(texts) else None,
        "evaluation examples of the run",
        task,
        tuple(dict.fromkeys([task.metrics.MAIN, spec.evaluation.metric_for_best_model])),
    )


def _sample(most: int) -> Inputs:
    reviews = sample.generate(min(SAMPLES, most))
    return Inputs([(text,) for text, _ in reviews], None, "generated reviews")
