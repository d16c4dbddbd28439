"""Folders, archives and Parquet: the split of each file, and the files that are refused."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import random
import zipfile
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data.prepare import find_prepared, prepare
from core.data.quick import is_quick
from core.data.reading.files import split_of
from core.data.reading.folders.walk import Entry, Walk
from core.errors import DataError, PathError
from core.spec.data import DataSpec
from tests.data.conftest import kinds_of, rows_of, values_of

CSV = b"text,label\ngood,1\nbad,0\n"
MORE = b"text,label\nfine,1\n"


def parquet(**columns) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


FOLDERS = {
    "train test": ({"train.csv": CSV, "test.csv": MORE}, {"train": 2, "test": 1}),
    "dev": ({"train.csv": CSV, "dev.csv": MORE, "test.csv": MORE}, {"train": 2, "validation": 1, "test": 1}),
    "camel and dots": ({"my.Train.csv": CSV, "ValidSet.csv": MORE}, {"train": 2, "validation": 1}),
    "two dev files": (
        {"in_domain_train.tsv": CSV.replace(b",", b"\t"), "in_domain_dev.tsv": MORE, "out_of_domain_dev.tsv": MORE},
        {"train": 2, "in_domain_dev": 1, "out_of_domain_dev": 1},
    ),
    "shards": (
        {
            "data/train-00000-of-00002.csv": CSV,
            "data/train-00001-of-00002.csv": MORE,
            "data/test-00000-of-00001.csv": MORE,
        },
        {"train": 3, "test": 1},
    ),
    "subfolders": ({"train/a.csv": CSV, "train/b.csv": MORE, "test/a.csv": MORE}, {"train": 3, "test": 1}),
    "other things": ({"train.csv": CSV, "README.txt": b"hi", ".hidden.csv": CSV, "x.png": b"\x89PNG"}, {"train": 2}),
    "two formats": ({"train.csv": CSV, "train.csv.gz": gzip.compress(CSV)}, {"train": 2}),
    "mixed formats": (
        {
            "train.csv": CSV,
            "test.jsonl": b'{"text": "x", "label": 1}\n',
            "valid.parquet": parquet(text=["y"], label=[0]),
        },
        {"train": 2, "validation": 1, "test": 1},
    ),
    "compressed": ({"train.csv.gz": gzip.compress(CSV), "test.csv": MORE}, {"train": 2, "test": 1}),
    "no split words": ({"a.csv": CSV, "b.csv": MORE}, {"a": 2, "b": 1}),
}


@pytest.mark.parametrize("case", FOLDERS)
def test_folders(opened, case):
    files, splits = FOLDERS[case]
    assert {n: s.rows for n, s in opened(files, "my set").splits.items()} == splits


def test_headerless_files_agree(opened):
    """A file whose first line is ambiguous is read like the first file."""
    prepared = opened({"train.tsv": b"a1\t1\tIt works.\nb2\t0\tIt do not.\n", "test.tsv": b"x\t1\tOne line\n"}, "set")
    assert list(kinds_of(prepared)) == ["column_1", "column_2", "column_3"]
    assert prepared.splits["test"].rows == 1


def test_a_single_file_is_the_training_split(opened):
    prepared = opened(CSV, "test.csv")
    assert list(prepared.splits) == ["train"]
    assert any("one file only" in n.text for n in prepared.notes)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (gzip.compress(CSV), "a.csv.gz"),
        (gzip.compress(CSV), "misnamed.csv"),
        (zipped({"deep/er/a.csv": CSV, "__MACOSX/._a.csv": b"junk"}), "a.zip"),
        (zipped({"a.csv.gz": gzip.compress(CSV)}), "b.zip"),
        (zipped({"../../evil.csv": CSV}), "c.zip"),
        (zipped({"/abs/evil.csv": CSV}), "d.zip"),
        (zipped({"..\\evil.csv": CSV}), "e.zip"),
        (zipped({"a.parquet": parquet(text=["good", "bad"], label=[1, 0])}), "f.zip"),
        (gzip.compress(json.dumps([{"text": "good", "label": 1}, {"text": "bad", "label": 0}]).encode()), "a.json.gz"),
    ],
)
def test_archives(opened, tmp_path, content, name):
    before = set(tmp_path.rglob("*evil*"))
    prepared = opened(content, name)
    assert values_of(prepared) == [("good", 1), ("bad", 0)]
    assert not set(tmp_path.rglob("*evil*")) - before
    assert not list(prepared.folder.rglob("unpacked"))


def test_zip_with_splits(opened):
    prepared = opened(zipped({"set/train.csv": CSV, "set/test.csv": MORE}), "set.zip")
    assert {n: s.rows for n, s in prepared.splits.items()} == {"train": 2, "test": 1}
    assert prepared.title == "set.zip"


REFUSED = {
    "excel": (zipped({"xl/workbook.xml": b"<x/>"}), "a.xlsx", "workbook"),
    "pickle": (pickle.dumps([1]), "a.pkl", "can run code"),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(20), "a.csv", "picture"),
    "cut gz": (gzip.compress(CSV * 100)[:-20], "a.csv.gz", "cannot be unpacked"),
    "cut zip": (zipped({"a.csv": CSV * 100})[:-30], "a.zip", "cannot be unpacked"),
    "nested zip": (zipped({"a.csv": zipped({"b.csv": CSV})}), "a.zip", "another archive"),
    "no data in it": (zipped({"a.exe": b"x"}), "a.zip", "no data file"),
    "not parquet": (b"nonsense", "a.parquet", "damaged"),
    "cut parquet": (parquet(text=["a"] * 100)[:-9], "a.parquet", "damaged"),
    "tar of nothing": (gzip.compress(bytes(600)), "a.tar.gz", "filled with zero bytes"),
    "empty parquet": (parquet(text=pa.array([], pa.string())), "a.parquet", "no rows"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_has_its_sentence(opened, case):
    content, name, sentence = REFUSED[case]
    with pytest.raises(DataError, match=sentence) as caught:
        opened(content, name)
    assert caught.value.field == "data.path"


def test_encrypted_zip(opened):
    data = bytearray(zipped({"a.csv": CSV}, zipfile.ZIP_STORED))
    for at in (data.index(b"PK\x03\x04") + 6, data.index(b"PK\x01\x02") + 8):
        data[at] |= 1
    with pytest.raises(DataError, match="password"):
        opened(bytes(data), "a.zip")


def test_zip_bombs(opened, settings, tmp_path, monkeypatch):
    bomb = zipped({"a.csv": b"0" * 20_000_000})
    path = tmp_path / "bomb.zip"
    path.write_bytes(bomb)
    spec = DataSpec(source="file", path=str(path))
    with pytest.raises(DataError, match="more than 10 MB"):
        prepare(spec, replace(settings, max_unpacked_bytes=10 * 1024**2))
    monkeypatch.setattr("core.data.reading.archives.RATIO_FROM", 1_000_000)
    with pytest.raises(DataError, match="times its size"):
        prepare(spec, settings)
    path.with_name("b.csv.gz").write_bytes(gzip.compress(b"0" * 20_000_000))
    with pytest.raises(DataError, match="times its size"):
        prepare(DataSpec(source="file", path=str(path.with_name("b.csv.gz"))), settings)
    assert not [p for p in settings.datasets.iterdir() if p.name.startswith(".")]


def test_a_zip_that_lies_about_sizes(opened):
    data = zipped({"a.csv": CSV * 1000})
    at = data.index(b"PK\x01\x02") + 24
    with pytest.raises(DataError, match="cannot be unpacked"):
        opened(data[:at] + (5).to_bytes(4, "little") + data[at + 4 :], "a.zip")


def test_parquet_stays_where_it_is_and_keeps_class_names(opened, tmp_path):
    features = {"label": {"names": ["no", "yes"], "_type": "ClassLabel"}, "text": {"dtype": "string", "_type": "Value"}}
    table = pa.table({"text": ["a", None, "c"], "label": [0, 1, -1]})
    table = table.replace_schema_metadata({b"huggingface": json.dumps({"info": {"features": features}}).encode()})
    out = io.BytesIO()
    pq.write_table(table, out)
    prepared = opened(out.getvalue(), "it's [1]*.parquet" if os.name != "nt" else "it's [1].parquet")
    assert prepared.column("label").names == ("no", "yes")
    assert prepared.column("text").nulls == 1
    plain = opened(out.getvalue(), "plain.parquet")
    assert plain.splits["train"].path == tmp_path / "plain.parquet"


def test_parquet_shards_are_joined(opened):
    shards = {
        "train-00000-of-00002.parquet": parquet(text=["a"], label=pa.array([1], pa.int32())),
        "train-00001-of-00002.parquet": parquet(text=["b"], label=pa.array([2], pa.int64())),
    }
    assert values_of(opened(shards, "set")) == [("a", 1), ("b", 2)]
    shards["train-00001-of-00002.parquet"] = parquet(text=["b"], label=["x"])
    assert values_of(opened(shards, "set")) == [("a", "1"), ("b", "x")]
    shards["train-00001-of-00002.parquet"] = parquet(text=["b"], label=[["x", "y"]])
    with pytest.raises(DataError, match="cannot be joined"):
        opened(shards, "other")


def test_found_again_until_a_file_changes(settings, tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(CSV)
    spec = DataSpec(source="file", path=str(path))
    assert find_prepared(spec, settings) is None
    assert is_quick(spec, settings)
    first = prepare(spec, settings)
    assert find_prepared(spec, settings) == first == prepare(spec, settings)
    path.write_bytes(CSV + b"new,1\n")
    assert find_prepared(spec, settings) is None
    assert prepare(spec, settings).splits["train"].rows == 3
    (first.folder / "manifest.json").unlink()  # as if it had never been finished
    path.write_bytes(CSV)


def test_an_unfinished_folder_is_made_anew(settings, tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(CSV)
    spec = DataSpec(source="file", path=str(path))
    again = prepare(spec, settings)
    (again.folder / "manifest.json").unlink()
    assert find_prepared(spec, settings) is None
    assert prepare(spec, settings).splits == again.splits


def test_large_files_are_not_quick(settings, tmp_path):
    (tmp_path / "big.csv").write_bytes(b"a,b\n" * 3_000_000)
    assert not is_quick(DataSpec(source="file", path=str(tmp_path / "big.csv")), settings)
    assert is_quick(DataSpec(), settings)
    assert not is_quick(DataSpec(source="hub", path="some/thing"), settings)


def test_archives_count_with_what_they_unpack_to(settings, tmp_path):
    text = b"text,label\n" + b"good words,1\n" * 1_000_000
    for name, content, quick in [
        ("large.zip", zipped({"a.csv": text}), False),
        ("large.csv.gz", gzip.compress(bytes(random.Random(1).choices(b"ab,\n", k=2_500_000))), False),
        ("misnamed.csv", zipped({"a.csv": text}), False),
        ("inner.zip", zipped({"a.csv.gz": random.Random(1).randbytes(500_000)}), False),
        ("small.zip", zipped({"a.csv": CSV, "photo.png": bytes(20_000_000)}), True),
        ("small.csv.gz", gzip.compress(CSV), True),
        ("broken.zip", zipped({"a.csv": text})[:-30], True),
    ]:
        (tmp_path / name).write_bytes(content)
        assert is_quick(DataSpec(source="file", path=str(tmp_path / name)), settings) == quick, name


def test_a_file_that_goes_away_while_it_is_looked_at(settings, tmp_path, monkeypatch):
    spec = DataSpec(source="file", path=str(tmp_path))
    entry = Entry("gone.csv", tmp_path / "gone.csv", 9, 0)
    monkeypatch.setattr("core.data.reading.folders.layout.walk", lambda path, settings: Walk(path, [entry]))
    assert find_prepared(spec, settings) is None
    with pytest.raises(DataError, match=r"gone.csv cannot be opened .*; check its permissions"):
        prepare(spec, settings)


def test_paths_that_are_none(settings, tmp_path):
    for path, sentence in [
        (str(tmp_path / "missing.csv"), "there is no file or folder"),
        ("a\0b", "cannot be opened"),
        (str(tmp_path), "no data file"),
    ]:
        with pytest.raises((DataError, PathError), match=sentence):
            prepare(DataSpec(source="file", path=path), settings)
        assert find_prepared(DataSpec(source="file", path=path), settings) is None


def test_only_what_this_mode_may_read(settings, tmp_path):
    shared = replace(settings, mode="shared")
    (tmp_path / "secret.csv").write_bytes(CSV)
    with pytest.raises(PathError):
        prepare(DataSpec(source="file", path=str(tmp_path / "secret.csv")), shared)
    upload = settings.uploads / "x"
    upload.mkdir(parents=True)
    (upload / "train.csv").write_bytes(CSV)
    if os.name != "nt":
        (upload / "test.csv").symlink_to(tmp_path / "secret.csv")
    assert list(prepare(DataSpec(source="file", path=str(upload)), shared).splits) == ["train"]


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train.csv", "train"),
        ("my_training_set.csv", "train"),
        ("trainees.csv", None),
        ("latest.csv", None),
        ("Dev-2.csv", "validation"),
        ("devices.csv", None),
        ("eval.jsonl", "validation"),
        ("test_matched.tsv", "test"),
    ],
)
def test_split_words(name, split):
    assert split_of(name) == split


def test_rows_of_mixed_columns(opened):
    prepared = opened({"train.csv": b"text,label,extra\na b,1,x\nc d,0,y\n", "test.csv": b"text,label\ne f,1\n"}, "set")
    assert rows_of(prepared, "test") == [{"text": "e f", "label": 1}]
    assert kinds_of(prepared)["extra"] == "text"
