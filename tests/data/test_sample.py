"""A model can learn the sample, but not all of it."""

from __future__ import annotations

import re

import numpy as np

from core.data.loading.load import load
from core.data.reading import sample
from core.spec.data import DataSpec


def test_rows_are_different_balanced_and_of_real_lengths():
    rows = sample.generate(sample.TRAIN_ROWS + sample.TEST_ROWS)
    texts, labels = zip(*rows, strict=True)
    assert len(set(texts)) == len(texts) == 5000
    lengths = np.array([len(t.split()) for t in texts])
    assert 25 <= np.median(lengths) <= 50
    assert lengths.min() >= 2
    assert 90 <= lengths.max() <= 200
    shares = np.bincount(labels, minlength=5) / len(labels)
    assert 0.12 < shares.min() < shares.max() < 0.3
    assert not any(re.search(r"[{}|]| an? an? |  ", t) for t in texts)


def test_the_same_everywhere():
    assert sample.generate(50) == sample.generate(50)
    assert sample.generate(50)[:10] == sample.generate(10)
    assert sample.generate(50) != sample.generate(50, seed=1)


def test_a_bag_of_words_learns_something_but_not_everything(settings):
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression

    loaded = load(DataSpec(), settings)
    assert loaded.label_names == list(sample.LABELS)
    train, test = loaded.dataset["train"], loaded.dataset["eval"]
    assert (len(train), len(test)) == (4000, 1000)
    words = CountVectorizer()
    model = LogisticRegression(max_iter=300).fit(words.fit_transform(train["text"][:]), train["label"][:])
    accuracy = model.score(words.transform(test["text"][:]), test["label"][:])
    print(f"bag of words: {accuracy:.3f}")
    assert 0.55 < accuracy < 0.9
