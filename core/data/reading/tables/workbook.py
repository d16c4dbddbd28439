"""Reads one sheet of an Excel workbook, row by row, into a Parquet file of strings, and notes its irregularities.

openpyxl in its read-only mode holds one row at a time. python-calamine is thirty times as fast, but a file of a few
kilobytes with a value in the last cell of a sheet makes it allocate 17 thousand million cells, which ends the process.
"""

from __future__ import annotations

import datetime
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from core.data.notes import Note
from core.data.reading.aligning.columns import MAX_COLUMNS, StringColumns
from core.data.reading.archives import CHUNK, check_size
from core.data.reading.tables.sheet import Sheet, Top, columns_of
from core.errors import DataError
from core.spec.data import ReadSpec
from core.wording import counted, library_message, listed

MAX_ROWS = 1_048_576  # Excel's own
MAX_PARTS = 10_000
MAX_STRINGS = 512 * 1024**2  # bytes of XML that openpyxl keeps in memory as texts
MAX_OTHER = 16 * 1024**2  # bytes of each other part that it keeps as objects, such as styles
MAX_MERGES = 100_000
MAX_FILLED_UP = 10_000_000  # empty cells that openpyxl adds without bytes of the file; about a second
TABLE_ROWS = 10  # rows of a sheet that is surely not a cover
BATCH_ROWS = 5_000
BATCH_CHARACTERS = 8 * 1024**2
MERGE = re.compile(rb'<(?:\w{1,20}:)?mergeCell\s+ref="([A-Z]{1,3})(\d{1,7}):[A-Z]{1,3}(\d{1,7})"')
NO_RESULT = re.compile(
    rb"<(?:\w{1,20}:)?f(?:\s[^<>]*)?(?:/>|>[^<]*</(?:\w{1,20}:)?f>)\s{0,9}"
    rb"(?:<(?:\w{1,20}:)?v\s{0,9}/>|<(?:\w{1,20}:)?v></(?:\w{1,20}:)?v>)?\s{0,9}</(?:\w{1,20}:)?c>"
)
ZEROS = re.compile(r"0{2,20}")  # a number format that pads with zeros: 7 is shown as 007


def write(
    path: Path, target: Path, read: ReadSpec, known: list[str] | None, max_bytes: int, tick: Callable[[float], None]
) -> tuple[StringColumns, Sheet]:
    """Writes one sheet of a workbook to a Parquet file of strings. Raises DataError.

    known: column names of another file of the same dataset; max_bytes: the most characters to read
    """
    import openpyxl

    warnings.filterwarnings("ignore", module="openpyxl")  # about styles and validations, which are not read
    try:
        _check_parts(path, max_bytes)
        with path.open("rb") as file:  # openpyxl would refuse the path for its suffix
            book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
            chosen, sheet = _choose_sheet(path, book, read.sheet)
            _scan(book, chosen, sheet)
            return _table(path, target, chosen, sheet, read, known, max_bytes, tick), sheet
    except (DataError, OSError):
        raise
    except Exception as error:  # a broken part makes openpyxl raise errors of many kinds
        raise DataError.of(
            "workbook-damaged",
            "{file} cannot be read as an Excel workbook, it is damaged ({reason}); open it in a "
            "spreadsheet program and save it again, or save the sheet as CSV",
            "data.path",
            file=path.name,
            reason=library_message(error, 120),
        ) from None


def notes(sheet: Sheet, name: str) -> list[Note]:
    """Describes for people how a sheet was read."""
    sentences = [f"{name}: the sheet {sheet.name!r} is read."]
    if sheet.others:
        more = f" and {len(sheet.others) - 4:,} more" if len(sheet.others) > 4 else ""
        others = ", ".join(repr(other) for other in sheet.others[:4])
        sentences = [f"{name}: the sheet {sheet.name!r} is read, of several (also {others}{more})."]
    if sheet.above:
        sentences.append(f"Left out: {counted(sheet.above, 'row')} above the table.")
    sentences.append(
        "The first row names the columns." if sheet.header else "There is no header row, so the columns are numbered."
    )
    result = [Note(" ".join(sentences))]
    if sheet.blank:
        result.append(
            Note.of(
                "sheet-blank-rows", "{name}: skipped {count:row|rows} without any value.", name=name, count=sheet.blank
            )
        )
    if sheet.filled:
        cells = counted(sheet.filled, "cell")
        result.append(
            Note.of(
                "merged-cells-filled",
                "{name}: {cells} below the first of merged cells got its value.",
                "warning",
                name=name,
                cells=cells,
            )
        )
    if sheet.errors:
        kinds = listed(sorted(sheet.errors))
        cells = counted(sheet.errors.total(), "cell")
        result.append(
            Note.of(
                "cells-with-errors",
                "{name}: left empty as they are errors ({kinds}): {cells}.",
                "warning",
                name=name,
                kinds=kinds,
                cells=cells,
            )
        )
    if sheet.no_result:
        formulas = counted(sheet.no_result, "formula")
        result.append(
            Note.of(
                "formulas-without-result",
                "{name}: left empty as they have no result: {cells}; open the workbook in a spreadsheet "
                "program and save it to have them calculated.",
                "warning",
                name=name,
                cells=formulas,
            )
        )
    return result


def _check_parts(path: Path, max_bytes: int) -> None:
    """Raises DataError if openpyxl would unpack too much. The sizes are those that zipfile enforces."""
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
    check_size(path, sum(part.file_size for part in parts), path.stat().st_size, max_bytes)
    if len(parts) > MAX_PARTS:
        raise DataError.of(
            "workbook-too-many-parts",
            "{file} has {count:,} parts; a workbook may have at most {most:,}. Save it again",
            "data.path",
            file=path.name,
            count=len(parts),
            most=MAX_PARTS,
        )
    for part in parts:
        name = part.filename.lower()
        most = MAX_STRINGS if "sharedstrings" in name else MAX_OTHER
        if part.file_size > most and name.endswith((".xml", ".rels")) and "worksheets/" not in name:
            raise DataError.of(
                "workbook-too-large",
                "{file} has {megabytes:,.0f} MB of XML in {part}, more than is read here; save the sheet as CSV",
                "data.path",
                file=path.name,
                megabytes=part.file_size / 1024**2,
                part=part.filename[:60],
            )


def _choose_sheet(path: Path, book: Any, name: str | None) -> tuple[Any, Sheet]:
    """Returns the sheet that a person named, else the first visible one with values that is not a cover page."""
    titles = [sheet.title for sheet in book.worksheets]
    if name is not None and name not in titles:
        raise DataError.of(
            "no-such-sheet",
            "{file} has no sheet called {sheet!r}; it has {sheets}",
            "data.read.sheet",
            file=path.name,
            sheet=name,
            sheets=", ".join(map(repr, titles[:10])),
        )
    visible = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"] or book.worksheets
    filled = {}
    for sheet in [s for s in book.worksheets if s.title == name] if name is not None else visible:
        sheet.reset_dimensions()  # the size that it states may be wrong
        if counts := _first_counts(path, sheet):
            filled[sheet] = counts
            if not _is_cover(counts):
                break
    if filled:
        last = next(reversed(filled))
        sheet = last if len(filled[last]) == TABLE_ROWS else next(iter(filled))
        return sheet, Sheet(sheet.title, [title for title in titles if title != sheet.title])
    title = f"the sheet {name!r} of {path.name}" if name is not None else path.name
    raise DataError.of(
        "workbook-without-rows", "{title} has no rows; choose a workbook with at least one", "data.path", title=title
    )


def _is_cover(counts: list[int]) -> bool:
    """Whether a sheet is a cover with a title and remarks, not a table: few rows, some with one value only."""
    return len(counts) < TABLE_ROWS and min(counts) == 1 and max(counts) <= 2


def _first_counts(path: Path, sheet: Any) -> list[int]:
    """Returns the number of values in each of the first rows that have any."""
    counts = (sum(cell.value is not None for cell in row) for row in _bounded(path, sheet))
    return list(islice(filter(None, counts), TABLE_ROWS))


def _bounded(path: Path, sheet: Any) -> Iterator[tuple[Any, ...]]:
    """Yields the rows of a sheet. Raises DataError for too many rows or empty cells.

    openpyxl fills a row up to its last cell, so that a few bytes can stand for 16,384 empty cells.
    """
    cells, most = 0, MAX_FILLED_UP + sheet.parent._archive.getinfo(sheet._worksheet_path).file_size
    for number, row in enumerate(sheet.iter_rows(), 1):
        cells += len(row)
        if cells > most:
            raise DataError.of(
                "sheet-rows-too-wide",
                "{file} has rows of up to {cells:,} cells, nearly all of them empty; delete the columns "
                "without values in a spreadsheet program, or save the sheet as CSV",
                "data.path",
                file=path.name,
                cells=len(row),
            )
        if number > MAX_ROWS:
            raise DataError.of(
                "sheet-too-many-rows",
                "{file} claims more than {most:,} rows; save the sheet as CSV",
                "data.path",
                file=path.name,
                most=MAX_ROWS,
            )
        yield row


def _scan(book: Any, chosen: Any, sheet: Sheet) -> None:
    """Finds merged cells and formulas without a result in the sheet's XML, as openpyxl does not report them."""
    rest, merges = b"", 0
    with book._archive.open(chosen._worksheet_path) as source:
        while True:
            chunk = source.read(CHUNK)
            data = rest + chunk
            cut = (
                len(data)
                if not chunk or len(data) > 8 * CHUNK
                else max(data.rfind(b"<c "), data.rfind(b"<mergeCell"), 0)
            )
            data, rest = data[:cut], data[cut:]
            sheet.no_result += len(NO_RESULT.findall(data))
            for column, first, last in MERGE.findall(data):
                merges += 1
                if int(last) > int(first) and merges <= MAX_MERGES:
                    sheet.merges.setdefault(int(first), []).append((_index(column), int(last)))
            if not chunk:
                return


def _index(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number - 1


def _table(
    path: Path,
    target: Path,
    chosen: Any,
    sheet: Sheet,
    read: ReadSpec,
    known: list[str] | None,
    max_bytes: int,
    tick: Callable[[float], None],
) -> StringColumns:
    """Writes the table. Spools the rows first, since only the last row settles which columns have values."""
    spool = target.with_suffix(".rows")
    schema = pa.schema([("row", pa.list_(pa.string()))])
    width, top = 0, Top(read, known)
    try:
        with pa.OSFile(str(spool), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
            batch: list[list[str]] = []
            size = total = 0
            for row in top.body(_texts(path, chosen, sheet), sheet):
                batch.append(row)
                width = max(width, len(row))
                size += sum(map(len, row))
                if len(batch) >= BATCH_ROWS or size >= BATCH_CHARACTERS:
                    total += size
                    check_size(path, total, path.stat().st_size, max_bytes)
                    writer.write_batch(pa.record_batch([pa.array(batch, schema.field(0).type)], schema))
                    batch, size = [], 0
                    tick(min(1.0, (total / (20 * path.stat().st_size))))
            writer.write_batch(pa.record_batch([pa.array(batch, schema.field(0).type)], schema))
        return columns_of(spool, target, max(width, len(top.names)), top.names)
    finally:
        spool.unlink(missing_ok=True)


def _texts(path: Path, chosen: Any, sheet: Sheet) -> Iterator[tuple[int, list[str]]]:
    """Yields the rows with values as texts, without empty cells at their end, with their numbers from 1."""
    for number, cells in enumerate(_bounded(path, chosen), 1):
        row = [_text(cell, sheet) if cell.value is not None else "" for cell in cells]
        while row and not row[-1]:
            row.pop()
        if len(row) > MAX_COLUMNS:
            raise DataError.of(
                "sheet-too-many-columns",
                "{file} has a value in column {column:,} of row {row:,}; a sheet may have at most "
                "{most:,} columns. Save the part that you need",
                "data.path",
                file=path.name,
                column=len(row),
                row=number,
                most=MAX_COLUMNS,
            )
        if row:
            yield number, row


def _text(cell: Any, sheet: Sheet) -> str:
    """Returns a cell as text: numbers without .0, with leading zeros if the format shows them; dates as 2026-01-31."""
    value = cell.value
    if isinstance(value, str):
        if cell.data_type == "e":
            sheet.errors[value] += 1
            return ""
        return re.sub("_x([0-9A-Fa-f]{4})_", _unescape, value) if "_x" in value else value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, int):
        style = cell.number_format
        return str(value).zfill(len(style)) if style and ZEROS.fullmatch(style) else str(value)
    if isinstance(value, datetime.datetime):
        midnight = value.time() == datetime.time()
        return value.date().isoformat() if midnight else value.isoformat(" ", "seconds")
    return str(value)


def _unescape(match: re.Match[str]) -> str:
    """Returns the control character that Excel writes as _x000D_, since XML does not keep it."""
    code = int(match.group(1), 16)
    return chr(code) if code < 0x20 and code else match.group()
