"""What a transformer must beat: always the most common class, and a bag of words (TF-IDF, logistic regression)."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from core.tasks import sureness
from core.tasks.evaluations import BagOfWords
from core.tasks.text_classification import statistics
from core.tasks.text_classification.metrics import score
from core.tasks.text_classification.results import ClassBaselines, Majority

LEARNED, JUDGED = 20_000, 50_000  # examples at most, so that it stays a matter of seconds
FEATURES = 50_000
MOST_WEIGHTS = 2_000_000  # features x classes: with more, hundreds of classes take minutes and gigabytes
LONG_WORD = 12  # characters between blanks, on average: a script without blanks
CHARACTERS_READ = 5_000

Say = Callable[[str], None]


def baselines(
    names: Sequence[str],
    train: tuple[Sequence[str], np.ndarray] | None,
    texts: Sequence[str],
    labels: np.ndarray,
    predicted: np.ndarray,
    classes: int,
    say: Say,
) -> ClassBaselines:
    """Metrics of both on these examples, and how the model differs from the bag of words on the same ones.

    names: of metrics; train: texts and labels of the training examples, None if they are not known: then the majority
    is that of the examples themselves, and there is no bag of words. The largest sets are drawn from.
    """
    known = labels if train is None else train[1]
    commonest = int(np.bincount(known, minlength=classes).argmax())
    majority = Majority(
        label=commonest,
        from_training=train is not None,
        metrics=score(names, np.full_like(labels, commonest), labels),
    )
    if train is None or len(np.unique(train[1])) < 2:
        return ClassBaselines(constant=majority)
    say("Training a bag of words to compare with")
    started = time.perf_counter()
    chosen = _drawn(len(train[1]), LEARNED)
    judged = _drawn(len(labels), JUDGED)
    predictions = answers([train[0][i] for i in chosen], train[1][chosen], [texts[i] for i in judged])
    if predictions is None:
        return ClassBaselines(constant=majority)
    here, ours = labels[judged], predicted[judged]
    bag = BagOfWords(
        metrics=score(names, predictions, here),
        intervals={**statistics.intervals(names, here, predictions, classes)},
        difference=statistics.paired_difference(names, here, predictions, ours, classes),
        mcnemar=sureness.mcnemar(predictions == here, ours == here),
        train_examples=len(chosen),
        examples=len(judged),
        seconds=time.perf_counter() - started,
    )
    return ClassBaselines(constant=majority, bag_of_words=bag)


def _drawn(count: int, most: int) -> np.ndarray:
    return np.sort(np.random.default_rng(0).permutation(count)[:most])


def answers(train: Sequence[str], labels: np.ndarray, texts: Sequence[str]) -> np.ndarray | None:
    """The class ids that a bag of words gives texts; None if no word occurs often enough."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    words = max(1, sum(len(text.split()) for text in train))
    by_word = sum(map(len, train)) / words < LONG_WORD
    kind: dict[str, Any] = (
        {"ngram_range": (1, 2), "token_pattern": r"(?u)\b\w+\b"}
        if by_word
        else {"analyzer": "char", "ngram_range": (1, 3)}
    )
    features = min(FEATURES, max(1, MOST_WEIGHTS // len(np.unique(labels))))
    vectors = TfidfVectorizer(max_features=features, sublinear_tf=True, min_df=2 if len(train) > 200 else 1, **kind)
    try:
        learned = vectors.fit_transform(text[:CHARACTERS_READ] for text in train)
    except ValueError:  # no word occurs often enough
        return None
    model = LogisticRegression(C=5.0, max_iter=200)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not fully converged is good enough to compare with
        model.fit(learned, labels)
    return np.asarray(model.predict(vectors.transform(text[:CHARACTERS_READ] for text in texts)), dtype=np.int64)
