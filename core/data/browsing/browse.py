"""Rows of a prepared dataset for the pages: a page of a view, some rows by their numbers, one whole row.

Memory stays flat: a page fetches its rows, however many there are before them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from core.data.browsing.cells import CELL_CHARACTERS, cell, named
from core.data.browsing.database import connect, fetch, split_of
from core.data.browsing.matches import row_numbers
from core.data.browsing.view import WHOLE, View, hits
from core.data.dataset import Prepared, Split
from core.data.reading.aligning import types
from core.data.reading.tables import parquet
from core.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

BEFORE_HIT, MARKS = 40, "«»"
MAX_PAGE = 1000
CUT = 4 * CELL_CHARACTERS
MOST_CHARACTERS = 1_000_000  # of a text of one row


def page(prepared: Prepared, split: str, offset: int, limit: int = 50, view: View = WHOLE) -> pd.DataFrame:
    """Rows `offset` to `offset + limit` of a view, indexed by row number; long cells are cut with an ellipsis.

    Raises DataError.
    """
    part = split_of(prepared, split)
    first, count = max(0, offset), min(max(0, limit), MAX_PAGE)
    if not view.is_whole:
        numbers = row_numbers(prepared, split, view)[first : first + count]
        return rows(prepared, split, numbers.tolist(), hits(view))
    return _cells(_fetch(part, f"n BETWEEN {first} AND {first + count - 1}", CUT), prepared)


def rows(prepared: Prepared, split: str, numbers: Sequence[int], hit: re.Pattern[str] | None = None) -> pd.DataFrame:
    """Some rows by their numbers, in that order, as `page` shows them; texts that match `hit` begin near the match and
    mark it.
    """
    wanted = [int(number) for number in numbers][:MAX_PAGE]
    where = f"n IN ({', '.join(map(str, wanted))})" if wanted else "false"
    frame = _fetch(split_of(prepared, split), where, CUT if hit is None else MOST_CHARACTERS).loc[wanted]
    return _cells(frame, prepared, hit)


def row(prepared: Prepared, split: str, number: int) -> dict[str, Any]:
    """One row as column name → value, texts up to `MOST_CHARACTERS`; classes by their names.

    Raises DataError if there is no such row.
    """
    part = split_of(prepared, split)
    if not 0 <= number < part.rows:
        raise DataError.of(
            "no-such-row",
            "there is no row {number:,}; {split} has rows 0 to {last:,}",
            number=number,
            split=split,
            last=part.rows - 1,
        )
    frame = _fetch(part, f"n = {number}", MOST_CHARACTERS)
    return {c.name: named(frame[c.name].iloc[0], c.names) for c in prepared.columns if c.name in frame}


def _fetch(part: Split, where: str, most: int) -> pd.DataFrame:
    """Some rows; of texts at most `most` characters, as a few rows of a small file can be gigabytes of text."""
    import pandas as pd

    with parquet.open_file(part.path) as file:
        texts = {field.name for field in file.schema_arrow if types.kind_of(field.type) == "text"}
    with connect(part) as (connection, names):
        selected = [f"left({sql}, {most})" if name in texts else sql for name, sql in names.items()]
        values, _ = fetch(connection, f"SELECT n, {', '.join(selected)} FROM data WHERE {where} ORDER BY n")
    frame = pd.DataFrame({name: pd.Series([v[i] for v in values], dtype=object) for i, name in enumerate(names, 1)})
    frame.index = pd.Index([v[0] for v in values], name="row")
    return frame


def _cells(frame: pd.DataFrame, prepared: Prepared, hit: re.Pattern[str] | None = None) -> pd.DataFrame:
    for column in prepared.columns:
        if column.name in frame:
            values = list(frame[column.name])
            if hit is not None and column.kind == "text":
                values = [_excerpt(v, hit) if isinstance(v, str) else v for v in values]
            frame[column.name] = [cell(v, column.names) for v in values]
    return frame


def _excerpt(text: str, hit: re.Pattern[str]) -> str:
    """The text from shortly before its first match, with all matches marked."""
    match = hit.search(text)
    if match is None:
        return text
    start = 0 if match.start() <= BEFORE_HIT else text.rfind(" ", 0, match.start() - BEFORE_HIT // 2) + 1
    marked = hit.sub(lambda each: f"{MARKS[0]}{each[0]}{MARKS[1]}", text[start : start + 2 * CELL_CHARACTERS])
    return f"…{marked}" if start else marked
