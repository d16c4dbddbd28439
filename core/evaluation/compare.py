"""Models side by side, on the examples that all of them were judged on: the same text, with the same label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import DataError, ModelError
from core.evaluation.after_training import PREDICTIONS
from core.evaluation.evaluate import measured
from core.evaluation.results import COMPARISON, read_evaluation
from core.evaluation.specs import CompareSpec
from core.settings import Settings
from core.store.summaries import Summary
from core.tasks import larger_is_better, sureness
from core.tasks.contract import Task
from core.tasks.contract.judging import Answers
from core.tasks.evaluations import Comparison, Evaluation
from core.wording import listed

if TYPE_CHECKING:
    from core.runs.writer import RunWriter
    from core.store.record import Run

PER_SIDE = 100
PRIME = np.uint64(0x100000001B3)


def compare(spec: CompareSpec, run: Run, settings: Settings, report: RunWriter) -> Summary:
    """Writes comparison.json. Each model is compared with the first. Raises DataError, ModelError, RunNotFound."""
    report.phase("Finding the examples that they share")
    evaluations = [_evaluation(run_id, settings, report) for run_id in spec.evaluations]
    task = _task(evaluations)
    loaded: list[Answers] = [task.predictions.read(settings.run_dir(i) / PREDICTIONS) for i in spec.evaluations]
    leading, names = evaluations[0], loaded[0].names
    ordered = zip(loaded, evaluations, strict=True)
    aligned = _aligned([task.evaluation.in_order(answers, names, judged.title) for answers, judged in ordered])
    if not len(aligned[0]):
        raise DataError.of(
            "judged-on-other-examples",
            "these models were not judged on the same examples; evaluate them on the same split first",
        )
    shared = tuple(name for name in leading.metric_names if all(name in e.metric_names for e in evaluations))
    metrics = shared or (task.metrics.MAIN,)  # it follows from the answers, whatever each run was measured by
    report.phase("Comparing")
    first = aligned[0]
    comparison: Comparison = task.results.COMPARISON.model_validate(
        {
            "task": task.name,
            "examples": len(first),
            "of": [len(answers) for answers in loaded],
            "metric_names": list(metrics),
            "main_metric": leading.main_metric,
            "split": leading.split,
            "dataset": leading.dataset,
            "data": leading.data,
            "text_columns": leading.text_columns,
            "models": [
                {
                    "title": judged.title,
                    "evaluation": run_id,
                    "kind": judged.kind,
                    "metrics": measured(task, answers, metrics),
                    "intervals": task.evaluation.intervals(metrics, answers),
                    **task.evaluation.compared(answers),
                }
                for run_id, judged, answers in zip(spec.evaluations, evaluations, aligned, strict=True)
            ],
            "pairs": [_pair(task, metrics, first, other) for other in aligned[1:]],
            "agreement": [[float((~task.evaluation.changed(a, b)).mean()) for b in aligned] for a in aligned],
            "all_wrong": int(np.logical_and.reduce([task.evaluation.errors(answers) for answers in aligned]).sum()),
            **task.evaluation.own_fields(first),
        }
    )
    comparison.save(settings.run_dir(run.id) / COMPARISON)
    return Summary(examples=len(first))


def _evaluation(run_id: str, settings: Settings, report: RunWriter) -> Evaluation:
    evaluation = read_evaluation(settings.run_dir(report.store.run(run_id).id))
    if evaluation is None:
        raise ModelError.of(
            "evaluation-not-complete",
            "the evaluation {evaluation} is not complete; evaluate the model again",
            evaluation=run_id,
        )
    return evaluation


def _task(evaluations: list[Evaluation]) -> Task:
    """The task of all of them. Raises DataError where they are of several."""
    names = list(dict.fromkeys(evaluation.task for evaluation in evaluations))
    if len(names) > 1:
        raise DataError.of(
            "compared-tasks-differ",
            "these models were trained for {tasks}; compare models of one task",
            tasks=listed(names),
        )
    return Task(names[0])


def _aligned(models: list[Answers]) -> list[Answers]:
    """The examples that are in all of them, in the same order. Of equal texts the first stands for all."""
    keys = [_keys(answers) for answers in models]
    shared = keys[0]
    for others in keys[1:]:
        shared = np.intersect1d(shared, others)
    aligned = []
    for answers, own in zip(models, keys, strict=True):
        different, first = np.unique(own, return_index=True)
        aligned.append(answers.take(first[np.searchsorted(different, shared)]))
    order = np.argsort(aligned[0].rows, kind="stable")
    return [answers.take(order) for answers in aligned]


def _keys(answers: Answers) -> np.ndarray:
    """Text and label in one number: a text with another label is another example."""
    keys = answers.text_ids.astype(np.uint64)
    labels = np.ascontiguousarray(answers.labels).reshape(len(answers), -1).view(np.uint8)
    for column in labels.T:  # as FNV hashes bytes
        keys = (keys ^ column) * PRIME
    return keys


def _pair(task: Task, metrics: tuple[str, ...], first: Answers, other: Answers) -> dict[str, Any]:
    """The fields of a Pair."""
    sign = 1 if larger_is_better(task.evaluation.SCORE) else -1
    ours, theirs = sign * task.evaluation.scores(first), sign * task.evaluation.scores(other)
    won, lost = np.flatnonzero(theirs > ours), np.flatnonzero(ours > theirs)
    return {
        "difference": task.evaluation.difference(metrics, first, other),
        "mcnemar": sureness.mcnemar(ours, theirs),
        "wins": task.evaluation.differing(first, other, won, PER_SIDE),
        "losses": task.evaluation.differing(first, other, lost, PER_SIDE),
    }
