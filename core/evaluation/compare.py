"""Models side by side, on the examples that all of them were judged on: the same text, with the same label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import DataError, ModelError
from core.evaluation.evaluate import matched
from core.evaluation.results import COMPARISON, read_evaluation
from core.evaluation.specs import CompareSpec
from core.settings import Settings
from core.tasks.evaluations import Evaluation
from core.tasks.text_classification import predictions, statistics
from core.tasks.text_classification.metrics import score
from core.tasks.text_classification.predictions import Predictions
from core.tasks.text_classification.results import ClassCompared, ClassComparison, ClassDifferent, ClassPair

if TYPE_CHECKING:
    from core.runs.writer import RunWriter
    from core.store.record import Run

PER_SIDE = 100


def compare(spec: CompareSpec, run: Run, settings: Settings, report: RunWriter) -> dict[str, Any]:
    """Writes comparison.json. Each model is compared with the first. Raises DataError, ModelError, RunNotFound."""
    report.phase("Finding the examples that they share")
    loaded: list[tuple[Evaluation, Predictions]] = []
    for run_id in spec.evaluations:
        folder = settings.run_dir(report.store.run(run_id).id)
        evaluation = read_evaluation(folder)
        if evaluation is None:
            raise ModelError(f"the evaluation {run_id} is not complete; evaluate the model again")
        loaded.append((evaluation, predictions.read(folder / predictions.NAME)))
    leading, names = loaded[0][0], loaded[0][1].names
    aligned = _aligned([_in_order(answers, names, evaluation.title) for evaluation, answers in loaded])
    if not len(aligned[0]):
        raise DataError("these models were not judged on the same examples; evaluate them on the same split first")
    metrics = [name for name in leading.metric_names if all(name in e.metric_names for e, _ in loaded)]
    report.phase("Comparing")
    first, labels, classes = aligned[0], aligned[0].labels, len(names)
    comparison = ClassComparison(
        examples=len(first),
        of=[len(answers) for _, answers in loaded],
        labels=list(names),
        metric_names=metrics,
        main_metric=leading.main_metric,
        split=leading.split,
        dataset=leading.dataset,
        data=leading.data,
        text_columns=leading.text_columns,
        models=tuple(
            ClassCompared(
                title=evaluation.title,
                evaluation=run_id,
                kind=evaluation.kind,
                metrics=score(metrics, answers.predicted, labels),
                intervals={**statistics.intervals(metrics, labels, answers.predicted, classes)},
                ece=statistics.expected_calibration_error(statistics.reliability(answers.confidence, answers.right)),
            )
            for run_id, (evaluation, _), answers in zip(spec.evaluations, loaded, aligned, strict=True)
        ),
        pairs=tuple(_pair(metrics, first, other, classes) for other in aligned[1:]),
        agreement=[[float((a.predicted == b.predicted).mean()) for b in aligned] for a in aligned],
        all_wrong=int(np.logical_and.reduce([~answers.right for answers in aligned]).sum()),
    )
    comparison.save(settings.run_dir(run.id) / COMPARISON)
    return {"examples": len(first)}


def _in_order(answers: Predictions, names: tuple[str, ...], title: str) -> Predictions:
    """Predictions with the classes in the order of `names`. Raises DataError if these are others."""
    if answers.names == names:
        return answers
    places, _ = matched(names, answers.names, title)
    if sorted(places) != list(range(len(names))):
        raise DataError(
            f"{title} knows other classes ({', '.join(answers.names[:8])}) than the first model "
            f"({', '.join(names[:8])}); compare models of the same classes"
        )
    order = np.argsort(places)
    return Predictions(
        names, answers.rows, answers.text_ids, np.array(places)[answers.labels], answers.logits[:, order]
    )


def _aligned(models: list[Predictions]) -> list[Predictions]:
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


def _keys(answers: Predictions) -> np.ndarray:
    """Text and label in one number: a text with another label is another example."""
    mixed = answers.text_ids ^ (answers.labels.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    return np.asarray(mixed)


def _pair(metrics: list[str], first: Predictions, other: Predictions, classes: int) -> ClassPair:
    gained = np.flatnonzero(other.right & ~first.right)
    lost = np.flatnonzero(first.right & ~other.right)
    return ClassPair(
        difference=statistics.paired_difference(metrics, first.labels, first.predicted, other.predicted, classes),
        mcnemar=statistics.mcnemar(first.right, other.right),
        wins=tuple(_examples(gained, first, other)),
        losses=tuple(_examples(lost, first, other)),
    )


def _examples(places: np.ndarray, first: Predictions, other: Predictions) -> list[ClassDifferent]:
    """The clearest first: where one is surest while the other is wrong."""
    clear = np.abs(
        other.probabilities[places, other.labels[places]] - first.probabilities[places, first.labels[places]]
    )
    return [
        ClassDifferent(
            row=int(first.rows[i]),
            label=int(first.labels[i]),
            first=int(first.predicted[i]),
            other=int(other.predicted[i]),
            first_share=float(first.probabilities[i, first.labels[i]]),
            other_share=float(other.probabilities[i, first.labels[i]]),
        )
        for i in places[np.argsort(-clear, kind="stable")][:PER_SIDE]
    ]
