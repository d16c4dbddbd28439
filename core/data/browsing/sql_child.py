"""Runs one SELECT on a dataset in a separate process, which can read nothing but that dataset.

`python -m core.data.browsing.sql_child` reads a request as JSON from standard input and writes the answer as one line
of JSON to standard output. The query may be hostile: access to files, network, extensions, settings and Python's
variables is closed before DuckDB sees it.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

BATCH_ROWS = 2048
GROUP_BYTES = 4 * 1024**2
PLAIN = {
    "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "FLOAT",
    "DOUBLE", "VARCHAR", "BLOB",
}  # fmt: skip
NAMES = ("function_name", "table_name", "schema_name")
REVEALING = ("duckdb_", "pragma_", "pg_", "sqlite_master", "sqlite_schema", "sqlite_temp")
REVEALING_FUNCTIONS = {
    "current_setting",
    "query",
    "query_table",
    "json_execute_serialized_sql",
}


class RowTooLarge(Exception):
    """One row of the result is larger than the limit for the whole result."""


def main() -> None:
    request = json.load(sys.stdin)
    end = threading.Timer(request["seconds"] + 5, os._exit, (1,))  # in case the asking process has died
    end.daemon = True
    end.start()
    try:
        answer = run(request)
    except (duckdb.Error, pa.ArrowException, RowTooLarge, ValueError, OverflowError, MemoryError) as error:
        answer = {"error": str(error), "kind": type(error).__name__}
    sys.stdout.write(json.dumps(answer) + "\n")


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Runs the query of a request and writes its result to a file; returns its size, or an error and its kind.

    request: tables (name, path, columns with their class names), sql, out, most_rows, most_bytes, memory, temp, seconds
    """
    since = time.perf_counter()
    connection = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": request["memory"], "temp_directory": request["temp"], "max_temp_directory_size": "4GB",
            "autoinstall_known_extensions": False, "autoload_known_extensions": False,
            "python_enable_replacements": False, "allow_community_extensions": False,
        },
    )  # fmt: skip
    paths = ", ".join(_literal(table["path"]) for table in request["tables"])
    connection.execute(f"SET allowed_paths = [{paths}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    for table in request["tables"]:
        columns = ", ".join(_selected(name, names) for name, names in table["columns"])
        connection.execute(
            f"CREATE VIEW {_quoted(table['name'])} AS SELECT {columns} FROM read_parquet({_literal(table['path'])})"
        )
    statements = connection.extract_statements(request["sql"])
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        return {"error": "", "kind": "NotOneSelect"}
    if asks_about_machine(connection, request["sql"], {table["name"] for table in request["tables"]}):
        return {"error": "", "kind": "PermissionException"}
    relation = connection.sql(request["sql"])
    rows, whole = _write(relation, request)
    return {"rows": rows, "whole": whole, "seconds": time.perf_counter() - since}


def asks_about_machine(connection: duckdb.DuckDBPyConnection, sql: str, tables: set[str]) -> bool:
    """Whether a SELECT uses something that reveals DuckDB's settings, and so our folders, or that runs text as SQL."""
    ((text,),) = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchall()
    tree = json.loads(text)
    if tree.get("error"):  # a query that cannot be inspected is not run
        return True
    for key, value in _names(tree):
        name = value.lower()
        if key == "schema_name" and name != "main":
            return True
        if value not in tables and (
            name.startswith(REVEALING) or (key == "function_name" and name in REVEALING_FUNCTIONS)
        ):
            return True
    return False


def _names(node: Any) -> Iterator[tuple[str, str]]:
    """Yields the functions, tables and schemas in a query's syntax tree."""
    if isinstance(node, dict):
        yield from ((k, v) for k, v in node.items() if k in NAMES and isinstance(v, str) and v)
    if isinstance(node, dict | list):
        for value in node.values() if isinstance(node, dict) else node:
            yield from _names(value)


def _write(relation: duckdb.DuckDBPyRelation, request: dict[str, Any]) -> tuple[int, bool]:
    """Writes the result to a Parquet file in small row groups. Returns the number of rows, and whether they are all.

    A reader holds one group at a time: GROUP_BYTES, or a single row of up to `most_bytes`.
    """
    names = _unique(relation.columns)
    plain = ", ".join(_plain(f"#{place}", str(kind)) for place, kind in enumerate(relation.types, 1))
    reader = relation.project(plain).limit(request["most_rows"] + 1).to_arrow_reader(BATCH_ROWS)
    schema = pa.schema([(name, field.type) for name, field in zip(names, reader.schema, strict=True)])
    group_bytes = min(GROUP_BYTES, request["most_bytes"] // 16)
    seen = rows = size = 0
    with pq.ParquetWriter(request["out"], schema, compression="zstd") as writer:
        for batch in reader:
            seen += len(batch)
            table = pa.Table.from_arrays(batch.columns, schema=schema)
            for piece in _pieces(table.slice(0, request["most_rows"] - rows), group_bytes):
                size += piece.nbytes
                if size > request["most_bytes"]:
                    if not rows:
                        raise RowTooLarge
                    return rows, False
                writer.write_table(piece)
                rows += len(piece)
    return rows, seen == rows


def _pieces(table: pa.Table, group_bytes: int) -> Iterator[pa.Table]:
    """Cuts a table into pieces of about `group_bytes`, each with at least one row."""
    start = 0
    while start < len(table):
        rest = table.slice(start)
        rows = max(1, min(len(rest), int(len(rest) * group_bytes / max(1, rest.nbytes))))
        while rows > 1 and rest.slice(0, rows).nbytes > 2 * group_bytes:
            rows //= 2
        yield rest.slice(0, rows)
        start += rows


def _plain(column: str, kind: str) -> str:
    """Selects a column in a type that the pages can show: decimals and huge integers as floats, other types as text.

    DuckDB writes that text: its dates can lie in the year 200000 or be infinite, which no other type here can hold.
    """
    if kind in PLAIN:
        return column
    if kind.startswith("DECIMAL") or kind in ("HUGEINT", "UHUGEINT"):
        return f"CAST({column} AS DOUBLE)"
    return f"CAST({column} AS VARCHAR)"


def _unique(names: list[str]) -> list[str]:
    """Makes column names unique: a, a_1, a_2."""
    unique: list[str] = []
    for name in names:
        candidates = (f"{name}_{number}" if number else name for number in itertools.count())
        unique.append(next(candidate for candidate in candidates if candidate not in unique))
    return unique


def _selected(name: str, names: list[str] | None) -> str:
    """Selects a column, with class names instead of class ids."""
    if names is None:
        return _quoted(name)
    listed = ", ".join(map(_literal, names))
    return f"CASE WHEN {_quoted(name)} >= 0 THEN ([{listed}])[{_quoted(name)} + 1] END AS {_quoted(name)}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


if __name__ == "__main__":
    main()
