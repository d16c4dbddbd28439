"""Converts Arrow and Feather files to Parquet in batches, with the class names that Hugging Face's `datasets` keeps."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from core.data.reading.aligning.columns import COMPRESSION
from core.errors import DataError
from core.wording import library_message

ROWS = 20_000


def write(path: Path, target: Path, features: dict[str, Any], max_bytes: int, tick: Callable[[float], None]) -> None:
    """Writes an Arrow file or stream as Parquet. Raises DataError if it is damaged or unpacks to over `max_bytes`.

    features: from dataset_info.json, for files that do not hold their features
    """
    size, total = 0, max(1, path.stat().st_size)
    try:
        with pa.OSFile(str(path)) as file:
            schema, batches = _open(file)
            schema = _with_features(schema, features)
            with pq.ParquetWriter(target, schema, compression=COMPRESSION) as writer:
                for batch in batches:
                    batch.validate(full=True)  # a hostile file may have offsets that lead anywhere
                    size += batch.nbytes
                    if size > max_bytes:
                        raise DataError.of(
                            "arrow-too-large",
                            "{file} unpacks to more than {megabytes:,.0f} MB, the most that is read "
                            "here; save it as Parquet",
                            "data.path",
                            file=path.name,
                            megabytes=max_bytes / 1024**2,
                        )
                    table = pa.Table.from_batches([batch]).replace_schema_metadata(schema.metadata)
                    writer.write_table(table, row_group_size=ROWS)
                    tick(min(1.0, file.tell() / total))
    except (pa.ArrowException, OSError, MemoryError) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise DataError.of(
            "arrow-damaged",
            "{file} cannot be read as Arrow, it is damaged or incomplete ({reason}); copy or download "
            "it again, or save it as Parquet",
            "data.path",
            file=path.name,
            reason=library_message(error, 120),
        ) from None


def _open(file: Any) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    if file.read(6) == b"ARROW1":
        reader = pa.ipc.open_file(file)
        return reader.schema, (reader.get_batch(i) for i in range(reader.num_record_batches))
    file.seek(0)
    stream = pa.ipc.open_stream(file)
    return stream.schema, iter(stream)


def _with_features(schema: pa.Schema, features: dict[str, Any]) -> pa.Schema:
    metadata = dict(schema.metadata or {})
    if features and b"huggingface" not in metadata:
        metadata[b"huggingface"] = json.dumps({"info": {"features": features}}).encode()
    return schema.with_metadata(metadata)
