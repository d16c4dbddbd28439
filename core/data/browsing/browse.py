"""Rows and counts of a prepared dataset for the pages: DuckDB over the Parquet file, a fresh connection per call.

A connection may read that one file and nothing else, whatever names and values are in it. Memory stays flat: a page
fetches its rows, however many there are before them.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from core import seals
from core.data.browsing.view import View, hits, order_sql, where_sql
from core.data.dataset import Prepared, Split
from core.data.reading.aligning import types
from core.data.reading.tables import parquet
from core.errors import DataError
from core.wording import counted

if TYPE_CHECKING:
    import duckdb
    import numpy as np
    import pandas as pd

CELL_CHARACTERS = 300
BEFORE_HIT, MARKS = 40, "«»"
MAX_PAGE = 1000
CUT = 4 * CELL_CHARACTERS
MOST_CHARACTERS = 1_000_000  # of a text of one row
FETCHED_AT_ONCE, MOST_FETCHED = 64, 64 * 1024**2  # rows, characters
MAX_LABELS = 50
OTHER = "(other)"
EMPTY = "(empty)"
ROW = "file_row_number"  # a column that DuckDB adds to a Parquet file
WHOLE = View()
VIEWS, VIEW_FORMAT, MOST_VIEWS = "views", 1, 40
MATCH_ROWS = 100_000
MOST_S = 60.0

CONFIG: dict[str, Any] = {
    "threads": 2,
    "memory_limit": "512MB",
    "temp_directory": "",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


def rows(prepared: Prepared, split: str, numbers: Sequence[int], found: re.Pattern[str] | None = None) -> pd.DataFrame:
    """Some rows by their numbers, in that order, as `page` shows them; texts with a hit begin near it, and mark it."""
    wanted = [int(number) for number in numbers][:MAX_PAGE]
    where = f"n IN ({', '.join(map(str, wanted))})" if wanted else "false"
    frame = _rows(_split(prepared, split), where, CUT if found is None else MOST_CHARACTERS).loc[wanted]
    return _cells(frame, prepared, found)


def page(prepared: Prepared, split: str, offset: int, limit: int = 50, view: View = WHOLE) -> pd.DataFrame:
    """Rows `offset` to `offset + limit` of a view, indexed by row number; long cells are cut with an ellipsis."""
    part = _split(prepared, split)
    first, count = max(0, offset), min(max(0, limit), MAX_PAGE)
    if view.is_whole:
        frame = _rows(part, f"n BETWEEN {first} AND {first + count - 1}", CUT)
    else:
        return rows(prepared, split, matching(prepared, split, view)[first : first + count].tolist(), hits(view))
    return _cells(frame, prepared)


def _cells(frame: pd.DataFrame, prepared: Prepared, found: re.Pattern[str] | None = None) -> pd.DataFrame:
    for column in prepared.columns:
        if column.name in frame:
            values = list(frame[column.name])
            if found is not None and column.kind == "text":
                values = [_excerpt(v, found) if isinstance(v, str) else v for v in values]
            frame[column.name] = [cell(v, column.names) for v in values]
    return frame


def _excerpt(text: str, found: re.Pattern[str]) -> str:
    hit = found.search(text)
    if hit is None:
        return text
    start = 0 if hit.start() <= BEFORE_HIT else text.rfind(" ", 0, hit.start() - BEFORE_HIT // 2) + 1
    marked = found.sub(lambda match: f"{MARKS[0]}{match[0]}{MARKS[1]}", text[start : start + 2 * CELL_CHARACTERS])
    return f"…{marked}" if start else marked


def matching(prepared: Prepared, split: str, view: View) -> np.ndarray:
    """The numbers of the rows that a view shows, in its order, (rows,) of uint32 or uint64.

    Found once, then kept in a file beside the dataset and mapped: any page of the view is a slice of it. Raises
    DataError for what the dataset has not, and if it takes longer than MOST_S.
    """
    import numpy as np

    part = _split(prepared, split)
    key = json.dumps([VIEW_FORMAT, split, str(part.path), view.model_dump(mode="json")])
    path = prepared.folder / VIEWS / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.npy"
    try:
        if seals.info(path) is not None:
            kept: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
            return kept
    except (OSError, ValueError):
        pass
    found = _matching(prepared, part, view)
    _keep_view(path, found)
    return found


def _matching(prepared: Prepared, part: Split, view: View) -> np.ndarray:
    import numpy as np

    kind = np.uint32 if part.rows < 2**32 else np.uint64

    def sql(columns: dict[str, str]) -> tuple[str, list[Any]]:
        where, parameters = where_sql(view, prepared, columns)
        return f"SELECT n FROM data WHERE {where} ORDER BY {order_sql(view, prepared, columns)}", parameters

    found = [numbers.astype(kind) for (numbers,) in query(prepared, part.name, sql, MOST_S)]
    return np.concatenate(found) if found else np.empty(0, kind)


def query(
    prepared: Prepared, split: str, sql: Callable[[dict[str, str]], tuple[str, list[Any]]], most_s: float | None = None
) -> Iterator[tuple[np.ndarray, ...]]:
    """The result of a query of ours over the view `data`, as arrays per column, a part after the other.

    sql: from column → how it is selected, the query and its parameters. Raises DataError.
    """
    part = _split(prepared, split)
    with _connection(part, spill=prepared.folder / VIEWS, most_s=most_s) as (connection, columns):
        text, parameters = sql(columns)
        for batch in connection.sql(text, params=parameters).to_arrow_reader(MATCH_ROWS):
            yield tuple(column.to_numpy(zero_copy_only=False) for column in batch.columns)


def _keep_view(path: Path, rows: np.ndarray) -> None:
    """For the next page and the next visit; without it both are slower, so that a full disk is no error."""
    import numpy as np

    try:
        path.parent.mkdir(exist_ok=True)
        with seals.sealed_file(path) as partial, partial.open("wb") as file:
            np.save(file, rows, allow_pickle=False)
        older = sorted(path.parent.glob("[!.]*.npy"), key=lambda p: p.stat().st_mtime, reverse=True)
        for old in older[MOST_VIEWS:]:
            seals.remove(old)
    except OSError:
        pass


def row(prepared: Prepared, split: str, number: int) -> dict[str, Any]:
    """One row as column name → value, texts up to `MOST_CHARACTERS`; classes by their names.

    Raises DataError if there is no such row.
    """
    part = _split(prepared, split)
    if not 0 <= number < part.rows:
        raise DataError(f"there is no row {number:,}; {split} has rows 0 to {part.rows - 1:,}")
    frame = _rows(part, f"n = {number}", MOST_CHARACTERS)
    return {c.name: _value(frame[c.name].iloc[0], c.names) for c in prepared.columns if c.name in frame}


def label_counts(prepared: Prepared, split: str, column: str, most: int = MAX_LABELS) -> pd.DataFrame:
    """How often each label occurs, as columns label and count: classes in their order, else the most frequent first.

    At most `most` labels and the rest as one; empty values are counted as such.
    """
    import pandas as pd

    part = _split(prepared, split)
    found = _column(prepared, column)
    with _connection(part) as (connection, columns):
        if column not in columns:
            return pd.DataFrame({"label": [], "count": []})
        sql = f"SELECT {columns[column]}, count(*) FROM data GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {most + 1}"
        top = connection.execute(sql).fetchall()
    if len(top) > most:
        top = top[:most]
        top.append((OTHER, part.rows - sum(n for _, n in top)))
    elif found.names or found.kind in ("integer", "float", "boolean"):
        top.sort(key=lambda pair: (pair[0] is None, pair[0]))
    labels = [
        OTHER if v is OTHER else EMPTY if _value(v, found.names) is None else cell(v, found.names) for v, _ in top
    ]
    return pd.DataFrame({"label": labels, "count": [n for _, n in top]})


def texts(
    prepared: Prepared, split: str, columns: Sequence[str], sample: int = 2000, seed: int = 42
) -> list[list[str]]:
    """The texts in some columns, row by row, of at most `sample` rows drawn by a seed."""
    return sample_texts(prepared, split, columns, sample, seed)[0]


def sample_texts(
    prepared: Prepared, split: str, columns: Sequence[str], sample: int, seed: int
) -> tuple[list[list[str]], bool]:
    """The texts of some rows and whether they are not all; drawn evenly, without reading what lies between them."""
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
            found, cut = _fetched(connection, f"SELECT {chosen} FROM data")
        else:
            # A few dozen runs of neighbouring rows: scattered single rows would mean reading nearly all of the file.
            runs = min(40, sample)
            starts = np.sort(
                np.random.default_rng(seed).choice(max(1, part.rows * runs // sample), runs, replace=False)
            )
            length = sample // runs
            spans = [(int(s) * length, int(s) * length + length - 1) for s in starts]
            where = " OR ".join(f"n BETWEEN {a} AND {b}" for a, b in spans)
            found, cut = _fetched(connection, f"SELECT {chosen} FROM data WHERE {where}")
    return [list(r) for r in found], sampled or cut


def _fetched(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[list[tuple[Any, ...]], bool]:
    """The rows of a query until they hold `MOST_FETCHED`, and whether that were not all."""
    rows: list[tuple[Any, ...]] = []
    size = 0
    cursor = connection.execute(sql)
    while part := cursor.fetchmany(FETCHED_AT_ONCE):
        rows += part
        size += sum(len(value) for row in part for value in row if isinstance(value, str | bytes | list))
        if size > MOST_FETCHED:
            return rows, True
    return rows, False


@contextmanager
def _connection(
    part: Split, spill: Path | None = None, most_s: float | None = MOST_S
) -> Iterator[tuple[duckdb.DuckDBPyConnection, dict[str, str]]]:
    """A connection with one view, `data`, and no way to anything else; and the view's name for each column.

    The view calls columns c0, c1, … and the row number `n`, so that no column name can mean something else (DuckDB
    takes Text and text for the same). spill: a folder for what a sort cannot hold in memory. Raises DataError if the
    file cannot be read, a regular expression is none, or it takes longer than `most_s`.
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
    except duckdb.InterruptException:
        raise DataError(
            f"this takes longer than {most_s:.0f} seconds on {part.rows:,} rows; narrow it with a filter first"
        ) from None
    except duckdb.InvalidInputException as error:
        raise DataError(f"this cannot be looked for ({_first_line(error)}); check the pattern") from None
    except duckdb.OutOfMemoryException:
        raise DataError(
            f"{part.path.name} has too many different or too long values for this; choose another column"
        ) from None
    except duckdb.Error as error:
        raise DataError(f"{part.path.name} cannot be read ({_first_line(error)}); prepare it again") from None
    finally:
        watch.cancel()
        connection.close()


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].partition("Error: ")[2][:200] or type(error).__name__


def _readable(column: str, field: pa.Field) -> str:
    """How a column is selected: dates, decimals and the like as text, which needs no further package to hold."""
    if pa.types.is_floating(field.type):
        return f"CASE WHEN NOT isnan({column}) THEN {column} END"  # NaN is no value, as pandas and JSON mean it
    if types.kind_of(field.type) not in ("date", "decimal"):
        return column
    text = f"CAST({column} AS VARCHAR)"
    has_zone = pa.types.is_timestamp(field.type) and field.type.tz is not None
    return f"regexp_replace({text}, '\\+00$', '')" if has_zone else text


def _rows(part: Split, where: str, most: int) -> pd.DataFrame:
    """Some rows; of texts at most so many characters, as few rows of a small file can be gigabytes of text."""
    import pandas as pd

    with parquet.open_file(part.path) as file:
        texts = {field.name for field in file.schema_arrow if types.kind_of(field.type) == "text"}
    with _connection(part) as (connection, columns):
        chosen = [f"left({sql}, {most})" if name in texts else sql for name, sql in columns.items()]
        rows = _fetched(connection, f"SELECT n, {', '.join(chosen)} FROM data WHERE {where} ORDER BY n")[0]
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


def cell(value: Any, names: tuple[str, ...] | None = None) -> Any:
    """A value as a table shows it: numbers as they are, everything else as short text."""
    value = _value(value, names)
    value = value.tolist() if hasattr(value, "tolist") else value  # a list, as pandas has it
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (bytes, bytearray)):
        text = f"{counted(len(value), 'byte')}"
    elif isinstance(value, (list, tuple, dict)):
        text = json.dumps(
            value, ensure_ascii=False, default=lambda v: f"{len(v):,} bytes" if isinstance(v, bytes) else str(v)
        )
    else:
        text = str(value)
    return text if len(text) <= CELL_CHARACTERS else text[: CELL_CHARACTERS - 1] + "…"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
