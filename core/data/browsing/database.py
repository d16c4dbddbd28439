"""A split's Parquet file as a table that DuckDB can query: a fresh connection per call.

A connection may read that one file and nothing else, whatever names and values are in it. The table is called `data`.
Its columns are c0, c1, … and the row number `n`, so that no column name can mean something else (DuckDB takes Text and
text for the same).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from core.data.dataset import Column, Prepared, Split
from core.data.reading.aligning import types
from core.data.reading.tables import parquet
from core.errors import DataError

if TYPE_CHECKING:
    import duckdb
    import numpy as np

BATCH_ROWS = 100_000
FETCHED_AT_ONCE, MOST_FETCHED = 64, 64 * 1024**2  # rows, characters
MOST_S = 60.0
SPILL = "views"  # in the dataset's folder: what a sort cannot hold in memory
ROW_NUMBER = "file_row_number"  # a column that DuckDB adds to a Parquet file

CONFIG: dict[str, Any] = {
    "threads": 2,
    "memory_limit": "512MB",
    "temp_directory": "",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}

Names = dict[str, str]
"""Column of the dataset -> how it is selected in SQL."""


def query(
    prepared: Prepared, split: str, sql: Callable[[Names], tuple[str, list[Any]]], most_s: float | None = None
) -> Iterator[tuple[np.ndarray, ...]]:
    """The result of a query of ours, as one array per column, batch after batch.

    sql: from the names of the columns to the query and its parameters; most_s: the time limit in seconds
    Raises DataError.
    """
    part = split_of(prepared, split)
    with connect(part, spill=prepared.folder / SPILL, most_s=most_s) as (connection, names):
        text, parameters = sql(names)
        for batch in connection.sql(text, params=parameters).to_arrow_reader(BATCH_ROWS):
            yield tuple(column.to_numpy(zero_copy_only=False) for column in batch.columns)


def fetch(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[list[tuple[Any, ...]], bool]:
    """The rows of a query until they hold `MOST_FETCHED` characters, and whether there were more."""
    rows: list[tuple[Any, ...]] = []
    size = 0
    cursor = connection.execute(sql)
    while batch := cursor.fetchmany(FETCHED_AT_ONCE):
        rows += batch
        size += sum(len(value) for row in batch for value in row if isinstance(value, str | bytes | list))
        if size > MOST_FETCHED:
            return rows, True
    return rows, False


def split_of(prepared: Prepared, name: str) -> Split:
    """The split of this name. Raises DataError."""
    if name not in prepared.splits:
        raise DataError.of(
            "no-such-split-name",
            "there is no split {name!r}; the splits are {splits}",
            "data.train_split",
            name=name,
            splits=", ".join(prepared.splits),
        )
    return prepared.splits[name]


def column_of(prepared: Prepared, name: str) -> Column:
    """The column of this name. Raises DataError."""
    column = prepared.column(name)
    if column is None:
        raise DataError.of(
            "no-such-column",
            "there is no column {column!r}; the columns are {columns}",
            column=name,
            columns=", ".join(c.name for c in prepared.columns),
        )
    return column


@contextmanager
def connect(
    part: Split, spill: Path | None = None, most_s: float | None = MOST_S
) -> Iterator[tuple[duckdb.DuckDBPyConnection, Names]]:
    """A connection that can read one split, and the name of each of its columns.

    spill: a folder for what a sort cannot hold in memory. Raises DataError if the file cannot be read, a regular
    expression is none, or it takes longer than `most_s` seconds.
    """
    import duckdb

    with parquet.open_file(part.path) as file:
        schema = file.schema_arrow
    if spill is not None:
        spill.mkdir(exist_ok=True)
    connection = duckdb.connect(":memory:", config=CONFIG | {"temp_directory": str(spill or "")})
    watch = threading.Timer(most_s or 0, connection.interrupt)
    watch.daemon = True
    if most_s is not None:
        watch.start()
    try:
        yield connection, _make_table(connection, part.path, schema)
    except duckdb.Error as error:
        raise _as_data_error(error, part, most_s) from None
    finally:
        watch.cancel()
        connection.close()


def _make_table(connection: duckdb.DuckDBPyConnection, path: Path, schema: pa.Schema) -> Names:
    """Make the table `data`, with no way to any other file."""
    file = _literal(str(path))
    connection.execute(f"SET allowed_paths = [{file}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    columns = [f"c{i}" for i in range(len(schema))]
    number = ROW_NUMBER if ROW_NUMBER not in (n.lower() for n in schema.names) else "row_number() OVER () - 1"
    connection.execute(
        f"CREATE VIEW data({', '.join([*columns, 'n'])}) AS SELECT *, {number} FROM read_parquet({file})"
    )
    return dict(zip(schema.names, map(_readable, columns, schema), strict=True))


def _readable(column: str, field: pa.Field) -> str:
    """How a column is selected: dates, decimals and the like as text, which needs no further package to hold."""
    if pa.types.is_floating(field.type):
        return f"CASE WHEN NOT isnan({column}) THEN {column} END"  # NaN is no value, as pandas and JSON mean it
    if types.kind_of(field.type) not in ("date", "decimal"):
        return column
    text = f"CAST({column} AS VARCHAR)"
    has_zone = pa.types.is_timestamp(field.type) and field.type.tz is not None
    return f"regexp_replace({text}, '\\+00$', '')" if has_zone else text


def _as_data_error(error: duckdb.Error, part: Split, most_s: float | None) -> DataError:
    """What an error of DuckDB means to a person."""
    import duckdb

    why = str(error).splitlines()[0].partition("Error: ")[2][:200] or type(error).__name__
    match error:
        case duckdb.InterruptException():
            return DataError.of(
                "query-too-slow",
                "this takes longer than {seconds:.0f} seconds on {rows:,} rows; narrow it with a filter first",
                seconds=most_s,
                rows=part.rows,
            )
        case duckdb.InvalidInputException():
            return DataError.of(
                "pattern-unusable", "this cannot be looked for ({reason}); check the pattern", reason=why
            )
        case duckdb.OutOfMemoryException():
            return DataError.of(
                "column-too-varied",
                "{file} has too many different or too long values for this; choose another column",
                file=part.path.name,
            )
        case _:
            return DataError.of(
                "prepared-file-unreadable",
                "{file} cannot be read ({reason}); prepare it again",
                file=part.path.name,
                reason=why,
            )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
