"""What a run looks at before its first step stays small, however long the texts and however many the classes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from core.engines import automatic
from core.engines import rivals as before_training
from core.evaluation.after_training import RIVALS
from core.tasks.results import Rivals
from core.tasks.text_classification import baselines, rivals
from tests.learning.conftest import Recorder, make_texts


class Counting:
    """A tokenizer of which only what it is given matters: a token for each ten characters."""

    def __init__(self) -> None:
        self.given: list[int] = []

    def __call__(self, *columns: list[str], verbose: bool) -> dict[str, list[range]]:
        self.given.append(sum(len(text) for column in columns for text in column))
        return {"input_ids": [range(sum(map(len, texts)) // 10) for texts in zip(*columns, strict=True)]}


def test_lengths_are_those_of_whole_texts(make_loaded: Callable[..., Any], recorder: Any) -> None:
    texts = ["a" * 300] * 30 + ["a" * 700] * 10
    loaded = make_loaded((texts, [0, 1] * 20))
    cut = automatic._cut(loaded, Counting(), recorder)
    assert (cut[32], cut[48], cut[64], cut[96]) == (0.25, 0.25, 0.25, 0.0)


def test_very_long_texts_are_measured_a_few_at_a_time(
    make_loaded: Callable[..., Any], recorder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(automatic, "MOST_CHARACTERS", 25_000_000)
    loaded = make_loaded((["a" * 110_000] * 400, [0, 1] * 200))
    tokenizer = Counting()
    assert automatic._cut(loaded, tokenizer, recorder)[8192] == 1.0
    assert max(tokenizer.given) <= automatic.AT_ONCE * automatic.CHARACTERS and len(tokenizer.given) == 3


def test_a_bag_of_words_has_fewer_words_for_more_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    widths: list[int] = []
    fit = LogisticRegression.fit

    def watched(self: Any, x: Any, y: Any) -> Any:
        widths.append(x.shape[1])
        return fit(self, x, y)

    monkeypatch.setattr(LogisticRegression, "fit", watched)
    monkeypatch.setattr(baselines, "MOST_WEIGHTS", 60)
    texts = make_texts(120, 0)[0]
    for classes in (2, 6):
        baselines.answers(texts, np.arange(120) % classes, texts[:3])
    assert widths == [30, 10]


def test_a_bag_of_words_reads_the_beginnings_of_pairs(make_loaded: Callable[..., Any]) -> None:
    pairs: Any = ([("a" * 90_000, "b"), ("c", "d" * 90_000)], [0, 1])
    rows = make_loaded(pairs, pairs, columns=("one", "two")).dataset["train"]
    first, second = rivals._beginnings(rows, ("one", "two"))
    assert len(first) == len(second) == baselines.CHARACTERS_READ and second.startswith("c dd")


def test_a_stop_is_heard_while_lengths_are_measured(make_loaded: Callable[..., Any], recorder: Any) -> None:
    recorder.stop_requested = True
    with pytest.raises(InterruptedError):
        automatic._cut(make_loaded(20), Counting(), recorder)


def test_a_bag_of_words_is_judged_beside_the_training(
    make_loaded: Callable[..., Any], make_spec: Callable[..., Any], recorder: Recorder, tmp_path: Path
) -> None:
    def known() -> bool:
        kept = Rivals.load(tmp_path / RIVALS)
        return kept is not None and kept.bag_of_words is not None

    spec, loaded = make_spec(), make_loaded()
    with before_training.bag_of_words_beside(spec, loaded, tmp_path, recorder):
        assert not (tmp_path / RIVALS).exists(), "a demo judges nothing"
    Rivals().save(tmp_path / RIVALS)
    with (
        pytest.raises(KeyError),
        before_training.bag_of_words_beside(spec, loaded, tmp_path, recorder),
    ):
        raise KeyError("training failed")
    assert not known(), "there is nothing to measure by it"
    with pytest.MonkeyPatch.context() as patch:
        never = threading.Event()
        patch.setattr(rivals, "bag_of_words", lambda *_: never.wait(60) and None)
        with before_training.bag_of_words_beside(spec, loaded, tmp_path, recorder):
            recorder.progress(1, 10)
            recorder.stop_requested = True
        never.set()
    assert not known() and not recorder.codes, "a run that shall stop does not wait"
    recorder.stop_requested = False
    with before_training.bag_of_words_beside(spec, loaded, tmp_path, recorder):
        pass
    assert known() and recorder.codes == {"bag-of-words"}
    recorder.messages.clear()
    with before_training.bag_of_words_beside(spec, loaded, tmp_path, recorder):
        pass
    assert not recorder.codes, "an attempt that goes on has it"


def test_a_bag_of_words_that_fails_costs_nothing_else(
    make_loaded: Callable[..., Any],
    make_spec: Callable[..., Any],
    recorder: Recorder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Rivals().save(tmp_path / RIVALS)
    monkeypatch.setattr(rivals, "bag_of_words", lambda *_: 1 // 0)
    with before_training.bag_of_words_beside(make_spec(), make_loaded(), tmp_path, recorder):
        recorder.progress(1, 1)
    assert recorder.codes == {"bag-of-words-failed"} and Rivals.load(tmp_path / RIVALS) == Rivals()
