"""One SELECT over a dataset, in a process of its own that may read nothing else: `python -m core.data.sql_child`.

Reads a request as JSON from standard input and writes an answer as one line of JSON to standard output. Whoever wrote
the query may be hostile: files, network, extensions, settings and Python's variables are closed before it is looked at.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

BATCH_ROWS = 10_000
# What tells of the settings, in which the dataset's folder stands, or hides a query from those who look at it.
CLOSED = {"duckdb_settings", "pg_settings", "current_setting", "query", "query_table"}


def main() -> None:
    request = json.load(sys.stdin)
    try:
        answer = run(request)
    except duckdb.Error as error:
        answer = {"error": str(error), "kind": type(error).__name__}
    sys.stdout.write(json.dumps(answer) + "\n")


def run(request: dict[str, Any]) -> dict[str, Any]:
    """request: tables (name, path, columns with their class names), sql, out, most_rows, most_bytes, memory, temp."""
    since = time.perf_counter()
    os.chdir(request["temp"])  # DuckDB tells whoever asks how its views are made: names without the way to them
    connection = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": request["memory"], "temp_directory": ".", "max_temp_directory_size": "4GB",
            "autoinstall_known_extensions": False, "autoload_known_extensions": False,
            "python_enable_replacements": False, "allow_community_extensions": False,
        },
    )  # fmt: skip
    places = {table["name"]: os.path.relpath(table["path"]) for table in request["tables"]}
    paths = ", ".join(map(_literal, places.values()))
    connection.execute(f"SET allowed_paths = [{paths}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    for table in request["tables"]:
        columns = ", ".join(_selected(name, names) for name, names in table["columns"])
        connection.execute(
            f"CREATE VIEW {_quoted(table['name'])} AS SELECT {columns}"
            f" FROM read_parquet({_literal(places[table['name']])})"
        )
    statements = connection.extract_statements(request["sql"])
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        return {"error": "", "kind": "NotOneSelect"}
    (tree,) = connection.execute("SELECT json_serialize_sql(?)", [request["sql"]]).fetchall()[0]
    if CLOSED & set(_names(json.loads(tree))):
        return {"error": "", "kind": "PermissionException"}
    relation = connection.sql(request["sql"])
    rows, whole = _write(relation, request)
    return {"rows": rows, "whole": whole, "seconds": time.perf_counter() - since}


def _names(tree: Any) -> Iterator[str]:
    """Of all functions and tables in a query."""
    if isinstance(tree, dict):
        yield from (str(tree[key]).lower() for key in ("function_name", "table_name") if key in tree)
    for part in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from _names(part)


def _write(relation: duckdb.DuckDBPyRelation, request: dict[str, Any]) -> tuple[int, bool]:
    """The result to a Parquet file; how many rows, and whether they are all."""
    reader = relation.limit(request["most_rows"] + 1).to_arrow_reader(BATCH_ROWS)
    names = _unique(reader.schema.names)
    schema = pa.schema([(name, _plain_type(f.type)) for name, f in zip(names, reader.schema, strict=True)])
    rows = size = 0
    with pq.ParquetWriter(request["out"], schema, compression="zstd") as writer:
        for batch in reader:
            arrays = [_plain(column, kind) for column, kind in zip(batch.columns, schema.types, strict=True)]
            left = request["most_rows"] - rows
            table = pa.Table.from_arrays(arrays, schema=schema).slice(0, left)
            rows, size = rows + len(table), size + table.nbytes
            writer.write_table(table)
            if len(batch) > left or size > request["most_bytes"]:
                return rows, False
    return rows, True


def _plain_type(kind: pa.DataType) -> pa.DataType:
    """Numbers, texts, dates and lists as they are; decimals as floats, everything else as text."""
    types = pa.types
    if types.is_decimal(kind):
        return pa.float64()
    simple = (types.is_boolean, types.is_integer, types.is_floating, types.is_string, types.is_large_string,
              types.is_date, types.is_timestamp, types.is_binary, types.is_large_binary)  # fmt: skip
    if any(test(kind) for test in simple):
        return kind
    if types.is_list(kind) and _plain_type(kind.value_type) == kind.value_type:
        return kind
    return pa.string()


def _plain(values: Any, kind: pa.DataType) -> Any:
    if values.type == kind:
        return values
    try:
        return pc.cast(values, kind)
    except pa.ArrowException:
        return pa.array([None if value is None else str(value) for value in values.to_pylist()], pa.string())


def _unique(names: list[str]) -> list[str]:
    seen: dict[str, int] = {}
    result = []
    for name in names:
        count = seen.get(name, 0)
        seen[name] = count + 1
        result.append(f"{name}_{count + 1}" if count else name)
    return result


def _selected(name: str, names: list[str] | None) -> str:
    """A column; a class by its name."""
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
