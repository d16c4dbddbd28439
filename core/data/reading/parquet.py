"""Parquet files: their columns as a person sees them, and several files of one split as one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from core.data.reading import bounded
from core.data.reading.columns import COMPRESSION
from core.errors import DataError
from core.wording import library_message

Described = tuple[str, str, tuple[str, ...] | None]  # name, kind, class names


def open_file(path: Path) -> pq.ParquetFile:
    """A Parquet file, its footer read. Raises DataError."""
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{path.name} cannot be read as Parquet, it is damaged or incomplete ({library_message(error, 120)}); "
            "copy or download it again",
            "data.path",
        ) from None


def describe(schema: pa.Schema) -> list[Described]:
    """The columns of a schema; class names come from the note that Hugging Face's datasets leave in it."""
    features = _features(schema)
    result: list[Described] = []
    for column in schema:
        feature = features.get(column.name)
        names = feature.get("names") if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" else None
        kind = "class" if names and pa.types.is_integer(column.type) else kind_of(column.type)
        result.append((column.name, kind, tuple(map(str, names or ())) if kind == "class" else None))
    return result


def null_counts(path: Path) -> dict[str, int]:
    """Nulls per top-level column: from the footer's statistics where they are, else by reading the column."""
    with open_file(path) as file:
        counts: dict[str, int] = {}
        groups = [file.metadata.row_group(g) for g in range(file.metadata.num_row_groups)]
        leaf = 0
        for column in file.schema_arrow:
            chunks = [group.column(leaf).statistics for group in groups]
            if not pa.types.is_nested(column.type) and all(c is not None and c.has_null_count for c in chunks):
                counts[column.name] = sum(c.null_count for c in chunks)
            else:
                counts[column.name] = bounded.nulls(path, column.name)
            leaf += _leaves(column.type)
        return counts


def join(files: list[Path], target: Path, tick: Callable[[float], None]) -> None:
    """Writes the rows of several Parquet files to one, in order. Raises DataError if their columns do not fit."""
    schemas = [open_file(path).schema_arrow for path in files]
    try:
        merged = pa.unify_schemas(schemas, promote_options="permissive")
        with pq.ParquetWriter(target, merged, compression=COMPRESSION) as writer:
            for number, path in enumerate(files):
                for batch in bounded.batches(path, 20_000):
                    writer.write_table(_promoted(pa.Table.from_batches([batch]), merged))
                tick((number + 1) / len(files))
    except pa.ArrowException as error:
        names = f"{files[0].name} to {files[-1].name}"
        raise DataError(
            f"the files {names} of one split cannot be joined, their columns differ "
            f"({library_message(error, 160)}); give them the same ones",
            "data.path",
        ) from None


def kinds_of_values(folders: list[dict[str, str | None]]) -> dict[str, pa.DataType]:
    """The types of the columns that key=value folders name: whole numbers where all values are, else text."""
    result = {}
    for key in dict.fromkeys(key for values in folders for key in values):
        values = [v[key] for v in folders if v.get(key) is not None]
        numbers = bool(values) and all(re.fullmatch(r"0|-?[1-9][0-9]{0,17}", value or "") for value in values)
        result[key] = pa.int64() if numbers else pa.string()
    return result


def with_values(path: Path, target: Path, values: dict[str, tuple[str | None, pa.DataType]]) -> None:
    """Writes a file anew with further columns that have one value each; a column that is there already stays."""
    with open_file(path) as file:
        schema = file.schema_arrow
        added = {k: v for k, v in values.items() if k not in schema.names}
        for key, (_, kind) in added.items():
            schema = schema.append(pa.field(key, kind))
        with pq.ParquetWriter(target, schema, compression=COMPRESSION) as writer:
            for batch in bounded.batches(path, 20_000):
                arrays = [
                    pa.repeat(pa.scalar(int(v) if v is not None and kind == pa.int64() else v, kind), batch.num_rows)
                    for v, kind in added.values()
                ]
                writer.write_table(pa.Table.from_arrays([*batch.columns, *arrays], schema=schema))


def head(path: Path, rows: int = 1500, columns: Sequence[str] | None = None) -> pa.Table:
    """Some rows from the beginning, the middle and the end of a file, without reading the rest.

    columns: those to read, as far as they are there; None for all
    """
    with open_file(path) as file:
        names = [n for n in file.schema_arrow.names if columns is None or n in columns]
        groups = sorted({0, file.num_row_groups // 2, max(0, file.num_row_groups - 1)})
        parts = []
        for group in groups if file.num_row_groups else []:
            batches = bounded.batches(path, max(1, rows // len(groups)), names, [group])
            parts += [batch for batch in [next(batches, None)] if batch is not None]
        table = pa.Table.from_batches(parts, schema=pa.schema([file.schema_arrow.field(name) for name in names]))
        return pa.table({f.name: plain(table.column(f.name)) for f in table.schema})


def _leaves(kind: pa.DataType) -> int:
    """In how many columns of the file a column is stored."""
    if not pa.types.is_nested(kind):
        return 1
    return sum(_leaves(kind.field(i).type) for i in range(kind.num_fields))


def plain(values: Any) -> Any:
    """An array or column without dictionary encoding."""
    return values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values


def _promoted(table: pa.Table, schema: pa.Schema) -> pa.Table:
    arrays = [
        table.column(f.name).cast(f.type) if f.name in table.column_names else pa.nulls(len(table), f.type)
        for f in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _features(schema: pa.Schema) -> dict[str, Any]:
    try:
        noted = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        return dict(noted["info"]["features"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}


def kind_of(kind: pa.DataType) -> str:
    """What a person would call a type; see Column."""
    types = pa.types
    if types.is_dictionary(kind):
        return kind_of(kind.value_type)
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return "text"
    if types.is_integer(kind):
        return "integer"
    if types.is_floating(kind):
        return "float"
    if types.is_boolean(kind):
        return "boolean"
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind) or types.is_list_view(kind):
        return "list"
    return "other"
