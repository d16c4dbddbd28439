"""Hostile and broken inputs: each gets a message or is displayed safely, and leaves nothing behind.

With `test_sql.HOSTILE` (queries), `test_view` (links) and `test_transform` (steps) this is the table of what people,
and people who mean harm, bring to the Datasets page.
"""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data.browsing import browse, matches
from core.data.browsing.cells import CELL_CHARACTERS
from core.data.browsing.export import export
from core.data.browsing.label_counts import label_counts
from core.data.browsing.view import View
from core.data.inspecting.problems.inspection import inspect
from core.data.inspecting.profile import profile
from core.data.loading.load import load
from core.data.prepare import prepare
from core.errors import TunedeckError
from core.settings import Settings
from core.spec.data import DataSpec
from core.spec.run import build
from tests.data.test_sql import HOSTILE as HOSTILE_SQL

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)>"
ROWS = "text,label\n" + "".join(f"text {i},{'ab'[i % 2]}\n" for i in range(20))


def parquet(**columns: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def zipped(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/").replace("_csv", ".csv"), content)
    return out.getvalue()


def bomb() -> bytes:
    return gzip.compress(b"text,label\n" + b"a" * 80_000_000)


# name of the file, its bytes, and what is said about it
REFUSED: dict[str, tuple[str, bytes, str]] = {
    "nothing in it": ("a.csv", b"", "empty"),
    "blanks only": ("a.csv", b"\n\n  \n", "empty|no rows"),
    "a header only": ("a.csv", b"text,label\n", "no rows"),
    "zeros": ("a.csv", b"\0" * 5_000, "filled with zero bytes"),
    "a picture": ("a.csv", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20, "not text|picture|image|binary|cannot"),
    "a pdf": ("a.csv", b"%PDF-1.7\n" + bytes(range(256)) * 20, "PDF|not text|binary"),
    "a pickle": ("a.csv", b"\x80\x04\x95" + bytes(range(256)) * 4, "pickle|not text|binary"),
    "an Excel file by a wrong name": (
        "a.csv",
        zipped(**{"[Content_Types].xml": b"x", "xl__workbook.xml": b"y"}),
        "workbook",
    ),
    "half a Parquet file": ("a.parquet", parquet(t=["a"] * 100)[:200], "Parquet"),
    "no Parquet file": ("a.parquet", b"PAR1 nonsense", "Parquet"),
    "two columns of one name": ("a.parquet", b"", "Parquet|empty"),
    "half a gzip": ("a.csv.gz", gzip.compress(ROWS.encode() * 50)[:60], "gz|damaged|incomplete"),
    "no gzip": ("a.csv.gz", b"text,label\n" * 9, "gz"),
    "a gzip bomb": ("a.csv.gz", bomb(), "unpack|large|more than"),
    "half a zip": ("a.zip", zipped(a_csv=ROWS.encode())[:50], "zip|damaged"),
    "an empty zip": ("a.zip", zipped(), "no .*file|empty"),
    "a zip in a zip in a zip": (
        "a.zip",
        zipped(**{"inner.zip": zipped(**{"core.zip": zipped(a_csv=ROWS.encode())})}),
        "archive in an archive",
    ),
    "JSON cut off": ("a.json", b'[{"text": "a", "label": 1}, {"text": "b"', "JSON"),
    "JSON too deep": ("a.json", b"[" * 50_000 + b"]" * 50_000, "deep|nested|JSON"),
    "a line of JSON broken": ("a.jsonl", b'{"text": "a"}\n{text: b}\n' * 5, "line 2"),
    "JSON that is a number": ("a.json", b"42", "JSON|rows|list|object"),
    "a wrong kind of file": ("a.exe", b"MZ" + b"\0" * 100, "exe|not|CSV"),
    "a reading that does not fit": ("a.csv", "テキスト,ラベル\n良い,1\n".encode("cp932"), "utf-8|UTF-8"),
}

HARMLESS: dict[str, bytes] = {
    "script in cells": b"text,label\n" + f'"{SCRIPT}",a\n"{SCRIPT} x",b\n'.encode() * 9,
    "script in names": f'"{SCRIPT}",label\na,x\nb,y\n'.encode(),
    "SQL in names": b'"text""; DROP TABLE data; --",label\na,x\nb,y\n',
    "SQL in cells": b'text,label\n\'; DROP TABLE data; --,x\n"""; SELECT 1",y\n',
    "formulas": b"text,label\n=cmd|' /C calc'!A0,x\n@SUM(1),y\n+1+1,x\n-1+1,y\n",
    "null bytes": b"text,label\na\0b,x\nc,y\n",
    "control characters": b"text,label\n\x07\x1b[31mred\x1b[0m,x\nb,y\n",
    "text that turns around": "text,label\n\u202egnirts,x\n\u200bzero,y\n".encode(),
    "a huge cell": b"text,label\n" + b"x" * 5_000_000 + b",a\nshort,b\n",
    "very many columns": b"\n".join(b",".join(b"%s%d" % (p, i) for i in range(300)) for p in (b"c", b"1", b"2")),
    "names that differ by case": b"Text,text,TEXT,label\na,b,c,x\nd,e,f,y\n",
    "names of nothing": b",,label\na,b,x\nc,d,y\n",
    "very long names": b"x" * 900 + b",label\na,b\nc,d\n",
    "names of SQL": b"select,from,label\na,b,x\nc,d,y\n",
    "emoji": "text,label\n👩‍👩‍👧‍👦 family,😀\nflag 🇯🇵,😡\n".encode(),
    "broken UTF-8 at the end": b"text,label\nfine,x\nfine too,y\ncut \xe3\x81",
    "lines of Windows and Unix": b"text,label\r\na,x\nb,y\r\nc,x\n",
    "quotes that never end": b'text,label\n"a,x\nb,y\nc,x\n',
    "rows of all lengths": b"text,label\na,x\nb\nc,y,z,w\nd,x\n",
    "numbers too large": b"n,label\n999999999999999999999999,x\n1,y\n",
    "not a number": b"n,label\nNaN,x\n1.5,y\ninf,x\n",
}


def test_the_table_is_long_enough() -> None:
    assert len(REFUSED) + len(HARMLESS) + len(HOSTILE_SQL) >= 60


def tree(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_explained(case: str, tmp_path: Path, settings: Settings) -> None:
    import re

    name, content, says = REFUSED[case]
    path = tmp_path / name
    path.write_bytes(content)
    small = Settings(home=settings.home, max_unpacked_bytes=20_000_000)
    small.datasets.mkdir(parents=True, exist_ok=True)
    before = tree(tmp_path), tree(small.datasets)
    read = {"encoding": "utf-8"} if case == "a reading that does not fit" else {}
    with pytest.raises(TunedeckError) as caught:
        prepare(build({"source": "file", "path": str(path), "read": read}, DataSpec), small)
    message = str(caught.value)
    assert re.search(says, message, re.IGNORECASE), message
    assert len(message) < 600 and "Traceback" not in message
    assert (tree(tmp_path), tree(small.datasets)) == before, "nothing half made stays"


@pytest.mark.parametrize("case", HARMLESS)
def test_what_is_strange_is_shown_harmlessly(case: str, tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(HARMLESS[case])
    prepared = prepare(DataSpec(source="file", path=str(path)), settings)
    names = [column.name for column in prepared.columns]
    rows = prepared.splits["train"].rows
    frame = browse.page(prepared, "train", 0, 50)
    assert len(frame) == min(50, rows) and list(frame.columns) == names
    assert all(len(str(v)) <= CELL_CHARACTERS for v in frame.to_numpy().flatten())
    assert browse.row(prepared, "train", 0).keys() == set(names)
    last = names[-1]
    assert label_counts(prepared, "train", last)["count"].sum() == rows
    for view in (View(sort=names[0]), View(search="DROP TABLE data")):
        try:
            assert len(matches.row_numbers(prepared, "train", view)) <= rows
        except TunedeckError as error:
            assert "no text column" in str(error)
    texts = tuple(c.name for c in prepared.columns if c.kind == "text" and c.name != last)[:1]
    summary = profile(prepared, texts, last, None)
    json.dumps(summary.tree())
    inspect(
        prepared, build({"source": "file", "path": str(path), "text_columns": texts, "label_column": last}, DataSpec)
    )
    exported = export(prepared, "train", "csv").read_text(encoding="utf-8-sig")
    for line in exported.splitlines():
        assert not line.lstrip('"').startswith(("=", "@", "+cmd"))


def test_a_zip_that_climbs_out_stays_inside(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "a.zip").write_bytes(zipped(**{"..__..__evil_csv": ROWS.encode()}))
    before = tree(tmp_path)
    prepared = prepare(DataSpec(source="file", path=str(tmp_path / "a.zip")), settings)
    assert prepared.splits["train"].rows == 20 and prepared.splits["train"].path.is_relative_to(settings.home)
    new = set(tree(tmp_path)) - set(before)
    assert all((tmp_path / path).is_relative_to(settings.home) for path in new)
    assert not list(settings.home.rglob("evil*"))


def test_a_run_on_hostile_texts_gets_its_data(tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(HARMLESS["script in cells"])
    loaded = load(DataSpec(source="file", path=str(path), text_columns=("text",), label_column="label"), settings)
    assert loaded.label_names == ["a", "b"]
    assert SCRIPT in loaded.dataset["train"]["text"][0]
