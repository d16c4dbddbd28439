"""A label means the same in every file of a dataset: class numbers by their own names, text by its name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from core.data.browsing import browse, export, sql
from core.data.browsing.label_counts import label_counts
from core.data.dataset import Prepared
from core.data.loading import labels
from core.data.loading.load import Loaded, load
from core.data.prepare import prepare
from core.errors import DataError
from core.settings import Settings
from core.spec.data import DataSpec

NAMES = ["neg", "pos", "mixed"]


def noted(table: pa.Table, feature: Any, column: str = "label") -> pa.Table:
    info = {"info": {"features": {column: feature}}}
    return table.replace_schema_metadata({b"huggingface": json.dumps(info).encode()})


def table(values: Any, names: list[str] | None = None) -> pa.Table:
    """Returns rows whose text contains their label. values: the labels as the file holds them"""
    column = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)
    table = pa.table({"text": [f"a text of number {i} here" for i in range(len(column))], "label": column})
    return noted(table, {"names": names, "_type": "ClassLabel"}) if names else table


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., DataSpec]:
    """Returns `folder(name=table, …)`, which writes a folder of Parquet files, or CSV if the name ends in _csv."""

    def make(**tables: pa.Table) -> DataSpec:
        for name, part in tables.items():
            if name.endswith("_csv"):
                pa_csv.write_csv(part, tmp_path / f"{name.removesuffix('_csv')}.csv")
            else:
                pq.write_table(part, tmp_path / f"{name.replace('__', '-')}.parquet")
        return DataSpec(source="file", path=str(tmp_path))

    return make


def names_of(prepared: Prepared, split: str) -> list[Any]:
    """Returns the labels of a split, row by row, as people see them."""
    frame = browse.page(prepared, split, 0, 1000)
    return [None if value is None or value != value else str(value) for value in frame["label"]]


def classes_of(prepared: Prepared) -> tuple[str, ...] | None:
    column = prepared.column("label")
    assert column is not None
    return column.names


def trained_names(result: Loaded, part: str) -> dict[int, str]:
    return {row["row"]: result.label_names[row["label"]] for row in result.dataset[part]}


def said(prepared: Prepared) -> list[str]:
    return [note.text for note in prepared.notes if note.text.startswith("label: ")]


WANTED = ["neg", "pos", "neg", "pos", "pos", "neg", "neg", "pos"] * 3
BOTH = ["neg", "pos"]


def numbered(names: list[str], wanted: list[str] = WANTED) -> pa.Table:
    return table([names.index(name) for name in wanted], names)


OTHER_SIDE = {
    "another order": numbered(["pos", "neg"]),
    "another order and more names": numbered(["mixed", "pos", "neg"]),
    "fewer names come first": numbered(["pos", "neg", "mixed"]),
    "names that differ by case": table([int(w == "neg") for w in WANTED], ["POS", "Neg"]),
    "names that differ by what nobody sees": table([int(w == "neg") for w in WANTED], ["pos\u200b", " neg"]),
    "text": table(WANTED),
    "text with blanks": table([f" {w.upper()} " for w in WANTED]),
    "large text": table(pa.array(WANTED, pa.large_string())),
    "a dictionary": table(pa.array(WANTED).dictionary_encode()),
    "bytes": table(pa.array([w.encode() for w in WANTED])),
    "lists of one": table([[w] for w in WANTED]),
    "small numbers": table(pa.array([int(w == "neg") for w in WANTED], pa.int8()), ["pos", "neg"]),
    "lists of one class number": noted(
        table([[int(w == "neg")] for w in WANTED]), [{"names": ["pos", "neg"], "_type": "ClassLabel"}]
    ),
    "a sequence of one class number": noted(
        table([[int(w == "neg")] for w in WANTED]),
        {"feature": {"names": ["pos", "neg"], "_type": "ClassLabel"}, "_type": "Sequence"},
    ),
}


@pytest.mark.parametrize("first", ["class numbers", "text"])
@pytest.mark.parametrize("case", OTHER_SIDE)
def test_two_splits_mean_the_same_by_a_label(folder, settings: Settings, case: str, first: str) -> None:
    data = folder(train=numbered(BOTH) if first == "class numbers" else table(WANTED), test=OTHER_SIDE[case])
    result = load(data, settings)
    assert sorted(result.label_names) == BOTH
    assert result.eval_split == "test"
    assert trained_names(result, "train") == trained_names(result, "eval") == dict(enumerate(WANTED))
    assert {str(n).casefold().strip(" \u200b") for n in names_of(result.prepared, "test")} == set(BOTH)
    assert not [n.text for n in result.notes if n.level == "warning"]


@pytest.mark.parametrize("case", [c for c in OTHER_SIDE if "text" in c or "order" in c or "bytes" in c])
def test_two_shards_of_one_split_mean_the_same_by_a_label(folder, settings: Settings, case: str) -> None:
    shards = {"train__00000__of__00002": numbered(BOTH), "train__00001__of__00002": OTHER_SIDE[case]}
    prepared = prepare(folder(**shards), settings)
    assert names_of(prepared, "train") == WANTED * 2
    assert any("train-00001-of-00002.parquet" in text for text in said(prepared))


def test_pages_sql_and_export_read_the_same_names(folder, settings: Settings) -> None:
    data = folder(train=numbered(BOTH), test=numbered(["pos", "mixed", "neg"], ["mixed", *WANTED[1:]]))
    prepared = prepare(data, settings)
    wanted = ["mixed", *WANTED[1:]]
    assert classes_of(prepared) == ("neg", "pos", "mixed")
    assert names_of(prepared, "test") == wanted
    counts = label_counts(prepared, "test", "label")
    assert dict(zip(counts["label"], counts["count"], strict=True)) == {n: wanted.count(n) for n in NAMES}
    answer = sql.run(prepared, "SELECT label FROM test")
    assert pq.read_table(answer.path)["label"].to_pylist() == wanted
    assert pq.read_table(export.export(prepared, "test", "parquet"))["label"].to_pylist() == wanted


def test_a_class_that_only_another_split_has_is_not_trained_and_that_is_said(folder, settings: Settings) -> None:
    result = load(folder(train=numbered(BOTH), test=numbered(NAMES, ["mixed", *WANTED[1:]])), settings)
    assert result.label_names == BOTH
    assert 0 not in trained_names(result, "eval")
    assert any("1 row of test with a label that does not occur in training ('mixed')" in n.text for n in result.notes)


def test_a_file_whose_numbers_already_fit_stays_where_it_is(folder, settings: Settings, tmp_path: Path) -> None:
    prepared = prepare(folder(train=numbered(BOTH), test=numbered(NAMES, ["mixed", *WANTED[1:]])), settings)
    assert prepared.splits["train"].path == tmp_path / "train.parquet"
    assert prepared.splits["test"].path == tmp_path / "test.parquet"


def test_a_number_without_a_name_gets_none_from_another_file(folder, settings: Settings) -> None:
    stray = table([0, 1, 2, -1, None, *[0, 1] * 5], BOTH)
    prepared = prepare(folder(train=stray, test=numbered(NAMES, ["mixed", *WANTED[1:]])), settings)
    assert names_of(prepared, "train")[:5] == ["neg", "pos", None, None, None]


def test_no_label_stays_no_label(folder, settings: Settings) -> None:
    other = table([1, -1, None, 0, 7, *[0, 1] * 4], ["pos", "neg"])
    prepared = prepare(folder(train=numbered(BOTH), test=other), settings)
    assert names_of(prepared, "test")[:5] == ["neg", None, None, "pos", None]
    text = table(["neg", "", None, "  ", "pos", *BOTH * 4])
    assert names_of(prepare(folder(test=text), settings), "test")[:5] == ["neg", None, None, None, "pos"]


PLACES: dict[str, tuple[pa.Table, list[str | None]]] = {
    "numbers": (table([0, 1] * 6), ["neg", "pos"]),
    "numbers and no label": (table([0, 1, -1] * 4), ["neg", "pos", None]),
    "numbers as text": (table(["0", "1"] * 6), ["neg", "pos"]),
    "whole floats": (table([0.0, 1.0] * 6), ["neg", "pos"]),
    "unsigned": (table(pa.array([0, 1] * 6, pa.uint8())), ["neg", "pos"]),
}


@pytest.mark.parametrize("first", ["train", "test"])
@pytest.mark.parametrize("case", PLACES)
def test_numbers_beside_names_are_places_and_that_is_warned_of(folder, settings: Settings, case: str, first) -> None:
    other, wanted = PLACES[case]
    prepared = prepare(folder(**{"train": numbered(BOTH), "test": numbered(BOTH), first: other}), settings)
    assert classes_of(prepared) == ("neg", "pos")
    assert names_of(prepared, first)[: len(wanted)] == wanted
    assert [n.level for n in prepared.notes if "taken as places" in n.text] == ["warning"]


def test_numbers_that_are_names_are_no_places(folder, settings: Settings) -> None:
    stars = ["1", "2", "3"]
    prepared = prepare(folder(train=table([0, 1, 2] * 4, stars), test=table([1, 2, 3] * 4)), settings)
    assert names_of(prepared, "test") == stars * 4
    assert not [n for n in prepared.notes if n.level == "warning"]


SAME_NUMBERS = {
    "floats": [1.0, 2.0],
    "text": ["1", "2"],
    "text of floats": ["1.0", "2.0"],
    "small": pa.array([1, 2], pa.int16()),
    "unsigned": pa.array([1, 2], pa.uint64()),
    "half floats": pa.array([1.0, 2.0], pa.float16()),
    "decimals": pa.array([1, 2]).cast(pa.decimal128(22, 2)),
    "bytes": [b"1", b"2"],
    "lists": [[1], [2]],
    "texts of lists": ["['1']", "['2']"],
    "not a number": [1.0, 2.0, float("nan")],
    "a dictionary": pa.array(["1", "2"]).dictionary_encode(),
}


@pytest.mark.parametrize("case", SAME_NUMBERS)
@pytest.mark.parametrize("first", ["train", "test"])
def test_the_same_numbers_in_two_types_are_the_same_labels(folder, settings: Settings, case: str, first: str) -> None:
    values = SAME_NUMBERS[case]
    values = values if isinstance(values, pa.Array) else pa.array(values)
    other = table(pa.chunked_array([values] * 12))
    result = load(folder(**{"train": table([1, 2] * 12), "test": table([1, 2] * 12), first: other}), settings)
    assert result.label_names == ["1", "2"] and result.eval_split == "test"
    counts = {part: list(trained_names(result, part).values()) for part in ("train", "eval")}
    assert all(c.count("1") == c.count("2") == 12 for c in counts.values())


BOOLEANS = [
    (["True", "False"], True), (["true", "false"], True), (["TRUE", "FALSE"], True), ([1, 0], True), ([1.0, 0.0], True),
    (["1", "0"], True), (["yes", "no"], False), ([1, 2], False),
]  # fmt: skip


@pytest.mark.parametrize(("values", "same"), BOOLEANS)
def test_true_and_false_in_other_types(folder, settings: Settings, values: list[Any], same: bool) -> None:
    result = load(folder(train=table([True, False] * 12), test=table(values * 12)), settings)
    assert (result.eval_split == "test") is same
    if same:
        assert trained_names(result, "eval") == trained_names(result, "train")
        assert list(trained_names(result, "train").values())[:2] == ["True", "False"]
    else:
        (note,) = [n for n in result.notes if "none of which is a class" in n.text]
        assert all(str(v) in note.text for v in (*values, "True", "False")) and note.level == "warning"


def test_csv_beside_parquet(folder, settings: Settings) -> None:
    result = load(folder(train_csv=table(WANTED), test=numbered(["pos", "neg"])), settings)
    assert trained_names(result, "train") == trained_names(result, "eval") == dict(enumerate(WANTED))


def test_what_cannot_be_matched_states_both_sides(folder, settings: Settings) -> None:
    data = folder(train=table([3, 4] * 12), test=table(WANTED))
    (note,) = [n for n in load(data, settings).notes if "none of which" in n.text]
    assert "neg, pos" in note.text and "3, 4" in note.text
    with pytest.raises(DataError) as error:
        load(data.model_copy(update={"eval_split": "test"}), settings)
    assert "(neg, pos)" in str(error.value) and "3, 4" in str(error.value)


def test_names_that_cannot_be_matched_state_both_sides(folder, settings: Settings) -> None:
    data = folder(train=numbered(BOTH), test=table(["bad", "good"] * 12))
    prepared = prepare(data, settings)
    (note,) = [n for n in prepared.notes if "none of which" in n.text]
    assert "bad, good" in note.text and "neg, pos" in note.text and note.level == "warning"
    assert load(data, settings).label_names == BOTH


def test_two_classes_of_one_file_never_become_one(folder, settings: Settings) -> None:
    other = table([0, 1, 2] * 8, ["pos", "Pos", "neg"])
    prepared = prepare(folder(train=numbered(BOTH), test=other), settings)
    assert classes_of(prepared) == ("neg", "pos", "Pos")
    assert names_of(prepared, "test")[:3] == ["pos", "Pos", "neg"]


def test_dictionaries_that_differ_between_row_groups(folder, settings: Settings, tmp_path: Path) -> None:
    data = folder(test=table(WANTED))
    parts = [pa.array(names).dictionary_encode() for names in (["neg", "pos"], ["pos", "neg"], ["mixed", "neg"])]
    schema = pa.schema([("text", pa.string()), ("label", parts[0].type)])
    with pq.ParquetWriter(tmp_path / "train.parquet", schema) as writer:
        for number, part in enumerate(parts * 6):
            writer.write_table(pa.table([pa.array([f"text {number} a", f"text {number} b"]), part], schema=schema))
    result = load(data, settings)
    assert [trained_names(result, "train")[i] for i in range(6)] == ["neg", "pos", "pos", "neg", "mixed", "neg"]
    assert result.label_names == ["mixed", "neg", "pos"]


def test_numbers_beyond_what_a_float_holds_stay_apart(folder, settings: Settings) -> None:
    big = 2**53
    result = load(folder(train=table([big, big + 1] * 12), test=table([big + 1, big] * 12)), settings)
    assert result.label_names == [str(big), str(big + 1)]
    assert trained_names(result, "eval")[0] == str(big + 1)
    unsigned = pa.array([2**64 - 1, 2**64 - 2] * 12, pa.uint64())
    assert labels.classes(prepare(folder(train=table(unsigned)), settings), "train", "label").names == (
        str(2**64 - 2),
        str(2**64 - 1),
    )


def test_a_million_rows_are_mapped_in_a_second_or_two(folder, settings: Settings) -> None:
    import time

    count = 1_000_000
    columns = {"text": pa.array(["a short text"] * count), "label": pa.array([0, 1] * (count // 2))}
    other = noted(pa.table(columns), {"names": ["pos", "neg"], "_type": "ClassLabel"})
    started = time.perf_counter()
    prepared = prepare(folder(train=numbered(BOTH), test=other), settings)
    assert time.perf_counter() - started < 20, "a loop over rows takes longer; a quiet machine needs under a second"
    assert prepared.splits["test"].rows == count
