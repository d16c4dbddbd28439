"""Every Arrow type: its kind, its use as label and as text, and the message of a refusal."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data.browsing import browse, matches
from core.data.browsing.label_counts import label_counts
from core.data.browsing.samples import sample_texts
from core.data.browsing.view import View
from core.data.inspecting import profile
from core.data.inspecting.problems import inspection
from core.data.loading import labels
from core.data.loading.load import load
from core.data.prepare import prepare
from core.data.quick import is_quick
from core.data.reading.aligning import lists, types
from core.errors import DataError
from core.spec.data import DataSpec
from core.spec.steps import Condition
from tests.data.conftest import rows_of

DAY, NOON = dt.date(2024, 5, 1), dt.time(12, 30)
MOMENT = dt.datetime(2024, 5, 1, 12, 30)
REVIEWS = [b"good value", b"not so good"]

PLAIN: dict[str, tuple[pa.Array, str, list[str]]] = {
    "string": (pa.array(["a", "b"]), "text", ["a", "b"]),
    "large_string": (pa.array(["a", "b"], pa.large_string()), "text", ["a", "b"]),
    "string_view": (pa.array(["a", "b"], pa.string_view()), "text", ["a", "b"]),
    "dictionary": (pa.array(["a", "b"]).dictionary_encode(), "text", ["a", "b"]),
    "dictionary of large strings": (pa.array(["a", "b"], pa.large_string()).dictionary_encode(), "text", ["a", "b"]),
    "json": (pa.array(["1", '"b"'], pa.json_()), "text", ["1", '"b"']),
    **{f"int{n}": (pa.array([-1, 7], getattr(pa, f"int{n}")()), "integer", ["-1", "7"]) for n in (8, 16, 32, 64)},
    **{f"uint{n}": (pa.array([1, 200], getattr(pa, f"uint{n}")()), "integer", ["1", "200"]) for n in (8, 16, 32, 64)},
    "dictionary of numbers": (pa.array([1, 2]).dictionary_encode(), "integer", ["1", "2"]),
    "half": (pa.array([0.5, 2.0], pa.float16()), "float", ["0.5", "2"]),
    "float": (pa.array([0.5, 2.0], pa.float32()), "float", ["0.5", "2"]),
    "double": (pa.array([0.00001, -0.0]), "float", ["0", "0.00001"]),
    "bool": (pa.array([False, True]), "boolean", ["False", "True"]),
    "decimal128": (pa.array([Decimal("1.10"), Decimal("2.00")]), "decimal", ["1.10", "2.00"]),
    "decimal128 of whole numbers": (pa.array([Decimal(1), Decimal(10)], pa.decimal128(38, 0)), "decimal", ["1", "10"]),
    "decimal256": (pa.array([Decimal("1.10"), Decimal("2.00")], pa.decimal256(60, 2)), "decimal", ["1.10", "2.00"]),
    "date32": (pa.array([DAY, DAY.replace(month=6)]), "date", ["2024-05-01", "2024-06-01"]),
    "date64": (pa.array([DAY, DAY.replace(month=6)], pa.date64()), "date", ["2024-05-01", "2024-06-01"]),
    "time32": (pa.array([NOON, NOON.replace(hour=1)], pa.time32("s")), "date", ["01:30:00", "12:30:00"]),
    "time64": (pa.array([NOON, NOON.replace(hour=1)], pa.time64("us")), "date", ["01:30:00", "12:30:00"]),
    "timestamp": (pa.array([MOMENT, MOMENT.replace(day=2)]), "date", ["2024-05-01 12:30:00", "2024-05-02 12:30:00"]),
    "timestamp with a zone": (
        pa.array([MOMENT, MOMENT.replace(day=2)], pa.timestamp("ms", "UTC")),
        "date",
        ["2024-05-01 12:30:00", "2024-05-02 12:30:00"],
    ),
    "duration": (pa.array([dt.timedelta(seconds=1), dt.timedelta(seconds=2)], pa.duration("s")), "date", ["1", "2"]),
    "binary that is text": (pa.array(REVIEWS), "text", ["good value", "not so good"]),
    "large_binary that is text": (pa.array(REVIEWS, pa.large_binary()), "text", ["good value", "not so good"]),
    "binary_view that is text": (pa.array(REVIEWS, pa.binary_view()), "text", ["good value", "not so good"]),
    "fixed_size_binary that is text": (pa.array([b"a\0", b"bc"], pa.binary(2)), "text", ["a", "bc"]),
    "Japanese as bytes": (pa.array(["良い".encode(), "悪い".encode()]), "text", ["悪い", "良い"]),
    "dictionary of bytes": (pa.array([b"a", b"b"]).dictionary_encode(), "text", ["a", "b"]),
    "list of one": (pa.array([["a"], ["b"]]), "text", ["a", "b"]),
    "list of one number": (pa.array([[1], [2]], pa.large_list(pa.int8())), "integer", ["1", "2"]),
    "fixed list of one": (pa.array([[True], [False]], pa.list_(pa.bool_(), 1)), "boolean", ["False", "True"]),
    "list of a list of one": (pa.array([[["a"]], [["b"]]]), "text", ["a", "b"]),
    "list of one as JSON": (pa.array(['["a"]', '[ "b" ]']), "text", ["a", "b"]),
    "list of one as Python": (pa.array(["['a']", '["it\'s"]']), "text", ["a", "it's"]),
    "number in a list as text": (pa.array(["[1]", "[2]"]), "text", ["1", "2"]),
}
REFUSED: dict[str, tuple[pa.Array, str]] = {
    "pictures": (pa.array([b"\x89PNG\r\n\x1a\n\0\xff", b"\x89PNG\xfe"]), "pictures as bytes"),
    "bytes": (pa.array([b"\xff\xfe\x01", b"\x80"]), "bytes that are not UTF-8 text"),
    "bytes with zeros": (pa.array([b"a\0b", b"\0\0"]), "bytes that are not UTF-8 text"),
    "null": (pa.nulls(2), "no value in any row"),
    "lists of several": (pa.array([["a"], ["b", "c"]]), "1 of the 2 rows have more than one label"),
    "lists as text": (pa.array(['["a"]', "['b', 'c']"]), "1 of the 2 rows have more than one label"),
    "map": (pa.array([[("a", 1)], [("b", 2)]], pa.map_(pa.string(), pa.int64())), "objects"),
    "empty lists": (pa.array([[], []], pa.list_(pa.string())), "lists of several values"),
    "files in cells": (
        pa.array([{"bytes": b"\xff\xd8", "path": "a.jpg"}, {"bytes": b"\xff\xd8", "path": "b.jpg"}]),
        "pictures or sounds",
    ),
}


def spec(values: pa.Array, path: Any, column: str = "label") -> DataSpec:
    many = pa.chunked_array([values] * 20)
    rows = [f"this is a text of number {i}" for i in range(len(many))]
    pq.write_table(pa.table({"other" if column == "text" else "text": rows, column: many}), path)
    return DataSpec(source="file", path=str(path))


@pytest.mark.parametrize("case", PLAIN)
def test_a_type_works_as_a_label_everywhere(case, tmp_path, settings):
    values, kind, names = PLAIN[case]
    data = spec(values, tmp_path / "d.parquet").model_copy(update={"label_column": "label", "text_columns": ("text",)})
    result = load(data, settings)
    assert sorted(result.label_names) == sorted(names)
    column = result.prepared.column("label")
    assert column is not None and column.kind == kind
    row = next(iter(result.dataset["train"]))
    name = result.label_names[row["label"]]
    if kind not in ("boolean", "float") and case != "decimal256":  # DuckDB reads those decimals as floats
        view = View(where=(Condition(column="label", op="is", values=(name,)),))
        assert row["row"] in matches.row_numbers(result.prepared, "train", view).tolist()
    counts = label_counts(result.prepared, "train", "label")
    assert counts["count"].tolist() == [20, 20]
    inspection.inspect(result.prepared, data)
    summary = profile.profile(result.prepared, ["text"], "label", None)
    assert summary.splits["train"].columns["label"].distinct == 2


@pytest.mark.parametrize("case", PLAIN)
def test_a_type_works_as_text(case, tmp_path, settings):
    values, _, names = PLAIN[case]
    data = spec(values, tmp_path / "d.parquet", "text").model_copy(update={"text_columns": ("text",)})
    prepared = prepare(data, settings)
    table = pq.read_table(prepared.splits["train"].path)
    assert sorted(set(types.as_text(table["text"]).to_pylist())) == sorted(names)
    assert sample_texts(prepared, "train", ["text"])[0]


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_says_what_the_column_holds(case, tmp_path, settings):
    values, what = REFUSED[case]
    table = pa.table({"text": ["this is one", "this is two"] * 10, "label": pa.chunked_array([values] * 10)})
    pq.write_table(table, tmp_path / "d.parquet")
    data = DataSpec(source="file", path=str(tmp_path / "d.parquet"), label_column="label", text_columns=("text",))
    prepared = prepare(data, settings)
    with pytest.raises(DataError) as error:
        labels.classes(prepared, "train", "label")
    assert what.replace("1 of the 2", "10 of the 20") in str(error.value)
    if case != "lists as text":
        with pytest.raises(DataError):
            load(data.model_copy(update={"text_columns": ("label",), "label_column": "text"}), settings)
    browse.page(prepared, "train", 0)
    profile.profile(prepared, ["text"], None, None)


def test_types_that_no_prepared_file_holds():
    struct = pa.struct([("name", pa.string()), ("age", pa.int8())])
    assert types.kind_of(struct) == "object" and types.holds("object", struct) == "objects with name, age"
    encoded = pa.RunEndEncodedArray.from_arrays(pa.array([1, 3], pa.int32()), pa.array(["a", "b"]))
    assert types.kind_of(encoded.type) == "text" and types.as_text(encoded).to_pylist() == ["a", "b", "b"]
    union = pa.UnionArray.from_sparse(pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])])
    assert types.kind_of(union.type) == "other" and types.holds("other", union.type) == "values of several types"
    assert types.kind_of(pa.month_day_nano_interval()) == "other"
    assert types.kind_of(pa.list_view(pa.int8())) == types.kind_of(pa.large_list_view(pa.int8())) == "list"
    assert types.kind_of(pa.uuid()) == "bytes" and types.kind_of(pa.bool8()) == "integer"


LISTS = [pa.list_(pa.string()), pa.large_list(pa.string()), pa.list_view(pa.string()), pa.list_(pa.list_(pa.string()))]


@pytest.mark.parametrize("arrow", LISTS)
def test_lists_of_one_are_their_values(arrow):
    wrap = (lambda v: [v]) if arrow == pa.list_(pa.list_(pa.string())) else (lambda v: v)
    values = pa.array([wrap(["a"]), [], None, wrap(["b"]), wrap([None])], arrow)
    assert lists.at_most_one(values)
    assert lists.only_values(values).to_pylist() == ["a", None, None, "b", None]
    assert lists.only_values(values.slice(1, 3)).to_pylist() == [None, None, "b"]


def test_free_text_in_brackets_stays_as_it_is(tmp_path, settings):
    rows = [f"[removed] {i}" if i % 2 else f"a sentence that is long {i}" for i in range(200)]
    rows[3], rows[5] = "['quoted']", "[1]"
    pq.write_table(pa.table({"text": rows, "label": ["a", "b"] * 100}), tmp_path / "d.parquet")
    prepared = prepare(DataSpec(source="file", path=str(tmp_path / "d.parquet")), settings)
    assert pq.read_table(prepared.splits["train"].path)["text"].to_pylist() == rows
    assert prepared.splits["train"].path == tmp_path / "d.parquet"


def test_labels_that_are_a_list_or_not(opened):
    lines = [f'{{"text": "text number {i}", "label": {v}}}' for i, v in enumerate(['"pos"', '["neg"]', "[]"] * 8)]
    prepared = opened("\n".join(lines).encode(), "d.jsonl")
    assert labels.classes(prepared, "train", "label").names == ("neg", "pos")
    assert [n.text for n in prepared.notes if n.text.startswith("label: texts such as")]


def test_annotations_with_comments_and_one_label(opened):
    rows = [{"id": i, "text": f"text number {i}", "label": [["neg", "pos"][i % 2]], "Comments": []} for i in range(20)]
    prepared = opened("\n".join(map(json.dumps, rows)).encode(), "d.jsonl")
    assert prepared.label_guess == "label" and labels.classes(prepared, "train", "label").names == ("neg", "pos")
    assert len([n for n in prepared.notes if "list" in n.text]) == 1


def test_lists_beside_plain_labels_in_another_split(opened):
    rows = [{"text": f"text {i}", "label": [["neg", "pos"][i % 2]]} for i in range(20)]
    csv = "text,label\n" + "\n".join(f"{row['text']},{row['label'][0]}" for row in rows)
    files = {"train.jsonl": "\n".join(map(json.dumps, rows)).encode(), "test.csv": csv.encode()}
    prepared = opened(files, "folder")
    assert labels.names_in(prepared, "train", "label") == labels.names_in(prepared, "test", "label") == ["neg", "pos"]


def test_not_a_number_is_no_label_and_does_not_hide_the_column(tmp_path, settings):
    values = pa.array([float("nan"), 0.0, 1.0, None] * 10)
    prepared = prepare(spec(values, tmp_path / "d.parquet"), settings)
    assert prepared.label_guess == "label"
    assert labels.classes(prepared, "train", "label").names == ("0", "1")
    counts = label_counts(prepared, "train", "label")
    assert dict(zip(map(str, counts["label"]), counts["count"], strict=True))["(empty)"] == 400
    view = View(where=(Condition(column="label", op="missing"),))
    assert len(matches.row_numbers(prepared, "train", view)) == 400


def test_numbers_in_lists_stay_as_they_are_written(opened):
    lines = [f"nice food {i},{['[1.10]', '[1.1]', '[2.0]'][i % 3]}" for i in range(24)]
    prepared = opened("\n".join(["text,label", *lines]).encode())
    assert {row["label"] for row in rows_of(prepared)} == {"1.10", "1.1", "2.0"}


def test_a_page_does_not_wait_for_bytes_to_be_read(tmp_path, settings, monkeypatch):
    monkeypatch.setattr("core.data.quick.QUICK_BYTES", 100)
    plain, wrapped = tmp_path / "plain.parquet", tmp_path / "wrapped.parquet"
    pq.write_table(pa.table({"text": ["some text"] * 500, "label": [0, 1] * 250}), plain)
    pq.write_table(pa.table({"text": [b"some text"] * 500, "label": [0, 1] * 250}), wrapped)
    assert is_quick(DataSpec(source="file", path=str(plain)), settings)
    assert not is_quick(DataSpec(source="file", path=str(wrapped)), settings)
