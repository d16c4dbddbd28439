"""Records of JSON files are found: in pandas' orients, beside other keys, and without brackets."""

from __future__ import annotations

import gzip
import json

import pandas as pd
import pytest

from core.data.reading.json import outline, stream
from core.errors import DataError
from tests.data.conftest import kinds_of, rows_of

TEXTS = [
    "the soup was cold",
    "best noodles in town",
    "never again, sorry",
    "warm and friendly place",
    "too loud for us",
]
LABELS = ["bad", "good", "bad", "good", "bad"]
ROWS = [{"text": text, "label": label} for text, label in zip(TEXTS, LABELS, strict=True)]
LINES = [json.dumps(row) for row in ROWS]
FRAME = pd.DataFrame(ROWS)
NAMED = FRAME.set_index(pd.Index(list("pqrst")))
TABLE = [list(row.values()) for row in ROWS]


def said(prepared) -> str:
    return " ".join(note.text for note in prepared.notes)


def warned(prepared) -> str:
    return " ".join(note.text for note in prepared.notes if note.level == "warning")


SHAPES = {
    **{f"pandas {way}": (FRAME.to_json(orient=way), "a.json") for way in ("records", "index", "columns", "split")},
    "pandas split without index": (json.dumps({"columns": ["text", "label"], "data": TABLE}), "a.json"),
    "pandas tight": (json.dumps(FRAME.to_dict(orient="tight")), "a.json"),
    "lists under names": (json.dumps(FRAME.to_dict(orient="list")), "a.json"),
    "names and rows of a query": (json.dumps({"ok": True, "columns": ["text", "label"], "rows": TABLE}), "a.json"),
    "names as objects": (json.dumps({"fields": [{"name": "text"}, {"name": "label"}], "rows": TABLE}), "a.json"),
    "a label table first": (json.dumps({"version": 1, "labels": [{"id": 0, "name": "x"}], "data": ROWS}), "a.json"),
    "more labels than records": (
        json.dumps({"labels": [{"id": i, "name": f"c{i}"} for i in range(50)], "data": ROWS}),
        "a.json",
    ),
    "rows of the Hub's viewer": (
        json.dumps({"features": [{"name": "text"}], "rows": [{"row_idx": i, "row": r} for i, r in enumerate(ROWS)]}),
        "a.json",
    ),
    "under two keys": (json.dumps({"took": 3, "response": {"found": 5, "docs": ROWS}}), "a.json"),
    "columns under a key": (json.dumps({"name": "x", "data": FRAME.to_dict(orient="list")}), "a.json"),
    "columns under two keys": (json.dumps({"a": {"b": FRAME.to_dict(orient="list")}}), "a.json"),
    "commas without brackets": (",\n".join(LINES), "a.json"),
    "commas, also after the last": (",\n".join(LINES) + ",\n", "a.json"),
    "pretty objects one after the other": ("\n".join(json.dumps(row, indent=2) for row in ROWS), "a.json"),
    "pretty objects with commas": (",\n".join(json.dumps(row, indent=2) for row in ROWS), "a.json"),
    "pretty objects called lines": ("\n".join(json.dumps(row, indent=2) for row in ROWS), "a.jsonl"),
    "lines that end in commas": (",\n".join(LINES), "a.jsonl"),
    "several objects on a line": ("".join(LINES), "a.jsonl"),
    "an array called lines": (json.dumps(ROWS), "a.jsonl"),
    "an array in lines called lines": ("[\n" + ",\n".join(LINES) + "\n]", "a.jsonl"),
    "an array with a comma after the last": ("[" + ",".join(LINES) + ",]", "a.json"),
    "text sequence": ("".join(f"\x1e{line}\n" for line in LINES), "a.jsonl"),
    "text sequence called json": ("".join(f"\x1e{line}\n" for line in LINES), "a.json"),
    "lines with a byte order mark": ("\ufeff" + "\n\n".join(LINES), "a.jsonl"),
    "a line of names": ("\n".join(map(json.dumps, [["text", "label"], *TABLE])), "a.jsonl"),
    "an array of names first": (json.dumps([["text", "label"], *TABLE]), "a.json"),
    "arrays one after the other": (json.dumps(ROWS[:2]) + "\n" + json.dumps(ROWS[2:]), "a.json"),
    "arrays with a comma between": (json.dumps(ROWS[:2]) + "," + json.dumps(ROWS[2:]), "a.json"),
    "a line for each array": (json.dumps(ROWS[:2]) + "\n" + json.dumps(ROWS[2:]), "a.jsonl"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_gives_the_same_rows(opened, shape):
    text, name = SHAPES[shape]
    prepared = opened(text.encode(), name)
    assert rows_of(prepared) == ROWS
    assert (prepared.text_guess, prepared.label_guess) == (("text",), "label")


@pytest.mark.parametrize("shape", ["pandas index", "pandas split", "a label table first", "columns under a key"])
def test_what_does_not_fit_in_memory_is_read_the_same(opened, shape, monkeypatch):
    monkeypatch.setattr(stream, "CHUNK", 20)
    monkeypatch.setattr(stream, "LOOK_AHEAD", 10)
    monkeypatch.setattr(outline, "SAMPLE", 3)
    text, name = SHAPES[shape]
    assert rows_of(opened(text.encode(), name)) == ROWS


def test_compressed_it_is_the_same(opened):
    for shape in ("pandas split", "commas without brackets"):
        assert rows_of(opened(gzip.compress(SHAPES[shape][0].encode()), "a.json.gz")) == ROWS


@pytest.mark.parametrize(
    ("orient", "name"), [("index", "key"), ("split", "index"), ("columns", "index"), ("table", "index")]
)
def test_an_index_with_names_is_a_column(opened, orient, name):
    rows = rows_of(opened(NAMED.to_json(orient=orient).encode(), "a.json"))
    assert rows == [{name: index, **row} for index, row in zip("pqrst", ROWS, strict=True)]


def test_rows_that_were_taken_out_keep_their_numbers(opened):
    rows = rows_of(opened(FRAME[FRAME.label == "bad"].to_json(orient="index").encode(), "a.json"))
    assert [row["key"] for row in rows] == ["0", "2", "4"]


def test_records_and_texts_under_ids(opened):
    rows = rows_of(opened(json.dumps({f"review {i}": row for i, row in enumerate(ROWS)}).encode(), "a.json"))
    assert rows[1] == {"key": "review 1", **ROWS[1]}
    assert rows_of(opened(FRAME.text.to_json().encode(), "b.json")) == [{"text": text} for text in TEXTS]
    labels = rows_of(opened(json.dumps(dict(zip(TEXTS, LABELS, strict=True))).encode(), "c.json"))
    assert labels[0] == {"key": TEXTS[0], "value": LABELS[0]}


def test_a_doubt_about_rows_and_columns_is_told(opened):
    prepared = opened(
        json.dumps({"a": {"c": "one or two", "d": "x"}, "b": {"c": "two or so", "d": "z"}}).encode(), "a.json"
    )
    assert "could be a row as well" in said(prepared)
    assert len(rows_of(prepared)) == 2
    square = {"columns": ["text", "label"], "index": [0, 1], "data": TABLE[:2]}
    assert rows_of(opened(json.dumps(square).encode(), "b.json")) == ROWS[:2]


def test_what_is_left_out_is_told(opened):
    prepared = opened(json.dumps({"version": 1, "train": ROWS, "extra": ROWS[:2]}).encode(), "a.json")
    assert "5 rows under the key train" in warned(prepared)
    assert "version, extra (2 values)" in warned(prepared)
    assert prepared.reading == {"encoding": "utf-8", "records_key": "train", "records_keys": ["train", "extra"]}
    plain = opened(json.dumps({"version": 1, "data": ROWS}).encode(), "b.json")
    assert not warned(plain) and "Left out: version." in said(plain)


def test_a_person_names_the_key(opened):
    content = json.dumps({"labels": [{"id": 1, "name": "a"}], "result": {"items": ROWS}}).encode()
    assert rows_of(opened(content, "a.json", records_key="labels")) == [{"id": 1, "name": "a"}]
    assert rows_of(opened(content, "a.json", records_key="result.items")) == ROWS
    with pytest.raises(DataError, match=r"no records under 'rows': there are records under .*result\.items") as caught:
        opened(content, "a.json", records_key="rows")
    assert caught.value.field == "data.read.records_key"
    with pytest.raises(DataError, match="list of records"):
        opened(json.dumps(ROWS).encode(), "b.json", records_key="data")


def test_classes_beside_the_rows_are_classes(opened):
    content = {
        "features": [{"name": "label", "type": {"_type": "ClassLabel", "names": ["bad", "good"]}}],
        "rows": [{"row_idx": i, "row": {"text": text, "label": i % 2}} for i, text in enumerate(TEXTS)],
    }
    prepared = opened(json.dumps(content).encode(), "a.json")
    assert prepared.column("label").names == ("bad", "good")
    assert kinds_of(prepared) == {"text": "text", "label": "class"}


@pytest.mark.parametrize(
    ("content", "name", "sentence"),
    [
        (LINES[0] + " x", "a.json", "follows the end of the object"),
        (LINES[0] + ",x", "a.json", "follows the end of the object"),
        ("[" + LINES[0] + "] " + LINES[1] + " 7 x", "a.json", "not valid JSON"),
        ('{"text": ["a b", "c d", "e f"], "label": [1, 0]}', "a.json", "differ in length: text has 3, label has 2"),
        ('[{"text": "a", },{"text": "b"}]', "a.json", "a comma with nothing after it"),
        ('[\n// the first\n{"text": "a"}]', "a.json", "line 2 .a comment"),
        ('{"text": "a"}\n# the second\n{"text": "b"}', "a.jsonl", "line 2 .a comment"),
        ("{'text': 'a'}\n{'text': 'b'}", "a.jsonl", "line 1 .single quotes"),
        ('[{"text": "a", "label": True}]', "a.json", "word of Python"),
        ('{"data": [{"text": "a"}], "data": [{"text": "b"}]}', "a.json", "'data' twice"),
        ('[{"text": "a"}, {"text": "b"', "a.json", "line 1"),
    ],
)  # fmt: skip
def test_what_is_wrong_has_its_sentence(opened, content, name, sentence):
    with pytest.raises(DataError, match=sentence):
        opened(content.encode(), name)


def test_nothing_is_dropped_in_silence(opened):
    odd = opened(json.dumps([ROWS[0], None, ROWS[1], "a stray text"]).encode(), "a.json")
    assert odd.splits["train"].rows == 4 and "2 records of 4 had a value alone" in warned(odd)
    twice = opened(b'{"text": "a b", "label": 1, "label": 2}\n{"text": "c d", "label": 1}', "b.jsonl")
    assert "twice in one object: label (1 time); the last value counts" in warned(twice)
    short = opened(json.dumps({"columns": ["text", "label"], "data": [*TABLE * 30, ["alone"]]}).encode(), "c.json")
    assert "1 row of 151 had more or fewer values" in warned(short) and rows_of(short)[150] == {
        "text": "alone",
        "label": None,
    }
    one = opened(b'{"title": "a shop", "opened": 1999}', "d.json")
    assert "one object, and is read as one row" in warned(one)
    strangers = opened("\n".join(json.dumps({f"k{i}": 1, f"m{i}": 2}) for i in range(9)).encode(), "e.jsonl")
    assert "most records do not share their keys: there are 18" in warned(strangers)


def test_nan_is_no_value(opened):
    prepared = opened(
        b'[{"text": "a b", "label": 1}, {"text": "c d", "label": NaN}, {"text": "e f", "label": 0}]', "a.json"
    )
    assert kinds_of(prepared)["label"] == "integer" and prepared.label_guess == "label"
    assert rows_of(prepared)[1]["label"] is None and "NaN" in said(prepared)


def test_names_that_occur_twice_lose_no_column(opened):
    table = [["a", "a", "a_2", "text"], *([i, i + 1, i + 2, text] for i, text in enumerate(TEXTS))]
    first = rows_of(opened(json.dumps(table).encode(), "a.json", header=True))[0]
    assert list(first.values()) == [0, 1, 2, TEXTS[0]] and list(first)[::2] == ["a", "a_2"]


def test_a_label_of_several_types_is_told_and_one_number_is_one_label(opened):
    labels = [0, "0", 0.0, 1, "1", 1.0, 2**70 * 1.0]
    lines = [json.dumps({"text": f"review {n}", "label": label}) for n, label in enumerate(labels)]
    prepared = opened("\n".join(lines).encode(), "mixed.jsonl")
    assert [row["label"] for row in rows_of(prepared)] == ["0", "0", "0", "1", "1", "1", "1.1805916207174113e+21"]
    assert "label has values of different types (2 whole numbers, 2 texts and 3 numbers with decimals)" in warned(
        prepared
    )
