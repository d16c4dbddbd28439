"""Examines the beginning of a delimited file to decide how it is read; holds the irregularities met later."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TextIO

from core.data.reading.aligning.columns import check_width
from core.data.reading.text import dialect as dialects
from core.data.reading.text import encoding as encodings
from core.data.reading.text import labelled
from core.data.reading.text import preamble as preambles
from core.data.reading.text.dialect import Dialect
from core.data.reading.text.encoding import Detected
from core.errors import DataError
from core.spec.data import ReadSpec

SAMPLE_CHARACTERS = 1024 * 1024
HEADER_ROWS = 200
MAX_LINE_BYTES = 64 * 1024 * 1024
PROBE = 64 * 1024
MOST_BELOW = 5  # rows below a table
BLANK = "\0 \t\r\n\f\v"  # a value of only these characters is empty
DRAWN = re.compile(r"\s*[+|]?[-=:]{2,}([+|][-=:]{2,})*[+|]?\s*")  # +-----+-----+


@dataclass
class TextFile:
    """A delimited file: how it is read and, after reading, its irregularities."""

    path: Path
    detected: Detected
    dialect: Dialect
    names: list[str]
    renamed: list[str] = field(default_factory=list)
    chosen: frozenset[str] = frozenset()  # fields of ReadSpec that a person chose
    form: str | None = None  # of labelled lines; None for columns with a delimiter
    above: list[str] = field(default_factory=list)  # the first lines above the table, for a note
    header: list[str] = field(default_factory=list)  # the header as the file has it; empty if there is none
    rows: int = 0
    blank: int = 0
    empty: int = 0  # rows without any value
    repeated: list[int] = field(default_factory=lambda: [0, 0])  # number of repeated headers, line of the first
    short: list[int] = field(default_factory=lambda: [0, 0])  # number of rows with too few values, line of the first
    long: list[int] = field(default_factory=lambda: [0, 0])
    narrow: set[int] = field(default_factory=set)  # the widths of short rows
    last_short: deque[list[str]] = field(default_factory=lambda: deque(maxlen=MOST_BELOW))
    misfit: str = ""  # the first row that does not fit, as the file has it
    below: list[str] = field(default_factory=list)  # the lines below the table
    several: int = 0  # lines with several labels
    total: str = ""  # a last row that looks like a sum
    nulls: int = 0  # values of \\N
    widest: int = 0  # the column with the longest values, which takes the surplus of a row
    loose_quote: int = 0  # the line of the first quote that closes in the middle of a value


def examine(path: Path, suffix: str, read: ReadSpec, known: list[str] | None = None) -> TextFile:
    """Decides how a file is read. known: the column names of another file of the dataset. Raises DataError."""
    detected = encodings.check(path, read.encoding) if read.encoding else encodings.detect(path)
    _check_lines(path)
    with encodings.open_text(path, detected, "") as stream:
        text = stream.read(SAMPLE_CHARACTERS).removeprefix("\ufeff")
        cut = bool(stream.read(1))
    if cut and "\n" in text:
        text = text[: text.rindex("\n") + 1]
    if not text.strip("\0 \r\n\t"):
        raise DataError.of(
            "file-without-content", "{file} is empty; choose a file with at least one row", "data.path", file=path.name
        )
    chosen = frozenset(
        name for name, value in read.model_dump(exclude={"encoding", "records_key"}).items() if value is not None
    )
    form = labelled.form_of(text) if not chosen else None
    if form:
        return _labelled(path, detected, form)
    _check_drawn(path, text, read)
    hint, hinted = dialects.separator_hint(text) if read.skip_lines is None else (None, False)
    skip = read.skip_lines or int(hinted)
    body = dialects.without_lines(text, skip)
    if not body.strip():
        raise DataError.of(
            "no-rows-below-skipped",
            "{file} has no rows below the {count:line|lines} that are skipped; skip fewer",
            "data.read.skip_lines",
            file=path.name,
            count=skip,
        )
    _check_characters(path, read, body)
    if hint and hint in body and read.delimiter is None:
        read = read.model_copy(update={"delimiter": hint})
    dialect = dialects.detect(body, cut, suffix, read)
    return _with_header(path, detected, replace(dialect, skip=skip), read, known, chosen)


def _labelled(path: Path, detected: Detected, form: str) -> TextFile:
    with encodings.open_text(path, detected, "\n") as stream:
        names = labelled.names(form, stream)
    return TextFile(path, detected, Dialect(" ", header=False), names, form=form, widest=len(names) - 1)


def _with_header(
    path: Path, detected: Detected, dialect: Dialect, read: ReadSpec, known: list[str] | None, chosen: frozenset[str]
) -> TextFile:
    rows: list[preambles.Row] = []
    try:
        with encodings.open_text(path, detected, dialect.newline) as stream:
            for row in islice(
                dialects.numbered(lines_of(stream, dialect), dialect, start=dialect.skip), HEADER_ROWS + 1
            ):
                if any(cell.strip(BLANK) for cell in row[2]):
                    rows.append(row)
    except csv.Error as error:
        raise unclosed(path, len(rows), error, dialect) from None
    if not rows:
        raise DataError.of(
            "only-blank-lines",
            "{file} has no rows, only blank lines; choose a file with at least one row",
            "data.path",
            file=path.name,
        )
    if read.skip_lines is None and (start := preambles.table_start(rows).rows):
        rows = rows[start:]
        dialect = replace(dialect, skip=rows[0][0])
    cells = [row for _, _, row in rows]
    header = preambles.has_header(cells, known) if read.header is None else read.header
    width = preambles.common_width(cells)
    check_width(path.name, max(map(len, cells)))
    first = ["", *cells[0]] if header and preambles.has_row_names(rows) else cells[0]
    names, renamed = _names(first) if header else ([f"column_{i}" for i in range(1, _width(cells, width) + 1)], [])
    if known and not header and len(known) == len(names):
        names = known
    if len(names) == 1 and all("::" in row[0] for row in cells) and read.delimiter is None:
        raise DataError.of(
            "two-colons",
            "the columns of {file} are parted by two colons (::); only a single character can part "
            "columns, so replace them by a tab, or set the delimiter to read it in another way",
            "data.read.delimiter",
            file=path.name,
        )
    lengths = [sum(len(r[i]) for r in cells if len(r) == len(names)) for i in range(len(names))]
    return TextFile(
        path,
        detected,
        replace(dialect, header=header),
        names,
        renamed,
        chosen,
        above=_first_lines(path, detected, dialect),
        header=cells[0] if header else [],
        widest=lengths.index(max(lengths)),
    )


def _width(rows: list[list[str]], common: int) -> int:
    """Returns the number of columns of a file without a header: of most rows, or of the widest if rows differ much."""
    return common if sum(len(row) <= common for row in rows) >= 0.9 * len(rows) else max(map(len, rows))


def _first_lines(path: Path, detected: Detected, dialect: Dialect) -> list[str]:
    """Returns the first three of the skipped lines."""
    with encodings.open_text(path, detected, dialect.newline) as stream:
        lines = [line.removeprefix("\ufeff").strip("\r\n ") for line in islice(stream, dialect.skip)]
    return [shortened(line, 60) for line in lines if line][:3]


def _check_characters(path: Path, read: ReadSpec, text: str) -> None:
    """Raises DataError for a chosen delimiter that does not occur, or a character that has two meanings."""
    delimiter = read.delimiter
    if delimiter is not None and (delimiter in '"\r\n\0' or delimiter not in text):
        raise DataError.of(
            "delimiter-unusable",
            "{delimiter!r} does not part the columns of {file}: it must occur there and be neither a "
            "quote nor a line end; choose another delimiter or leave it empty to have it detected",
            "data.read.delimiter",
            delimiter=delimiter,
            file=path.name,
        )
    for name, value in (("quote_character", read.quote_character), ("escape_character", read.escape_character)):
        if value and (value in "\r\n\0 " or value == delimiter):
            raise DataError.of(
                "character-unusable",
                "{character!r} cannot be the {role} of {file}: it is a line end, a blank or the "
                "delimiter; choose another character or leave it empty to have it detected",
                f"data.read.{name}",
                character=value,
                role=name.replace("_", " "),
                file=path.name,
            )


def _check_lines(path: Path) -> None:
    """Raises DataError for a line so long that it would fill the memory. Checks the file at intervals."""
    with path.open("rb") as file:
        for start in range(0, path.stat().st_size, MAX_LINE_BYTES // 4):
            file.seek(start)
            length = 0
            while (chunk := file.read(PROBE)) and b"\n" not in chunk and b"\r" not in chunk:
                length += len(chunk)
                if length > MAX_LINE_BYTES // 2:
                    raise DataError.of(
                        "line-too-long",
                        "{file} has a line of more than {megabytes} MB, so it is not a table of texts; "
                        "put one row on a line",
                        "data.path",
                        file=path.name,
                        megabytes=MAX_LINE_BYTES // 2 // 1024**2,
                    )


def _check_drawn(path: Path, text: str, read: ReadSpec) -> None:
    """Raises DataError for a table drawn with lines, as database clients print it: its values may be cut."""
    lines = [line for line in islice(text.splitlines(), 12) if line.strip()][:4]
    if read.delimiter is None and any(DRAWN.fullmatch(line) and re.search(r"-[+|]|[+|]-", line) for line in lines):
        raise DataError.of(
            "drawn-table",
            "{file} is a table drawn with lines such as {example!r}, as a database client prints it; "
            "export it as CSV or TSV (mysql --batch, psql --csv), or set the delimiter to read it as "
            "it is",
            "data.path",
            file=path.name,
            example=shortened(lines[0], 40),
        )


def _names(first: list[str]) -> tuple[list[str], list[str]]:
    """Returns column names from a header, trimmed, not empty and unique; and descriptions of the changed ones."""
    names: dict[str, None] = {}
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
        names[name] = None
    return list(names), renamed


def lines_of(stream: TextIO, dialect: Dialect) -> Iterator[str]:
    """Yields the lines of a stream after the skipped ones, without a byte order mark."""
    lines: Iterator[str] = iter(stream)
    if stream.encoding == "cp1258":  # writes the tones of Vietnamese after their letters
        lines = (unicodedata.normalize("NFC", line) for line in lines)
    return islice(lines, dialect.skip, None) if dialect.skip else _without_mark(lines)


def _without_mark(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        yield line.removeprefix("\ufeff")
        break
    yield from lines


def unclosed(path: Path, line: int, error: Exception, dialect: Dialect) -> DataError:
    return DataError.of(
        "quote-never-closed",
        "{file} cannot be read: a quote ({quote}) that opens after line {line:,} is never closed "
        "({reason}); close it, or turn quoted values off",
        "data.read.quoting",
        file=path.name,
        quote=dialect.quote,
        line=line,
        reason=error,
    )


def shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
