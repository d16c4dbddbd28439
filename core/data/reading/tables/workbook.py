"""Excel workbooks: one sheet, row by row, to a Parquet file of strings, and what was odd in it.

openpyxl in its read-only mode, as it holds one row at a time: a few kilobytes that claim a value in the last cell of
the sheet cost python-calamine, which is thirty times as fast, the memory of 17 thousand million cells, and the process.
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
from core.spec.run import ReadSpec
from core.wording import counted, library_message, listed

MAX_ROWS = 1_048_576  # Excel's own
MAX_PARTS = 10_000
MAX_STRINGS = 512 * 1024**2  # bytes of XML that openpyxl keeps in memory as texts
MAX_OTHER = 16 * 1024**2  # of each other part that it keeps as objects, such as styles
MAX_MERGES = 100_000
MAX_FILLED_UP = 10_000_000  # empty cells that no part of the file stands for; about a second
TABLE_ROWS = 10  # of a sheet that is surely no cover
BATCH_ROWS = 5_000
BATCH_CHARACTERS = 8 * 1024**2
MERGE = re.compile(rb'<(?:\w{1,20}:)?mergeCell\s+ref="([A-Z]{1,3})(\d{1,7}):[A-Z]{1,3}(\d{1,7})"')
NO_RESULT = re.compile(
    rb"<(?:\w{1,20}:)?f(?:\s[^<>]*)?(?:/>|>[^<]*</(?:\w{1,20}:)?f>)\s{0,9}"
    rb"(?:<(?:\w{1,20}:)?v\s{0,9}/>|<(?:\w{1,20}:)?v></(?:\w{1,20}:)?v>)?\s{0,9}</(?:\w{1,20}:)?c>"
)
ZEROS = re.compile(r"0{2,20}")  # a number format that pads: 7 reads 007


def write(
    path: Path, target: Path, read: ReadSpec, known: list[str] | None, max_bytes: int, tick: Callable[[float], None]
) -> tuple[StringColumns, Sheet]:
    """One sheet of a workbook as a Parquet file of strings. Raises DataError.

    known: column names of another file of the same set; max_bytes: the most characters that are read
    """
    import openpyxl

    warnings.filterwarnings("ignore", module="openpyxl")  # on styles and validations, which are not read
    try:
        _check_parts(path, max_bytes)
        with path.open("rb") as file:  # not its path: the name may end in anything
            book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
            chosen, sheet = _chosen(path, book, read.sheet)
            _scan(book, chosen, sheet)
            return _table(path, target, chosen, sheet, read, known, max_bytes, tick), sheet
    except (DataError, OSError):
        raise
    except Exception as error:  # what a broken part makes openpyxl raise is of many kinds
        raise DataError(
            f"{path.name} cannot be read as an Excel workbook, it is damaged ({library_message(error, 120)}); open it "
            "in a spreadsheet program and save it again, or save the sheet as CSV",
            "data.path",
        ) from None


def notes(sheet: Sheet, name: str) -> list[Note]:
    """What a person should know about how a sheet was read, in sentences."""
    header = "the first row names the columns" if sheet.header else "no header row, so columns are numbered"
    if sheet.above:
        header = f"{counted(sheet.above, 'row')} above the table left out, {header}"
    if sheet.others:
        more = f" and {len(sheet.others) - 4:,} more" if len(sheet.others) > 4 else ""
        others = ", ".join(repr(other) for other in sheet.others[:4])
        result = [Note(f"{name}: the sheet {sheet.name!r} is read, of several (also {others}{more}); {header}.")]
    else:
        result = [Note(f"{name}: the sheet {sheet.name!r} is read; {header}.")]
    if sheet.blank:
        were = "was" if sheet.blank == 1 else "were"
        result.append(Note(f"{name}: {counted(sheet.blank, 'row')} without any value {were} skipped."))
    if sheet.filled:
        what = counted(sheet.filled, "cell")
        result.append(Note(f"{name}: {what} below the first of merged cells got its value.", "warning"))
    if sheet.errors:
        kinds = listed(sorted(sheet.errors))
        cells = counted(sheet.errors.total(), "cell")
        result.append(Note(f"{name}: left empty as they are errors ({kinds}): {cells}.", "warning"))
    if sheet.no_result:
        formulas = counted(sheet.no_result, "formula")
        result.append(
            Note(
                f"{name}: left empty as they have no result: {formulas}; open the workbook in a spreadsheet program "
                "and save it to have them calculated.",
                "warning",
            )
        )
    return result


def _check_parts(path: Path, max_bytes: int) -> None:
    """Bounds what openpyxl would unpack, by sizes that zipfile holds a part to. Raises DataError."""
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
    check_size(path, sum(part.file_size for part in parts), path.stat().st_size, max_bytes)
    if len(parts) > MAX_PARTS:
        raise DataError(f"{path.name} has {len(parts):,} parts, more than a workbook has; save it anew", "data.path")
    for part in parts:
        name = part.filename.lower()
        most = MAX_STRINGS if "sharedstrings" in name else MAX_OTHER
        if part.file_size > most and name.endswith((".xml", ".rels")) and "worksheets/" not in name:
            raise DataError(
                f"{path.name} has {part.file_size / 1024**2:,.0f} MB of XML in {part.filename[:60]}, more than is read "
                "here; save the sheet as CSV",
                "data.path",
            )


def _chosen(path: Path, book: Any, name: str | None) -> tuple[Any, Sheet]:
    """The sheet that a person named, else the first visible one that has a value and is no cover of those after it."""
    titles = [sheet.title for sheet in book.worksheets]
    if name is not None and name not in titles:
        raise DataError(
            f"{path.name} has no sheet called {name!r}; it has {', '.join(map(repr, titles[:10]))}", "data.read.sheet"
        )
    visible = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"] or book.worksheets
    filled = {}
    for sheet in [s for s in book.worksheets if s.title == name] if name is not None else visible:
        sheet.reset_dimensions()  # what it says of its size may be wrong
        if counts := _first_counts(path, sheet):
            filled[sheet] = counts
            if not _is_cover(counts):
                break
    if filled:
        last = next(reversed(filled))
        sheet = last if len(filled[last]) == TABLE_ROWS else next(iter(filled))
        return sheet, Sheet(sheet.title, [title for title in titles if title != sheet.title])
    what = f"the sheet {name!r} of {path.name}" if name is not None else path.name
    raise DataError(f"{what} has no rows; choose a workbook with at least one", "data.path")


def _is_cover(counts: list[int]) -> bool:
    """Whether a sheet is a page of a title and remarks, not a table: few rows, and some of one value only."""
    return len(counts) < TABLE_ROWS and min(counts) == 1 and max(counts) <= 2


def _first_counts(path: Path, sheet: Any) -> list[int]:
    """How many values the first rows that have one have."""
    counts = (sum(cell.value is not None for cell in row) for row in _bounded(path, sheet))
    return list(islice(filter(None, counts), TABLE_ROWS))


def _bounded(path: Path, sheet: Any) -> Iterator[tuple[Any, ...]]:
    """The rows of a sheet, as many and as wide as a sheet may have.

    openpyxl fills a row up to its last cell: a few bytes can stand for 16,384 empty ones.
    """
    cells, most = 0, MAX_FILLED_UP + sheet.parent._archive.getinfo(sheet._worksheet_path).file_size
    for number, row in enumerate(sheet.iter_rows(), 1):
        cells += len(row)
        if cells > most:
            raise DataError(
                f"{path.name} has rows of up to {len(row):,} cells of which nearly all are empty; delete the columns "
                "without values in a spreadsheet program, or save the sheet as CSV",
                "data.path",
            )
        if number > MAX_ROWS:
            raise DataError(f"{path.name} claims more than {MAX_ROWS:,} rows; save the sheet as CSV", "data.path")
        yield row


def _scan(book: Any, chosen: Any, sheet: Sheet) -> None:
    """Finds merged cells, and formulas that nobody has calculated, in the sheet's XML: openpyxl does not tell them."""
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
    """Spools the rows first: which columns have a value at all is known at the end."""
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
    """The rows that have a value, as texts without empty cells at their end, with their numbers from 1."""
    for number, cells in enumerate(_bounded(path, chosen), 1):
        row = [_text(cell, sheet) if cell.value is not None else "" for cell in cells]
        while row and not row[-1]:
            row.pop()
        if len(row) > MAX_COLUMNS:
            raise DataError(
                f"{path.name} has a value in column {len(row):,} of row {number:,}; the most columns are "
                f"{MAX_COLUMNS:,}, save the part that you need",
                "data.path",
            )
        if row:
            yield number, row


def _text(cell: Any, sheet: Sheet) -> str:
    """A cell as text: numbers without .0, dates as 2026-01-31, zeros before a number where its format shows them."""
    value = cell.value
    if isinstance(value, str):
        if cell.data_type == "e":
            sheet.errors[value] += 1
            return ""
        return re.sub("_x([0-9A-Fa-f]{4})_", _unescaped, value) if "_x" in value else value
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


def _unescaped(match: re.Match[str]) -> str:
    """What Excel writes as _x000D_: a character that XML does not keep."""
    code = int(match.group(1), 16)
    return chr(code) if code < 0x20 and code else match.group()
