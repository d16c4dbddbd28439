"""Simpler models, made before training: a bag of words, and a linear head on the model as it is.

The latter tells what the pretrained model knows before any of it is trained. It costs a look at the texts;
fine-tuning must beat it to have been worth its time, and can start from it (LP-FT: Kumar et al. 2022,
https://arxiv.org/abs/2202.10054).
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from core.tasks.frozen import Features, LinearHead, Pooling, drawn
from core.tasks.results import Rival
from core.tasks.text_classification import baselines
from core.tasks.text_classification.metrics import score
from core.tasks.text_classification.model import class_weights

if TYPE_CHECKING:
    from datasets import Dataset

    from core.data.loading.load import Loaded
    from core.spec.run import RunSpec
    from core.tasks.texts import Encoded

MOST_COUNTED, AT_ONCE = 5_000, 100  # examples of each split for the bag of words
FOLDS, LEAST_PER_FOLD = 5, 4
RIDGE = 100.0  # of the quick classifier that compares what to read, on features of variance 1
STRENGTHS = (0.0001, 0.001, 0.01, 0.1, 1.0)  # of the regularisation (scikit-learn's C), on features of variance 1
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


def fit_head(spec: RunSpec, encoded: Encoded, train: Features) -> LinearHead | None:
    """A logistic regression on what a frozen model makes of texts; None if there is nothing to tell apart.

    It reads the mean of all tokens where that is right more often, by more than luck, than what the model's own head
    reads. Raises SpecError, see `model.class_weights`.
    """
    if len(np.unique(train.labels)) < 2:
        return None
    by_class = class_weights(spec, encoded)
    weights = None if by_class is None else by_class[train.labels]
    pooling = _better_pooling(train)
    weight, bias = _fitted(train.of(pooling), train.labels, len(encoded.label_names), weights)
    return LinearHead(pooling, weight, bias)


def _better_pooling(train: Features) -> Pooling:
    own, mean = (_right(x, train.labels) for x in (train.own, train.mean))
    better, worse = int((mean & ~own).sum()), int((own & ~mean).sum())
    return "mean" if better - worse > 2 * np.sqrt(better + worse) else "model"


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


def _fitted(
    x: np.ndarray, labels: np.ndarray, classes: int, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Weight (classes, width) and bias of a logistic regression on features of any scale. weights: of the examples"""
    mean, spread = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64) + 1e-6
    scaled = ((x - mean) / spread).astype(np.float32)
    strength = USUAL_STRENGTH
    if len(labels) * x.shape[1] * classes <= SEARCHED:
        strength = _strength(scaled, labels, weights)
    model = _regression(strength, scaled, labels, weights)
    weight = np.zeros((classes, x.shape[1]))
    bias = np.full(classes, model.intercept_.min() - 1.0)  # of a class without examples: the least likely
    if len(model.classes_) == 2:
        signs = np.array([[-0.5], [0.5]])
        weight[model.classes_], bias[model.classes_] = signs * model.coef_, signs[:, 0] * model.intercept_
    else:
        weight[model.classes_], bias[model.classes_] = model.coef_, model.intercept_
    weight /= spread
    return weight.astype(np.float32), (bias - weight @ mean).astype(np.float32)


def _strength(x: np.ndarray, labels: np.ndarray, weights: np.ndarray | None) -> float:
    """The regularisation under which held-out examples are most likely; of equals the strongest."""
    from sklearn.model_selection import KFold

    folds = KFold(3, shuffle=True, random_state=0)
    if len(labels) < 6 or any(len(np.unique(labels[train])) < 2 for train, _ in folds.split(x)):
        return USUAL_STRENGTH
    losses = dict.fromkeys(STRENGTHS, 0.0)
    for train, held in folds.split(x):
        for strength in STRENGTHS:
            model = _regression(strength, x[train], labels[train], None if weights is None else weights[train])
            known = np.isin(labels[held], model.classes_)
            places = np.searchsorted(model.classes_, labels[held][known])
            likely = model.predict_proba(x[held][known])[np.arange(known.sum()), places]
            losses[strength] -= float(np.log(np.maximum(likely, 1e-12)).sum())
    return min(losses, key=lambda strength: losses[strength])


def _regression(strength: float, x: np.ndarray, labels: np.ndarray, weights: np.ndarray | None) -> Any:
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not fully converged is good enough to start from
        return LogisticRegression(C=strength, max_iter=ITERATIONS, tol=1e-3).fit(x, labels, sample_weight=weights)
