"""The texts of some rows of a split, drawn evenly, without reading the rows between them."""

from __future__ import annotations

from collections.abc import Sequence

from core.data.browsing.database import column_of, connect, fetch, split_of
from core.data.dataset import Prepared, Split

RUNS = 40  # of neighbouring rows: scattered single rows would mean reading nearly all of the file


def sample_texts(
    prepared: Prepared, split: str, columns: Sequence[str], sample: int = 2000, seed: int = 42
) -> tuple[list[list[str]], bool]:
    """The texts in some columns, row by row, of at most `sample` rows, and whether there are more rows."""
    part = split_of(prepared, split)
    for column in columns:
        column_of(prepared, column)
    if not columns or not part.rows:
        return [], False
    with connect(part) as (connection, names):
        if any(column not in names for column in columns):
            return [], False
        texts = ", ".join(f"coalesce(CAST({names[column]} AS VARCHAR), '')" for column in columns)
        sampled = part.rows > sample
        where = _drawn(part, sample, seed) if sampled else "true"
        rows, cut = fetch(connection, f"SELECT {texts} FROM data WHERE {where}")
    return [list(row) for row in rows], sampled or cut


def _drawn(part: Split, sample: int, seed: int) -> str:
    """SQL that is true of a few dozen runs of neighbouring rows."""
    import numpy as np

    runs = min(RUNS, sample)
    length = sample // runs
    places = np.random.default_rng(seed).choice(max(1, part.rows * runs // sample), runs, replace=False)
    starts = [int(place) * length for place in np.sort(places)]
    return " OR ".join(f"n BETWEEN {start} AND {start + length - 1}" for start in starts)
