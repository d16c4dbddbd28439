"""Simpler models, judged before training: a bag of words, and a linear classifier on the model as it is.

The latter tells what the pretrained model knows before any of it is trained. It costs a look at the texts, and
fine-tuning must beat it to have been worth its time.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from core.tasks.frozen import Features, Pooling, drawn
from core.tasks.results import Rival
from core.tasks.text_classification import baselines
from core.tasks.text_classification.metrics import score

if TYPE_CHECKING:
    from datasets import Dataset

    from core.data.loading.load import Loaded
    from core.spec.run import RunSpec

MOST_COUNTED, AT_ONCE = 5_000, 100  # examples of each split for the bag of words
FOLDS, LEAST_PER_FOLD = 5, 4
RIDGE = 100.0  # of the quick classifier that compares what to read, on features of variance 1
STRENGTHS = (0.01, 0.1, 1.0)  # of the regularisation (scikit-learn's C), on features of variance 1
SEARCHED = 6_000_000  # examples x features x classes up to which the strength is searched for
USUAL_STRENGTH = 0.1
ITERATIONS = 200


def bag_of_words(spec: RunSpec, loaded: Loaded) -> Rival | None:
    """Judge a bag of words; None if no words or only one class can be learned."""
    started = time.perf_counter()
    parts = []
    for split in ("train", "eval"):
        rows = loaded.dataset[split]
        rows = rows.select(drawn(len(rows), MOST_COUNTED, spec))
        parts.append((_beginnings(rows, loaded.text_columns), np.asarray(rows["label"][:])))
    (texts, labels), (judged, truth) = parts
    if len(np.unique(labels)) < 2 or (answers := baselines.answers(texts, labels, judged)) is None:
        return None
    return Rival(
        metrics=score(spec.evaluation.metrics, answers, truth),
        train_examples=len(labels),
        examples=len(truth),
        seconds=time.perf_counter() - started,
    )


def _beginnings(rows: Dataset, columns: Sequence[str]) -> list[str]:
    """What a bag of words reads of texts, those of a pair joined; very long ones are not held all at once."""
    return [
        " ".join(texts)[: baselines.CHARACTERS_READ]
        for batch in rows.select_columns(list(columns)).iter(AT_ONCE)
        for texts in zip(*(batch[name] for name in columns), strict=True)
    ]


def linear(spec: RunSpec, train: Features, judged: Features, pooling: Pooling) -> dict[str, float]:
    """The metrics of a logistic regression on what a frozen model makes of texts."""
    predicted = _fitted(train.of(pooling), train.labels)(judged.of(pooling))
    return score(spec.evaluation.metrics, predicted, judged.labels)


def better_pooling(train: Features) -> Pooling | None:
    """What tells more of texts that a quick classifier has not seen; None if there is nothing to tell apart."""
    if len(np.unique(train.labels)) < 2:
        return None
    own, mean = (_right(x, train.labels).sum() for x in (train.own, train.mean))
    return "mean" if mean > own else "model"


def _right(x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Whether a quick classifier that has not seen an example answers it rightly: bool (examples,)."""
    from sklearn.linear_model import RidgeClassifier
    from sklearn.model_selection import KFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    folds = KFold(min(FOLDS, max(2, len(labels) // LEAST_PER_FOLD)), shuffle=True, random_state=0)
    right = np.zeros(len(labels), dtype=bool)
    if any(len(np.unique(labels[train])) < 2 for train, _ in folds.split(x)):
        return right
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an ill-conditioned system is what the ridge is for
        answers = cross_val_predict(make_pipeline(StandardScaler(), RidgeClassifier(RIDGE)), x, labels, cv=folds)
    right[:] = answers == labels
    return right


def _fitted(x: np.ndarray, labels: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A logistic regression on features of any scale, as a function from features to class ids."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    strength = USUAL_STRENGTH
    if len(labels) * x.shape[1] * len(np.unique(labels)) <= SEARCHED:
        strength = _strength(x, labels)
    model = make_pipeline(StandardScaler(), _regression(strength))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not fully converged is good enough to compare with
        model.fit(x, labels)
    return lambda read: np.asarray(model.predict(read), dtype=np.int64)


def _strength(x: np.ndarray, labels: np.ndarray) -> float:
    """The regularisation with which most held-out examples are answered rightly; of equals the strongest."""
    from sklearn.model_selection import KFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    folds = KFold(3, shuffle=True, random_state=0)
    if len(labels) < 6 or any(len(np.unique(labels[train])) < 2 for train, _ in folds.split(x)):
        return USUAL_STRENGTH
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scores = [
            cross_val_score(make_pipeline(StandardScaler(), _regression(strength)), x, labels, cv=folds).mean()
            for strength in STRENGTHS
        ]
    return STRENGTHS[int(np.argmax(scores))]


def _regression(strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, max_iter=ITERATIONS, tol=1e-3)
