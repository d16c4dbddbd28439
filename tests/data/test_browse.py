"""Pages of rows, counts and lengths, from files with every kind of column and hostile names."""

from __future__ import annotations

import datetime
import decimal
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data.browsing import browse, database, tokens
from core.data.browsing.cells import CELL_CHARACTERS
from core.data.browsing.label_counts import EMPTY, MAX_LABELS, OTHER, label_counts
from core.data.browsing.samples import sample_texts
from core.data.prepare import prepare
from core.errors import DataError
from core.spec.data import DataSpec

HOSTILE = [
    'a"; DROP TABLE data; --',
    "Text",
    "text",
    "file_row_number",
    "n",
    "c0",
    "x\0y",
    "select",
    "*",
    "",
    "日本語 ', col",
]


@pytest.fixture
def table(tmp_path, settings):
    def made(columns, name="data.parquet", **writing):
        path = tmp_path / name
        pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), path, **writing)
        return prepare(DataSpec(source="file", path=str(path)), settings)

    return made


def test_pages_from_any_depth(table):
    prepared = table({"text": [f"row {i}" for i in range(5000)], "label": list(range(5000))}, row_group_size=300)
    for offset in (0, 299, 2990, 4990):
        frame = browse.page(prepared, "train", offset, 20)
        assert list(frame["label"]) == list(range(offset, min(5000, offset + 20)))
        assert list(frame.index) == list(frame["label"])
    assert len(browse.page(prepared, "train", 5000)) == 0
    assert list(browse.page(prepared, "train", -3, 2)["label"]) == [0, 1]
    assert list(browse.page(prepared, "train", 0, 0).columns) == ["text", "label"]


def test_hostile_names_of_columns_and_files(table):
    columns = {name: [f"{i}-{row}" for row in range(30)] for i, name in enumerate(HOSTILE)}
    for file in ("it's [a]; DROP.parquet", "日本 %20{x}.parquet"):
        prepared = table(columns, file)
        frame = browse.page(prepared, "train", 10, 5)
        assert list(frame.columns) == HOSTILE
        for i, name in enumerate(HOSTILE):
            assert list(frame[name]) == [f"{i}-{row}" for row in range(10, 15)]
            assert browse.row(prepared, "train", 29)[name] == f"{i}-29"
            assert label_counts(prepared, "train", name)["count"].sum() == 30
        assert len(sample_texts(prepared, "train", ["Text", "text"], sample=10)[0]) == 10


def test_every_kind_of_value_is_shown(table):
    long = "x" * 1000
    prepared = table(
        pa.table(
            {
                "long": [long, None],
                "list": [["a", "b"], None],
                "nested": [{"bytes": b"\x00\xff", "path": "p"}, None],
                "bytes": [b"\x00\xff" * 500, None],
                "when": pa.array([datetime.datetime(2024, 5, 1, 12), None], pa.timestamp("us", tz="UTC")),
                "day": [datetime.date(2024, 5, 1), None],
                "money": [decimal.Decimal("1.10"), None],
                "control": ["a\0b\x1b[31m\u202e", None],
                "float": [float("nan"), 1.5],
                "flag": [True, None],
                "none": pa.nulls(2),
                "category": pa.array(["x", None]).dictionary_encode(),
                "big": pa.array([2**63, None], pa.uint64()),
            }
        )
    )
    frame = browse.page(prepared, "train", 0)
    first = {name: frame[name].iloc[0] for name in frame}
    assert len(first["long"]) == CELL_CHARACTERS
    assert first["long"].endswith("…")
    assert first["list"] == '["a", "b"]'
    assert json.loads(first["nested"]) == {"bytes": "2 bytes", "path": "p"}
    assert first["bytes"] == "1,000 bytes"
    assert first["when"].startswith("2024-05-01")
    assert (first["day"], first["money"]) == ("2024-05-01", "1.10")
    assert first["control"] == "a\0b\x1b[31m\u202e"
    assert (first["category"], first["big"], first["flag"]) == ("x", 2**63, True)
    assert browse.row(prepared, "train", 0)["long"] == long
    assert browse.row(prepared, "train", 1)["long"] is None


def test_label_counts(table):
    features = {"label": {"names": ["no", "yes", "never"], "_type": "ClassLabel"}}
    columns = pa.table(
        {"label": [0, 1, 1, -1], "n": [10, 9, 9, None], "s": ["", "b", "b", "a"], "flag": [True, False, True, True]}
    )
    prepared = table(
        columns.replace_schema_metadata({b"huggingface": json.dumps({"info": {"features": features}}).encode()})
    )

    def counts(column):
        return list(label_counts(prepared, "train", column).itertuples(index=False, name=None))

    assert counts("label") == [(EMPTY, 1), ("no", 1), ("yes", 2)]
    assert counts("n") == [(9, 2), (10, 1), (EMPTY, 1)]
    assert counts("s")[0] == ("b", 2)
    assert counts("flag") == [(False, 1), (True, 3)]


def test_many_labels_are_summed_up(table):
    prepared = table({"label": [f"l{i}" for i in range(200)] + ["top"] * 9})
    counts = label_counts(prepared, "train", "label")
    assert len(counts) == MAX_LABELS + 1
    assert tuple(counts.iloc[0]) == ("top", 9)
    assert counts.iloc[-1]["label"] == OTHER
    assert counts["count"].sum() == 209


def test_lengths(table, minilm):
    prepared = table({"a": ["hello world"] * 3000, "b": ["日本"] * 2999 + [None]})
    texts = sample_texts(prepared, "train", ["a", "b"], sample=1000)[0]
    assert len(texts) == 1000
    assert {sum(len(text) for text in row) for row in texts} <= {13, 11}
    part = tokens.token_lengths(prepared, "train", ["a"], minilm / "tokenizer.json", sample=1000)
    assert part.sampled
    assert (len(part.values), part.rows) == (1000, 3000)
    whole = tokens.token_lengths(prepared, "train", ["a"], minilm / "tokenizer.json", sample=5000)
    assert not whole.sampled
    assert whole.values.sum() == 12_000
    few = tokens.token_lengths(prepared, "train", ["a"], minilm / "tokenizer.json", sample=50)
    assert set(few.values) == {4}  # with [CLS] and [SEP]
    pair = tokens.token_lengths(prepared, "train", ["a", "b"], minilm / "tokenizer.json", sample=50)
    assert pair.values.min() >= 5
    with pytest.raises(DataError, match="not a tokenizer"):
        tokens.token_lengths(prepared, "train", ["a"], prepared.folder / "manifest.json")


def lengths(rows):
    return np.array([len(text) for row in rows for text in row])


def test_sampled_rows_are_spread_and_seeded(table):
    prepared = table({"a": ["x" * (i % 2000) for i in range(20_000)]}, row_group_size=2000)
    first, same, other = (lengths(sample_texts(prepared, "train", ["a"], seed=s)[0]) for s in (1, 1, 2))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)
    assert 800 < first.mean() < 1200


def test_a_connection_reaches_nothing_else(table, tmp_path):
    prepared = table({"a": ["x"]})
    (tmp_path / "secret.csv").write_text("s\n1\n")
    with database.connect(prepared.splits["train"]) as (connection, _):
        import duckdb

        for sql in (
            f"SELECT * FROM read_csv('{(tmp_path / 'secret.csv').as_posix()}')",
            f"SELECT * FROM '{(tmp_path / 'secret.csv').as_posix()}'",
            f"COPY data TO '{(tmp_path / 'out.csv').as_posix()}'",
            f"ATTACH '{(tmp_path / 'x.db').as_posix()}'",
            "SET enable_external_access = true",
            "INSTALL httpfs",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(sql)


def test_what_is_not_there(table):
    prepared = table({"a": ["x"]})
    for call, sentence in [
        (lambda: browse.page(prepared, "nope", 0), "the splits are train"),
        (lambda: browse.row(prepared, "train", 1), "rows 0 to 0"),
        (lambda: label_counts(prepared, "train", "nope"), "the columns are a"),
        (lambda: sample_texts(prepared, "train", ["nope"])[0], "the columns are a"),
    ]:
        with pytest.raises(DataError, match=sentence):
            call()
    prepared.splits["train"].path.write_bytes(b"PAR1 gone")
    with pytest.raises(DataError, match="cannot be read"):
        browse.page(prepared, "train", 0)
