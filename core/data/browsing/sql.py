"""Runs a person's SQL on a dataset, with each split as a table, in a child process that is killed if it is too slow."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from core.access.rules import check
from core.data.browsing import cells
from core.data.browsing.cells import CELL_CHARACTERS
from core.data.dataset import Prepared
from core.data.reading.tables import parquet
from core.errors import DataError
from core.settings import PROJECT, Settings
from core.wording import size

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

MOST_SECONDS, MOST_ROWS, MOST_BYTES, MEMORY = 30.0, 100_000, 64_000_000, "1GB"
RESIDENT = 1536 * 1024**2  # of the whole child: DuckDB's own limit does not count rows on their way to the file
LOOK_S = 0.05
MOST_CHARACTERS = 20_000
KEPT_RESULTS = 20
FOLDER, WORKING = "sql", ".query-"  # the folder of results; in it, each running query has a folder of its own
STALE_S = 300.0
# All that the child process needs to run. It gets no token and none of our settings.
ENVIRONMENT = (
    "PATH",
    "SYSTEMROOT",
    "TEMP",
    "TMP",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "VIRTUAL_ENV",
    "LANG",
)
RULE = "only one SELECT at a time is run here; it can read this dataset, and change nothing"


@dataclass(frozen=True)
class Answer:
    """The result of a query: a Parquet file and its number of rows; `whole` if no row was cut off."""

    path: Path
    rows: int
    whole: bool
    seconds: float


def tables(prepared: Prepared) -> dict[str, list[str]]:
    """Returns the tables of a query: each split and its columns."""
    columns = {}
    for name, part in prepared.splits.items():
        with parquet.open_file(part.path) as file:
            columns[name] = list(file.schema_arrow.names)
    return columns


def run(
    prepared: Prepared, sql: str, most_seconds: float = MOST_SECONDS, *, settings: Settings | None = None
) -> Answer:
    """Runs one SELECT and keeps its result. Raises AccessDenied, or DataError that explains the fault of the query.

    settings: of the person who asks; None for the operator
    """
    if settings is not None:
        check(settings, "sql")
    if not sql.strip():
        raise DataError.of("query-empty", "write a query first, such as SELECT * FROM train LIMIT 10")
    if len(sql) > MOST_CHARACTERS:
        raise DataError.of(
            "query-too-long",
            "the query has {characters:,} characters; the most is {most:,}",
            characters=len(sql),
            most=MOST_CHARACTERS,
        )
    folder = prepared.folder / FOLDER
    folder.mkdir(exist_ok=True)
    _prune(folder)
    name = uuid.uuid4().hex[:12]
    out, working = folder / f"{name}.parquet", folder / f"{WORKING}{os.getpid()}-{name}"
    splits = tables(prepared)
    request = {
        "sql": sql,
        "out": str(working / "out.parquet"),
        "temp": str(working),
        "memory": MEMORY,
        "most_rows": MOST_ROWS,
        "most_bytes": MOST_BYTES,
        "seconds": most_seconds,
        "tables": [
            {
                "name": name,
                "path": str(prepared.splits[name].path),
                "columns": [(column, _names(prepared, column)) for column in columns],
            }
            for name, columns in splits.items()
        ],
    }
    working.mkdir()
    try:
        answer = _in_child(request, most_seconds)
        if "error" in answer:
            raise DataError(_explanation(answer["kind"], answer["error"], splits))
        (working / "out.parquet").replace(out)
        return Answer(out, answer["rows"], answer["whole"], answer["seconds"])
    except OSError as error:
        raise DataError.of(
            "result-not-kept",
            "the result cannot be kept ({reason}); ask for less, or free space",
            reason=error.strerror or error,
        ) from None
    finally:
        shutil.rmtree(working, ignore_errors=True)


def page(answer: Answer, offset: int, limit: int) -> pd.DataFrame:
    """Returns a page of a result, with long cells cut. Reads one row group at a time. Raises DataError."""
    import pandas as pd
    import pyarrow as pa

    try:
        with parquet.open_file(answer.path) as file:
            parts = [_cut(table) for table in _rows(file, offset, limit)]
            table = pa.concat_tables(parts) if parts else file.schema_arrow.empty_table()
            frame = table.to_pandas(integer_object_nulls=True)
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise DataError.of(
            "result-not-shown", "the result cannot be shown ({reason}); run the query again", reason=str(error)[:120]
        ) from None
    for name in frame.columns:
        if frame[name].dtype == object or str(frame[name].dtype) in ("str", "string"):
            frame[name] = pd.Series([cells.cell(value) for value in frame[name]], frame.index, frame[name].dtype)
    frame.index = range(offset, offset + len(frame))
    return frame


def _rows(file: pq.ParquetFile, offset: int, limit: int) -> Iterator[pa.Table]:
    start = 0
    for group in range(file.num_row_groups):
        rows = file.metadata.row_group(group).num_rows
        if start < offset + limit and start + rows > offset:
            skipped = max(0, offset - start)
            yield file.read_row_group(group).slice(skipped, offset + limit - start - skipped)
        start += rows


def _cut(table: pa.Table) -> pa.Table:
    """Cuts texts to what a cell shows and one character more, from which the cell sees that there is more."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for place, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            cut = pc.utf8_slice_codeunits(table.column(place), 0, CELL_CHARACTERS + 1)
            table = table.set_column(place, field, cut)
    return table


def examples(prepared: Prepared, texts: tuple[str, ...], label: str | None) -> dict[str, str]:
    """Returns example queries for this dataset: title → SQL."""
    table = _quoted(next(iter(prepared.splits)))
    queries = {"The first rows": f"SELECT *\nFROM {table}\nLIMIT 100"}
    if label:
        column = _quoted(label)
        queries["How often each label"] = (
            f"SELECT {column}, count(*) AS rows, round(100 * count(*) / sum(count(*)) OVER (), 1) AS percent\n"
            f"FROM {table}\nGROUP BY {column}\nORDER BY rows DESC"
        )
    if texts:
        text = _quoted(texts[0])
        queries["The longest texts"] = (
            f"SELECT length({text}) AS characters, *\nFROM {table}\nORDER BY characters DESC\nLIMIT 20"
        )
        queries["The commonest words"] = (
            f"SELECT word, count(*) AS times\nFROM (SELECT unnest(regexp_extract_all(lower({text}), '\\w+')) AS word"
            f" FROM {table})\nGROUP BY word\nORDER BY times DESC\nLIMIT 100"
        )
        if label:
            queries["Length by label"] = (
                f"SELECT {_quoted(label)}, count(*) AS rows, round(avg(length({text}))) AS mean, "
                f"median(length({text})) AS median, max(length({text})) AS longest\n"
                f"FROM {table}\nGROUP BY {_quoted(label)}\nORDER BY mean"
            )
        if len(prepared.splits) > 1:
            first, second, *_ = map(_quoted, prepared.splits)
            queries["Texts in both splits"] = f"SELECT {text}\nFROM {first}\nINTERSECT\nSELECT {text}\nFROM {second}"
    return queries


def _in_child(request: dict[str, Any], most_seconds: float) -> dict[str, Any]:
    command = [sys.executable, "-s", "-m", "core.data.browsing.sql_child"]
    environment = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        cwd=PROJECT,
        env=environment | {"PYTHONUTF8": "1"},
    )
    try:
        output = _watched(child, json.dumps(request), most_seconds)
        answer: dict[str, Any] = json.loads(output.splitlines()[-1])
        return answer
    except (ValueError, IndexError):
        raise DataError.of(
            "query-out-of-memory-allowed",
            "the query took more memory than there is ({memory} is allowed); ask for less",
            memory=MEMORY,
        ) from None
    finally:
        child.kill()
        child.communicate()


def _watched(child: subprocess.Popen[str], request: str, most_seconds: float) -> str:
    """Returns the child's output. Raises DataError if it takes too long or too much memory; the caller ends it then."""
    end, unsent = time.monotonic() + most_seconds, iter([request])
    while True:
        try:
            return child.communicate(next(unsent, None), timeout=LOOK_S)[0]
        except subprocess.TimeoutExpired:
            if time.monotonic() > end:
                raise DataError.of(
                    "query-ended",
                    "the query was ended after {seconds:.0f} seconds; ask for less, such as a LIMIT "
                    "inside or fewer joins",
                    seconds=most_seconds,
                ) from None
            if _resident(child.pid) > RESIDENT:
                raise DataError.of(
                    "query-out-of-memory",
                    "the query took more memory than the {memory} it may have; ask for less",
                    memory=MEMORY,
                ) from None


def _resident(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def _explanation(kind: str, error: str, splits: dict[str, list[str]]) -> str:
    """Explains DuckDB's error in a sentence; for an unknown name, also lists the tables and columns."""
    reason = re.sub(r"^[\w ]*Error: ", "", error.strip()).split("\n\nLINE")[0].split("\n")[0].strip().rstrip("!.")
    match kind:
        case "NotOneSelect":
            return RULE
        case "PermissionException":
            return "that is closed here: a query reads this dataset and nothing else, no file, network or setting"
        case "OutOfMemoryException":
            return f"the query took more memory than the {MEMORY} it may have; ask for less"
        case "MemoryError":
            return f"the query took more memory than the {MEMORY} it may have; ask for less"
        case "RowTooLarge":
            return f"one row of the result has more than {size(MOST_BYTES)}, the most that is kept; ask for less of it"
        case "CatalogException" | "BinderException":
            listing = "; ".join(f"{name} ({', '.join(columns[:12])})" for name, columns in list(splits.items())[:6])
            return f"{reason}. The tables here: {listing}"
        case _:
            line = re.search(r"LINE (\d+):", error)
            return f"{reason or kind} in line {line[1]}" if line and line[1] != "1" else reason or kind


def _names(prepared: Prepared, column: str) -> list[str] | None:
    """The class names of a column; None for a column without classes."""
    known = prepared.column(column)
    return list(known.names) if known is not None and known.names else None


def _prune(folder: Path) -> None:
    """Removes the oldest results, and the folders of queries whose process was killed."""
    results = sorted(folder.glob("*.parquet"), key=lambda p: p.stat().st_mtime, reverse=True)
    for old in results[KEPT_RESULTS - 1 :]:
        old.unlink(missing_ok=True)
    for path in folder.iterdir():
        if path.suffix != ".parquet" and not _at_work(path):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _at_work(path: Path) -> bool:
    """Whether a query is running in this folder; its name holds the process id."""
    owner = re.fullmatch(re.escape(WORKING) + r"(\d+)-\w+", path.name)
    try:
        return owner is not None and psutil.pid_exists(int(owner[1])) and time.time() - path.stat().st_mtime < STALE_S
    except (OSError, OverflowError):
        return False


def sweep(settings: Settings) -> None:
    """Removes the folders of queries that a crash of the dashboard interrupted; called when it starts."""
    for folder in settings.datasets.glob(f"*/{FOLDER}"):
        with suppress(OSError):
            _prune(folder)


def _quoted(name: str) -> str:
    return (
        name
        if re.fullmatch(r"[a-z_][a-z0-9_]*", name) and name not in RESERVED
        else '"' + name.replace('"', '""') + '"'
    )


RESERVED = {
    "select",
    "from",
    "where",
    "group",
    "order",
    "by",
    "table",
    "limit",
    "all",
    "and",
    "or",
    "not",
    "null",
    "end",
}
