"""A person's own SQL over a dataset: each split is a table. Runs in a child that is killed when it takes too long."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.access import check
from core.data import browse
from core.data.prepared import Prepared
from core.data.reading import parquet
from core.errors import DataError
from core.process import PROJECT
from core.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

MOST_SECONDS, MOST_ROWS, MOST_BYTES, MEMORY = 30.0, 100_000, 200 * 1024**2, "1GB"
MOST_CHARACTERS = 20_000
KEPT_RESULTS = 20
FOLDER = "sql"
# What a child needs to run; no token, no setting of ours.
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
    """The result of a query: a Parquet file with so many rows; `whole` if these are all."""

    path: Path
    rows: int
    whole: bool
    seconds: float


def tables(prepared: Prepared) -> dict[str, list[str]]:
    """What a query can name: each split with its columns."""
    found = {}
    for name, part in prepared.splits.items():
        with parquet.open_file(part.path) as file:
            found[name] = list(file.schema_arrow.names)
    return found


def run(
    prepared: Prepared, sql: str, most_seconds: float = MOST_SECONDS, *, settings: Settings | None = None
) -> Answer:  # fmt: skip
    """Raises DataError with what is wrong with the query and what it could name, AccessDenied.

    settings: those of the person who asks; None for the operator
    """
    if settings is not None:
        check(settings, "sql")
    if not sql.strip():
        raise DataError("write a query first, such as SELECT * FROM train LIMIT 10")
    if len(sql) > MOST_CHARACTERS:
        raise DataError(f"the query has {len(sql):,} characters; the most is {MOST_CHARACTERS:,}")
    folder = prepared.folder / FOLDER
    folder.mkdir(exist_ok=True)
    _prune(folder)
    out = folder / f"{uuid.uuid4().hex[:12]}.parquet"
    there = tables(prepared)
    request = {
        "sql": sql, "out": str(out), "temp": str(folder), "memory": MEMORY, "most_rows": MOST_ROWS,
        "most_bytes": MOST_BYTES,
        "tables": [
            {"name": name, "path": str(prepared.splits[name].path),
             "columns": [(column, _names(prepared, column)) for column in columns]}
            for name, columns in there.items()
        ],
    }  # fmt: skip
    try:
        answer = _in_child(request, most_seconds)
        if "error" in answer:
            raise DataError(_explained(answer["kind"], answer["error"], there))
        return Answer(out, answer["rows"], answer["whole"], answer["seconds"])
    except DataError:
        out.unlink(missing_ok=True)
        raise


def page(answer: Answer, offset: int, limit: int) -> pd.DataFrame:
    """Rows of a result, long cells cut as everywhere."""
    import pyarrow.parquet as pq

    frame = pq.read_table(answer.path).slice(offset, limit).to_pandas(types_mapper=None)
    for name in frame.columns:
        if frame[name].dtype == object or str(frame[name].dtype) in ("str", "string"):
            frame[name] = [browse.cell(value) for value in frame[name]]
    frame.index = range(offset, offset + len(frame))
    return frame


def examples(prepared: Prepared, texts: tuple[str, ...], label: str | None) -> dict[str, str]:
    """Queries to begin with, about the columns that are there: title → SQL."""
    table = _quoted(next(iter(prepared.splits)))
    made = {"The first rows": f"SELECT *\nFROM {table}\nLIMIT 100"}
    if label:
        column = _quoted(label)
        made["How often each label"] = (
            f"SELECT {column}, count(*) AS rows, round(100 * count(*) / sum(count(*)) OVER (), 1) AS percent\n"
            f"FROM {table}\nGROUP BY {column}\nORDER BY rows DESC"
        )
    if texts:
        text = _quoted(texts[0])
        made["The longest texts"] = (
            f"SELECT length({text}) AS characters, *\nFROM {table}\nORDER BY characters DESC\nLIMIT 20"
        )
        made["The commonest words"] = (
            f"SELECT word, count(*) AS times\nFROM (SELECT unnest(regexp_extract_all(lower({text}), '\\w+')) AS word"
            f" FROM {table})\nGROUP BY word\nORDER BY times DESC\nLIMIT 100"
        )
        if label:
            made["Length by label"] = (
                f"SELECT {_quoted(label)}, count(*) AS rows, round(avg(length({text}))) AS mean, "
                f"median(length({text})) AS median, max(length({text})) AS longest\n"
                f"FROM {table}\nGROUP BY {_quoted(label)}\nORDER BY mean"
            )
        if len(prepared.splits) > 1:
            first, second, *_ = map(_quoted, prepared.splits)
            made["Texts in both splits"] = f"SELECT {text}\nFROM {first}\nINTERSECT\nSELECT {text}\nFROM {second}"
    return made


def _in_child(request: dict[str, Any], most_seconds: float) -> dict[str, Any]:
    command = [sys.executable, "-s", "-m", "core.data.sql_child"]
    environment = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    try:
        done = subprocess.run(
            command, input=json.dumps(request), capture_output=True, text=True, encoding="utf-8", cwd=PROJECT,
            env=environment | {"PYTHONUTF8": "1"}, timeout=most_seconds,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise DataError(
            f"the query was ended after {most_seconds:.0f} seconds; ask for less, such as a LIMIT inside or fewer joins"
        ) from None
    try:
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer
    except (ValueError, IndexError):
        raise DataError(f"the query took more memory than there is ({MEMORY} is allowed); ask for less") from None


def _explained(kind: str, error: str, there: dict[str, list[str]]) -> str:
    """What DuckDB said, in a sentence, and what a query can name."""
    said = re.sub(r"^[\w ]*Error: ", "", error.strip()).split("\n\nLINE")[0].split("\n")[0].strip().rstrip("!.")
    match kind:
        case "NotOneSelect":
            return RULE
        case "PermissionException":
            return "that is closed here: a query reads this dataset and nothing else, no file, network or setting"
        case "OutOfMemoryException":
            return f"the query took more memory than the {MEMORY} it may have; ask for less"
        case "CatalogException" | "BinderException":
            named = "; ".join(f"{name} ({', '.join(columns[:12])})" for name, columns in list(there.items())[:6])
            return f"{said}. The tables here: {named}"
        case _:
            line = re.search(r"LINE (\d+):", error)
            where = f" in line {line[1]}" if line and line[1] != "1" else ""
            return f"{said or kind}{where}"


def _names(prepared: Prepared, column: str) -> list[str] | None:
    found = prepared.column(column)
    return list(found.names) if found is not None and found.names else None


def _prune(folder: Path) -> None:
    results = sorted(folder.glob("*.parquet"), key=lambda p: p.stat().st_mtime, reverse=True)
    for old in results[KEPT_RESULTS - 1 :]:
        old.unlink(missing_ok=True)


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
