"""Uploads are streamed, kept once under a safe name, and removed if they fail."""

from __future__ import annotations

import errno
import io
from dataclasses import replace

import pytest

from core.data.reading.uploads import CHUNK, safe_name, save_upload
from core.errors import DataError


class Slow(io.BytesIO):
    """A stream that records the size of each read, and may fail in the middle."""

    def __init__(self, content: bytes, fail: OSError | None = None) -> None:
        super().__init__(content)
        self.reads: list[int] = []
        self.fail = fail

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads.append(size or 0)
        if self.fail and len(self.reads) > 1:
            raise self.fail
        return super().read(size)


def test_streamed_and_kept_once(settings):
    content = b"text,label\n" * 300_000
    stream = Slow(content)
    path = save_upload(settings, "reviews.csv", stream)
    assert path.read_bytes() == content
    assert path.name == "reviews.csv"
    assert path.is_relative_to(settings.uploads)
    assert set(stream.reads) == {CHUNK}
    before = path.stat().st_mtime_ns
    assert save_upload(settings, "reviews.csv", io.BytesIO(content)) == path
    assert path.stat().st_mtime_ns == before
    assert save_upload(settings, "other.csv", io.BytesIO(content)).name == "other.csv"
    assert save_upload(settings, "reviews.csv", io.BytesIO(b"x")) != path


@pytest.mark.parametrize(
    ("stream", "sentence"),
    [
        (Slow(bytes(3 * CHUNK)), "larger than 2 MB"),
        (Slow(b""), "empty"),
        (Slow(bytes(2 * CHUNK), OSError(errno.ENOSPC, "No space left on device")), "is full"),
        (Slow(bytes(2 * CHUNK), OSError(errno.EIO, "Input/output error")), "could not be kept"),
    ],
)
def test_nothing_is_left_of_a_failure(settings, stream, sentence):
    with pytest.raises(DataError, match=sentence):
        save_upload(replace(settings, max_upload_bytes=2 * CHUNK), "a.csv", stream)
    assert not [p for p in settings.uploads.rglob("*") if p.is_file()]


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\data.csv", "data.csv"),
        ("a\0b\n*?[x].csv", "a_b____x_.csv"),
        ("レビュー.csv", "レビュー.csv"),
        ("..", "upload"),
        ("", "upload"),
        ("con.csv", "_con.csv"),
        (".hidden.csv", "hidden.csv"),
        ("\ud800.csv", "_.csv"),
    ],
)
def test_names_are_harmless(settings, name, safe):
    assert safe_name(name) == safe
    assert save_upload(settings, name, io.BytesIO(b"x")).name == safe


def test_long_names_keep_their_suffix():
    assert (
        safe_name("長い" * 200 + ".csv.gz").endswith("長い.csv.gz")
        or len(safe_name("長い" * 200 + ".csv.gz").encode()) <= 100
    )
    assert safe_name("a" * 500 + ".csv").endswith(".csv")
