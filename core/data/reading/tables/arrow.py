"""Arrow files, Feather included, to Parquet, batch by batch; the notes of Hugging Face's datasets are kept."""

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
    """Writes an Arrow file or stream as Parquet. Raises DataError for what is damaged, or grows beyond `max_bytes`.

    features: what dataset_info.json says of the columns, for files without a note of their own
    """
    size, total = 0, max(1, path.stat().st_size)
    try:
        with pa.OSFile(str(path)) as file:
            schema, batches = _opened(file)
            schema = _noted(schema, features)
            with pq.ParquetWriter(target, schema, compression=COMPRESSION) as writer:
                for batch in batches:
                    batch.validate(full=True)  # offsets of a hostile file may lead anywhere
                    size += batch.nbytes
                    if size > max_bytes:
                        raise DataError(
                            f"{path.name} unpacks to more than {max_bytes / 1024**2:,.0f} MB, the most that is read "
                            "here; save it as Parquet",
                            "data.path",
                        )
                    table = pa.Table.from_batches([batch]).replace_schema_metadata(schema.metadata)
                    writer.write_table(table, row_group_size=ROWS)
                    tick(min(1.0, file.tell() / total))
    except (pa.ArrowException, OSError, MemoryError) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise DataError(
            f"{path.name} cannot be read as Arrow, it is damaged or incomplete ({library_message(error, 120)}); copy "
            "or download it again, or save it as Parquet",
            "data.path",
        ) from None


def _opened(file: Any) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    if file.read(6) == b"ARROW1":
        reader = pa.ipc.open_file(file)
        return reader.schema, (reader.get_batch(i) for i in range(reader.num_record_batches))
    file.seek(0)
    stream = pa.ipc.open_stream(file)
    return stream.schema, iter(stream)


def _noted(schema: pa.Schema, features: dict[str, Any]) -> pa.Schema:
    metadata = dict(schema.metadata or {})
    if features and b"huggingface" not in metadata:
        metadata[b"huggingface"] = json.dumps({"info": {"features": features}}).encode()
    return schema.with_metadata(metadata)
