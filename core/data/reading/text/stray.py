"""Finds lines of a UTF-8 file that are in another encoding, as in joined files, and decodes them."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core.data.reading.text import letters
from core.data.reading.text.code_pages import SINGLE_BYTE

SHOWN = 5  # line numbers
PREFIX = "stray-"  # of the names of the error handlers that decode such lines
LIKELY = 9.0  # bits per non-ASCII byte up to which Windows-1252, the commonest encoding of strays, is accepted
CHARACTER = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")


@dataclass(frozen=True)
class Strays:
    """The number of lines that are not UTF-8, the line numbers of the first of them, and their encoding."""

    lines: int
    first: tuple[int, ...]
    encoding: str

    @property
    def errors(self) -> str:
        """The `errors` argument for `open` that decodes the strays by their encoding."""
        return f"{PREFIX}{self.encoding}"


def find(path: Path) -> Strays | None:
    """Finds the lines of a file that are not UTF-8; None if their encoding is not a clear single-byte one."""
    first: list[int] = []
    sample = bytearray()
    count = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.isascii() or is_utf8(line):
                continue
            count += 1
            if count <= SHOWN:
                first.append(number)
            if len(sample) < letters.MOST_BYTES:
                sample += CHARACTER.sub(b" ", line)
    best = letters.likeliest(bytes(sample))
    plain = best.sure or (best.encoding == "cp1252" and best.ratio < LIKELY)
    return Strays(count, tuple(first), best.encoding) if plain and best.encoding in SINGLE_BYTE else None


def is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _decoder(encoding: str) -> Callable[[UnicodeError], tuple[str, int]]:
    def decode(error: UnicodeError) -> tuple[str, int]:
        assert isinstance(error, UnicodeDecodeError)
        return error.object[error.start : error.end].decode(encoding, "replace"), error.end

    return decode


for _encoding in SINGLE_BYTE:
    codecs.register_error(f"{PREFIX}{_encoding}", _decoder(_encoding))
