"""Packed files of every kind are unpacked within the same limits, and hostile ones do no harm."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from core.data.prepare import prepare
from core.data.quick import is_quick
from core.errors import DataError
from core.spec.data import DataSpec
from tests.data.conftest import values_of

CSV = b"text,label\ngood,1\nbad,0\n"


def by_arrow(data: bytes, codec: str) -> bytes:
    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, codec) as stream:
        stream.write(data)
    return out.getvalue().to_pybytes()


def tarred(*members: tuple[Any, bytes], mode: Any = "w:") -> bytes:
    """Returns a tar archive of files by name, or of whole TarInfo."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, data in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


class Unmarked(zipfile.ZipInfo):
    """Returns a member whose name is in a code page that the archive does not state."""

    def __init__(self, name: str, encoding: str) -> None:
        super().__init__(name)
        self.encoding = encoding

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:
        return self.filename.encode(self.encoding), self.flag_bits


PACK: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    ".zst": lambda data: by_arrow(data, "zstd"),
    ".lz4": lambda data: by_arrow(data, "lz4"),
}


@pytest.mark.parametrize("suffix", PACK)
def test_compressed_files(opened, suffix):
    for name, data in (
        (f"a.csv{suffix}", CSV),
        (f"b.tar{suffix}", tarred(("deep/a.csv", CSV), ("deep/photo.png", b"\x89PNG"))),
        (f"c.jsonl{suffix}", b'{"text": "good", "label": 1}\n{"text": "bad", "label": 0}\n'),
    ):
        assert values_of(opened(PACK[suffix](data), name)) == [("good", 1), ("bad", 0)], name
    assert values_of(opened({f"train.csv{suffix}": PACK[suffix](CSV)}, "folder")) == [("good", 1), ("bad", 0)]


@pytest.mark.parametrize("suffix", PACK)
def test_damaged_ones_have_their_sentence(opened, suffix):
    packed = PACK[suffix](CSV * 2000)
    with pytest.raises(DataError, match="cannot be unpacked, it is damaged or incomplete"):
        opened(packed[:-9], f"a.csv{suffix}")
    with pytest.raises(DataError, match="does not begin as a"):
        opened(CSV, f"b.csv{suffix}")


@pytest.mark.parametrize("suffix", PACK)
def test_what_unpacks_to_too_much_is_refused(suffix, settings, tmp_path, monkeypatch):
    monkeypatch.setattr("core.data.reading.archives.RATIO_FROM", 1_000_000)
    path = tmp_path / f"a.csv{suffix}"
    path.write_bytes(PACK[suffix](b"0" * 30_000_000))
    with pytest.raises(DataError, match=r"more than 10 MB|times its size"):
        prepare(DataSpec(source="file", path=str(path)), replace(settings, max_unpacked_bytes=10 * 1024**2))
    assert not [p for p in settings.datasets.iterdir() if p.name.startswith(".")]


def test_an_xz_that_wants_too_much_memory(opened):

    header = lzma.LZMACompressor(lzma.FORMAT_XZ, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 4096}])
    packed = bytearray(header.compress(CSV) + header.flush())
    at = packed.index(b"\x21\x01")  # the filter's id and the size of its properties; the dictionary's size follows
    packed[at + 2] = 38  # of 3 GB
    packed[20:24] = zlib.crc32(bytes(packed[12:20])).to_bytes(4, "little")
    with pytest.raises(DataError, match="cannot be unpacked"):
        opened(bytes(packed), "a.csv.xz")


def link(name: str, target: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_a_tar_writes_nowhere_else_and_makes_no_links(opened, tmp_path):
    before = set(tmp_path.rglob("*"))
    content = tarred(
        ("../../evil.csv", CSV),
        (link("a.csv", "/etc/passwd", tarfile.SYMTYPE), b""),
        (link("b.csv", "../../evil.csv", tarfile.LNKTYPE), b""),
        (link("c.csv", "", tarfile.CHRTYPE), b""),
        (link("d.csv", "", tarfile.FIFOTYPE), b""),
    )
    prepared = opened(content, "a.tar")
    assert values_of(prepared) == [("good", 1), ("bad", 0)]
    outside = set(tmp_path.rglob("*")) - before
    assert not [p for p in outside if "evil" in p.name or p.is_symlink()]
    assert values_of(opened(tarred(("/abs/evil.csv", CSV)), "b.tar")) == [("good", 1), ("bad", 0)]
    with pytest.raises(DataError, match="holds no data file"):
        opened(tarred((link("a.csv", "/etc/passwd", tarfile.SYMTYPE), b"")), "c.tar")


def test_a_tar_whose_header_claims_gigabytes(opened):
    info = tarfile.TarInfo("a")
    info.type, info.size = tarfile.XHDTYPE, 4 * 1024**3
    content = info.tobuf(tarfile.GNU_FORMAT) + CSV + bytes(1024 - len(CSV))
    with pytest.raises(DataError, match="cannot be unpacked"):
        opened(content, "a.tar")


def test_a_tar_with_very_many_members(opened, monkeypatch):
    monkeypatch.setattr("core.data.reading.archives.MAX_MEMBERS", 5)
    with pytest.raises(DataError, match="more than 5 files"):
        opened(tarred(*[(f"{i}.csv", CSV) for i in range(9)]), "a.tar")


def test_members_of_one_name_are_all_read(opened):
    content = tarred(("a/train.csv", CSV), ("a/train.csv", CSV))
    assert sum(split.rows for split in opened(content, "a.tar").splits.values()) == 4


def test_archives_of_archives(opened):
    kaggle = zipped({"train.csv.zip": zipped({"train.csv": CSV}), "test.csv.zip": zipped({"test.csv": CSV})})
    assert list(opened(kaggle, "competition.zip").splits) == ["train", "test"]
    assert values_of(opened(zipped({"a.tar.gz": gzip.compress(tarred(("a.csv", CSV)))}), "b.zip"))[0] == ("good", 1)
    deep = CSV
    for number in range(6):
        deep = gzip.compress(deep) if number else zipped({"a.csv": deep})
    with pytest.raises(DataError, match=r"archive in an archive|another archive|cannot be unpacked"):
        opened(zipped({"a.zip": zipped({"b.zip": zipped({"a.csv": CSV})})}), "c.zip")
    with pytest.raises(DataError, match="archive in an archive"):
        opened(deep, "d.csv.gz")


def test_text_with_a_zip_beside_it_stays(opened):
    """Archives are read only if a folder has no other data."""
    content = {"train.csv": CSV, "everything.zip": zipped({"other.csv": CSV})}
    assert list(opened(content, "set").splits) == ["train"]
    del content["train.csv"]
    assert len(values_of(opened(content, "other set"))) == 2


def test_arrow_files(opened):
    table = pa.table({"text": ["good", "bad"], "label": [1, 0]})
    file, stream = io.BytesIO(), io.BytesIO()
    with pa.ipc.new_file(file, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    for content, name in ((file, "a.feather"), (file, "b.arrow"), (stream, "c.arrow"), (stream, "d.bin")):
        assert values_of(opened(content.getvalue(), name)) == [("good", 1), ("bad", 0)], name
    for damaged in (
        file.getvalue()[:-20],
        file.getvalue()[:100],
        stream.getvalue()[:150],
        b"\xff" * 4 + bytes(range(99)),
    ):
        with pytest.raises(DataError, match="cannot be read as Arrow"):
            opened(damaged, "e.arrow")
    with pytest.raises(DataError, match="Feather file of the first version"):
        opened(b"FEA1" + bytes(90), "f.feather")


def test_arrow_that_lies_about_its_texts(opened):
    """Offsets beyond the texts give an error message, and read no foreign memory."""
    table = pa.table({"text": ["good", "bad", "fine"]})
    stream = io.BytesIO()
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    data = bytearray(stream.getvalue())
    at = data.index(b"\0\0\0\0\x04\0\0\0\x07\0\0\0\x0b\0\0\0")
    data[at + 4 : at + 8] = (2**30).to_bytes(4, "little")
    with pytest.raises(DataError, match="cannot be read as Arrow"):
        opened(bytes(data), "a.arrow")


def test_arrow_is_not_read_while_a_page_waits(settings, tmp_path):
    """The parts may be compressed without stating their unpacked size."""
    table = pa.table({"text": ["a"], "label": [1]})
    with pa.ipc.new_file(str(tmp_path / "a.arrow"), table.schema) as writer:
        writer.write_table(table)
    assert not is_quick(DataSpec(source="file", path=str(tmp_path / "a.arrow")), settings)


@pytest.mark.parametrize(
    ("encoding", "classes"),
    [
        ("cp932", ("肯定", "否定")),
        ("cp932", ("表示", "予約")),  # bytes of a backslash in the first characters
        ("utf-8", ("ポジ", "ネガ")),  # as on a Mac
        ("cp850", ("février", "août")),
        ("cp866", ("хорошо", "плохо")),
    ],
)
def test_names_of_members_are_read_in_the_encoding_of_the_system_that_packed_them(
    opened: Any, encoding: str, classes: tuple[str, str]
) -> None:
    """Otherwise the class names would be unreadable."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(12):
            name = f"{classes[number % 2]}/{classes[number % 2]}{number:03}.txt"
            archive.writestr(Unmarked(name, encoding), f"text {number}")
    prepared = opened(out.getvalue(), "packed.zip")
    assert {label for _, label in values_of(prepared)} == set(classes)


def test_a_name_too_long_for_the_disk_loses_its_beginning(opened: Any) -> None:
    """Windows allows 255 characters, other systems 255 bytes, which are 85 Japanese characters."""
    members = {
        f"{c}/{'長い名前の感想' * 14}{n:03}.txt": f"{c} {n}".encode() for c in ("肯定", "否定") for n in range(6)
    }
    assert len(values_of(opened(zipped(members), "packed.zip"))) == 12


def test_a_file_and_a_folder_of_one_name_in_an_archive(opened: Any) -> None:
    for first in ("data", "data/train.csv"):
        members = {first: CSV, "data" if first != "data" else "data/train.csv": CSV}
        prepared = opened(zipped(members), "both.zip")
        assert sum(split.rows for split in prepared.splits.values()) == 2  # a file without an ending is no data file
