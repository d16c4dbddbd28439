"""Splits from a column, by usual words or by chosen values; rows of no split are counted."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from core.data.dataset import Prepared
from core.data.inspecting.problems.inspection import inspect
from core.data.loading.load import load
from core.data.prepare import prepare
from core.data.preparing import divide
from core.data.preparing.preview import preview
from core.errors import DataError, SpecError
from core.settings import Settings
from core.spec.data import DataSpec
from core.spec.run import build
from core.spec.steps import SplitBy, step_words


def written(path: Path, values: list[str], column: str = "part") -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = [[f"some words of row {i}", "good" if i % 2 else "bad", value] for i, value in enumerate(values)]
        csv.writer(file).writerows([["text", "label", column], *rows])
    return path


def opened(path: Path, settings: Settings, *steps: dict[str, Any]) -> Prepared:
    return prepare(build({"source": "file", "path": str(path), "steps": steps}, DataSpec), settings)


def rows(prepared: Prepared) -> dict[str, int]:
    return {name: part.rows for name, part in prepared.splits.items()}


@pytest.mark.parametrize(
    "words",
    [("train", "dev", "test"), ("TRAIN", "Valid", "Test"), ("学習", "検証", "テスト"), ("訓練データ", "開発", "評価"),
     ("training", "val_1", "testing"), (" train ", "validation", "held-out")],
)  # fmt: skip
def test_usual_words_become_splits(words: tuple[str, ...], settings: Settings, tmp_path: Path) -> None:
    path = written(tmp_path / "d.csv", [*[words[0]] * 20, *[words[1]] * 6, *[words[2]] * 8])
    whole = opened(path, settings)
    assert divide.proposed(whole) == ["part"] and whole.label_guess == "label"
    assert any("The values of part name splits" in note.text and note.level == "notice" for note in whole.notes)
    (finding,) = [f for f in inspect(whole, DataSpec(source="file", path=str(path))) if f.kind == "split-column"]
    divided = opened(path, settings, *finding.steps)
    assert rows(divided) == {"train": 20, "validation": 6, "test": 8}
    assert not any("name splits" in note.text or note.level == "warning" for note in divided.notes)
    loaded = load(build({"source": "file", "path": str(path), "steps": finding.steps}, DataSpec), settings)
    assert (loaded.train_split, loaded.eval_split) == ("train", "validation")


def test_what_names_no_split_is_counted_and_told(settings: Settings, tmp_path: Path) -> None:
    path = written(tmp_path / "d.csv", [*["train"] * 20, *["test"] * 5, *["secret"] * 3, "", " "])
    divided = opened(path, settings, {"step": "split_by", "column": "part"})
    assert rows(divided) == {"train": 20, "test": 5}
    (warning,) = [note.text for note in divided.notes if note.level == "warning"]
    assert warning.startswith("3 rows with another value of part ('secret') and 2 rows without a value")
    effect = preview(opened(path, settings), SplitBy(column="part"))
    assert effect.after == {"train": 20, "test": 5} and str(effect.note) == warning


def test_values_of_ones_own(settings: Settings, tmp_path: Path) -> None:
    path = written(tmp_path / "d.csv", [str(2018 + i % 4) for i in range(40)], "year")
    parts = {"2018": "train", "2019": "train", "2020": "validation"}
    divided = opened(path, settings, {"step": "split_by", "column": "year", "parts": parts})
    assert rows(divided) == {"train": 20, "validation": 10}
    assert any(note.text.startswith("10 rows with another value of year ('2021')") for note in divided.notes)
    assert divide.proposed(opened(path, settings)) == []
    assert "2018 → train" in step_words(SplitBy(column="year", parts=parts))


def test_blanks_around_values_do_not_matter(settings: Settings, tmp_path: Path) -> None:
    path = written(tmp_path / "d.csv", [["core ", "held"][i % 2] for i in range(40)])
    parts = {"core ": "train", " held": "test"}
    divided = opened(path, settings, {"step": "split_by", "column": "part", "parts": parts})
    assert rows(divided) == {"train": 20, "test": 20}


def test_the_same_name_in_several_splits_is_joined(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    written(tmp_path / "d" / "train.csv", [*["train"] * 10, *["dev"] * 4])
    written(tmp_path / "d" / "test.csv", [*["train"] * 5, *["test"] * 4])
    assert rows(opened(tmp_path / "d", settings, {"step": "split_by", "column": "part"})) == {
        "train": 15,
        "validation": 4,
        "test": 4,
    }
    with pytest.raises(DataError, match="already a split 'test'"):
        opened(
            tmp_path / "d", settings, {"step": "split_by", "column": "part", "split": "train", "parts": {"dev": "test"}}
        )


def test_what_cannot_be_split(settings: Settings, tmp_path: Path) -> None:
    path = written(tmp_path / "d.csv", ["a", "b"] * 10)
    with pytest.raises(DataError, match=r"no value of 'part' names a split \('a', 'b'\)"):
        opened(path, settings, {"step": "split_by", "column": "part"})
    with pytest.raises(DataError, match="no column 'where'"):
        opened(path, settings, {"step": "split_by", "column": "where"})
    with pytest.raises(SpecError, match="must have a name"):
        opened(path, settings, {"step": "split_by", "column": "part", "parts": {"a": " "}})


def test_a_renamed_pair_stays_a_pair(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("q1,q2,same\n" + "".join(f"is it {i} now,was it {i} then,{i % 2}\n" for i in range(30)))
    renamed = opened(path, settings, {"step": "rename", "names": {"q1": "asked", "same": "verdict"}})
    assert (renamed.text_guess, renamed.label_guess) == (("asked", "q2"), "verdict")
