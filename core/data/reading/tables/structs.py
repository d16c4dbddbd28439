"""Flattens structs of a Parquet file into columns named `meta.label`, as for JSON."""

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
MAX_DEPTH = 8  # levels of nested structs
MEDIA = {"bytes", "path"}  # the fields of a picture or sound in Hugging Face's `datasets`
LISTED = 5


def flattened(path: Path, target: Path, tick: Callable[[float], None]) -> Note | None:
    """Writes a file to `target` with the fields of its structs as columns, and returns a note; None without structs.

    Class names that Hugging Face's `datasets` keeps for a field stay with its column. Raises DataError.
    """
    with bounded.reading(path), pq.ParquetFile(path) as file:
        schema, rows = file.schema_arrow, max(1, file.metadata.num_rows)
    fields = [inner for field in schema for inner in _fields(field.name, field.type)]
    if not any(_is_open(field.type) for field in schema):
        return None
    check_width(path.name, len(fields))
    names = _unique_names(schema)
    kinds = [kind for _, kind in fields]
    flat = pa.schema(zip(names, kinds, strict=True), _metadata(schema, [name for name, _ in fields], names))
    done = 0
    with pq.ParquetWriter(target, flat, compression=COMPRESSION) as writer:
        for batch in bounded.batches(path, BATCH_ROWS):
            arrays = [inner for column in batch.columns for inner in _flatten(column)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=flat))
            done += len(batch)
            tick(done / rows)
    inner = [name for name in names if name not in schema.names]
    more = f" and {len(inner) - LISTED:,} more" if len(inner) > LISTED else ""
    return Note.of(
        "struct-columns",
        "What is inside structs has columns of its own: {columns}{more}.",
        columns=", ".join(inner[:LISTED]),
        more=more,
    )


def must_be_read(path: Path) -> bool:
    """Whether preparing a file needs more than its footer: for structs, lists and bytes, and to count nulls."""
    with bounded.reading(path), pq.ParquetFile(path) as file:
        footer = file.metadata
        if footer.num_columns > MAX_COLUMNS:
            return False  # the file will be refused
        if any(pa.types.is_nested(field.type) or types.is_bytes(field.type) for field in file.schema_arrow):
            return True
        chunks = (
            footer.row_group(g).column(c) for g in range(footer.num_row_groups) for c in range(footer.num_columns)
        )
        return any(chunk.statistics is None or not chunk.statistics.has_null_count for chunk in chunks)


def _fields(name: str, kind: pa.DataType, depth: int = 0) -> Iterator[tuple[str, pa.DataType]]:
    """Yields the name and type of each column that a column becomes."""
    if depth >= MAX_DEPTH or not _is_open(kind):
        yield name, kind
        return
    for field in kind:
        yield from _fields(f"{name}.{field.name}", field.type, depth + 1)


def _flatten(values: pa.Array, depth: int = 0) -> Iterator[pa.Array]:
    """Yields the columns that an array becomes; the fields of a null struct are null."""
    if depth >= MAX_DEPTH or not _is_open(values.type):
        yield values
        return
    for inner in values.flatten():
        yield from _flatten(inner, depth + 1)


def _is_open(kind: pa.DataType) -> bool:
    """Whether a type is a struct that becomes columns; a picture in a cell is one value."""
    return pa.types.is_struct(kind) and kind.num_fields > 0 and {field.name for field in kind} != MEDIA


def _unique_names(schema: pa.Schema) -> list[str]:
    """Returns the names of the columns to write; an inner field gets a new name if a column has its name already."""
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
    """Returns the metadata of Hugging Face's `datasets` with the features of inner fields by their column names."""
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
