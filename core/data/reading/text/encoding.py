"""Detects the character encoding of a text file from the whole file, not only from its beginning.

UTF-8 is tried first, strictly, as text in another encoding is almost never valid UTF-8. UTF-16 without a mark is
recognised by its zero bytes, the Japanese encodings by the share of Japanese characters in the decoded text, and all
others by how likely their text is in the languages that they are used for (`letters`).
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from core.data.reading import half_width
from core.data.reading.text import letters, stray
from core.data.reading.text.code_pages import DOUBLE_BYTE, NAMES
from core.data.reading.text.letters import Verdict
from core.errors import DataError
from core.events import Level
from core.wording import counted

CHUNK = 1024 * 1024
SAMPLE_BYTES = 128 * 1024
BEYOND = re.compile(rb"[\x80-\xff]")
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16: its mark begins with UTF-16's
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
ZEROS = 8  # zero bytes in a row that make a file damaged or binary
# Control characters that do not occur in texts; ends of lines and files, escapes and unusual delimiters do.
NOT_TEXT = bytes([0, *range(2, 9), *range(16, 26), 127])


@dataclass(frozen=True)
class Detected:
    """An encoding, the error handler for bytes that are not valid in it, and a sentence for people."""

    encoding: str
    errors: str
    note: str
    level: Level = "info"


def detect(path: Path) -> Detected:
    """Detects the encoding of a text file, reading all of it in chunks. Raises DataError if it is not text."""
    with path.open("rb") as file:
        head = file.read(SAMPLE_BYTES)
    for bom, encoding in BOMS:
        if head.startswith(bom):
            return _settled(path, encoding)
    wide = _utf16_without_bom(head)
    if wide and invalid_at(path, wide) is None:
        return _settled(path, wide)
    if invalid_at(path, "utf-8") is None:
        _check_text(path, head, 0.3)
        _check_zeros(path)
        if b"\x1b$" in head and invalid_at(path, "iso2022_jp") is None:
            return _settled(path, "iso2022_jp")
        return _settled(path, "utf-8")
    _check_text(path, head, 0.02)
    return _not_utf8(path, _non_ascii_lines(path))


def _check_text(path: Path, head: bytes, most: float) -> None:
    """Raises DataError for programs, pictures and the like. most: the share of control characters that a text may have

    Three are allowed in any text. Of random bytes, seven in a hundred are control characters.
    """
    control = len(head) - len(head.translate(None, NOT_TEXT))
    if control > max(3, most * len(head)):
        raise DataError.of(
            "file-not-text",
            "{file} is not a text file, it is full of control characters; choose a table of texts, or "
            "set its encoding if it is one",
            "data.path",
            file=path.name,
        )


def _check_zeros(path: Path) -> None:
    """Raises DataError for zero bytes in a row anywhere in a file, as in archives and in files after a crash."""
    position, before = 0, b""
    for chunk in _chunks(path):
        offset = (before + chunk).find(bytes(ZEROS))
        if offset >= 0:
            raise DataError.of(
                "zero-bytes",
                "{file} has zero bytes in a row (the first at byte {position:,}), so it is damaged or "
                "not a text file; copy or download it again",
                "data.path",
                file=path.name,
                position=position - len(before) + offset,
            )
        position, before = position + len(chunk), chunk[1 - ZEROS :]


def check(path: Path, encoding: str) -> Detected:
    """Returns the encoding that a person chose. Raises DataError if it is unknown or the file is not valid in it."""
    try:
        io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        codecs.getincrementaldecoder(encoding)()
    except (LookupError, TypeError, ValueError):
        raise DataError.of(
            "no-such-table-encoding",
            "there is no character encoding called {encoding!r}; use utf-8, cp932, euc_jp, utf-16, "
            "latin-1 or leave it empty to have it detected",
            "data.read.encoding",
            encoding=encoding,
        ) from None
    with path.open("rb") as file:
        head = file.read(SAMPLE_BYTES)
    if (
        encoding.lower().replace("_", "-").startswith(("utf-16", "utf-32"))
        and b"\0" not in head
        and head[:2]
        not in (
            codecs.BOM_UTF16_LE,
            codecs.BOM_UTF16_BE,
        )
    ):
        raise DataError.of(
            "not-utf-16-or-32",
            "{file} cannot be read as {encoding}, as it has neither a byte order mark nor a zero byte; "
            "choose another encoding or leave it empty to have it detected",
            "data.read.encoding",
            file=path.name,
            encoding=encoding,
        )
    offset = invalid_at(path, encoding)
    if offset is not None:
        raise DataError.of(
            "file-not-in-encoding",
            "{file} cannot be read as {encoding}, as line {line:,} is not valid in it; choose another "
            "encoding or leave it empty to have it detected",
            "data.read.encoding",
            file=path.name,
            encoding=encoding,
            line=line_of(path, offset),
        )
    if not encoding.lower().replace("_", "-").startswith(("utf-16", "utf-32")):
        _check_zeros(path)
    return Detected(encoding, "strict", f"The encoding is {name_of(encoding)}, as chosen.")


def name_of(encoding: str) -> str:
    """Returns the name of an encoding for people, from any of its codec names."""
    try:
        canonical = codecs.lookup(encoding).name
    except LookupError:
        return encoding
    return next((title for code, title in NAMES.items() if codecs.lookup(code).name == canonical), encoding)


def open_text(path: Path, detected: Detected, newline: str) -> TextIO:
    """Opens a file as decoded text. newline: as for `open`, so that line ends inside quotes stay unchanged"""
    return path.open("r", encoding=detected.encoding, errors=detected.errors, newline=newline)


def invalid_at(path: Path, encoding: str) -> int | None:
    """Returns about the byte offset of the first bytes that are not valid in `encoding`; None if all are valid."""
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    position = 0
    for chunk in _chunks(path):
        pending = len(decoder.getstate()[0])
        try:
            decoder.decode(chunk)
        except UnicodeDecodeError as error:
            return max(0, position - pending + error.start)
        except UnicodeError:
            return position
        position += len(chunk)
    try:
        decoder.decode(b"", final=True)
    except UnicodeError:
        return max(0, position - 1)
    return None


def line_of(path: Path, offset: int) -> int:
    """Returns the number, from 1, of the line that holds a byte."""
    line, position = 1, 0
    for chunk in _chunks(path):
        line += chunk.count(b"\n", 0, max(0, offset - position))
        position += len(chunk)
        if position >= offset:
            break
    return line


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _settled(path: Path, encoding: str) -> Detected:
    offset = None if encoding == "utf-8" else invalid_at(path, encoding)
    if offset is None:
        return Detected(encoding, "strict", f"The encoding is {NAMES.get(encoding, encoding)}.")
    if encoding == "utf-8-sig":
        return _utf8_with_strays(path, encoding)
    return _damaged(path, encoding, offset)


def _damaged(path: Path, encoding: str, offset: int) -> Detected:
    note = (
        f"The encoding is {NAMES.get(encoding, encoding)}, but some bytes are not valid in it (the first on line "
        f"{line_of(path, offset):,}); they are shown as \ufffd."
    )
    return Detected(encoding, "replace", note, "warning")


def _utf16_without_bom(head: bytes) -> str | None:
    """Recognises UTF-16 by its zero bytes, which line ends and other ASCII characters have on the same side."""
    for encoding, newline, side in (("utf-16-le", b"\n\0", 1), ("utf-16-be", b"\0\n", 0)):
        zeros = head[side::2].count(0)
        if zeros < max(1, len(head) // 200) or zeros < 4 * head[1 - side :: 2].count(0):
            continue
        text = head[: len(head) // 2 * 2].decode(encoding, "replace")
        if "\ufffd" in text[:-1]:
            continue
        if text.count("\n") * 2 >= max(1, head.count(b"\n")) or (newline not in head and zeros * 3 > len(head)):
            return encoding
    return None


def _non_ascii_lines(path: Path) -> bytes:
    """Returns lines with non-ASCII bytes from the whole file. In these encodings, no character holds a line end."""
    lines: list[bytes] = []
    size = 0
    for chunk in _chunks(path):
        for match in re.finditer(rb"[^\n]{0,2000}[\x80-\xff][^\n]{0,2000}", chunk):
            lines.append(match.group())
            size += len(match.group())
            if size > SAMPLE_BYTES:
                return b"\n".join(lines)
    return b"\n".join(lines)


def _not_utf8(path: Path, sample: bytes) -> Detected:
    if _is_damaged_utf8(sample):
        return _utf8_with_strays(path, "utf-8")
    best = letters.likeliest(sample)
    japanese = _half_width(path, sample, best)
    if japanese is None and _has_utf8_lines(sample):
        return _utf8_with_strays(path, "utf-8")
    japanese = japanese or _japanese(path, sample, best)
    if japanese:
        return japanese
    offset = invalid_at(path, best.encoding)
    if offset is not None:
        return _damaged(path, best.encoding, offset)
    return _settled(path, best.encoding) if best.sure else _unsure(path, best.encoding)


def _is_damaged_utf8(sample: bytes) -> bool:
    """Whether the non-ASCII bytes are UTF-8, except for a few."""
    text = sample.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    return sum(c >= "\x80" for c in text) - bad >= 10 * bad


def _has_utf8_lines(sample: bytes) -> bool:
    """Whether many non-ASCII lines are UTF-8, as in a UTF-8 file that was cut or joined with another encoding."""
    valid = [stray.is_utf8(line) for line in sample.split(b"\n")]
    return sum(valid) * 2 >= valid.count(False)  # a line in another encoding is hardly ever valid UTF-8


def _utf8_with_strays(path: Path, encoding: str) -> Detected:
    """Returns UTF-8 for a file with invalid bytes, which are read in the encoding of their lines if that is clear."""
    strays = stray.find(path)
    if strays is None:
        return _damaged(path, encoding, invalid_at(path, encoding) or 0)
    lines = counted(strays.lines, "line")
    numbers = ", ".join(f"{number:,}" for number in strays.first) + (" …" if strays.lines > len(strays.first) else "")
    note = (
        f"The encoding is {NAMES[encoding]}, except for bytes in {lines} of the file (line {numbers}); these are read "
        f"as {NAMES[strays.encoding]}."
    )
    return Detected(encoding, strays.errors, note, "warning")


def _unsure(path: Path, encoding: str) -> Detected:
    """Returns an encoding that is only probable, with an example line for a person to judge."""
    line, text = _example(path, encoding)
    note = (
        f"The encoding is probably {NAMES[encoding]}, but that is not sure: for instance “{text}” on line {line:,}; if "
        "that is wrong, set the encoding."
    )
    return Detected(encoding, "strict", note, "warning")


def _example(path: Path, encoding: str) -> tuple[int, str]:
    """Returns the number of the first line with a non-ASCII byte, and the text around that byte."""
    line, before = 1, b""
    for chunk in _chunks(path):
        if match := BEYOND.search(chunk):
            line += chunk.count(b"\n", 0, match.start())
            left = (before + chunk[: match.start()])[-30:].rpartition(b"\n")[2]
            right = chunk[match.start() : match.start() + 50].partition(b"\n")[0]
            return line, (left + right).decode(encoding, "replace").strip()
        line += chunk.count(b"\n")
        before = chunk[-30:]
    return line, ""


def _half_width(path: Path, sample: bytes, other: Verdict) -> Detected | None:
    """Returns Shift-JIS if it gives words in half-width katakana, else None. other: the best other encoding"""
    text = sample[: letters.MOST_BYTES].decode("cp932", "replace")
    if not half_width.is_written(text) or invalid_at(path, "cp932") is not None:
        return None
    if invalid_at(path, other.encoding) is not None:
        return _settled(path, "cp932")
    bits = half_width.bits(text)
    if other.bits < (1.15 if other.encoding in DOUBLE_BYTE else 0.9) * bits:
        return None  # two kana may be one Chinese ideograph
    return _unsure(path, "cp932") if other.bits < 1.15 * bits else _settled(path, "cp932")


def _japanese(path: Path, sample: bytes, other: Verdict) -> Detected | None:
    """Returns Shift-JIS or EUC-JP if one of them gives Japanese text, else None. other: the best other encoding"""
    shares = {}
    for encoding in letters.JAPANESE:
        shares[encoding] = _japanese_share(sample.decode(encoding, "replace"))
    best = max(shares, key=lambda e: shares[e])
    share = shares[best]
    if share < 0.7:
        return None
    bits = letters.ideograph_bits(sample[: letters.MOST_BYTES].decode(best, "replace"), best)
    if other.bits < 0.9 * bits:
        return None  # only ideographs, as texts in many other encodings decode as EUC-JP too
    offset = invalid_at(path, best)
    if offset is not None:
        return _damaged(path, best, offset) if share > 0.9 else None
    return _unsure(path, best) if other.bits < 1.15 * bits else _settled(path, best)


def _japanese_share(text: str) -> float:
    """Returns the share of kana, Japanese punctuation, full-width forms and common kanji in non-ASCII characters."""
    beyond = [c for c in text[:50_000] if c >= "\x80"]
    return sum(map(_japanese_weight, beyond)) / max(1, len(beyond))


def _japanese_weight(character: str) -> float:
    if "\u3000" <= character <= "\u30ff" or "\uff01" <= character <= "\uff60":
        return 1.0
    if "\u4e00" <= character <= "\u9fff":
        code = character.encode("euc_jp", "replace")
        return 1.0 if 0xB0 <= code[0] <= 0xCF else 0.2  # JIS level 1, else level 2 and vendors' additions
    return 0.2 if "\uff61" <= character <= "\uff9f" else 0.5 if "\u2010" <= character <= "\u33ff" else 0.0
