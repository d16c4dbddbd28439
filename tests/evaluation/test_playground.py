"""The process that keeps models warm: answers, errors in sentences, and a death that nobody notices."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import ModelError, TunedeckError
from core.evaluation.specs import Subject
from core.evaluation.trained_model import TrainedModel
from core.playground.answers import Reading
from core.playground.client import Playground
from core.settings import Settings
from core.store.files import save_temperature
from tests.evaluation.conftest import LABELS


@pytest.fixture
def playground(settings: Settings) -> Iterator[Playground]:
    playground = Playground(settings)
    yield playground
    playground.close()


def test_questions_and_answers(playground: Playground, classifier: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(classifier, folder)
    subject = Subject(name=str(folder), max_length=48)
    texts = [["word1 good"], ["BAD 日本\nword2"]]
    answer = playground.predict(subject, texts)
    assert answer.names == LABELS and [max(range(3), key=p.__getitem__) for p in answer.probabilities] == [2, 0]
    assert answer.reads == [Reading(tokens=2, unknown=0, read=2), Reading(tokens=4, unknown=2, read=4)]
    assert playground.predict(subject, [["good " * 60]]).reads == [Reading(tokens=60, unknown=0, read=46)]
    assert playground.predict(subject, [["good " * 30, "bad " * 30]]).reads[0].read == 45
    model = TrainedModel(classifier, 48, device="cpu")
    from core.tasks.text_classification.predictions import softmax

    assert answer.probabilities[0] == pytest.approx(softmax(model.logits(texts))[0].tolist(), abs=1e-5)
    explanation = playground.explain(subject, ["word1 good"], "occlusion")
    assert max(explanation.words, key=lambda word: word.score).start == 6

    save_temperature(folder, 5.0)
    softer = playground.predict(subject, texts)
    assert softer.temperature == 5 and max(softer.probabilities[0]) < max(answer.probabilities[0]), "read anew"

    child = playground._child
    assert child is not None
    child.kill()
    child.wait()
    assert playground.predict(subject, texts).probabilities == softer.probabilities, "it is started again"


def test_errors_are_sentences_and_end_nothing(playground: Playground, classifier: Path, minilm: Path) -> None:
    for subject, words in (
        (Subject(name="/nowhere/at/all"), "is not a folder"),
        (Subject(name=str(minilm)), "no trained head"),
        (Subject(run="a1b2c3d4e5"), "There is no run"),
    ):
        with pytest.raises(ModelError, match=words):
            playground.predict(subject, [["text"]])
    child = playground._child
    assert child is not None and child.poll() is None
    good = Subject(name=str(classifier))
    with pytest.raises(ModelError, match="could not be answered"):
        playground.explain(good, ["text"], "occlusion", 17)
    with pytest.raises(TunedeckError, match="at most 200 are predicted at once"):
        playground.predict(good, [["text"]] * 201)
    with pytest.raises(TunedeckError, match="at most 100,000"):
        playground.predict(good, [["x" * 100_001]])
    assert playground.predict(good, [["word1 good"]]).names == LABELS and playground._child is child


def test_a_model_that_diverged_is_refused_in_a_sentence(
    playground: Playground, classifier: Path, tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "model"
    shutil.copytree(classifier, folder)
    weights = load_file(folder / "model.safetensors")
    weights["classifier.bias"] = torch.full_like(weights["classifier.bias"], float("nan"))
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    subject = Subject(name=str(folder), max_length=48)
    with pytest.raises(ModelError, match=r"are no numbers \(NaN\)"):
        playground.predict(subject, [["word1 good"]])
    for method in ("occlusion", "integrated_gradients"):
        with pytest.raises(ModelError, match=r"are no numbers \(NaN\)"):
            playground.explain(subject, ["word1 good"], method)
