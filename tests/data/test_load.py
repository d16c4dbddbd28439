"""Loading the training and evaluation parts of a spec: labels of all kinds, held-out rows, and refusals."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data.loading import labels
from core.data.loading.load import load
from core.errors import DataError
from core.spec.data import DataSpec


@pytest.fixture
def loaded(tmp_path, settings):
    """Returns `loaded(columns, **spec)`, which loads a Parquet file, or a folder with one per split."""

    def load_it(columns, **spec):
        tables = columns if any(isinstance(v, (dict, pa.Table)) for v in columns.values()) else {"train": columns}
        folder = tmp_path / f"set{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        for name, part in tables.items():
            pq.write_table(part if isinstance(part, pa.Table) else pa.table(part), folder / f"{name}.parquet")
        return load(DataSpec(source="file", path=str(folder), **spec), settings)

    return load_it


def with_classes(table: pa.Table, **names: list[str]) -> pa.Table:
    features = {column: {"names": classes, "_type": "ClassLabel"} for column, classes in names.items()}
    return table.replace_schema_metadata({b"huggingface": json.dumps({"info": {"features": features}}).encode()})


def texts(count: int) -> list[str]:
    return [f"this is review number {i}" for i in range(count)]


LABELS = {
    "text": (["pos", "neg", "pos", "neutral"], ["neg", "neutral", "pos"], [2, 0, 2, 1]),
    "stars": ([5, 1, 3, 1], ["1", "3", "5"], [2, 0, 1, 0]),
    "signs": ([-1, 0, 1, -1], ["-1", "0", "1"], [0, 1, 2, 0]),
    "numbers as text": (["10", "9", "-1", "9"], ["-1", "9", "10"], [2, 1, 0, 1]),
    "whole floats": ([2.0, 1.0, 2.0, 3.0], ["1", "2", "3"], [1, 0, 1, 2]),
    "booleans": ([True, False, True, True], ["False", "True"], [1, 0, 1, 1]),
    "padded": ([" a", "a ", "b", "b"], ["a", "b"], [0, 0, 1, 1]),
    "categories": (pa.array(["x", "y", "x", "y"]).dictionary_encode(), ["x", "y"], [0, 1, 0, 1]),
}


@pytest.mark.parametrize("case", LABELS)
def test_labels_become_classes_in_order(loaded, case):
    values, names, codes = LABELS[case]
    values = values if isinstance(values, pa.Array) else pa.array(values)
    many = pa.chunked_array([values] * 25)
    result = loaded({"text": texts(100), "label": many})
    assert result.label_names == names
    both = {r["row"]: r["label"] for part in ("train", "eval") for r in result.dataset[part]}
    assert [both[i] for i in range(100)] == codes * 25
    assert result.dataset["train"].features["label"].names == names
    assert result.dataset["train"].column_names == ["text", "label", "row"]
    assert (result.text_columns, result.label_column) == (("text",), "label")


def test_class_label_keeps_its_names_and_minus_one_is_none(loaded):
    table = pa.table({"text": texts(40), "label": [0, 1, -1, 2] * 10})
    result = loaded({"train": with_classes(table, label=["a", "b", "c", "never"])})
    assert result.label_names == ["a", "b", "c", "never"]
    assert len(result.dataset["train"]) + len(result.dataset["eval"]) == 30
    assert any("10 of the 40 rows of train have no label" in n.text for n in result.notes)


def test_rows_lead_back_to_their_split(loaded):
    result = loaded({"text": ["", *texts(99)], "label": [0, 1] * 50})
    for part in ("train", "eval"):
        for row in result.dataset[part]:
            assert row["text"] == f"this is review number {row['row'] - 1}"


def test_held_out_part_is_stratified_seeded_and_said(loaded):
    columns = {"text": texts(1000), "label": ["a"] * 700 + ["b"] * 290 + ["c"] * 9 + ["d"]}
    result = loaded(columns)
    again = loaded(columns)
    other = loaded(columns, seed=7)
    counts = Counter(result.dataset["eval"]["label"])
    assert counts == {0: 70, 1: 29, 2: 1}
    assert result.dataset["eval"]["row"][:] == again.dataset["eval"]["row"][:]
    assert result.dataset["eval"]["row"][:] != other.dataset["eval"]["row"][:]
    assert not set(result.dataset["eval"]["row"]) & set(result.dataset["train"]["row"])
    assert any("held out" in n.text and "seed 42" in n.text for n in result.notes)
    assert any("'d' there is one example" in n.text for n in result.notes)
    assert (result.train_split, result.eval_split) == ("train", "train")


@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.33, 0.5])
def test_stratified_shares(fraction):
    codes = np.repeat(np.arange(6), [1000, 500, 50, 10, 2, 1])
    chosen = labels.stratified(codes, fraction, 3)
    counts = np.bincount(codes[chosen], minlength=6)
    assert len(set(chosen)) == len(chosen)
    assert counts[5] == 0
    assert (counts[:5] >= 1).all()
    assert abs(counts[:2] - np.array([1000, 500]) * fraction).max() <= 1


def test_subsets_are_those_of_shuffle_and_select(loaded):
    """The subset equals that of `shuffle(seed).select(range(n))`, so that results compare with the tutorial's."""
    from datasets import Dataset

    part = {"text": texts(300), "label": [0, 1] * 150}
    result = loaded({"train": part, "test": part}, max_train_examples=50, max_eval_examples=20, seed=11)
    expected = Dataset.from_dict(part).shuffle(seed=11).select(range(50))
    assert result.dataset["train"]["text"][:] == expected["text"][:]
    assert len(result.dataset["eval"]) == 20
    assert any("50 of 300 training examples" in n.text for n in result.notes)
    assert len(loaded({"train": part, "test": part}, max_train_examples=999).dataset["train"]) == 300


def test_splits_are_chosen(loaded):
    part = {"text": texts(40), "label": [0, 1] * 20}
    assert loaded({"train": part, "test": part, "dev": part}).eval_split == "validation"
    assert loaded({"train": part, "test": part}).eval_split == "test"
    assert loaded({"train": part, "test": part}, eval_split="train", train_split="test").train_split == "test"
    unlabelled = {"text": texts(5), "label": pa.nulls(5, pa.int64())}
    result = loaded({"train": part, "test": unlabelled})
    assert result.eval_split == "train"
    assert any("test has no labels" in n.text for n in result.notes)
    result = loaded({"train": part, "test": {"text": texts(5)}})
    assert result.eval_split == "train"


def test_pairs_and_awkward_names(loaded):
    columns = {"sentence1": texts(40), "sentence2": texts(40), "gold_label": ["x", "y"] * 20}
    result = loaded(columns)
    assert result.text_columns == ("sentence1", "sentence2")
    assert result.label_column == "gold_label"
    result = loaded(
        {"label": texts(40), "row": texts(40), "stars": [1, 2] * 20},
        text_columns=("label", "row"),
        label_column="stars",
    )
    assert result.text_columns == ("label_text", "row_text")
    assert result.dataset["train"].column_names == ["label_text", "row_text", "label", "row"]


def test_labels_that_training_has_not_are_left_out(loaded):
    result = loaded(
        {
            "train": {"text": texts(40), "label": ["x", "y"] * 20},
            "test": {"text": texts(4), "label": ["x", "y", "new", "x"]},
        }
    )
    assert len(result.dataset["eval"]) == 3
    assert any("'new'" in n.text for n in result.notes)


def test_types_may_differ_between_splits(loaded):
    result = loaded(
        {
            "train": {"text": texts(40), "label": pa.array([1, 2] * 20, pa.int64())},
            "test": {"text": texts(2), "label": pa.array([1.0, 2.0], pa.float32())},
        }
    )
    assert result.dataset["eval"]["label"][:] == [0, 1]


def test_large_splits_go_through_a_mapped_file(loaded, monkeypatch):
    from core.data.loading import split_dataset

    columns = {"text": texts(500), "label": [0, 1] * 250}
    small = loaded(columns)
    monkeypatch.setattr(split_dataset, "IN_MEMORY_BYTES", 0)
    large = loaded(columns)
    assert large.dataset["train"][:] == small.dataset["train"][:]
    assert large.dataset["train"].cache_files
    assert not small.dataset["train"].cache_files
    assert not list(large.prepared.folder.glob("*.partial"))


def test_a_count_of_lost_rows_that_was_cut_short_is_not_found_done(loaded, settings, monkeypatch):
    from core.data.loading import split_dataset

    write_text = Path.write_text

    def cut(path: Path, text: str, **how: Any) -> int:
        if not path.name.startswith("train-"):
            return write_text(path, text, **how)
        with path.open("w") as file:
            file.write(text[: len(text) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(split_dataset, "IN_MEMORY_BYTES", 0)
    columns = {"text": texts(500), "label": [0, 1] * 250}
    with monkeypatch.context() as full_disk, pytest.raises(OSError):
        full_disk.setattr(Path, "write_text", cut)
        loaded(columns)
    assert [p.suffix for p in settings.datasets.rglob("train-*")] == [".arrow"]
    assert len(loaded(columns).dataset["train"]) == 450


N = 60
WRONG: dict[str, tuple[Any, Any, str, str]] = {
    "no such text column": (
        {"text": texts(N), "label": [0, 1] * 30},
        {"text_columns": ("nope",)},
        "text, label",
        "text_columns",
    ),
    "no such label column": (
        {"text": texts(N), "label": [0, 1] * 30},
        {"label_column": "nope"},
        "text, label",
        "label_column",
    ),
    "no such split": ({"text": texts(N), "label": [0, 1] * 30}, {"train_split": "nope"}, "are train", "train_split"),
    "no such eval split": ({"text": texts(N), "label": [0, 1] * 30}, {"eval_split": "nope"}, "are train", "eval_split"),
    "one split for both": (
        {"text": texts(N), "label": [0, 1] * 30},
        {"eval_split": "train"},
        "for training and",
        "eval_split",
    ),
    "one class": (
        {"text": texts(N), "label": [1] * N},
        {"label_column": "label"},
        "only one class, '1'",
        "label_column",
    ),
    "empty texts": (
        {"text": [" "] * N, "label": [0, 1] * 30},
        {"text_columns": ("text",)},
        "are empty",
        "text_columns",
    ),
    "mostly null texts": (
        {"text": [None] * 50 + texts(10), "label": [0, 1] * 30},
        {"text_columns": ("text",)},
        "50 of the 60 rows .* too many",
        "text_columns",
    ),
    "mostly null labels": (
        {"text": texts(N), "label": [None] * 50 + [0, 1] * 5},
        {"label_column": "label"},
        "50 of the 60 rows .* too many",
        "label_column",
    ),
    "all null labels": (
        {"text": texts(N), "label": pa.nulls(N, pa.string())},
        {"label_column": "label"},
        "empty",
        "label_column",
    ),
    "ids": (
        {"text": texts(N), "id": [f"id{i}" for i in range(N)]},
        {"label_column": "id"},
        "60 different .* id or free",
        "label_column",
    ),
    "continuous": (
        {"text": texts(N), "score": [i / 7 for i in range(N)]},
        {"label_column": "score"},
        "a number to predict",
        "label_column",
    ),
    "lists": (
        {"text": texts(N), "tags": [["a", "b"]] * N},
        {"label_column": "tags"},
        "more than one label",
        "label_column",
    ),
    "text in lists": (
        {"tokens": [["a", "b"]] * N, "label": [0, 1] * 30},
        {"text_columns": ("tokens",)},
        "lists of several values, no text",
        "text_columns",
    ),
    "no text at all": ({"a": [1, 2] * 30, "label": [0, 1] * 30}, {}, "no column looks like text", "text_columns"),
    "no label at all": (
        {"text": texts(N), "when": pa.array(range(N), pa.timestamp("s"))},
        {},
        "looks like a label",
        "label_column",
    ),
    "two rows": ({"text": texts(2), "label": [0, 1]}, {"label_column": "label"}, "at least 4", "eval_split"),
    "every label once": (
        {"text": texts(8), "label": list("abcdefgh")},
        {"label_column": "label"},
        "occurs once",
        "label_column",
    ),
    "a subset of one class": (
        {"text": texts(N), "label": [0] * 58 + [1, 1]},
        {"max_train_examples": 2, "label_column": "label"},
        "one class only",
        "max_train_examples",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_has_its_sentence_and_field(loaded, case):
    columns, spec, sentence, field = WRONG[case]
    with pytest.raises(DataError, match=sentence) as caught:
        loaded(columns, **spec)
    assert caught.value.field == f"data.{field}"


def test_very_many_labels(loaded):
    with pytest.raises(DataError, match="40,000 different values"):
        loaded(
            {"text": ["same text"] * 80_000, "label": [f"l{i % 40_000}" for i in range(80_000)]}, label_column="label"
        )


def test_folder_without_training_split(loaded):
    part = {"text": texts(10), "label": [0, 1] * 5}
    with pytest.raises(DataError, match="choose one of a, b"):
        loaded({"a": part, "b": part})
    assert loaded({"a": part, "b": part}, train_split="b").train_split == "b"


def test_classes_that_look_the_same_are_warned_of(loaded):
    notes = loaded({"text": texts(60), "label": ["caf\u00e9", "cafe\u0301", "bar"] * 20}).notes
    (note,) = [n for n in notes if "differ by case" in n.text]
    assert note.level == "warning" and "“caf\\u00e9”" in note.text and "“cafe\\u0301”" in note.text


def test_what_lists_and_objects_hold_is_told_with_the_remedy(settings: Any, tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]
    for name, row, sentence in (
        (
            "chat",
            {"messages": turns},
            "messages holds lists of several values; give each record its text",
        ),
        (
            "answers",
            {"text": "a fine lamp", "answers": turns},
            r"choose one of text \(answers holds lists of",
        ),
    ):
        path = tmp_path / f"{name}.jsonl"
        path.write_text(
            "".join(json.dumps({k: v if k != "text" else f"{v} {n}" for k, v in row.items()}) + "\n" for n in range(30))
        )
        with pytest.raises(DataError, match=sentence):
            load(DataSpec(source="file", path=str(path)), settings)


def test_a_label_that_no_result_can_hold_is_refused(loaded):
    long = ["a" * 10_001, "b", "a" * 10_001, "b"]
    with pytest.raises(DataError, match="a label of 10,001 characters, and a label has at most 10,000") as caught:
        loaded({"text": texts(4), "label": long}, text_columns=("text",), label_column="label")
    assert caught.value.message.arguments == {"column": "label", "characters": 10_001, "most": 10_000}
    named = with_classes(pa.table({"text": texts(4), "label": [0, 1, 0, 1]}), label=["a" * 10_001, "b"])
    with pytest.raises(DataError, match="a label has at most 10,000"):
        loaded({"train": named}, text_columns=("text",), label_column="label")
