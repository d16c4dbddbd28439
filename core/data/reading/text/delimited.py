"""Streams the rows of CSV, TSV and labelled lines to a Parquet file of strings, for files of any size."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TextIO

from core.data.reading.aligning.columns import NULL_MARK, StringColumns
from core.data.reading.text import dialect as dialects
from core.data.reading.text import encoding as encodings
from core.data.reading.text import labelled
from core.data.reading.text import preamble as preambles
from core.data.reading.text.dialect import Dialect
from core.data.reading.text.textfile import BLANK, MOST_BELOW, TextFile, lines_of, shortened, unclosed
from core.errors import DataError
from core.spec.data import ReadSpec
from core.wording import counted

WINDOW_CHARACTERS = 1024 * 1024  # from which the dialect is detected again, if the beginning of the file misled
BATCH_ROWS = 20_000
BATCH_CHARACTERS = 16 * 1024 * 1024
FOOTER = re.compile(
    r"\W{0,3}\d[\d,. ]*(rows?|records?|lines?|entries|results?|Zeilen|lignes?|filas?|rader|件|行)\b.{0,60}"
    r"|((grand |sub)?totals?|sum|gesamt|summe|合計|総計|итого)\W{0,3}[\d,. ]*( (rows?|records?))?|(# |// |-- ).{0,200}"
    r"|(end of (file|report|data|table)|source: |(exported|generated|created|printed) (on|at) .{0,20}\d{4}).{0,200}",
    re.IGNORECASE,
)
TOTAL = re.compile(r"(grand |sub)?totals?|sum|gesamt|summe|合計|総計|итого", re.IGNORECASE)


class _Doubt(Exception):
    """The beginning of the file misled about quoting. line: the first line that shows it"""

    def __init__(self, line: int) -> None:
        self.line = line


def write(
    file: TextFile, path: Path, tick: Callable[[float], None], read: ReadSpec | None = None
) -> tuple[TextFile, StringColumns]:
    """Writes all rows of a file to a Parquet file of strings at `path`. Raises DataError.

    A row with too few values gets empty ones. In a row with too many, the column with the longest texts takes the
    surplus, as it is usually a text with delimiters that were not quoted. Both are counted. If most rows do not fit,
    the file is refused, unless a person chose its delimiter. tick: gets the share that is done
    """
    read = read or ReadSpec()
    try:
        columns = _stream(file, path, tick, careful=not {"quoting", "quote_character"} & file.chosen)
    except _Doubt as doubt:
        dialect = _detect_again(file, doubt.line, read)
        line = doubt.line if dialect.quote and file.dialect.sure else 0
        file = TextFile(
            file.path,
            file.detected,
            dialect,
            file.names,
            file.renamed,
            file.chosen,
            file.form,
            file.above,
            file.header,
            widest=file.widest,
            loose_quote=line,
        )
        columns = _stream(file, path, tick, careful=False)
    _check_fit(file)
    return file, columns


def _detect_again(file: TextFile, line: int, read: ReadSpec) -> Dialect:
    """Detects the dialect from a later line on, where the file differs from its beginning."""
    if file.dialect.sure and file.dialect.quote and file.dialect.delimiter != "\t":
        return file.dialect
    with encodings.open_text(file.path, file.detected, "") as stream:
        for _ in islice(stream, line - 1):
            pass
        text = stream.read(WINDOW_CHARACTERS)
        cut = bool(stream.read(1))
    if cut and "\n" in text:
        text = text[: text.rindex("\n") + 1]
    old = file.dialect
    dialect = dialects.decide(text, cut, old.line_end, old.delimiter, read)
    return replace(dialect, header=old.header, skip=old.skip)


def _stream(file: TextFile, path: Path, tick: Callable[[float], None], careful: bool) -> StringColumns:
    """Writes all rows. careful: raise _Doubt where the file contradicts the dialect of its beginning"""
    dialect = file.dialect
    rows: list[list[str]] = []
    size = line = 0
    width = len(file.names)
    total = max(1, file.path.stat().st_size)
    with (
        StringColumns(path, file.names) as columns,
        encodings.open_text(file.path, file.detected, dialect.newline) as stream,
    ):
        try:
            for line, row in _body(file, _rows(file, stream, careful)):
                if len(row) != width:
                    _fit(file, row, line)
                rows.append(row)
                size += sum(map(len, row))
                if len(rows) >= BATCH_ROWS or size >= BATCH_CHARACTERS:
                    columns.add(rows[:-MOST_BELOW])
                    rows, size = rows[-MOST_BELOW:], 0  # the last rows may be a footer
                    tick(min(1.0, stream.buffer.tell() / total))
        except csv.Error as error:
            if "field larger" in str(error):
                raise _too_long(file.path, line) from None
            if careful:
                raise _Doubt(line + 1) from None
            raise unclosed(file.path, line, error, dialect) from None
        _drop_footer(file, rows, columns.rows)
        columns.add(rows)
    file.rows, file.nulls = columns.rows, columns.nulls
    if labelled.MORE in file.names and file.form:
        file.several = columns.rows - columns.possible[labelled.MORE].nulls
    return columns


def _rows(file: TextFile, stream: TextIO, careful: bool) -> Iterator[preambles.Row]:
    """Yields the rows of an open file."""
    dialect = file.dialect
    if file.form:
        return labelled.rows(file.form, lines_of(stream, dialect), len(file.names))
    lines = lines_of(stream, dialect)
    if careful and not dialect.sure:
        lines = _watch_quotes(lines, f'{dialect.delimiter}"', dialect.skip)
    return dialects.numbered(lines, dialect, strict=careful, start=dialect.skip)


def _body(file: TextFile, rows: Iterable[preambles.Row]) -> Iterator[tuple[int, list[str]]]:
    """Yields the rows after the header, each with the number of its first line.

    Blank lines, rows without any value and repeated headers are left out and counted.
    """
    end = file.dialect.skip
    header, waiting = file.header, bool(file.header)
    for before, after, row in rows:
        file.blank += before - end
        end = after
        first = row[0]
        if (first < "!" or first == NULL_MARK) and not any(cell.strip(BLANK) for cell in row if cell != NULL_MARK):
            file.empty += 1
        elif waiting:
            waiting = False
        elif row == header:
            file.repeated[0] += 1
            file.repeated[1] = file.repeated[1] or before + 1
        else:
            yield before + 1, row


def _fit(file: TextFile, row: list[str], line: int) -> None:
    """Makes a row as wide as the header, in place, and counts it as short or long."""
    width, delimiter = len(file.names), file.dialect.delimiter
    if len(row) > width and not any(row[width:]):
        del row[width:]
        return  # delimiters at the end of the line, as spreadsheets write them
    file.misfit = file.misfit or f"line {line:,}: {shortened(delimiter.join(row), 100)!r}"
    if len(row) < width:
        file.narrow.add(len(row))
        file.last_short.append(row)
        row.extend([""] * (width - len(row)))
        count = file.short
    else:
        end = file.widest + len(row) - width + 1
        row[file.widest : end] = [delimiter.join(row[file.widest : end])]
        count = file.long
    count[0] += 1
    count[1] = count[1] or line


def _check_fit(file: TextFile) -> None:
    """Raises DataError if most rows do not fit. Short rows of one width fit: they only lack their last values."""
    short = file.short[0] if len(file.narrow) > 1 or 1 in file.narrow else 0
    misfits = short + file.long[0]
    if misfits * 2 <= file.rows or "delimiter" in file.chosen or file.form:
        return
    values = counted(len(file.names), "value")
    raise DataError.of(
        "rows-do-not-fit",
        "{count:,} of the {rows:row|rows} of {file} do not have the {values} that {part} would "
        "need, such as {example}; set the delimiter, the quote character, the escape character or "
        "the lines to skip (with a delimiter set, rows are read as well as they fit)",
        "data.read.delimiter",
        count=misfits,
        rows=file.rows,
        file=file.path.name,
        values=values,
        part="its header" if file.header else "its first rows",
        example=file.misfit,
    )


def _drop_footer(file: TextFile, rows: list[list[str]], before: int) -> None:
    """Removes the rows below the table: rows with one value that reads like a footer.

    rows: the last rows; before: how many rows were written already
    """
    while rows and before + len(rows) > 1 and len(file.below) < MOST_BELOW and not file.form:
        values = [cell for cell in rows[-1] if cell]
        alone = len(values) == 1 and len(file.names) > 1 and FOOTER.fullmatch(values[0].strip())
        if not alone and not (len(values) == 1 and values[0][0] == "(" and FOOTER.fullmatch(values[0].strip())):
            break
        row = rows.pop()
        file.short[0] -= any(row is short for short in file.last_short)
        file.below.insert(0, shortened(values[0], 60))
    if rows and len(rows[-1]) > 1 and TOTAL.fullmatch(rows[-1][0].strip()):
        file.total = shortened(file.dialect.delimiter.join(rows[-1]), 60)


def _watch_quotes(lines: Iterable[str], opening: str, start: int) -> Iterator[str]:
    """Yields lines unchanged; raises _Doubt at the first value that begins with a quote."""
    for number, line in enumerate(lines, start + 1):
        if '"' in line and (line[0] == '"' or opening in line):
            raise _Doubt(number)
        yield line


def _too_long(path: Path, line: int) -> DataError:
    return DataError.of(
        "cell-too-long",
        "{file} has a value of more than {millions} million characters after line {line:,}; either "
        "a quote is never closed there (close it, or turn quoted values off) or it is not a table "
        "of texts",
        "data.read.quoting",
        file=path.name,
        millions=dialects.MAX_CELL // 1024**2,
        line=line,
    )
