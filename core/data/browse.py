"""Rows and counts of a prepared dataset for the pages: DuckDB over the Parquet file, a fresh connection per call.

A connection may read that one file and nothing else, whatever names and values are in it. Memory stays flat: a page
fetches its rows, however many there are before them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from core.data import parquet
from core.data.prepared import Prepared, Split
from core.errors import DataError

if TYPE_CHECKING:
    import duckdb
    import numpy as np
    import pandas as pd

CELL_CHARACTERS = 300
MAX_PAGE = 1000
MAX_LABELS = 50
OTHER = "(other)"
EMPTY = "(empty)"
ROW = "file_row_number"  # a column that DuckDB adds to a Parquet file


CONFIG: dict[str, Any] = {
    "threads": 2,
    "memory_limit": "512MB",
    "temp_directory": "",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


@dataclass(frozen=True)
class Lengths:
    """Lengths of texts in characters or tokens; `sampled` if they are those of some rows only, out of `rows`."""

    values: np.ndarray
    rows: int
    sampled: bool


def page(prepared: Prepared, split: str, offset: int, limit: int = 50) -> pd.DataFrame:
    """Rows `offset` to `offset + limit` of a split, indexed by row number; long cells are cut with an ellipsis."""
    part = _split(prepared, split)
    first, count = max(0, offset), min(max(0, limit), MAX_PAGE)
    frame = _rows(part, first, count)
    for column in prepared.columns:
        if column.name in frame:
            frame[column.name] = [_cell(v, column.names) for v in frame[column.name]]
    return frame


def row(prepared: Prepared, split: str, number: int) -> dict[str, Any]:
    """One whole row as column name → value; classes by their names. Raises DataError if there is no such row."""
    part = _split(prepared, split)
    if not 0 <= number < part.rows:
        raise DataError(f"there is no row {number:,}; {split} has rows 0 to {part.rows - 1:,}")
    frame = _rows(part, number, 1)
    return {c.name: _value(frame[c.name].iloc[0], c.names) for c in prepared.columns if c.name in frame}


def label_counts(prepared: Prepared, split: str, column: str) -> pd.DataFrame:
    """How often each label occurs, as columns label and count: classes in their order, else the most frequent first.

    At most 50 labels and the rest as one; empty values are counted as such.
    """
    import pandas as pd

    part = _split(prepared, split)
    found = _column(prepared, column)
    with _connection(part) as (connection, columns):
        if column not in columns:
            return pd.DataFrame({"label": [], "count": []})
        sql = f"SELECT {columns[column]}, count(*) FROM data GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {MAX_LABELS + 1}"
        top = connection.execute(sql).fetchall()
    if len(top) > MAX_LABELS:
        top = top[:MAX_LABELS]
        top.append((OTHER, part.rows - sum(n for _, n in top)))
    elif found.names or found.kind in ("integer", "float", "boolean"):
        top.sort(key=lambda pair: (pair[0] is None, pair[0]))
    labels = [
        OTHER if v is OTHER else EMPTY if _value(v, found.names) is None else _cell(v, found.names) for v, _ in top
    ]
    return pd.DataFrame({"label": labels, "count": [n for _, n in top]})


def texts(
    prepared: Prepared, split: str, columns: Sequence[str], sample: int = 2000, seed: int = 42
) -> list[list[str]]:
    """The texts in some columns, row by row, of at most `sample` rows drawn by a seed."""
    return _texts(prepared, split, columns, sample, seed)[0]


def token_lengths(
    prepared: Prepared, split: str, columns: Sequence[str], tokenizer_json: Path, sample: int = 2000, seed: int = 42
) -> Lengths:
    """Tokens, special ones included, that the texts become with a tokenizer, before any truncation."""
    import numpy as np
    from tokenizers import Tokenizer

    texts, sampled = _texts(prepared, split, columns, sample, seed)
    try:
        tokenizer = Tokenizer.from_file(str(tokenizer_json))
    except Exception as error:  # the library raises plain Exception
        raise DataError(f"{tokenizer_json.name} is not a tokenizer that can be read ({error})", "model.name") from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    encoded = tokenizer.encode_batch([tuple(row) if len(row) == 2 else row[0] for row in texts])
    return Lengths(np.array([len(e.ids) for e in encoded], dtype=np.int64), _split(prepared, split).rows, sampled)


def _texts(
    prepared: Prepared, split: str, columns: Sequence[str], sample: int, seed: int
) -> tuple[list[list[str]], bool]:
    """The texts of some rows, drawn evenly over the split: row groups are not read where no row is wanted."""
    import numpy as np

    part = _split(prepared, split)
    for column in columns:
        _column(prepared, column)
    if not columns or not part.rows:
        return [], False
    sampled = part.rows > sample
    with _connection(part) as (connection, names):
        if any(c not in names for c in columns):
            return [], False
        chosen = ", ".join(f"coalesce(CAST({names[c]} AS VARCHAR), '')" for c in columns)
        if not sampled:
            found = connection.execute(f"SELECT {chosen} FROM data").fetchall()
        else:
            # A few dozen runs of neighbouring rows: scattered single rows would mean reading nearly all of the file.
            runs = min(40, sample)
            starts = np.sort(
                np.random.default_rng(seed).choice(max(1, part.rows * runs // sample), runs, replace=False)
            )
            length = sample // runs
            spans = [(int(s) * length, int(s) * length + length - 1) for s in starts]
            where = " OR ".join(f"n BETWEEN {a} AND {b}" for a, b in spans)
            found = connection.execute(f"SELECT {chosen} FROM data WHERE {where}").fetchall()
    return [list(r) for r in found], sampled


@contextmanager
def _connection(part: Split) -> Iterator[tuple[duckdb.DuckDBPyConnection, dict[str, str]]]:
    """A connection with one view, `data`, and no way to anything else; and the view's name for each column.

    The view calls columns c0, c1, … and the row number `n`, so that no column name can mean something else (DuckDB
    takes Text and text for the same). Raises DataError if the file cannot be read.
    """
    import duckdb

    with parquet.open_file(part.path) as file:
        schema = file.schema_arrow
    connection = duckdb.connect(":memory:", config=CONFIG)
    try:
        path = _literal(str(part.path))
        connection.execute(f"SET allowed_paths = [{path}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        columns = [f"c{i}" for i in range(len(schema))]
        number = ROW if ROW not in (n.lower() for n in schema.names) else "row_number() OVER () - 1"
        connection.execute(
            f"CREATE VIEW data({', '.join([*columns, 'n'])}) AS SELECT *, {number} FROM read_parquet({path})"
        )
        yield connection, dict(zip(schema.names, map(_readable, columns, schema), strict=True))
    except duckdb.OutOfMemoryException:
        raise DataError(
            f"{part.path.name} has too many different or too long values for this; choose another column"
        ) from None
    except duckdb.Error as error:
        raise DataError(
            f"{part.path.name} cannot be read ({str(error).splitlines()[0][:200]}); prepare it again"
        ) from None
    finally:
        connection.close()


def _readable(column: str, field: pa.Field) -> str:
    """How a column is selected: dates, decimals and the like as text, which needs no further package to hold."""
    plain = (
        parquet.kind_of(field.type) != "other" or pa.types.is_nested(field.type) or pa.types.is_large_binary(field.type)
    )
    return column if plain or pa.types.is_binary(field.type) else f"CAST({column} AS VARCHAR)"


def _rows(part: Split, first: int, count: int) -> pd.DataFrame:
    import pandas as pd

    with _connection(part) as (connection, columns):
        where = f"n BETWEEN {first} AND {first + count - 1}"
        rows = connection.execute(
            f"SELECT n, {', '.join(columns.values())} FROM data WHERE {where} ORDER BY n"
        ).fetchall()
    frame = pd.DataFrame({name: pd.Series([r[i] for r in rows], dtype=object) for i, name in enumerate(columns, 1)})
    frame.index = pd.Index([r[0] for r in rows], name="row")
    return frame


def _split(prepared: Prepared, name: str) -> Split:
    if name not in prepared.splits:
        raise DataError(f"there is no split {name!r}; the splits are {', '.join(prepared.splits)}", "data.train_split")
    return prepared.splits[name]


def _column(prepared: Prepared, name: str) -> Any:
    found = prepared.column(name)
    if found is None:
        raise DataError(f"there is no column {name!r}; the columns are {', '.join(c.name for c in prepared.columns)}")
    return found


def _value(value: Any, names: tuple[str, ...] | None) -> Any:
    if names and isinstance(value, int) and not isinstance(value, bool):
        return names[value] if 0 <= value < len(names) else None
    return value


def _cell(value: Any, names: tuple[str, ...] | None) -> Any:
    """A value as a table shows it: numbers as they are, everything else as short text."""
    value = _value(value, names)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (bytes, bytearray)):
        text = f"{len(value):,} bytes"
    elif isinstance(value, (list, tuple, dict)):
        text = json.dumps(
            value, ensure_ascii=False, default=lambda v: f"{len(v):,} bytes" if isinstance(v, bytes) else str(v)
        )
    else:
        text = str(value)
    return text if len(text) <= CELL_CHARACTERS else text[: CELL_CHARACTERS - 1] + "…"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
