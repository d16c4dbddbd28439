"""CSV and TSV: rows streamed to a Parquet file of strings, however large the file, and what was detected on the way."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from core.data.notes import Note
from core.data.reading import dialect as dialects
from core.data.reading import encoding as encodings
from core.data.reading.columns import StringColumns
from core.data.reading.dialect import Dialect
from core.data.reading.encoding import Detected
from core.errors import DataError
from core.spec import ReadSpec

SAMPLE_CHARACTERS = 1024 * 1024
HEADER_ROWS = 200
BATCH_ROWS = 20_000
BATCH_CHARACTERS = 16 * 1024 * 1024


@dataclass
class TextFile:
    """One delimited file: how it is read and, afterwards, what was odd in it."""

    path: Path
    detected: Detected
    dialect: Dialect
    names: list[str]
    renamed: list[str] = field(default_factory=list)
    chosen: bool = False  # the quoting was chosen by a person
    blank: int = 0
    short: list[int] = field(default_factory=lambda: [0, 0])  # how many rows, line of the first
    long: list[int] = field(default_factory=lambda: [0, 0])
    widest: int = 0  # the column with the longest values, which takes what is too much in a row
    loose_quote: int = 0  # the line of the first quote that closes in the middle of a value


class _Doubt(Exception):
    """The beginning of the file misled about quoting; `line` is where that showed."""

    def __init__(self, line: int) -> None:
        self.line = line


def examine(path: Path, suffix: str, read: ReadSpec, known: list[str] | None = None) -> TextFile:
    """How a file is to be read. `known`: column names of another file of the same set. Raises DataError."""
    detected = encodings.check(path, read.encoding) if read.encoding else encodings.detect(path)
    with encodings.open_text(path, detected, "") as stream:
        text = stream.read(SAMPLE_CHARACTERS).removeprefix("\ufeff")
        cut = bool(stream.read(1))
    if cut and "\n" in text:
        text = text[: text.rindex("\n") + 1]
    _check_delimiter(path, read.delimiter, text)
    if not text.strip():
        raise DataError(f"{path.name} is empty; choose a file with at least one row", "data.path")
    dialect = dialects.detect(text, cut, suffix, read.delimiter, read.quoting)
    return _with_header(path, detected, dialect, read, known)


def _with_header(path: Path, detected: Detected, dialect: Dialect, read: ReadSpec, known: list[str] | None) -> TextFile:
    rows: list[list[str]] = []
    try:
        with encodings.open_text(path, detected, dialect.newline) as stream:
            for _, _, row in dialects.numbered(_unmarked(stream), dialect.delimiter, dialect.quoting):
                rows.append(row)
                if len(rows) > HEADER_ROWS:
                    break
    except csv.Error as error:
        raise _unclosed(path, len(rows), error) from None
    if not rows:
        raise DataError(f"{path.name} has no rows, only blank lines; choose a file with at least one row", "data.path")
    header = dialects.has_header(rows, known) if read.header is None else read.header
    names, renamed = _names(rows[0]) if header else ([f"column_{i}" for i in range(1, max(map(len, rows)) + 1)], [])
    if known and not header and len(known) == len(names):
        names = known
    lengths = [sum(len(r[i]) for r in rows if len(r) == len(names)) for i in range(len(names))]
    file = TextFile(path, detected, replace(dialect, header=header), names, renamed, read.quoting is not None)
    file.widest = lengths.index(max(lengths))
    return file


def _check_delimiter(path: Path, delimiter: str | None, text: str) -> None:
    if delimiter is not None and (delimiter in '"\r\n\0' or delimiter not in text):
        raise DataError(
            f"{delimiter!r} does not part the columns of {path.name}: it must occur there and be neither a quote nor a "
            "line end; choose another delimiter or leave it empty to have it detected",
            "data.read.delimiter",
        )


def write(file: TextFile, path: Path, tick: Callable[[float], None]) -> tuple[TextFile, StringColumns]:
    """All rows of a file as a Parquet file of strings at `path`. `tick` is told the share done. Raises DataError.

    A row with too few values gets empty ones; with too many, the column with the longest texts takes them
    together, as it is usually a text with delimiters that were not quoted. Both are counted.
    """
    try:
        return file, _stream(file, path, tick, careful=not file.chosen)
    except _Doubt as doubt:
        dialect = dialects.decide_quoting(
            lambda newline: encodings.open_text(file.path, file.detected, newline),
            file.dialect.line_end,
            False,
            file.dialect.delimiter,
            None,
        )
        line = doubt.line if dialect.quoting and file.dialect.sure else 0
        dialect = replace(dialect, header=file.dialect.header)
        file = TextFile(
            file.path, file.detected, dialect, file.names, file.renamed, widest=file.widest, loose_quote=line
        )
        return file, _stream(file, path, tick, careful=False)


def _stream(file: TextFile, path: Path, tick: Callable[[float], None], careful: bool) -> StringColumns:
    """Reads all rows. `careful`: raise _Doubt where the file is not what its beginning looked like."""
    dialect = file.dialect
    rows: list[list[str]] = []
    size = line = 0
    total = max(1, file.path.stat().st_size)
    with (
        StringColumns(path, file.names) as columns,
        encodings.open_text(file.path, file.detected, dialect.newline) as stream,
    ):
        lines = _unmarked(stream) if dialect.sure or not careful else _watched(stream, f'{dialect.delimiter}"')
        try:
            for line, row in _body(file, dialects.numbered(lines, dialect.delimiter, dialect.quoting, strict=careful)):
                if len(row) != len(file.names):
                    _fit(file, row, line)
                rows.append(row)
                size += sum(map(len, row))
                if len(rows) >= BATCH_ROWS or size >= BATCH_CHARACTERS:
                    columns.add(rows)
                    rows, size = [], 0
                    tick(min(1.0, stream.buffer.tell() / total))
        except csv.Error as error:
            if careful:
                raise _Doubt(line + 1) from None
            raise _unclosed(file.path, line, error) from None
        columns.add(rows)
    return columns


def _body(file: TextFile, rows: Iterator[tuple[int, int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    """The rows after the header, each with the number of its first line; blank lines between them are counted."""
    end = 0
    for number, (before, after, row) in enumerate(rows):
        file.blank += before - end
        end = after
        if number or not file.dialect.header:
            yield before + 1, row


def _fit(file: TextFile, row: list[str], line: int) -> None:
    """Makes a row as wide as the header, in place, and counts it."""
    width = len(file.names)
    if len(row) < width:
        row.extend([""] * (width - len(row)))
        count = file.short
    else:
        if not any(row[width:]):
            del row[width:]
            return  # delimiters at the end of the line, as spreadsheets leave them
        end = file.widest + len(row) - width + 1
        row[file.widest : end] = [file.dialect.delimiter.join(row[file.widest : end])]
        count = file.long
    count[0] += 1
    count[1] = count[1] or line


def _unmarked(stream: Iterable[str]) -> Iterator[str]:
    """The lines of a stream without a byte order mark before the first."""
    lines = iter(stream)
    for line in lines:
        yield line.removeprefix("\ufeff")
        break
    yield from lines


def _watched(stream: Iterable[str], opening: str) -> Iterator[str]:
    """The lines of a stream; raises _Doubt at the first value that begins with a quote."""
    for number, line in enumerate(_unmarked(stream), 1):
        if '"' in line and (line[0] == '"' or opening in line):
            raise _Doubt(number)
        yield line


def _names(first: list[str]) -> tuple[list[str], list[str]]:
    """Column names from a header line: trimmed, none empty, none twice; and those that had to be changed."""
    names: list[str] = []
    renamed = []
    while len(first) > 1 and not first[-1].strip():
        first = first[:-1]  # a delimiter at the end of the header line
    for number, cell in enumerate(first, 1):
        name = base = cell.strip() or f"column_{number}"
        copy = 1
        while name in names:
            copy += 1
            name = f"{base}_{copy}"
        if name != cell.strip():
            renamed.append(f"{cell.strip()!r} to {name}" if cell.strip() else f"the {number}. (unnamed) to {name}")
        names.append(name)
    return names, renamed


def _unclosed(path: Path, line: int, error: Exception) -> DataError:
    return DataError(
        f"{path.name} cannot be read: a quote that opens after line {line:,} is never closed ({error}); "
        "close it, or turn quoted values off",
        "data.read.quoting",
    )


def notes(file: TextFile, name: str) -> list[Note]:
    """What a person should know about how a file was read, in sentences."""
    dialect = file.dialect
    layout = (
        "one column"
        if len(file.names) == 1
        else f"{dialects.DELIMITERS.get(dialect.delimiter, repr(dialect.delimiter))} between columns"
    )
    quotes = "quotes enclose values" if dialect.quoting else "quotes are ordinary characters"
    header = "the first line names the columns" if dialect.header else "no header line, so columns are numbered"
    notes = [Note(f"{name}: {file.detected.note[:-1]}; {layout}, {quotes}, {header}.")]
    if file.renamed:
        renamed = ", ".join(file.renamed[:5])
        notes.append(Note(f"{name}: columns with no name or a name used twice were renamed: {renamed}."))
    if file.short[0]:
        notes.append(
            Note(
                f"{name}: {_rows(file.short[0])} had fewer than {len(file.names)} values (the first on line "
                f"{file.short[1]:,}); the missing ones are empty.",
                "warning",
            )
        )
    if file.long[0]:
        notes.append(
            Note(
                f"{name}: {_rows(file.long[0])} had more than {len(file.names)} values (the first on line "
                f"{file.long[1]:,}); they were taken as delimiters inside {file.names[file.widest]}.",
                "warning",
            )
        )
    if file.blank:
        notes.append(Note(f"{name}: {file.blank:,} blank {'line was' if file.blank == 1 else 'lines were'} skipped."))
    if file.loose_quote:
        notes.append(
            Note(f"{name}: a quote stands where none should be (the first about line {file.loose_quote:,}).", "warning")
        )
    return notes


def _rows(count: int) -> str:
    return f"{count:,} row" if count == 1 else f"{count:,} rows"
