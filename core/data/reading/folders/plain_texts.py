"""Reads plain text files, with one text per file or per line, into a table of text and label."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from core.data.notes import Note
from core.data.reading.aligning.columns import StringColumns
from core.data.reading.folders.texts import Texts
from core.data.reading.folders.walk import Entry
from core.data.reading.text import encoding as encodings
from core.data.reading.text import stray
from core.data.reading.text.code_pages import NAMES
from core.data.reading.text.encoding import Detected
from core.errors import DataError
from core.strange_files import pointer
from core.wording import counted, listed

COLUMNS = ["text", "label"]
MAX_TEXT_BYTES = 16 * 1024**2
SAMPLE_BYTES = 1024**2
BATCH_CHARACTERS = 8 * 1024**2


@dataclass
class Skipped:
    """Counts of the files without usable text, by reason."""

    empty: int = 0
    unreadable: int = 0
    binary: int = 0
    damaged: int = 0  # read, but with bytes that are not text


def write(
    texts: Texts, split: str, path: Path, encoding: str | None, tick: Callable[[float], None]
) -> tuple[StringColumns, list[Note]]:
    """Writes the texts of one split to a Parquet file of strings; returns its columns and notes. Raises DataError."""
    classes = texts.splits[split]
    total, skipped = max(1, sum(map(len, classes.values()))), Skipped()
    detected = None if encoding or texts.per_line else _other_encoding(classes, path.with_suffix(".sample"))
    rows: list[list[str]] = []
    size = done = 0
    with StringColumns(path, COLUMNS) as columns:
        for label, files in classes.items():
            for entry in files:
                for text in _texts_of(entry, texts.per_line, encoding, detected, skipped):
                    rows.append([text, label])
                    size += len(text)
                    if size > BATCH_CHARACTERS:
                        columns.add(rows)
                        rows, size = [], 0
                done += 1
                if done % 200 == 0:
                    tick(done / total)
        columns.add(rows)
    return columns, _notes(split, skipped, detected)


def _texts_of(
    entry: Entry, per_line: bool, encoding: str | None, other: Detected | None, skipped: Skipped
) -> Iterator[str]:
    """Yields the texts of a file: all of it as one text, or each line that is not blank."""
    if not entry.size:
        skipped.empty += 1
        return
    try:
        if message := pointer(entry.path):
            raise DataError(message, "data.path")
        if per_line:
            detected = encodings.check(entry.path, encoding) if encoding else encodings.detect(entry.path)
            with encodings.open_text(entry.path, detected, "") as stream:
                yield from (line.strip() for line in stream if line.strip("\ufeff \t\r\n"))
            return
        if entry.size > MAX_TEXT_BYTES:
            raise DataError.of(
                "text-file-too-large",
                "{file} has {megabytes:,.0f} MB; one text may have at most {most} MB. Take the file out of the folder",
                "data.path",
                file=entry.name,
                megabytes=entry.size / 1024**2,
                most=MAX_TEXT_BYTES // 1024**2,
            )
        content = entry.path.read_bytes()
    except OSError:
        skipped.unreadable += 1
        return
    if b"\0" in content and not content.startswith((b"\xff\xfe", b"\xfe\xff")) and not encoding:
        skipped.binary += 1
        return
    text = _decoded(entry, content, encoding, other).strip()
    skipped.damaged += "\ufffd" in text and "\ufffd".encode() not in content
    if text:
        yield text
    else:
        skipped.empty += 1


def _decoded(entry: Entry, content: bytes, encoding: str | None, other: Detected | None) -> str:
    try:
        if encoding:
            return content.decode(encoding)
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):
            return content.decode("utf-16", "replace")
        return content.decode("utf-8-sig")
    except LookupError:
        raise DataError.of(
            "no-such-encoding",
            "there is no character encoding called {encoding!r}; use utf-8, cp932, latin-1 or leave it "
            "empty to have it detected",
            "data.read.encoding",
            encoding=encoding,
        ) from None
    except UnicodeError:
        if encoding or other is None:
            raise DataError.of(
                "text-file-not-in-encoding",
                "{file} cannot be read as {encoding}; choose another encoding or leave it empty to have it detected",
                "data.read.encoding",
                file=entry.name,
                encoding=encoding or "utf-8",
            ) from None
        return content.decode(other.encoding, "replace" if other.errors == "strict" else other.errors)


def _other_encoding(classes: dict[str, list[Entry]], sample: Path) -> Detected | None:
    """Detects the encoding of the files that are not UTF-8, from all of them together; None if there are none."""
    size = 0
    try:
        with sample.open("wb") as out:
            for entry in (entry for files in classes.values() for entry in files):
                if (content := _foreign(entry)) and size < SAMPLE_BYTES:
                    size += out.write(content[:SAMPLE_BYTES] + b"\n")
        return encodings.detect(sample) if size else None
    finally:
        sample.unlink(missing_ok=True)


def _foreign(entry: Entry) -> bytes:
    """Returns the content of a file that is not UTF-8; empty if it is UTF-8 or cannot be read."""
    if entry.size > MAX_TEXT_BYTES:
        return b""
    try:
        content = entry.path.read_bytes()
    except OSError:
        return b""
    if b"\0" in content:
        return b""
    try:
        content.decode("utf-8")
    except UnicodeError:
        return content
    return b""


def _notes(split: str, skipped: Skipped, detected: Detected | None) -> list[Note]:
    notes = []
    if detected and detected.errors.startswith(stray.PREFIX):
        name = NAMES[detected.errors.removeprefix(stray.PREFIX)]
        notes.append(
            Note.of(
                "bytes-read-in-encoding",
                "{split}: bytes in files of UTF-8 that are not UTF-8 are read as {encoding}.",
                "warning",
                split=split,
                encoding=name,
            )
        )
    elif detected and detected.encoding != "utf-8":
        name = NAMES.get(detected.encoding, detected.encoding)
        notes.append(
            Note.of(
                "files-read-in-encoding",
                "{split}: files that are not UTF-8 are read as {encoding}.",
                split=split,
                encoding=name,
            )
        )
    if skipped.damaged:
        files = counted(skipped.damaged, "file")
        notes.append(
            Note.of(
                "files-with-binary-bytes",
                "{split}: {files} with bytes that are not text; they are shown as �.",
                "warning",
                split=split,
                files=files,
            )
        )
    parts = [
        (skipped.empty, "without any text"),
        (skipped.unreadable, "that cannot be opened"),
        (skipped.binary, "that hold zero bytes and are not text"),
    ]
    left_out = [f"{counted(count, 'file')} {why}" for count, why in parts if count]
    if left_out:
        notes.append(
            Note.of(
                "texts-not-read", "{split}: left out are {left_out}.", "warning", split=split, left_out=listed(left_out)
            )
        )
    return notes
