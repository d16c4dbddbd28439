"""Finds the beginning of the table in a text file: the titles and comments above it, and the header row."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

NAMES = re.compile(
    r"(text|texts|sentence|sentences|review|reviews|comment|content|body|title|description|document|message|tweet|query"
    r"|question|answer|premise|hypothesis|context|label|labels|class|target|category|categories|sentiment|stars?|rating"
    r"|score|topic|intent|emotion|polarity|id|idx|index|date|name|source|split|url|lang|language|user|author"
    r"|テキスト|本文|文|文章|内容|レビュー|コメント|タイトル|ラベル|カテゴリー?|分類|クラス|感情|評価|星|極性|番号|日付)"
    r"([ _-]?(\d+|[ab]|id|text|name|label))?",
    re.IGNORECASE,
)
NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")
COMMENT = ("#", "//")
MOST_ROWS = 50  # above a table

Row = tuple[int, int, list[str]]  # the number of the line before the row, of its last line, its cells


@dataclass(frozen=True)
class Preamble:
    """The number of rows above the table, and whether the next row is surely its header."""

    rows: int
    named: bool


def table_start(rows: Sequence[Row]) -> Preamble:
    """Finds the rows above the table from the first rows of a file."""
    width = common_width([row for _, _, row in rows])
    if is_named(rows[0][2], 0.5) or has_row_names(rows):
        return Preamble(0, False)
    for index, (before, _, cells) in enumerate(rows[1:MOST_ROWS], 1):
        if is_named(cells, 0.5) and len(cells) == width:
            detached = before > rows[index - 1][1]  # a blank line above it
            if detached or all(_above(row, width) or len(row) > width for _, _, row in rows[:index]):
                return Preamble(index, True)
    start = 0
    while start < min(len(rows) - 1, MOST_ROWS) and _is_surely_above(rows, start, width):
        start += 1
    return Preamble(start if start < min(len(rows) - 1, MOST_ROWS) else 0, False)


def common_width(rows: Sequence[list[str]]) -> int:
    """Returns the commonest width of rows, ignoring empty columns at their end."""
    width = Counter(map(len, rows)).most_common(1)[0][0]
    while width > 1 and all(len(row) < width or not row[width - 1].strip() for row in rows):
        width -= 1
    return width


def is_named(row: list[str], share: float) -> bool:
    """Whether at least this share of a row's cells are usual names of columns."""
    cells = [cell.strip().removeprefix("#").strip() for cell in row if cell.strip()]
    if len(cells) < 2 or any(NUMBER.fullmatch(cell) for cell in cells):
        return False
    return sum(bool(NAMES.fullmatch(cell)) for cell in cells) >= share * len(cells)


def has_row_names(rows: Sequence[Row]) -> bool:
    """Whether the header lacks a name for the first column, of row numbers, as R's write.table writes it."""
    width = common_width([row for _, _, row in rows])
    body = [row for _, _, row in rows[1:] if len(row) == width]
    counted = [row[0].strip() == str(number) for number, row in enumerate(body, 1)]
    return len(rows[0][2]) == width - 1 and len(body) > 1 and all(counted)


def _above(row: list[str], width: int) -> bool:
    """Whether a row may stand above a table: it is a comment or has fewer values."""
    return row[0].lstrip().startswith(COMMENT) or sum(bool(cell.strip()) for cell in row) < width


def _is_surely_above(rows: Sequence[Row], index: int, width: int) -> bool:
    """Whether a row surely stands above a table without usual names: it is a comment, or a title of one cell."""
    _, after, row = rows[index]
    if width == 1:
        return False
    if row[0].lstrip().startswith(COMMENT):
        return len(row) != width or (index + 1 < len(rows) and rows[index + 1][2][0].lstrip().startswith(COMMENT))
    return len(row) < width and (len(row) == 1 or rows[index + 1][0] > after)


def has_header(rows: Sequence[list[str]], known: list[str] | None = None) -> bool:
    """Whether the first row names the columns. known: the column names of another file of the dataset"""
    first, body = rows[0], rows[1:]
    filled = [c for c in first if c.strip()]
    if known and [c.strip() for c in first] == known:
        return True
    if any(NUMBER.fullmatch(c) for c in first) or len(set(filled)) < len(filled):
        # A number or a repetition is rarely a name, unless most cells are usual names.
        return sum(bool(NAMES.fullmatch(c.strip())) for c in first) * 2 > len(first)
    if any(NAMES.fullmatch(c.strip()) for c in first):
        return True
    return sum(_votes(cell, [r[i] for r in body if i < len(r)]) for i, cell in enumerate(first)) > 0


def _votes(first: str, body: list[str]) -> float:
    """Returns the vote of one column: above 0 if its first cell looks like a name, below 0 if like a value."""
    values = [v for v in body if v]
    if not values or not first.strip():
        return 0.0
    if all(NUMBER.fullmatch(v) for v in values):
        return 2.0
    if first in values:
        return -2.0
    mean = sum(map(_length, values)) / len(values)
    if _length(first) > 50 or first.strip()[-1] in ".!?。！？":
        return -1.5
    return 1.0 if mean > 2.5 * _length(first) else 0.1 if _length(first) <= 20 and " " not in first.strip() else -0.5


def _length(text: str) -> int:
    return sum(1 if c < "\u2e80" else 2 for c in text[:400])
