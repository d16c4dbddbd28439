"""A warning before a run explains a label column that does not hold one class per text."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import pytest

from core.data.inspecting.profile import profile_of
from core.data.loading import labels
from core.data.prepare import prepare
from core.runs import outlook as plan
from core.settings import Settings
from core.spec.data import DataSpec
from core.spec.model import ModelSpec
from core.spec.run import ProfileSpec, RunSpec
from tests.data.test_guess import text

DRAW = random.Random(3)
SENTENCE = [("I", "O"), ("saw", "O"), ("Berlin", "B-LOC"), ("wall", "I-LOC"), (".", "O"), ("Ann", "B-PER")]
COLUMNS = {
    "fractions": [f"{DRAW.random() * 5:.2f}" for _ in range(60)],
    "thirds": [f"{i % 14 / 3:.3f}" for i in range(60)],
    "amounts": [str(i * 17 % 97) for i in range(120)],
    "several": [["4,27", "4", "27", "3", "4,3"][i % 5] for i in range(60)],
    "words": [["joy; anger", "joy", "anger"][i % 3] for i in range(60)],
    "doccano": [["C#;joy", "C#", "joy", "joy#anger", "anger"][i % 5] for i in range(60)],
    "topics": [["web python", "web", "python"][i % 3] for i in range(60)],
    "classes": [["good", "bad"][i % 2] for i in range(60)],
    "stars": [str(i % 5 + 1) for i in range(60)],
    "half stars": [f"{i % 9 / 2 + 1:.1f}" for i in range(60)],
    "names": [["New York, NY", "Paris, TX"][i % 2] for i in range(60)],
    "degrees": [["very good", "good", "not good", "C#", "#1", "a/c"][i % 6] for i in range(60)],
}


def spec_of(path: Path, label: str | None = "label") -> DataSpec:
    return DataSpec(source="file", path=str(path), label_column=label)


def written(path: Path, labels: list[str]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["text", "label"], *([text(i), label] for i, label in enumerate(labels))])
    return path


@pytest.mark.parametrize(
    ("column", "message", "fatal"),
    [
        ("fractions", "numbers on a scale, not classes", True),
        ("thirds", "numbers on a scale, not classes", True),
        ("amounts", "look like amounts", False),
        ("several", "holds several labels in some rows ('4,27')", False),
        ("words", "holds several labels in some rows ('joy; anger')", False),
        ("doccano", "holds several labels in some rows ('C#;joy')", False),
        ("topics", "holds several labels in some rows ('web python')", False),
    ],
)
def test_what_is_no_class_is_told(column: str, message: str, fatal: bool, settings: Settings, tmp_path: Path) -> None:
    data = spec_of(written(tmp_path / "d.csv", COLUMNS[column]))
    prepared = prepare(data, settings)
    assert prepared.label_guess == "label"
    problems, hints = (
        plan.problems(RunSpec(data=data), prepared, settings),
        plan.advice(RunSpec(data=data), "", prepared),
    )
    of_label = [p for p in (problems if fatal else hints) if p.field == "data.label_column"]
    assert len(of_label) == 1 and message in of_label[0].message
    profile = profile_of(ProfileSpec(data=data, model=ModelSpec()), settings)
    assert any(message in note.text and note.level == "warning" for note in profile.notes)


@pytest.mark.parametrize("column", ["classes", "stars", "half stars", "names", "degrees"])
def test_classes_are_not_doubted(column: str, settings: Settings, tmp_path: Path) -> None:
    data = spec_of(written(tmp_path / "d.csv", COLUMNS[column]))
    assert plan.label_doubt(data, prepare(data, settings)) is None


def test_codes_of_many_classes_are_not_doubted(settings: Settings, tmp_path: Path) -> None:
    """A sample has a larger share of distinct values than all rows."""
    codes = [f"{i}.{i % 4}" if i % 4 else str(i) for i in range(100, 700)] + ["7.10", "7.1"]
    draw = random.Random(1)
    data = spec_of(written(tmp_path / "d.csv", [draw.choice(codes) for _ in range(8000)]))
    prepared = prepare(data, settings)
    assert plan.label_doubt(data, prepared) is None
    assert len(labels.classes(prepared, "train", "label").names) > 590


@pytest.mark.parametrize("tags", ["bio", "parts of speech"])
def test_a_word_per_line_is_told(tags: str, settings: Settings, tmp_path: Path) -> None:
    speech = {"I": "PRP", "saw": "VBD", "Berlin": "NNP", "wall": "NN", ".": ".", "Ann": "NNP"}
    lines = [f"{w}\t{tag if tags == 'bio' else speech[w]}" for w, tag in SENTENCE * 20]
    path = tmp_path / "words.tsv"
    path.write_text("word\ttag\n" + "\n".join(lines) + "\n", encoding="utf-8")
    data = DataSpec(source="file", path=str(path), text_columns=("word",), label_column="tag")
    doubt = plan.label_doubt(data, prepare(data, settings))
    assert doubt is not None and "each row is one word with its tag" in doubt.message.text


def test_one_word_texts_are_no_tags(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "words.csv"
    path.write_text("text,label\n" + "".join(f"name{i},{'ab'[i % 2]}\n" for i in range(60)), encoding="utf-8")
    data = spec_of(path)
    assert plan.label_doubt(data, prepare(data, settings)) is None
