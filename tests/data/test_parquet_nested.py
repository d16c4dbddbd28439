"""Structs of Parquet become columns, names with dots stay as they are, and reading uses bounded batches."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data.loading import labels
from core.data.prepare import prepare
from core.data.quick import is_quick
from core.data.reading.tables import bounded
from core.errors import DataError
from core.settings import Settings
from core.spec.data import DataSpec
from tests.data.conftest import kinds_of, rows_of


def parquet(columns: dict[str, Any], **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns) if isinstance(columns, dict) else columns, out, **options)
    return out.getvalue()


NESTED = {
    "id": [1, 2, 3, 4],
    "review": [{"text": "the soup was cold", "by": {"name": "ann"}}, None, {"text": "best noodles", "by": None}, None],
    "meta": [{"stars": 1}, {"stars": 5}, {"stars": 1}, {"stars": 5}],
}


def test_structs_become_columns(opened: Callable[..., Any]) -> None:
    prepared = opened(parquet(NESTED), "a.parquet")
    assert kinds_of(prepared) == {
        "id": "integer", "review.text": "text", "review.by.name": "text", "meta.stars": "integer",
    }  # fmt: skip
    assert rows_of(prepared)[0] == {
        "id": 1,
        "review.text": "the soup was cold",
        "review.by.name": "ann",
        "meta.stars": 1,
    }
    assert rows_of(prepared)[1]["review.text"] is None
    assert (prepared.text_guess, prepared.label_guess) == (("review.text",), "meta.stars")
    assert any("inside structs" in note.text for note in prepared.notes)


def test_a_folder_of_files_with_structs(opened: Callable[..., Any]) -> None:
    prepared = opened({"d/train-0.parquet": parquet(NESTED), "d/train-1.parquet": parquet(NESTED)}, "d")
    assert len(rows_of(prepared)) == 8 and "meta.stars" in kinds_of(prepared)


def test_classes_inside_a_struct_keep_their_names(opened: Callable[..., Any]) -> None:
    features = {"text": {"_type": "Value"}, "meta": {"label": {"_type": "ClassLabel", "names": ["bad", "good"]}}}
    table = pa.table({"text": ["a b", "c d"], "meta": [{"label": 1}, {"label": 0}]})
    note = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    prepared = opened(parquet(table.replace_schema_metadata(note)), "a.parquet")
    assert prepared.column("meta.label").names == ("bad", "good")


def test_a_column_that_has_the_name_already_keeps_it(opened: Callable[..., Any]) -> None:
    prepared = opened(parquet({"m": [{"y": 1}, {"y": 2}], "m.y": ["p", "q"]}), "a.parquet")
    assert rows_of(prepared)[0] == {"m.y_2": 1, "m.y": "p"}


def test_names_with_dots_are_not_taken_for_each_other(opened: Callable[..., Any]) -> None:
    lines = [{"text": f"some text {i}", "meta": {"label": "xy"[i % 2]} if i % 3 else "z"} for i in range(12)]
    prepared = opened("\n".join(map(json.dumps, lines)).encode(), "a.jsonl")
    assert labels.classes(prepared, "train", "meta.label").names == ("x", "y")
    (batch,) = bounded.batches(prepared.splits["train"].path, 100, ["meta"])
    assert batch.schema.names == ["meta"] and set(batch.column(0).to_pylist()) == {None, "z"}


def test_a_page_does_not_wait_for_structs_of_a_large_file(tmp_path: Any, settings: Settings, monkeypatch: Any) -> None:
    from core.data import quick as quickness

    monkeypatch.setattr(quickness, "QUICK_BYTES", 100)
    for name, content, quick in (
        ("nested.parquet", parquet(NESTED), False),
        ("plain.parquet", parquet({"text": ["a b", "c d"]}), True),
        ("no statistics.parquet", parquet({"text": ["a b", "c d"]}, write_statistics=False), False),
    ):
        (tmp_path / name).write_bytes(content)
        assert is_quick(DataSpec(source="file", path=str(tmp_path / name)), settings) is quick


@pytest.mark.parametrize("wrap", [lambda values: values, lambda values: pa.array([[v] for v in values.to_pylist()])])
def test_batches_are_cut_by_what_repeats(tmp_path: Any, wrap: Any) -> None:
    """A long dictionary value counts in each row; short ones do not slow reading down."""
    long = pa.DictionaryArray.from_arrays(pa.array([0, 1] * 50, pa.int32()), pa.array(["x" * 2_000_000, "y"]))
    (tmp_path / "long.parquet").write_bytes(parquet({"text": wrap(long)}, dictionary_pagesize_limit=2**30))
    (tmp_path / "short.parquet").write_bytes(parquet({"text": wrap(pa.array(["x", "y"] * 50))}))
    batches = list(bounded.batches(tmp_path / "long.parquet", 20_000))
    assert sum(map(len, batches)) == 100 and max(batch.nbytes for batch in batches) <= bounded.BATCH_BYTES
    assert [len(batch) for batch in bounded.batches(tmp_path / "short.parquet", 20_000)] == [100]


def test_what_is_read_in_all_is_bounded(tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(bounded, "TOTAL_FROM", 1_000_000)
    monkeypatch.setattr(bounded, "MAX_RATIO", 2)
    path = tmp_path / "a.parquet"
    path.write_bytes(parquet({"text": ["the same words again " * 20] * 20_000}))
    with pytest.raises(DataError, match="unpacks to"):
        list(bounded.batches(path, 1_000))


def test_a_damaged_page_is_a_sentence(tmp_path: Any, settings: Settings) -> None:
    content = bytearray(parquet({"text": [f"some words {i}" for i in range(2000)]}, use_dictionary=False))
    content[100:600] = bytes(500)
    (tmp_path / "a.parquet").write_bytes(bytes(content))
    with pytest.raises(DataError, match="damaged"):
        prepare(DataSpec(source="file", path=str(tmp_path / "a.parquet")), settings)
