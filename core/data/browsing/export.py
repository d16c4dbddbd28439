"""Exports a prepared split to a file: Parquet, or CSV that is safe to open in a spreadsheet."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from core import seals
from core.data.dataset import Prepared
from core.data.reading.aligning import types
from core.data.reading.aligning.columns import COMPRESSION
from core.data.reading.aligning.storing import name_of
from core.data.reading.tables import bounded, parquet
from core.spreadsheets import harmless, harmless_values

BATCH_ROWS = 20_000
SUFFIXES = {"csv": ".csv", "parquet": ".parquet"}


def export(prepared: Prepared, split: str, form: str) -> Path:
    """Writes a split as "csv" or "parquet", with class names instead of class ids. A later call returns the same file.

    The CSV is UTF-8 with a byte order mark, so that spreadsheets recognise the encoding. Text that a spreadsheet would
    take for a formula gets an apostrophe in front.
    """
    place = list(prepared.splits).index(split)  # two Japanese names may become the same file name
    path = prepared.folder / "exports" / f"{place}-{name_of(split)}{SUFFIXES[form]}"
    if seals.info(path) is not None:
        return path
    path.parent.mkdir(exist_ok=True)
    with seals.sealed_file(path) as partial:
        write(tables(prepared, split), form, partial)
    return path


def write(parts: Iterator[pa.Table], form: str, path: Path) -> None:
    """Writes one or more tables of the same schema to a "csv" or "parquet" file."""
    first = next(parts)
    if form == "csv":
        with path.open("wb") as out:
            write_csv(first, parts, out)
        return
    with pq.ParquetWriter(path, first.schema, compression=COMPRESSION) as writer:
        writer.write_table(first)
        for table in parts:
            writer.write_table(table)


def tables(prepared: Prepared, split: str, rows: int = BATCH_ROWS) -> Iterator[pa.Table]:
    """Yields a split in tables of up to `rows` rows, with class names; an empty split yields one empty table."""
    with parquet.open_file(prepared.splits[split].path) as file:
        schema = file.schema_arrow.remove_metadata()
        empty = True
        for batch in bounded.batches(prepared.splits[split].path, rows):
            empty = False
            yield _with_class_names(pa.Table.from_batches([batch]).replace_schema_metadata(None), prepared)
        if empty:
            yield _with_class_names(schema.empty_table(), prepared)


def _with_class_names(table: pa.Table, prepared: Prepared) -> pa.Table:
    """Replaces class ids by class names; ids that are not valid become null."""
    for place, name in enumerate(table.column_names):
        column = prepared.column(name)
        if column is not None and column.names:
            numbers = table.column(place)
            inside = pc.if_else(pc.greater_equal(numbers, 0), numbers, pa.scalar(None, numbers.type))
            table = table.set_column(place, name, pc.take(pa.array(column.names), inside))
    return table


def csv_of(path: Path) -> bytes:
    """Converts a small Parquet file to CSV that is safe to open in a spreadsheet."""
    out = io.BytesIO()
    with parquet.open_file(path) as file:
        parts = (pa.Table.from_batches([batch]) for batch in file.iter_batches(batch_size=1000))
        write_csv(next(parts, file.schema_arrow.empty_table()), parts, out)
    return out.getvalue()


def write_csv(first: pa.Table, others: Iterator[pa.Table], out: BinaryIO) -> None:
    schema = _flat(first).schema
    header = pa.schema([(harmless(name), pa.string()) for name in schema.names])
    out.write(b"\xef\xbb\xbf")
    with pa_csv.CSVWriter(out, header, write_options=pa_csv.WriteOptions(include_header=True)):
        pass
    with pa_csv.CSVWriter(out, schema, write_options=pa_csv.WriteOptions(include_header=False)) as writer:
        writer.write_table(_flat(first))
        for table in others:
            writer.write_table(_flat(table))


def _flat(table: pa.Table) -> pa.Table:
    """Turns nested values and bytes into JSON text, and guards all text against being read as a formula."""
    arrays = []
    for values in table.columns:
        kind = values.type
        if pa.types.is_dictionary(kind):
            values, kind = types.plain(values), kind.value_type
        if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            values = pa.array([None if v is None else _json(v) for v in values.to_pylist()], pa.string())
        if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
            values = harmless_values(values)
        arrays.append(values)
    return pa.table(arrays, names=table.column_names)


def _json(value: Any) -> str:
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    return json.dumps(
        value, ensure_ascii=False, default=lambda v: f"{len(v):,} bytes" if isinstance(v, bytes) else str(v)
    )
