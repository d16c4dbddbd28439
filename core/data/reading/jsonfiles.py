"""JSON and JSON Lines: records read one after the other, however large the file, and written to Parquet.

Read twice: once to learn which columns there are and of which types, once to write them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from core.data.notes import Note
from core.data.reading import encoding as encodings
from core.data.reading.columns import COMPRESSION
from core.data.reading.encoding import Detected
from core.errors import DataError

CHUNK = 1024 * 1024
MAX_VALUE = 64 * 1024 * 1024  # characters of one record
MAX_FIRST_LINE = 8 * 1024 * 1024  # characters in which a first record must end for JSON Lines called .json
BATCH_ROWS = 10_000
BATCH_CHARACTERS = 16 * 1024 * 1024
SURROGATE = re.compile("[\ud800-\udfff]")
SPACE = re.compile(r"[\s\ufeff]*")
INT64 = range(-(2**63), 2**63)


@dataclass
class Layout:
    """What the records of a file have: types per column, by the names of Python's types."""

    detected: Detected
    types: dict[str, set[str]] = field(default_factory=dict)
    inner: dict[str, set[str]] = field(default_factory=dict)  # types inside lists
    rows: int = 0
    partial: dict[str, int] = field(default_factory=dict)  # in how many records a column is
    broken: int = 0  # half surrogate pairs, which no text can hold


def examine(path: Path, kind: str, encoding: str | None) -> Layout:
    """Reads a file once and says what is in it. Raises DataError."""
    layout = Layout(encodings.check(path, encoding) if encoding else encodings.detect(path))
    for record in records(path, kind, layout.detected):
        layout.rows += 1
        for name, value in record.items():
            kinds = layout.types.setdefault(name, set())
            layout.partial[name] = layout.partial.get(name, 0) + 1
            kinds.add("big" if type(value) is int and value not in INT64 else type(value).__name__)
            if type(value) is list:
                layout.inner.setdefault(name, set()).update(type(v).__name__ for v in value)
    if not layout.rows or not layout.types:
        raise DataError(f"{path.name} has no records; choose a file with at least one", "data.path")
    return layout


def types_of(layouts: list[Layout]) -> dict[str, pa.DataType]:
    """Types that hold what is in all of some files, by column."""
    types = {}
    for name in dict.fromkeys(name for layout in layouts for name in layout.types):
        kinds = set().union(*(layout.types.get(name, set()) for layout in layouts))
        inner = set().union(*(layout.inner.get(name, set()) for layout in layouts))
        types[name] = _arrow(kinds - {"NoneType"}, inner - {"NoneType"})
    return types


def write(
    files: list[tuple[Path, str, Layout]], types: dict[str, pa.DataType], target: Path, tick: Callable[[float], None]
) -> None:
    """Writes the records of some files to one Parquet file. A column that a record has not is null there."""
    total, done = sum(layout.rows for *_, layout in files), 0
    schema = pa.schema([(SURROGATE.sub("\ufffd", name), kind) for name, kind in types.items()])
    with pq.ParquetWriter(target, schema, compression=COMPRESSION) as writer:
        for path, kind, layout in files:
            for batch in _batches(records(path, kind, layout.detected)):
                arrays = [pa.array([_fitted(r.get(n), t, layout) for r in batch], t) for n, t in types.items()]
                writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
                done += len(batch)
                tick(done / max(1, total))


def notes(layout: Layout, name: str) -> list[Note]:
    """What a person should know about how a file was read."""
    notes = [] if layout.detected.encoding == "utf-8" else [Note(f"{name}: {layout.detected.note}")]
    missing = [f"{n} ({layout.rows - count:,} times)" for n, count in layout.partial.items() if count < layout.rows]
    if missing:
        notes.append(Note(f"{name}: not every record has {', '.join(missing[:5])}; where it is missing it is empty."))
    if layout.broken:
        notes.append(
            Note(f"{name}: {layout.broken:,} half surrogate pairs, which no text can hold, became \ufffd.", "warning")
        )
    return notes


def records(path: Path, kind: str, detected: Detected) -> Iterator[dict[str, Any]]:
    """The records of a file, each as a dict. A list becomes column_1, …; a lone value the column `text`.

    Raises DataError where the file is not JSON, with the line.
    """
    with encodings.open_text(path, detected, "") as stream:
        yield from map(_record, _lines(path, stream) if kind in (".jsonl", ".ndjson") else _document(path, stream))


def _record(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    return {f"column_{i}": v for i, v in enumerate(value, 1)} if isinstance(value, list) else {"text": value}


def _lines(path: Path, stream: Iterable[str]) -> Iterator[Any]:
    for number, line in enumerate(stream, 1):
        text = line.strip("\ufeff \t\r\n\0")
        if text:
            try:
                yield json.loads(text)
            except (ValueError, RecursionError) as error:
                raise _not_json(path, number, text, error) from None


def _document(path: Path, stream: IO[str]) -> Iterator[Any]:
    """Records of a `.json` file: an array, an object with an array in it, columns, or one record after the other."""
    reader = _Reader(path, stream)
    match reader.peek():
        case "[":
            yield from reader.array()
            if reader.peek():
                raise reader.error(ValueError("something follows the end of the array"))
        case "{":
            first = reader.first_line_value()
            if first is None:
                yield from _in_object(reader)
            else:  # JSON Lines by another name
                yield first
                while reader.peek():
                    yield reader.value()
        case _:
            raise reader.error(ValueError("a dataset begins with [ or {"))


def _in_object(reader: _Reader) -> Iterator[Any]:
    """The records in one object: those of its first array of objects, else its columns, else itself."""
    whole: dict[str, Any] = {}
    for key in reader.object_keys():
        if reader.peek() == "[":
            items = reader.array()
            head = next(items, None)
            if isinstance(head, dict):
                yield from chain([head], items)
                return
            whole[key] = [] if head is None else [head, *items]
        else:
            whole[key] = reader.value()
    if whole and all(isinstance(v, (list, dict)) for v in whole.values()):
        yield from _from_columns(reader.path, whole)
    elif whole:
        yield whole


def _from_columns(path: Path, whole: dict[str, Any]) -> Iterator[Any]:
    lists = {k: list(v.values()) if isinstance(v, dict) else v for k, v in whole.items()}
    lengths = {k: len(v) for k, v in lists.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{k} has {n:,}" for k, n in list(lengths.items())[:6])
        raise DataError(f"the columns of {path.name} differ in length: {shown}; they must be equal", "data.path")
    for values in zip(*lists.values(), strict=True):
        yield dict(zip(lists, values, strict=True))


class _Reader:
    """Values one after the other out of a stream of JSON, with only the current one in memory."""

    decoder = json.JSONDecoder()

    def __init__(self, path: Path, stream: IO[str]) -> None:
        self.path, self.stream = path, stream
        self.text, self.at, self.line, self.ended = "", 0, 1, False

    def more(self) -> bool:
        """Reads on, dropping what is done with; False at the end of the file."""
        chunk = "" if self.ended else self.stream.read(max(CHUNK, len(self.text) - self.at))
        self.ended = not chunk
        if chunk:
            self.line += self.text.count("\n", 0, self.at)
            self.text, self.at = self.text[self.at :] + chunk, 0
        if len(self.text) > MAX_VALUE:
            raise DataError(
                f"{self.path.name} has a value of over {MAX_VALUE:,} characters; use JSON Lines", "data.path"
            )
        return bool(chunk)

    def peek(self) -> str:
        """The next character that is no white space; empty at the end."""
        while True:
            self.at = SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more():
                return ""

    def take(self, expected: str) -> None:
        if self.peek() not in expected or self.at >= len(self.text):
            raise self.error(ValueError(f"expected {' or '.join(expected)}"))
        self.at += 1

    def value(self) -> Any:
        self.peek()
        while True:
            try:
                value, end = self.decoder.raw_decode(self.text, self.at)
            except (ValueError, RecursionError) as error:
                if isinstance(error, RecursionError) or not self.more():
                    raise self.error(error) from None
                continue
            if end == len(self.text) and self.more():
                continue  # a number may go on
            self.at = end
            return value

    def array(self) -> Iterator[Any]:
        self.take("[")
        if self.peek() == "]":
            self.at += 1
            return
        while True:
            yield self.value()
            self.take(",]")
            if self.text[self.at - 1] == "]":
                return

    def object_keys(self) -> Iterator[str]:
        """The keys of an object; the caller takes each value before it asks for the next."""
        self.take("{")
        while self.peek() not in ("}", ""):
            key = self.value()
            self.take(":")
            yield str(key)
            self.take(",}")
            if self.text[self.at - 1] == "}":
                return

    def first_line_value(self) -> Any:
        """The object on the first line if it is complete there and others follow; else None, and nothing is taken."""
        while "\n" not in self.text[self.at :] and len(self.text) < MAX_FIRST_LINE and self.more():
            pass
        try:
            value, end = self.decoder.raw_decode(self.text, self.at)
        except (ValueError, RecursionError):
            return None
        length = end - self.at
        while self._after(length) == len(self.text) and self.more():
            pass
        if self.text[self._after(length) :][:1] != "{":
            return None
        self.at += length
        return value

    def _after(self, length: int) -> int:
        return SPACE.match(self.text, self.at + length).end()  # type: ignore[union-attr]

    def error(self, error: Exception) -> DataError:
        line = self.line + self.text.count("\n", 0, self.at)
        return _not_json(self.path, line, self.text[self.at : self.at + 40], error)


def _not_json(path: Path, line: int, text: str, error: Exception) -> DataError:
    why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error).split(": line")[0]
    return DataError(
        f"{path.name} is not valid JSON at line {line:,} ({why}), near {text[:40]!r}; correct that line", "data.path"
    )


def _arrow(kinds: set[str], inner: set[str]) -> pa.DataType:
    if kinds == {"list"} and inner and not inner & {"list", "dict"}:
        return pa.list_(_arrow(inner, set()))
    return {
        frozenset({"bool"}): pa.bool_(),
        frozenset({"int"}): pa.int64(),
        frozenset({"float"}): pa.float64(),
        frozenset({"int", "float"}): pa.float64(),
    }.get(frozenset(kinds), pa.string())


def _batches(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += sum(len(v) for v in row.values() if isinstance(v, str))
        if len(batch) >= BATCH_ROWS or size >= BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _fitted(value: Any, kind: pa.DataType, layout: Layout) -> Any:
    """A value as its column holds it: mixed and nested ones as JSON text."""
    if value is None:
        return None
    if pa.types.is_list(kind):
        return [_fitted(v, kind.value_type, layout) for v in value]
    if kind == pa.float64():
        return float(value)
    if kind != pa.string():
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if not text.isascii() and SURROGATE.search(text):
        layout.broken += 1
        text = SURROGATE.sub("\ufffd", text)
    return text
