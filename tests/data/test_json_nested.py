"""Nested objects become columns; those that cannot stay values, with a note."""

from __future__ import annotations

import json

import pytest

from core.data.reading.aligning import columns
from core.data.reading.json import tree
from core.errors import DataError
from tests.data.conftest import kinds_of, rows_of
from tests.data.test_json_shapes import LABELS, TEXTS, said, warned

PAIRS = list(zip(TEXTS, LABELS, strict=True))


def lines(records) -> bytes:
    return "\n".join(map(json.dumps, records)).encode()


def test_the_label_inside_an_object_is_found(opened):
    prepared = opened(
        lines({"text": t, "meta": {"label": y, "by": {"name": "ann", "age": 3}}} for t, y in PAIRS), "a.jsonl"
    )
    assert kinds_of(prepared) == {
        "text": "text", "meta.label": "text", "meta.by.name": "text", "meta.by.age": "integer",
    }  # fmt: skip
    assert prepared.label_guess == "meta.label"
    assert "columns of its own: meta.label, meta.by.name, meta.by.age" in said(prepared)


EXPORTS = {
    "Argilla": (
        [{"id": 1, "fields": {"text": t}, "responses": [{"values": {"label": {"value": y}}}]} for t, y in PAIRS],
        "fields.text",
        "responses.values.label.value",
    ),
    "Labelbox": (
        [
            {
                "data_row": {"row_data": t},
                "projects": {
                    "p": {
                        "labels": [
                            {"annotations": {"classifications": [{"name": "mood", "radio_answer": {"name": y}}]}}
                        ]
                    }
                },
            }
            for t, y in PAIRS
        ],
        "data_row.row_data",
        "projects.p.labels.annotations.classifications.radio_answer.name",
    ),
    "Prodigy": (
        [{"text": t, "label": y, "meta": {"page": 3}, "_input_hash": 7, "answer": "accept"} for t, y in PAIRS],
        "text",
        "label",
    ),
    "Label Studio's short form": (
        [{"id": i, "text": t, "mood": y, "annotator": 1} for i, (t, y) in enumerate(PAIRS)],
        "text",
        "mood",
    ),
    "a search engine": (
        [{"_id": str(i), "_source": {"text": t, "label": y}} for i, (t, y) in enumerate(PAIRS)],
        "_source.text",
        "_source.label",
    ),
}


@pytest.mark.parametrize("tool", EXPORTS)
@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_exports_of_annotation_tools(opened, tool, name):
    records, text, label = EXPORTS[tool]
    content = lines(records) if name.endswith("l") else json.dumps(records).encode()
    prepared = opened(content, name)
    assert prepared.text_guess == (text,)
    assert [(row[text], row[label]) for row in rows_of(prepared)] == PAIRS


def studio(text, *choices, **annotation):
    result = [{"from_name": "mood", "type": "choices", "value": {"choices": [choice]}} for choice in choices]
    return {"id": 1, "data": {"text": text}, "annotations": [{"result": [one], **annotation} for one in result]}


def test_label_studio_tasks(opened):
    prepared = opened(json.dumps([studio(t, y) for t, y in PAIRS]).encode(), "a.json")
    assert [(row["data.text"], row["mood"]) for row in rows_of(prepared)] == [(t, y) for t, y in PAIRS]
    assert "Label Studio" in said(prepared) and not warned(prepared)


def test_annotators_who_disagree_are_told(opened):
    tasks = [
        studio("a b", "x", "x", "y"),
        studio("c d", "x", "y"),
        studio("e f", "y"),
        studio("g h", "x", was_cancelled=True),
    ]
    prepared = opened(json.dumps(tasks).encode(), "a.json")
    assert [row["mood"] for row in rows_of(prepared)] == ["x", "x", "y", None]
    assert "in 2 records the annotators disagree" in warned(prepared)


def test_an_object_in_some_rows_and_a_text_in_others(opened):
    prepared = opened(lines([{"text": "a b", "meta": {"label": "x"}}, {"text": "c d", "meta": "y"}]), "a.jsonl")
    assert rows_of(prepared) == [
        {"text": "a b", "meta.label": "x", "meta": None}, {"text": "c d", "meta.label": None, "meta": "y"},
    ]  # fmt: skip
    assert "an object in 1 record and another value in 1" in warned(prepared)


def test_keys_that_would_become_one_column(opened):
    prepared = opened(b'[{"a": {"b": 2, "": 3}, "a.b": 1, "": 4}]', "a.json")
    assert rows_of(prepared) == [{"a.b_2": 2, "a.": 3, "a.b": 1, "column_4": 4}]
    assert "renamed to a.b_2" in warned(prepared) and "renamed to column_4" in warned(prepared)


def test_lists_of_objects_stay_lists_and_are_told(opened):
    prepared = opened(
        lines([{"text": "a b", "spans": [{"start": 1}, {"start": 2}]}, {"text": "c d", "spans": []}]), "a.jsonl"
    )
    assert kinds_of(prepared) == {"text": "text", "spans": "list"}
    assert rows_of(prepared)[0]["spans"] == ['{"start": 1}', '{"start": 2}']
    assert "spans holds lists of up to 2 objects with start" in said(prepared)


def test_an_object_with_other_keys_in_each_record_stays_one_value(opened):
    records = [{"text": f"good thing {i}", "votes": {f"user{3 * i + j}": 1 for j in range(3)}} for i in range(100)]
    prepared = opened(lines(records), "a.jsonl")
    assert kinds_of(prepared) == {"text": "text", "votes": "text"}
    assert json.loads(rows_of(prepared)[5]["votes"]) == records[5]["votes"]
    assert "different keys in each record" in warned(prepared)


def test_files_of_one_set_get_the_same_columns(opened):
    prepared = opened(
        {
            "d/train.jsonl": lines([{"text": "a b", "m": {"y": 1}}, {"text": "c d", "m": {"y": 2, "z": "q"}}]),
            "d/test.jsonl": lines([{"text": "e f", "m": {"y": 2.5}}]),
        },
        "d",
    )
    assert kinds_of(prepared) == {"text": "text", "m.y": "float", "m.z": "text"}
    assert rows_of(prepared, "test") == [{"text": "e f", "m.y": 2.5}]


def test_too_many_keys_are_refused_at_once(opened, monkeypatch):
    for module in (tree, columns):
        monkeypatch.setattr(module, "MAX_COLUMNS", 50)
    with pytest.raises(DataError, match="51 different keys or more; at most 50 columns"):
        opened(lines({f"k{i}": "a b"} for i in range(60)), "a.jsonl")
    wide = {"text": "a b", "m": {f"k{i}": i for i in range(60)}, "n": {"p": 1}}
    prepared = opened(lines([wide, wide]), "b.jsonl")
    assert kinds_of(prepared) == {"text": "text", "m": "text", "n.p": "integer"}
    assert "more than 50 different keys" in warned(prepared)


def test_columns_beyond_the_most_are_put_together(opened, monkeypatch):
    monkeypatch.setattr(tree, "MAX_COLUMNS", 50)
    wide = {"text": "a b", "m": {f"k{i}": i for i in range(40)}, "n": {f"p{i}": 1 for i in range(30)}}
    prepared = opened(lines([wide, wide]), "b.jsonl")
    assert len(prepared.columns) == 32 and kinds_of(prepared)["m"] == "text"
    assert json.loads(rows_of(prepared)[0]["m"]) == wide["m"]


@pytest.mark.parametrize("value", ['{"y":' * 60 + "1" + "}" * 60, "[" * 60 + "1" + "]" * 60])
def test_what_is_very_deep_stays_text(opened, value):
    prepared = opened(f'{{"text": "a b", "x": {value}}}\n{{"text": "c d", "x": null}}'.encode(), "a.jsonl")
    assert 2 <= len(prepared.columns) <= 3 and prepared.splits["train"].rows == 2


@pytest.mark.parametrize("value", ['{"y":' * 90_000 + "1" + "}" * 90_000, "[" * 90_000 + "1" + "]" * 90_000])
@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_what_is_endlessly_deep_is_refused(opened, value, name):
    with pytest.raises(DataError, match="nested too deeply"):
        opened(f'{{"text": "a b", "x": {value}}}\n{{"text": "c d", "x": null}}'.encode(), name)
