"""Reads JSON text value by value, with only the current value in memory, and explains where it is not valid."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any

from core.errors import DataError

CHUNK = 1024 * 1024
MAX_VALUE = 64 * 1024 * 1024  # characters of one value
LOOK_AHEAD = 256 * 1024  # characters of a value that is read whole
SPACE = re.compile(r"[\s\ufeff\0]*")  # \s includes the record separator of JSON text sequences
SEPARATORS = re.compile(r"[\s\ufeff\0,]*")
LINE_ENDS = "\ufeff \t\r\n\0\x1e"
PYTHON_WORDS = re.compile(r"(True|False|None)\b")


@dataclass
class Seen:
    """Counts of irregularities: what JSON does not allow, and records that differ from the others.

    no_numbers: NaN in place of a value; repeated: key → how often it occurs twice in one object
    arrays: records that are arrays; misfits: arrays with more or fewer values than there are names
    lone: records that are neither object nor array; commas: between values without brackets around them
    """

    no_numbers: int = 0
    repeated: dict[str, int] = field(default_factory=dict)
    arrays: int = 0
    lone: int = 0
    misfits: int = 0
    commas: int = 0

    def constant(self, word: str) -> float | None:
        if word == "NaN":
            self.no_numbers += 1
            return None
        return float(word)

    def pairs(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        record = dict(pairs)
        if len(record) != len(pairs):
            keys = [key for key, _ in pairs]
            for key in {key for key in keys if keys.count(key) > 1} if len(keys) < 1000 else {"…"}:
                self.repeated[key] = self.repeated.get(key, 0) + 1
        return record


def decoder(seen: Seen, careful: bool) -> json.JSONDecoder:
    """Returns a decoder that reads NaN as null. careful: also count keys that occur twice, which is slower"""
    return json.JSONDecoder(parse_constant=seen.constant, object_pairs_hook=seen.pairs if careful else None)


def lines(path: Path, stream: IO[str], seen: Seen, careful: bool) -> Iterator[Any]:
    """Yields the values of JSON Lines. careful: see `decoder`. Raises DataError with the line."""
    decode = decoder(seen, careful)
    for number, line in enumerate(iter(partial(stream.readline, MAX_VALUE), ""), 1):
        if len(line) == MAX_VALUE:
            raise too_long(path)
        text = line.strip(LINE_ENDS)
        if text:
            try:
                yield decode.decode(text)
            except (ValueError, RecursionError) as error:
                yield from _several(path, number, text, decode, error, seen)


def _several(path: Path, number: int, text: str, decode: json.JSONDecoder, error: Exception, seen: Seen) -> list[Any]:
    """Returns the values of a line that has several, or a comma at its end. Raises DataError."""
    values, at = [], 0
    try:
        while at < len(text):
            value, at = decode.raw_decode(text, at)
            values.append(value)
            after = SEPARATORS.match(text, at).end()  # type: ignore[union-attr]
            seen.commas += text.count(",", at, after)
            at = after
            if at < len(text) and text[at] not in "{[":
                raise error
    except (ValueError, RecursionError) as wrong:
        raise not_json(path, number, text, wrong) from None
    return values


class Reader:
    """Walks through JSON text. Raises DataError, with the line, where it is not valid."""

    def __init__(self, path: Path, stream: IO[str], seen: Seen, careful: bool) -> None:
        self.path, self.stream, self.seen, self.decoder = path, stream, seen, decoder(seen, careful)
        self.text, self.at, self.line, self.ended = "", 0, 1, False

    def more(self) -> bool:
        """Reads more text and drops what was used; False at the end of the file."""
        chunk = "" if self.ended else self.stream.read(max(CHUNK, len(self.text) - self.at))
        self.ended = not chunk
        if chunk:
            self.line += self.text.count("\n", 0, self.at)
            self.text, self.at = self.text[self.at :] + chunk, 0
        if len(self.text) > MAX_VALUE:
            raise too_long(self.path)
        return bool(chunk)

    def peek(self) -> str:
        """Returns the next character that is not whitespace; empty at the end."""
        while True:
            self.at = SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more():
                return ""

    def peek_after_value(self) -> str:
        """Returns the next character after a value, skipping commas between values without brackets."""
        while self.peek() == ",":
            self.at += 1
            self.seen.commas += 1
        return self.peek()

    def take(self, expected: str) -> None:
        """Moves past one of the expected characters. Raises DataError for another."""
        if self.peek() not in expected or self.at >= len(self.text):
            raise self.error(ValueError(f"expected {' or '.join(expected)}"))
        self.at += 1

    def value(self) -> Any:
        """Reads the next value."""
        self.peek()
        while True:
            try:
                value, end = self.decoder.raw_decode(self.text, self.at)
            except (ValueError, RecursionError) as error:
                if isinstance(error, RecursionError) or not self.more():
                    raise self.error(error) from None
                continue
            if end == len(self.text) and self.more():
                continue  # a number may continue in the next chunk
            self.at = end
            return value

    def short_value(self) -> tuple[Any, bool]:
        """Reads the next value if it ends within `LOOK_AHEAD` characters; also returns whether it did."""
        self.peek()
        while len(self.text) - self.at < LOOK_AHEAD and self.more():
            pass
        try:
            value, end = self.decoder.raw_decode(self.text[self.at : self.at + LOOK_AHEAD])
        except (ValueError, RecursionError):
            return None, False
        if self.at + end == len(self.text) and not self.ended:
            return None, False
        self.at += end
        return value, True

    def skip(self) -> None:
        """Skips the next value, however large."""
        _, whole = self.short_value()
        match "" if whole else self.peek():
            case "":
                pass
            case "[":
                for _ in self.array():
                    pass
            case "{":
                for _ in self.object_keys():
                    self.skip()
            case _:
                self.value()

    def array(self) -> Iterator[Any]:
        """Yields the items of an array; allows a comma after the last one."""
        self.take("[")
        while self.peek() != "]":
            yield self.value()
            self.take(",]")
            if self.text[self.at - 1] == "]":
                return
        self.at += 1

    def object_keys(self) -> Iterator[str]:
        """Yields the keys of an object; the caller must read each value before the next key."""
        self.take("{")
        while self.peek() != "}":
            if self.peek() != '"':
                raise self.error(ValueError("expected a key in double quotes"))
            key = self.value()
            self.take(":")
            yield key
            self.take(",}")
            if self.text[self.at - 1] == "}":
                return
        self.at += 1

    def error(self, error: Exception) -> DataError:
        """Explains an error at the current place."""
        at = self.at
        if isinstance(error, json.JSONDecodeError) and error.doc is self.text:
            at = min(error.pos, len(self.text))
        line = self.line + self.text.count("\n", 0, at)
        start = self.at if at - self.at < 20 else at - 20
        return not_json(self.path, line, self.text[start : start + 40], error, self.text[at : at + 6])


def too_long(path: Path) -> DataError:
    return DataError.of(
        "json-value-too-long",
        "{file} has a value of over {most:,} characters; write the records as JSON Lines, one per line",
        "data.path",
        file=path.name,
        most=MAX_VALUE,
    )


def not_json(path: Path, line: int, near: str, error: Exception, at: str | None = None) -> DataError:
    """Explains what is wrong on a line. at: the characters that could not be read, if the error does not hold them"""
    if isinstance(error, json.JSONDecodeError) and at is None:
        at = error.doc[error.pos : error.pos + 6]
        near = near if error.pos < 20 else error.doc[error.pos - 20 : error.pos + 20]
    cause = "it is nested too deeply" if isinstance(error, RecursionError) else _cause(str(error), near, at or "")
    return DataError.of(
        "json-invalid",
        "{file} is not valid JSON at line {line:,} ({reason}), near {near!r}; correct that line",
        "data.path",
        file=path.name,
        line=line,
        reason=cause,
        near=near[:40],
    )


def _cause(message: str, near: str, at: str) -> str:
    """Returns a plain cause for a common mistake, else the parser's message. at: the text that could not be read"""
    if at.startswith(("//", "/*", "#")):
        return "a comment, which JSON does not have"
    if at.startswith("'"):
        return "single quotes, as Python writes them; JSON has double quotes"
    if PYTHON_WORDS.match(at):
        return "a word of Python's; JSON has true, false and null"
    if at.lower().startswith(("nan", "-nan")):
        return "not a number; JSON has null for no value"
    if "trailing comma" in message or (at[:1] in ("}", "]") and re.search(rf",\s*\{at[0]}", near)):
        return "a comma with nothing after it"
    return message.split(": line")[0]
