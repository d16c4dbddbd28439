"""JSON in its shapes, JSON Lines, and the messages about invalid files."""

from __future__ import annotations

import json

import pytest

from core.data.reading.json import stream
from core.errors import DataError
from tests.data.conftest import kinds_of, rows_of

ROWS = [{"text": "good", "label": 1}, {"text": "bad\nline", "label": 0}, {"text": "漢字 \u2028", "label": 1}]
LINES = "\n".join(json.dumps(r, ensure_ascii=False) for r in ROWS)
SHAPES = {
    "lines": (LINES, "a.jsonl"),
    "lines, crlf and blank": (LINES.replace("\n", "\r\n\r\n") + "\r\n", "a.ndjson"),
    "lines in a .json": (LINES, "a.json"),
    "array": (json.dumps(ROWS), "a.json"),
    "pretty array": (json.dumps(ROWS, indent=2), "a.json"),
    "array with a byte order mark": ("\ufeff" + json.dumps(ROWS), "a.json"),
    "list inside an object": (json.dumps({"version": "1.0", "meta": {"a": [1]}, "data": ROWS}, indent=1), "a.json"),
    "columns": (json.dumps({"text": [r["text"] for r in ROWS], "label": [r["label"] for r in ROWS]}), "a.json"),
    "columns by number": (
        json.dumps({k: {str(i): r[k] for i, r in enumerate(ROWS)} for k in ("text", "label")}),
        "a.json",
    ),
    "no suffix": (json.dumps(ROWS), "dataset"),
}


@pytest.mark.parametrize("chunk", [3, 1 << 20])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_gives_the_same_rows(opened, shape, chunk, monkeypatch):
    monkeypatch.setattr(stream, "CHUNK", chunk)
    text, name = SHAPES[shape]
    prepared = opened(text.encode(), name)
    assert rows_of(prepared) == ROWS
    assert kinds_of(prepared) == {"text": "text", "label": "integer"}
    assert (prepared.text_guess, prepared.label_guess) == (("text",), "label")


def test_types_over_all_records(opened):
    rows = [
        {"i": 1, "f": 1, "b": True, "mix": 1, "big": 2**70, "tags": ["a", "b"], "deep": {"x": [1, 2]}, "none": None},
        {"i": None, "f": 2.5, "b": False, "mix": "x", "big": 1, "tags": [], "deep": [[1], [2]], "late": "here"},
    ]
    prepared = opened("\n".join(map(json.dumps, rows)).encode(), "a.jsonl")
    assert kinds_of(prepared) == {
        "i": "integer",
        "f": "float",
        "b": "boolean",
        "mix": "text",
        "big": "text",
        "tags": "list",
        "deep.x": "list",
        "deep": "list",
        "none": "text",
        "late": "text",
    }
    first = rows_of(prepared)[0]
    assert (first["mix"], first["big"], first["tags"]) == ("1", str(2**70), ["a", "b"])
    assert (first["deep.x"], rows_of(prepared)[1]["deep"]) == ([1, 2], ["[1]", "[2]"])
    assert any("not every record has" in n.text for n in prepared.notes)


def test_lists_and_lone_values(opened):
    assert rows_of(opened(b'[["good", 1], ["bad", 0]]', "a.json"))[1] == {"column_1": "bad", "column_2": 0}
    assert rows_of(opened(b'["good", "bad"]', "b.json")) == [{"text": "good"}, {"text": "bad"}]


def test_half_surrogate_pairs_become_a_sign(opened):
    prepared = opened(b'[{"te\\ud800xt": "a\\ud83d b", "label": "x\\u0000y"}]', "a.json")
    assert rows_of(prepared) == [{"te\ufffdxt": "a\ufffd b", "label": "x\0y"}]
    assert any("surrogate" in n.text for n in prepared.notes)


@pytest.mark.parametrize(
    ("content", "name", "sentence"),
    [
        (b'{"text": "a"}\n{"text": \n{"text": "c"}\n', "a.jsonl", "line 2"),
        (b'[{"text": "a"},\n{"text": "b"', "a.json", "line 2"),
        (b'[{"text": "a"}] x', "a.json", "follows the end"),
        (b'{"a": [1, 2], "b": [1]}', "a.json", "differ in length: a has 2, b has 1"),
        (b"[]", "a.json", "no records"),
        (b"nonsense", "a.json", "begins with"),
        (b"[" * 100_000, "a.json", "nested too deeply|not valid"),
    ],
)
def test_what_is_wrong_has_its_sentence(opened, content, name, sentence):
    with pytest.raises(DataError, match=sentence) as caught:
        opened(content, name)
    assert caught.value.field == "data.path"


def test_japanese_json_in_shift_jis(opened):
    assert rows_of(opened('[{"text": "とても良いです"}]'.encode("cp932"), "a.json")) == [{"text": "とても良いです"}]
