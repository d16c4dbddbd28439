"""Why a model says so: both methods point at the word that decides, and say how exact they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.evaluation.explain import explain
from core.evaluation.trained_model import TrainedModel
from tests.evaluation.conftest import LABELS


@pytest.fixture(scope="module")
def model(classifier: Path) -> TrainedModel:
    return TrainedModel(classifier, 48, device="cpu")


def by_word(explanation: dict[str, Any], text: str) -> dict[str, float]:
    return {text[word["start"] : word["end"]]: word["score"] for word in explanation["words"]}


@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion"])
@pytest.mark.parametrize("label", LABELS)
def test_the_word_that_decides(model: TrainedModel, method: Any, label: str) -> None:
    text = f"word1 word2, {label} word3 word4!"
    explanation = explain(model, [text], method)
    words = by_word(explanation, text)
    assert set(words) == {"word1", "word2", ",", label, "word3", "word4", "!"}
    assert LABELS[explanation["target"]] == label and max(words, key=lambda word: words[word]) == label
    against = explain(model, [text], method, (LABELS.index(label) + 1) % 3)
    assert by_word(against, text)[label] < words[label] / 2, "for another class it says less, or the contrary"


def test_integrated_gradients_add_up(model: TrainedModel) -> None:
    explanation = explain(model, ["word1 good word2 word3"], "integrated_gradients")
    total = sum(word["score"] for word in explanation["words"])
    assert total == pytest.approx(explanation["probability"] - explanation["baseline"], abs=explanation["error"] + 0.01)
    assert explanation["error"] < 0.05
    shares = np.exp(model.logits([["word1 good word2 word3"]])[0])
    assert explanation["probability"] == pytest.approx(shares.max() / shares.sum(), abs=1e-4)


def test_long_texts_pairs_and_scripts_without_blanks(model: TrainedModel) -> None:
    long = "good " + "word1 " * 500
    assert len(explain(model, [long], "occlusion")["words"]) == 46, "what the model does not read has no score"
    pair = explain(model, ["word1 good", "word2"], "occlusion")
    assert [word["part"] for word in pair["words"]] == [0, 0, 1]
    japanese = "とても good です"
    explanation = explain(model, [japanese], "integrated_gradients")
    assert "good" in by_word(explanation, japanese)
    assert explain(model, ["!"], "occlusion")["words"][0]["end"] == 1
