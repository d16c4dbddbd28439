"""Finds the table in a sheet: where it begins, the names of its columns, and the values of merged cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from core.data.reading.aligning.columns import StringColumns
from core.data.reading.text.preamble import has_header
from core.spec.data import ReadSpec

FIRST_ROWS = 100


@dataclass
class Sheet:
    """The sheet that is read, and the irregularities in it."""

    name: str
    others: list[str]
    header: bool = True
    above: int = 0  # rows above the table
    blank: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    no_result: int = 0  # formulas without a result
    merges: dict[int, list[tuple[int, int]]] = field(default_factory=dict)  # by first row: column from 0, last row
    filled: int = 0  # cells that got the value of their merged cell

    @property
    def reading(self) -> dict[str, Any]:
        """How the sheet is read, as fields of ReadSpec, for the page."""
        return {
            "sheet": self.name,
            "sheets": [self.name, *self.others],
            "header": self.header,
            "skip_lines": self.above,
        }


class Top:
    """Finds the beginning of the table in a sheet, and the names of its columns."""

    def __init__(self, read: ReadSpec, known: list[str] | None) -> None:
        self.read, self.known = read, known
        self.names: list[str] = []

    def body(self, rows: Iterator[tuple[int, list[str]]], sheet: Sheet) -> Iterator[list[str]]:
        """Yields the rows below the header."""
        first: list[tuple[int, list[str]]] = []
        for numbered in rows:
            first.append(numbered)
            if len(first) == FIRST_ROWS:
                break
        start = self._start(first, merged=bool(sheet.merges))
        sheet.above = start
        top = [row for _, row in first[start:]]
        width = max((len(row) for row in top), default=0)
        top_filled = [row + [""] * (width - len(row)) for row in top]
        sheet.header = self.read.header if self.read.header is not None else has_header(top_filled, self.known)
        if sheet.header:
            self.names = [cell.strip() for cell in top[0]]
        elif self.known and len(self.known) == width:
            self.names = list(self.known)
        first_number = first[start][0] if first[start:] else 0
        sheet.merges = {row: merges for row, merges in sheet.merges.items() if row >= first_number + sheet.header}
        merged_cells, previous = _MergedCells(sheet), first_number - 1
        for numbers in (first[start:], rows):
            for number, row in numbers:
                sheet.blank += max(0, number - previous - 1)
                previous = number
                if not (sheet.header and number == first_number):
                    yield merged_cells.fill(number, row)

    def _start(self, first: list[tuple[int, list[str]]], merged: bool) -> int:
        """Returns the number of rows above the table, such as titles, which have fewer cells than its rows."""
        if self.read.skip_lines is not None:
            return min(self.read.skip_lines, max(0, len(first) - 1))
        counts = [sum(map(bool, row)) for _, row in first]
        often = Counter(counts)
        usual = max(counts) if merged else max(often, key=lambda count: (often[count], count))
        return next((i for i, count in enumerate(counts) if count > usual // 2), 0)


class _MergedCells:
    """Copies the value of merged cells from their first row to the others."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        self.open: dict[int, tuple[int, str]] = {}  # by column: the last row, the value

    def fill(self, number: int, row: list[str]) -> list[str]:
        """Fills a row with the values of merged cells that reach into it."""
        for column, (last, value) in list(self.open.items()):
            if number > last:
                del self.open[column]
            elif column >= len(row) or not row[column]:
                row += [""] * (column + 1 - len(row))
                row[column] = value
                self.sheet.filled += 1
        for column, last in self.sheet.merges.get(number, ()):
            if column < len(row) and row[column]:
                self.open[column] = (last, row[column])
        return row


def columns_of(spool: Path, target: Path, width: int, names: list[str]) -> StringColumns:
    """Writes the spooled rows with column names; leaves out columns without a name and a value."""
    used = [False] * width
    with pa.OSFile(str(spool)) as source:
        for batch in pa.ipc.open_stream(source):
            for row in batch.column(0).to_pylist():
                for i, value in enumerate(row):
                    used[i] = used[i] or bool(value)
    kept = [i for i in range(width) if used[i] or (i < len(names) and names[i])]
    unique = _unique([names[i] if i < len(names) else "" for i in kept], kept)
    with pa.OSFile(str(spool)) as source, StringColumns(target, unique) as columns:
        for batch in pa.ipc.open_stream(source):
            rows = batch.column(0).to_pylist()
            columns.add([[row[i] if i < len(row) else "" for i in kept] for row in rows])
    return columns


def _unique(names: list[str], places: list[int]) -> list[str]:
    """Makes column names unique, and names the unnamed columns."""
    result: list[str] = []
    for name, place in zip(names, places, strict=True):
        base = unique = name or f"column_{place + 1}"
        copy = 1
        while unique in result:
            copy += 1
            unique = f"{base}_{copy}"
        result.append(unique)
    return result
