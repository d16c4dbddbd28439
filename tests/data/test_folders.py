"""Folders as common tools write them: their rows, columns and splits."""

from __future__ import annotations

import dataclasses
import gzip
import io
import json
import os
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data.prepare import find_prepared, prepare
from core.data.reading.folders import layout
from core.errors import DataError
from core.spec.data import DataSpec
from tests.data.conftest import kinds_of, rows_of, values_of

CSV = b"text,label\ngood food,1\nbad food,0\n"
MORE = b"text,label\nfine food,1\n"
UUID = "3b8a4d52-1c2d-4e5f-8a9b-0c1d2e3f4a5b"


def parquet(**columns) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def arrow_stream(table: pa.Table) -> bytes:
    out = io.BytesIO()
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


def sizes(prepared) -> dict[str, int]:
    return {name: split.rows for name, split in prepared.splits.items()}


def notes(prepared) -> str:
    return " ".join(note.text for note in prepared.notes)


def warnings(prepared) -> str:
    return " ".join(note.text for note in prepared.notes if note.level == "warning")


# What is in a folder, and the rows of its splits.
TABLES: dict[str, tuple[dict[str, bytes], dict[str, int]]] = {
    "Spark, CSV": (
        {f"part-00000-{UUID}-c000.csv": CSV, f"part-00001-{UUID}-c000.csv": MORE, "_SUCCESS": b"", ".part.crc": b"crc"},
        {"train": 3},
    ),
    "Spark, JSON, packed": (
        {f"part-0000{i}-{UUID}-c000.json.gz": gzip.compress(b'{"text": "a b", "label": 1}\n') for i in range(3)},
        {"train": 3},
    ),
    "Spark, Snappy in Parquet, of Databricks": (
        {
            f"part-00000-tid-77-{UUID}-12-1-c000.snappy.parquet": parquet(text=["a"], label=[1]),
            f"part-00001-tid-77-{UUID}-13-1-c000.snappy.parquet": parquet(text=["b"], label=[0]),
            "_committed_77": b'{"added":[]}',
            "_started_77": b"",
            "_SUCCESS": b"",
        },
        {"train": 2},
    ),
    "Spark, of splits": (
        {f"train/part-00000-{UUID}.csv": CSV, f"test.csv/part-00000-{UUID}.csv": MORE, "train/_SUCCESS": b""},
        {"train": 2, "test": 1},
    ),
    "Hadoop, without a suffix": ({"part-r-00000": CSV, "part-r-00001": MORE, "_SUCCESS": b""}, {"train": 3}),
    "Hive, without a suffix": (
        {"000000_0": b"a\tgood food\t1\nb\tbad food\t0\n", "000001_0": b"c\tfine food\t1\n"}, {"train": 3}
    ),
    "Dask, CSV": ({"0.part": CSV, "1.part": MORE}, {"train": 3}),
    "Dask, Parquet": (
        {
            "part.0.parquet": parquet(text=["a"], label=[1]),
            "part.1.parquet": parquet(text=["b"], label=[0]),
            "_metadata": parquet(text=["a"], label=[1]),
            "_common_metadata": parquet(text=["a"], label=[1]),
        },
        {"train": 2},
    ),
    "Hub": (
        {
            "data/train-00000-of-00002.parquet": parquet(text=["a"], label=[1]),
            "data/train-00001-of-00002.parquet": parquet(text=["b"], label=[0]),
            "data/test-00000-of-00001.parquet": parquet(text=["c"], label=[0]),
            "README.md": b"---\nlicense: mit\n---\n# Reviews\n",
        },
        {"train": 2, "test": 1},
    ),
    "Hub, whose card names the files": (
        {
            "a/one.csv": CSV,
            "a/two.csv": MORE,
            "b/held_out.csv": MORE,
            "README.md": b"---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: a/*.csv\n"
            b"  - split: heldout\n    path: ['b/held*.csv']\n---\n",
        },
        {"train": 3, "heldout": 1},
    ),
    "versions": (
        {"train.v1.csv": CSV, "train.v2.csv": MORE, "test.csv": MORE}, {"train.v1": 2, "train.v2": 1, "test": 1}
    ),
    "dots": ({"imdb.1.0.csv": CSV, "yelp.2.5.csv": MORE}, {"imdb.1.0": 2, "yelp.2.5": 1}),
    "mixed formats in one split": (
        {
            "train/a.csv": CSV, "train/b.jsonl": b'{"text": "x y", "label": 1}\n',
            "train/c.parquet": parquet(text=["z"], label=[0]),
        },
        {"train": 4},
    ),
    "archives": ({"train.csv.zip": b"", "test.csv.zip": b""}, {"train": 2, "test": 1}),
    "names": ({"50%25 off/äé 训练-train.csv": CSV, "50%25 off/test%.csv": MORE}, {"train": 2, "test": 1}),
}  # fmt: skip


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


TABLES["archives"] = (
    {"train.csv.zip": zipped({"train.csv": CSV}), "test.csv.zip": zipped({"test.csv": MORE})},
    {"train": 2, "test": 1},
)


@pytest.mark.parametrize("case", TABLES)
def test_tables_of_tools(opened, case):
    content, splits = TABLES[case]
    prepared = opened(content, "my set")
    assert sizes(prepared) == splits
    assert {"text", "label"} <= set(kinds_of(prepared)) or case.startswith("Hive"), kinds_of(prepared)


def test_shards_come_in_their_order(opened):
    shards = {f"part-{i}.csv": b"text,label\nrow %d,1\n" % i for i in (0, 1, 2, 10, 11)}
    assert [text for text, _ in values_of(opened(shards, "set"))] == [f"row {i}" for i in (0, 1, 2, 10, 11)]


# Files of key=value folders, and the rows that come out.
KEYS: dict[str, tuple[dict[str, bytes], dict[str, list[dict]]]] = {
    "one key": (
        {"label=neg/part-0.parquet": parquet(text=["a"]), "label=pos/part-0.parquet": parquet(text=["b"])},
        {"train": [{"text": "a", "label": "neg"}, {"text": "b", "label": "pos"}]},
    ),
    "split and label": (
        {
            "label=pos/split=train/part-0.csv": b"text\na b\n",
            "label=neg/split=train/part-0.csv": b"text\nc d\n",
            "label=neg/split=test/part-0.csv": b"text\ne f\n",
        },
        {
            "train": [{"text": "c d", "label": "neg"}, {"text": "a b", "label": "pos"}],
            "test": [{"text": "e f", "label": "neg"}],
        },
    ),
    "numbers, and no value": (
        {
            "stars=1/a.csv": b"text\na b\n", "stars=12/a.csv": b"text\nc d\n",
            "stars=__HIVE_DEFAULT_PARTITION__/a.csv": b"text\ne f\n",
        },
        {"train": [{"text": "a b", "stars": 1}, {"text": "c d", "stars": 12}, {"text": "e f", "stars": None}]},
    ),
    "codes stay text": (
        {"code=007/a.jsonl": b'{"text": "a"}\n', "code=012/a.jsonl": b'{"text": "b"}\n'},
        {"train": [{"text": "a", "code": "007"}, {"text": "b", "code": "012"}]},
    ),
    "url-encoded": (
        {"the%20label=50%25%20off/a.csv": b"text\na b\n", "the%20label=%C3%A4/a.csv": b"text\nc d\n"},
        {"train": [{"text": "a b", "the label": "50% off"}, {"text": "c d", "the label": "ä"}]},
    ),
    "the value of a column is no split": (
        {"label=test/a.csv": b"text\na b\n", "label=train/a.csv": b"text\nc d\n", "label=bus/a.csv": b"text\ne f\n"},
        {
            "train": [
                {"text": "e f", "label": "bus"}, {"text": "a b", "label": "test"}, {"text": "c d", "label": "train"},
            ]
        },
    ),
    "a column that is in the file too": (
        {"label=x/a.csv": b"text,label\na b,y\n", "label=z/a.csv": b"text,label\nc d,z\n"},
        {"train": [{"text": "a b", "label": "y"}, {"text": "c d", "label": "z"}]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", KEYS)
def test_folders_called_key_and_value(opened, case):
    content, splits = KEYS[case]
    prepared = opened(content, "set")
    assert {name: rows_of(prepared, name) for name in prepared.splits} == splits


REVIEW = "The {0} was {1}, and so was the rest\nof it, I said.\n"


def texts(folder: str, mood: str, count: int = 4, suffix: str = ".txt") -> dict[str, bytes]:
    return {f"{folder}/{i}_{mood}{suffix}": REVIEW.format(f"dish {i}", mood).encode() for i in range(count)}


# Files, and the classes of each split with the number of their texts.
CLASSES: dict[str, tuple[dict[str, bytes], dict[str, dict[str, int]]]] = {
    "a folder per class": ({**texts("pos", "good"), **texts("neg", "bad", 3)}, {"train": {"neg": 3, "pos": 4}}),
    "IMDb": (
        {
            **texts("aclImdb/train/pos", "good"), **texts("aclImdb/train/neg", "bad"),
            **texts("aclImdb/train/unsup", "odd"), **texts("aclImdb/test/pos", "good", 2),
            **texts("aclImdb/test/neg", "bad", 2), "aclImdb/README": b"About", "aclImdb/imdb.vocab": b"the\nand\n",
            "aclImdb/train/urls_pos.txt": b"http://a\nhttp://b\n", "aclImdb/imdbEr.txt": b"0.1\n0.2\n",
            "aclImdb/train/labeledBow.feat": b"9 0:9\n",
        },
        {"train": {"neg": 4, "pos": 4}, "test": {"neg": 2, "pos": 2}},
    ),
    "20 newsgroups": (
        {
            **texts("20news-bydate-train/alt.atheism", "1", 3, ""),
            **texts("20news-bydate-train/sci.med", "2", 3, ""),
            **texts("20news-bydate-test/alt.atheism", "3", 2, ""),
            **texts("20news-bydate-test/sci.med", "4", 2, ""),
        },
        {"train": {"alt.atheism": 3, "sci.med": 3}, "test": {"alt.atheism": 2, "sci.med": 2}},
    ),
    "Enron, and hashes as suffixes": (
        {
            **texts("enron1/ham", "x.1999-12-10.farmer"),
            **texts("enron1/spam", "y", 4, ".7c53336b37003a9286aba55d2945844c"),
        },
        {"train": {"ham": 4, "spam": 4}},
    ),
    "splits below classes": (
        {
            **texts("pos/train", "a"), **texts("pos/test", "b", 2),
            **texts("neg/train", "c"), **texts("neg/test", "d", 2),
        },
        {"train": {"neg": 4, "pos": 4}, "test": {"neg": 2, "pos": 2}},
    ),
    "a file per class": (
        {"pos.txt": b"Good food, I said\nNice\n\nLovely, really\n", "neg.txt": b"Bad\nCold, and late\n"},
        {"train": {"neg": 2, "pos": 3}},
    ),
    "a file per class and split": (
        {
            "train_pos.txt": b"Good food\nNice, yes\n", "train_neg.txt": b"Bad\nCold, no\n",
            "test_pos.txt": b"Fine\n", "test_neg.txt": b"Poor\nSad\n",
        },
        {"train": {"neg": 2, "pos": 2}, "test": {"neg": 2, "pos": 1}},
    ),
    "a file per class in folders of splits": (
        {
            "train/Spam.txt": b"Buy\nBuy now, you\n", "train/Ham.txt": b"Hi\nHow are you, Ann\n",
            "dev/Spam.txt": b"Buy it\nSell\n", "dev/Ham.txt": b"Hello\nBye\n",
        },
        {"train": {"Ham": 2, "Spam": 2}, "validation": {"Ham": 2, "Spam": 2}},
    ),
}  # fmt: skip


def classes_of(prepared) -> dict[str, dict[str, int]]:
    result = {}
    for split in prepared.splits:
        labels = [row["label"] for row in rows_of(prepared, split)]
        result[split] = {label: labels.count(label) for label in sorted(set(labels))}
    return result


@pytest.mark.parametrize("case", CLASSES)
def test_texts_by_class(opened, case):
    content, classes = CLASSES[case]
    prepared = opened(content, "my texts")
    assert classes_of(prepared) == classes
    assert (prepared.text_guess, prepared.label_guess) == (("text",), "label")
    assert "class" in notes(prepared)
    if case == "IMDb":
        assert "Left out, without a class: 4 texts in aclImdb/train/unsup." in warnings(prepared)
        assert rows_of(prepared)[0]["text"].startswith("The dish 0 was bad, and so was the rest\nof it")


@pytest.mark.parametrize("folder", ["pos", "training", "dev"])
def test_texts_in_folders_that_are_no_class_are_told(opened, folder):
    """Their folder has folders of classes in it, or is named like a split."""
    content = texts("good", "good") | texts("bad", "bad") | texts(folder, "odd", 3)
    prepared = opened(content | (texts("pos/old", "aged") if folder == "pos" else {}), "my texts")
    assert f"Left out, without a class: 3 texts in {folder}." in warnings(prepared)


def test_files_of_one_class_in_parts_are_told(opened):
    shards = {f"{name}_{i}.txt": f"Good {i}\nNice\n".encode() for name in ("pos", "neg") for i in (1, 2)}
    assert "parts of one class: neg_1.txt, neg_2.txt; pos_1.txt, pos_2.txt." in warnings(opened(shards, "shards"))
    assert "parts of one class" not in notes(opened(CLASSES["a file per class"][0], "plain"))


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar", ".tgz", ".tar.bz2", ".tar.xz", ".zip"])
def test_texts_by_class_in_an_archive(opened, suffix):
    content, classes = CLASSES["IMDb"]
    assert classes_of(opened(packed(content, suffix), f"aclImdb_v1{suffix}")) == classes


def packed(content: dict[str, bytes], suffix: str) -> bytes:
    if suffix == ".zip":
        return zipped(content)
    out = io.BytesIO()
    mode: Any = {".tar": "w:", ".tgz": "w:gz"}.get(suffix, f"w:{suffix[5:]}")
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def test_more_than_a_thousand_texts(opened):
    prepared = opened({**texts("pos", "good", 700), **texts("neg", "bad", 700)}, "many")
    assert classes_of(prepared) == {"train": {"neg": 700, "pos": 700}}
    assert [row["text"].split(" was")[0] for row in rows_of(prepared)[:12]][-2:] == ["The dish 10", "The dish 11"]


def test_very_many_files_are_not_looked_at_with_each_question(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "SLOW_S", 0.0)
    monkeypatch.setattr(layout, "MAX_FILES", 10)
    for name, content in {**texts("set/pos", "good", 9), **texts("set/neg", "bad", 9)}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    first = layout.candidates(tmp_path / "set", settings)
    assert layout.candidates(tmp_path / "set", settings) is first and len(first) == 18
    (tmp_path / "set/neg/new.txt").write_bytes(b"New")
    monkeypatch.setattr("core.data.reading.folders.layout.time.monotonic", lambda: 1e12)
    assert len(layout.candidates(tmp_path / "set", settings)) == 19


def test_too_many_files_are_refused_with_the_number(opened, monkeypatch):
    monkeypatch.setattr("core.data.reading.folders.walk.MAX_ENTRIES", 10)
    with pytest.raises(DataError, match="over 10 entries"):
        opened({**texts("pos", "good", 7), **texts("neg", "bad", 7)}, "many")


def test_texts_that_are_not_utf8_or_empty_or_binary(opened):
    content = {
        **texts("pos", "good"),
        **texts("neg", "bad"),
        "pos/latin.txt": "Très bon café, déjà goûté\n".encode("latin-1"),
        "pos/empty.txt": b"",
        "neg/blank.txt": b" \n\n",
        "neg/photo.txt": b"\x00\x01\x02" * 90,
        "neg/bom.txt": b"\xef\xbb\xbfOh no\n",
        "neg/wide.txt": "Not this\n".encode("utf-16"),
    }
    prepared = opened(content, "texts")
    assert classes_of(prepared) == {"train": {"neg": 6, "pos": 5}}
    read = {row["text"] for row in rows_of(prepared)}
    assert {"Très bon café, déjà goûté", "Oh no", "Not this"} <= read
    assert "2 files without any text and 1 file that hold zero bytes" in warnings(prepared)
    assert "files that are not UTF-8 are read as" in notes(prepared)


def test_bytes_that_strayed_into_texts_of_utf8_keep_their_letters(opened):
    line = "Schöne Grüße, überall möglich für tägliche Größen\n"
    stray = line.encode() * 3 + "Déjà vu, café olé\n".encode("cp1252")
    prepared = opened({**texts("pos", "good"), **texts("neg", "bad"), "neg/joined.txt": stray}, "texts")
    assert any(row["text"].endswith("Déjà vu, café olé") for row in rows_of(prepared))
    assert "not UTF-8 are read as Western European" in warnings(prepared)


def test_bytes_that_no_text_has_are_told(opened):
    line = "Schöne Grüße, überall möglich für tägliche Größen\n".encode()
    content = {f"pos/{i}.txt": line * 2 + bytes([0xFF, 0xFE, 0x81, 0x8D, 0xC3]) * 3 + b"\n" for i in range(3)}
    prepared = opened({**texts("pos", "good"), **texts("neg", "bad"), **content}, "texts")
    replaced = sum("\ufffd" in row["text"] for row in rows_of(prepared))
    assert replaced == 0 or f"{replaced} files with bytes that are not text" in warnings(prepared)


def test_a_changed_text_is_read_again(settings, tmp_path):
    for name, content in {**texts("pos", "good"), **texts("neg", "bad")}.items():
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_bytes(content)
    spec = DataSpec(source="file", path=str(tmp_path / "set"))
    first = prepare(spec, settings)
    assert find_prepared(spec, settings) == first
    (tmp_path / "set/pos/2_good.txt").write_bytes(b"Changed, and of another length")
    assert find_prepared(spec, settings) is None
    os.utime(tmp_path / "set/pos/3_good.txt", (1, 1))
    again = prepare(spec, settings)
    assert again.fingerprint != first.fingerprint
    (tmp_path / "set/pos/9_good.txt").write_bytes(b"New")
    assert find_prepared(spec, settings) is None


def test_a_pointer_among_texts_is_told(opened):
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 4380\n"
    with pytest.raises(DataError, match=r"1_good\.txt is a Git LFS pointer"):
        opened({**texts("pos", "good"), **texts("neg", "bad"), "pos/1_good.txt": pointer}, "texts")


REFUSED: dict[str, tuple[dict[str, bytes], str]] = {
    "plain texts": ({f"{i}.txt": b"One text, on a line" for i in range(5)}, "5 plain text files, .*a folder per class"),
    "chapters": ({f"chapter{i}.txt": b"It was dark.\nIt rained, too.\n" for i in range(5)}, "a folder per class"),
    "texts and labels apart": (
        {"train_text.txt": b"Good, yes\nBad\n", "train_labels.txt": b"1\n0\n"}, "texts and labels in separate files"
    ),
    "Iceberg": (
        {"metadata/v1.metadata.json": b"{}", "data/00000-0.parquet": parquet(text=["a"], label=[1])}, "an Iceberg table"
    ),
    "Hudi": ({".hoodie/hoodie.properties": b"x", "a.parquet": parquet(text=["a"], label=[1])}, "a Hudi table"),
    "Lance": ({"_versions/1.manifest": b"x", "data/1.lance": b"x"}, "a Lance table|a file of Lance"),
    "TFRecord": ({"train.tfrecord-00000-of-00002": b"\x10\0\0\0\0\0\0\0abcd" * 9}, "a TFRecord file"),
    "pickles": ({"train.pkl": b"(dp0\nS'a'\np1\nI1\ns."}, "can run code"),
    "SQLite": ({"reviews.db": b"SQLite format 3\0" + bytes(90)}, "an SQLite database"),
    "NumPy": ({"texts.npy": b"\x93NUMPY\x01\0" + bytes(90)}, "a NumPy array"),
    "nothing": ({"a.md": b""}, "no data file"),
    "a pointer among shards": (
        {"train-0.csv": CSV, "train-1.csv": b"version https://git-lfs.github.com/spec/v1\nsize 9\n"}, "Git LFS"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_dataset_is_told(opened, case):
    content, says = REFUSED[case]
    with pytest.raises(DataError, match=says) as caught:
        opened(content, "set")
    assert caught.value.field == "data.path"


def test_empty_files_beside_good_ones_are_left_out(opened):
    prepared = opened({"train-0.csv": CSV, "train-1.csv": b"", "train-2.csv": b"\n \n", "test.csv": MORE}, "set")
    assert sizes(prepared) == {"train": 2, "test": 1}
    assert "train-1.csv" in warnings(prepared) and "train-2.csv" in warnings(prepared)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_that_lead_nowhere_are_left_out(opened, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set/valid.csv").symlink_to(tmp_path / "gone.csv")
    (tmp_path / "other.csv").write_bytes(MORE)
    (tmp_path / "set/test.csv").symlink_to(tmp_path / "other.csv")
    prepared = opened({"train.csv": CSV}, "set")
    assert sizes(prepared) == {"train": 2, "test": 1}
    assert "valid.csv" in warnings(prepared)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="every file can be opened")
def test_files_that_cannot_be_opened_are_left_out(opened, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set/test.csv").write_bytes(MORE)
    (tmp_path / "set/test.csv").chmod(0)
    prepared = opened({"train.csv": CSV}, "set")
    assert sizes(prepared) == {"train": 2}
    assert "test.csv" in warnings(prepared)


def saved(names: list[str], *texts: str) -> dict[str, bytes]:
    """Writes a split as save_to_disk does."""
    table = pa.table({"text": list(texts), "label": [i % len(names) for i in range(len(texts))]})
    half = len(texts) // 2
    features = {"text": {"dtype": "string", "_type": "Value"}, "label": {"names": names, "_type": "ClassLabel"}}
    return {
        "data-00000-of-00002.arrow": arrow_stream(table.slice(0, half)),
        "data-00001-of-00002.arrow": arrow_stream(table.slice(half)),
        "cache-1234567890abcdef.arrow": arrow_stream(pa.table({"text": ["of a map"], "label": [0]})),
        "dataset_info.json": json.dumps({"features": features}).encode(),
        "state.json": json.dumps(
            {"_data_files": [{"filename": "data-00000-of-00002.arrow"}, {"filename": "data-00001-of-00002.arrow"}]}
        ).encode(),
    }


def test_a_dataset_of_save_to_disk(opened):
    prepared = opened(saved(["no", "yes"], "a", "b", "c", "d", "e"), "saved")
    assert values_of(prepared) == [("a", 0), ("b", 1), ("c", 0), ("d", 1), ("e", 0)]
    assert prepared.column("label").names == ("no", "yes")
    assert "save_to_disk" in notes(prepared)


def test_a_dataset_that_chooses_rows_by_indices_is_refused(opened):
    content = saved(["no", "yes"], "a", "b", "c")
    state = json.loads(content["state.json"]) | {"_indices_data_files": [{"filename": "indices.arrow"}]}
    with pytest.raises(DataError, match="chooses its rows by a file of indices"):
        opened(content | {"state.json": json.dumps(state).encode()}, "chosen")


def test_a_dict_of_save_to_disk(opened):
    content = {"dataset_dict.json": b'{"splits": ["train", "odd.one"]}'}
    for split, rows in (("train", "abcd"), ("odd.one", "ef")):
        content |= {f"{split}/{name}": data for name, data in saved(["no", "yes"], *rows).items()}
    prepared = opened(content, "saved dict")
    assert sizes(prepared) == {"train": 4, "odd.one": 2}
    del content["odd.one/data-00001-of-00002.arrow"]
    with pytest.raises(DataError, match=r"incomplete: its file odd\.one/data-00001-of-00002\.arrow"):
        opened(content, "torn")


def test_saved_by_the_library_itself(tmp_path, settings):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])})
    dataset = datasets.Dataset.from_dict({"text": list("abcdef"), "label": [0, 1] * 3}, features=features)
    datasets.DatasetDict({"train": dataset, "test": dataset.select([5, 1])}).save_to_disk(str(tmp_path / "saved"))
    prepared = prepare(DataSpec(source="file", path=str(tmp_path / "saved")), settings)
    assert sizes(prepared) == {"train": 6, "test": 2}
    assert values_of(prepared, "test") == [("f", 1), ("b", 1)]
    assert {column.names for column in prepared.columns if column.name == "label"} == {("neg", "pos")}


def log(*actions: dict) -> bytes:
    return "\n".join(map(json.dumps, actions)).encode()


def delta(**more: bytes) -> dict[str, bytes]:
    """The first file of the table was replaced, and its rows must not be read."""
    return {
        "old.parquet": parquet(text=["deleted"], label=[0]),
        "label=1/new%20a.parquet": parquet(text=["a"]),
        "label=0/b.parquet": parquet(text=["b"]),
        "_delta_log/00000000000000000000.json": log(
            {"metaData": {"partitionColumns": ["label"], "configuration": {}}}, {"add": {"path": "old.parquet"}}
        ),
        "_delta_log/00000000000000000001.json": log(
            {"remove": {"path": "old.parquet"}},
            {"add": {"path": "label=1/new%2520a.parquet", "partitionValues": {"label": "1"}}},
            {"add": {"path": "label=0/b.parquet", "partitionValues": {"label": "0"}}},
        ),
        **more,
    }


def test_delta_lake_is_read_as_its_log_has_it(opened):
    prepared = opened(delta(), "table")
    assert sorted(values_of(prepared)) == [("a", 1), ("b", 0)]
    assert "without 1 outdated file." in notes(prepared)


def test_delta_lake_from_a_checkpoint(opened):
    actions = pa.Table.from_pylist(
        [
            {"add": {"path": "label=1/new%2520a.parquet", "partitionValues": [("label", "1")], "deletionVector": None}},
            {"add": {"path": "label=0/b.parquet", "partitionValues": [("label", "0")], "deletionVector": None}},
        ],
        schema=pa.schema(
            {
                "add": pa.struct(
                    {
                        "path": pa.string(),
                        "partitionValues": pa.map_(pa.string(), pa.string()),
                        "deletionVector": pa.struct({"storageType": pa.string()}),
                    }
                )
            }
        ),
    )
    out = io.BytesIO()
    pq.write_table(actions, out)
    content = delta()
    del content["_delta_log/00000000000000000000.json"], content["_delta_log/00000000000000000001.json"]
    content["_delta_log/00000000000000000001.checkpoint.parquet"] = out.getvalue()
    content["_delta_log/00000000000000000002.json"] = log({"remove": {"path": "label=0/b.parquet"}})
    assert values_of(opened(content, "table")) == [("a", 1)]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (log({"add": {"path": "old.parquet", "deletionVector": {"storageType": "u"}}}), "deletion vectors"),
        (log({"metaData": {"configuration": {"delta.columnMapping.mode": "name"}}}), "renamed columns"),
        (log({"add": {"path": "../../secret.parquet"}}), "outside its folder"),
        (log({"add": {"path": "/etc/secret.parquet"}}), "outside its folder"),
        (log({"add": {"path": "s3://bucket/a.parquet"}}), "outside its folder"),
        (log({"add": {"path": "gone.parquet"}}), "gone.parquet is missing"),
        (b"{not json", "cannot be read"),
    ],
)
def test_delta_lake_that_is_more_than_files(opened, more, says):
    with pytest.raises(DataError, match=says):
        opened(delta(**{"_delta_log/00000000000000000002.json": more}), "table")


def test_delta_lake_with_a_gap_in_its_log(opened):
    with pytest.raises(DataError, match="has a gap"):
        opened(delta(**{"_delta_log/00000000000000000005.json": log()}), "table")


def test_configurations_of_a_card(opened, settings, tmp_path):
    card = (
        b"---\nconfigs:\n- config_name: en\n  data_files: en/**\n- config_name: de\n  default: true\n  data_dir: de\n"
        b"  data_files:\n  - split: train\n    path: '*.csv'\n---\nText"
    )
    prepared = opened({"en/deep/train.csv": CSV, "de/a.csv": MORE, "README.md": card}, "set")
    assert sizes(prepared) == {"train": 1}
    assert "2 configurations (en, de); de is read" in warnings(prepared)
    spec = DataSpec(source="file", path=str(tmp_path / "set"), config="en")
    assert sizes(prepare(spec, settings)) == {"train": 2}
    with pytest.raises(DataError, match="has no configuration 'fr'; it has en, de"):
        prepare(spec.model_copy(update={"config": "fr"}), settings)
    (tmp_path / "set.zip").write_bytes(zipped({"en/train.csv": CSV, "de/a.csv": MORE, "README.md": card}))
    packed_spec = spec.model_copy(update={"path": str(tmp_path / "set.zip")})
    assert sizes(prepare(packed_spec, settings)) == {"train": 2}


def test_a_hostile_card_changes_nothing(opened):
    stars = "*a" * 120
    for number, head in enumerate(
        (
            "configs:\n- &a {config_name: x, data_files: [*a]}",
            f"configs:\n- data_files: '{stars}b'",
            "configs: " + "[" * 5000,
            "configs:\n- data_files: '../../../etc/*'",
            "configs: 7",
        )
    ):
        content = {"train.csv": CSV, f"{'a' * 100}.csv": MORE, "README.md": f"---\n{head}\n---\n".encode()}
        assert sizes(opened(content, f"set {number}")) == {"train": 2, "a" * 100: 1}


def test_what_all_packed_files_of_a_folder_unpack_to_is_bounded(settings, tmp_path):
    few = dataclasses.replace(settings, max_unpacked_bytes=60_000)
    for number in range(4):
        (tmp_path / f"train-{number}.csv.gz").write_bytes(gzip.compress(b"text,label\n" + b"nice food,1\n" * 1500))
    with pytest.raises(DataError, match=f"{tmp_path.name} unpacks to more than 0 MB"):
        prepare(DataSpec(source="file", path=str(tmp_path)), few)


def test_nothing_is_read_of_a_folder_that_only_looks_at(opened, tmp_path):
    """Reading does not change the folder."""
    content = {"train.csv.gz": gzip.compress(CSV), "test.csv": MORE, "more.zip": zipped({"a.csv": CSV})}
    prepared = opened(content, "set")
    assert sizes(prepared) == {"train": 2, "test": 1}
    assert sorted(p.name for p in (tmp_path / "set").rglob("*")) == sorted(content)
    assert not list(Path(prepared.folder).rglob("unpacked"))


def test_files_of_one_split_may_have_their_columns_in_another_order(opened):
    """Its columns are matched by the header, so that Spark's files of two days are one table."""
    parts = {"part-00000.csv": b"text,label\none,a\n", "part-00001.csv": b"label,text\nb,two\n"}
    prepared = opened(parts, "spark")
    assert {row["text"]: row["label"] for row in rows_of(prepared)} == {"one": "a", "two": "b"}
