"""Models side by side, on the examples that all of them were judged on: the same text, with the same label."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import DataError, ModelError
from core.evaluation.evaluate import matched
from core.evaluation.specs import CompareSpec
from core.files import finite, write_text
from core.settings import Settings
from core.store.files import read_evaluation
from core.tasks import statistics
from core.tasks.text_classification import predictions
from core.tasks.text_classification.metrics import score
from core.tasks.text_classification.predictions import Predictions

if TYPE_CHECKING:
    from core.runs.writer import RunWriter
    from core.store.record import Run

NAME = "comparison.json"
PER_SIDE = 100


def compare(spec: CompareSpec, run: Run, settings: Settings, report: RunWriter) -> dict[str, Any]:
    """Writes comparison.json. Each model is compared with the first. Raises DataError, ModelError, RunNotFound."""
    report.phase("Finding the examples that they share")
    loaded: list[tuple[dict[str, Any], Predictions]] = []
    for run_id in spec.evaluations:
        folder = settings.run_dir(report.store.run(run_id).id)
        found = read_evaluation(folder)
        if found is None:
            raise ModelError(f"the evaluation {run_id} is not complete; evaluate the model again")
        loaded.append((found, predictions.read(folder / predictions.NAME)))
    names = loaded[0][1].names
    aligned = _aligned([_named(found, made, names) for found, made in loaded])
    if not len(aligned[0]):
        raise DataError("these models were not judged on the same examples; evaluate them on the same split first")
    metrics = [name for name in loaded[0][0]["metric_names"] if all(name in f["metric_names"] for f, _ in loaded)]
    report.phase("Comparing")
    first, labels, classes = aligned[0], aligned[0].labels, len(names)
    result = {
        "examples": len(first), "of": [len(made) for _, made in loaded], "labels": list(names),
        "metric_names": metrics, "main_metric": loaded[0][0]["main_metric"], "split": loaded[0][0]["split"],
        "dataset": loaded[0][0]["dataset"], "data": loaded[0][0]["data"], "text_columns": loaded[0][0]["text_columns"],
        "models": [
            {
                "title": found["title"], "evaluation": run_id, "kind": found["kind"],
                "metrics": score(metrics, made.predicted, labels),
                "intervals": statistics.intervals(metrics, labels, made.predicted, classes),
                "ece": statistics.expected_calibration_error(statistics.reliability(made.confidence, made.right)),
            }
            for run_id, (found, _), made in zip(spec.evaluations, loaded, aligned, strict=True)
        ],
        "pairs": [_pair(metrics, first, other, classes) for other in aligned[1:]],
        "agreement": [[float((a.predicted == b.predicted).mean()) for b in aligned] for a in aligned],
        "all_wrong": int(np.logical_and.reduce([~made.right for made in aligned]).sum()),
    }  # fmt: skip
    write_text(settings.run_dir(run.id) / NAME, json.dumps(finite(result), ensure_ascii=False))
    return {"examples": len(first)}


def _named(found: dict[str, Any], made: Predictions, names: tuple[str, ...]) -> Predictions:
    """Predictions with the classes in the order of `names`. Raises DataError if these are others."""
    if made.names == names:
        return made
    places, _ = matched(names, made.names, found["title"])
    if sorted(places) != list(range(len(names))):
        raise DataError(
            f"{found['title']} knows other classes ({', '.join(made.names[:8])}) than the first model "
            f"({', '.join(names[:8])}); compare models of the same classes"
        )
    order = np.argsort(places)
    return Predictions(names, made.rows, made.text_ids, np.array(places)[made.labels], made.logits[:, order])


def _aligned(found: list[Predictions]) -> list[Predictions]:
    """The examples that are in all of them, in the same order. Of equal texts the first stands for all."""
    keys = [_keys(made) for made in found]
    shared = keys[0]
    for others in keys[1:]:
        shared = np.intersect1d(shared, others)
    aligned = []
    for made, own in zip(found, keys, strict=True):
        different, first = np.unique(own, return_index=True)
        aligned.append(made.take(first[np.searchsorted(different, shared)]))
    order = np.argsort(aligned[0].rows, kind="stable")
    return [made.take(order) for made in aligned]


def _keys(made: Predictions) -> np.ndarray:
    """Text and label in one number: a text with another label is another example."""
    mixed = made.text_ids ^ (made.labels.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    return np.asarray(mixed)


def _pair(metrics: list[str], first: Predictions, other: Predictions, classes: int) -> dict[str, Any]:
    gained = np.flatnonzero(other.right & ~first.right)
    lost = np.flatnonzero(first.right & ~other.right)
    return {
        "difference": statistics.paired_difference(metrics, first.labels, first.predicted, other.predicted, classes),
        "mcnemar": statistics.mcnemar(first.right, other.right),
        "wins": _examples(gained, first, other), "losses": _examples(lost, first, other),
    }  # fmt: skip


def _examples(places: np.ndarray, first: Predictions, other: Predictions) -> list[dict[str, Any]]:
    """The clearest first: where one is surest while the other is wrong."""
    clear = np.abs(
        other.probabilities[places, other.labels[places]] - first.probabilities[places, first.labels[places]]
    )
    return [
        {
            "row": int(first.rows[i]), "label": int(first.labels[i]), "first": int(first.predicted[i]),
            "other": int(other.predicted[i]),
            "first_share": float(first.probabilities[i, first.labels[i]]),
            "other_share": float(other.probabilities[i, first.labels[i]]),
        }
        for i in places[np.argsort(-clear, kind="stable")][:PER_SIDE]
    ]  # fmt: skip
