"""Reads facts of Parquet files: class names, null counts and some of the rows."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from core.data.reading.aligning import lists, types
from core.data.reading.aligning.columns import COMPRESSION
from core.data.reading.tables import bounded
from core.errors import DataError
from core.wording import library_message


def open_file(path: Path) -> pq.ParquetFile:
    """Opens a Parquet file and reads its footer. Raises DataError."""
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError.of(
            "parquet-damaged",
            "{file} cannot be read as Parquet, it is damaged or incomplete ({reason}); copy or download it again",
            "data.path",
            file=path.name,
            reason=library_message(error, 120),
        ) from None


def class_names(schema: pa.Schema) -> dict[str, tuple[str, ...]]:
    """Returns column → class names from the metadata of Hugging Face's `datasets`, also for classes in lists."""
    names = {}
    for column, feature in _features(schema).items():
        for _ in range(lists.MOST_DEPTH):
            if isinstance(feature, list) and len(feature) == 1:
                feature = feature[0]
            elif isinstance(feature, dict) and "feature" in feature:
                feature = feature["feature"]
        if (
            isinstance(feature, dict)
            and feature.get("_type") == "ClassLabel"
            and isinstance(feature.get("names"), list)
        ):
            names[column] = tuple(map(str, feature["names"]))
    return {column: classes for column, classes in names.items() if classes}


def null_counts(path: Path) -> dict[str, int]:
    """Counts the nulls of each top-level column, from the footer's statistics or else by reading the column."""
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


def kinds_of_values(folders: list[dict[str, str | None]]) -> dict[str, pa.DataType]:
    """Returns the types of columns from key=value folders: whole numbers if all values are, else text."""
    result = {}
    for key in dict.fromkeys(key for values in folders for key in values):
        values = [v[key] for v in folders if v.get(key) is not None]
        numbers = bool(values) and all(re.fullmatch(r"0|-?[1-9][0-9]{0,17}", value or "") for value in values)
        result[key] = pa.int64() if numbers else pa.string()
    return result


def with_values(path: Path, target: Path, values: dict[str, tuple[str | None, pa.DataType]]) -> None:
    """Rewrites a file with additional columns of one value each; existing columns stay as they are."""
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
    """Reads some rows from the beginning, the middle and the end of a file.

    columns: the columns to read, ignoring unknown ones; None for all
    """
    with open_file(path) as file:
        schema = file.schema_arrow  # read once, as each access builds the schema again
        names = [n for n in schema.names if columns is None or n in columns]
        groups = sorted({0, file.num_row_groups // 2, max(0, file.num_row_groups - 1)})
        parts = []
        for group in groups if file.num_row_groups else []:
            batches = bounded.batches(path, max(1, rows // len(groups)), names, [group])
            parts += [batch for batch in [next(batches, None)] if batch is not None]
        chunks = {name: [types.plain(batch.column(name)) for batch in parts] for name in names}
        arrow = {name: types.plain_type(schema.field(name).type) for name in names}
        return pa.table({name: pa.chunked_array(chunks[name], arrow[name]) for name in names})


def _leaves(kind: pa.DataType) -> int:
    """Returns the number of columns of the file in which a column is stored."""
    if not pa.types.is_nested(kind):
        return 1
    return sum(_leaves(kind.field(i).type) for i in range(kind.num_fields))


def _features(schema: pa.Schema) -> dict[str, Any]:
    try:
        metadata = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        return dict(metadata["info"]["features"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
