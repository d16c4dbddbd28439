"""Structs of a Parquet file as columns of their own, `meta.label`, as they become in JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from core.data.notes import Note
from core.data.reading.aligning import types
from core.data.reading.aligning.columns import COMPRESSION, MAX_COLUMNS, check_width
from core.data.reading.tables import bounded

BATCH_ROWS = 20_000
MAX_DEPTH = 8  # of structs in structs
MEDIA = {"bytes", "path"}  # a picture or a sound, as Hugging Face's datasets keep it
LISTED = 5


def flattened(path: Path, target: Path, tick: Callable[[float], None]) -> Note | None:
    """Writes the file to `target` with the fields of its structs as columns, and says so; None if it has no structs.

    Class names that Hugging Face's datasets leave for a field stay with its column. Raises DataError.
    """
    with bounded.reading(path), pq.ParquetFile(path) as file:
        schema, rows = file.schema_arrow, max(1, file.metadata.num_rows)
    fields = [inner for field in schema for inner in _fields(field.name, field.type)]
    if not any(_is_open(field.type) for field in schema):
        return None
    check_width(path.name, len(fields))
    names = _distinct(schema)
    kinds = [kind for _, kind in fields]
    flat = pa.schema(zip(names, kinds, strict=True), _metadata(schema, [name for name, _ in fields], names))
    done = 0
    with pq.ParquetWriter(target, flat, compression=COMPRESSION) as writer:
        for batch in bounded.batches(path, BATCH_ROWS):
            arrays = [inner for column in batch.columns for inner in _apart(column)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=flat))
            done += len(batch)
            tick(done / rows)
    inner = [name for name in names if name not in schema.names]
    more = f" and {len(inner) - LISTED:,} more" if len(inner) > LISTED else ""
    return Note(f"What is inside structs has columns of its own: {', '.join(inner[:LISTED])}{more}.")


def must_be_read(path: Path) -> bool:
    """Whether preparing a file takes more than a look at its footer: for structs, lists, bytes, or to count nulls."""
    with bounded.reading(path), pq.ParquetFile(path) as file:
        footer = file.metadata
        if footer.num_columns > MAX_COLUMNS:
            return False  # it is refused
        if any(pa.types.is_nested(field.type) or types.is_bytes(field.type) for field in file.schema_arrow):
            return True
        chunks = (
            footer.row_group(g).column(c) for g in range(footer.num_row_groups) for c in range(footer.num_columns)
        )
        return any(chunk.statistics is None or not chunk.statistics.has_null_count for chunk in chunks)


def _fields(name: str, kind: pa.DataType, depth: int = 0) -> Iterator[tuple[str, pa.DataType]]:
    """The columns that a column becomes, each with its name and type."""
    if depth >= MAX_DEPTH or not _is_open(kind):
        yield name, kind
        return
    for field in kind:
        yield from _fields(f"{name}.{field.name}", field.type, depth + 1)


def _apart(values: pa.Array, depth: int = 0) -> Iterator[pa.Array]:
    """The columns that an array becomes; the fields of a null struct are null."""
    if depth >= MAX_DEPTH or not _is_open(values.type):
        yield values
        return
    for inner in values.flatten():
        yield from _apart(inner, depth + 1)


def _is_open(kind: pa.DataType) -> bool:
    """Whether a type is a struct that becomes columns; a picture in a cell is one value."""
    return pa.types.is_struct(kind) and kind.num_fields > 0 and {field.name for field in kind} != MEDIA


def _distinct(schema: pa.Schema) -> list[str]:
    """The names of the columns to write, those of inner fields changed where another column has theirs."""
    taken = {field.name for field in schema if not _is_open(field.type)}
    names = []
    for field in schema:
        for name, _ in _fields(field.name, field.type):
            free, copy = name, 1
            while _is_open(field.type) and free in taken:
                copy += 1
                free = f"{name}_{copy}"
            taken.add(free)
            names.append(free)
    return names


def _metadata(schema: pa.Schema, paths: list[str], names: list[str]) -> dict[bytes, bytes] | None:
    """The note of Hugging Face's datasets with the features of inner fields under the names of their columns."""
    try:
        info = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        flat = _features(dict(info["info"]["features"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    features = {name: flat[path] for path, name in zip(paths, names, strict=True) if path in flat}
    return {b"huggingface": json.dumps({"info": {"features": features}}).encode()}


def _features(features: dict[str, Any], prefix: str = "", depth: int = 0) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, feature in features.items():
        flat[f"{prefix}{name}"] = feature
        if isinstance(feature, dict) and not isinstance(feature.get("_type"), str) and depth < MAX_DEPTH:
            flat |= _features(feature, f"{prefix}{name}.", depth + 1)
    return flat
