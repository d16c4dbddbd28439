"""One split as a `datasets.Dataset`: texts, label and row number of all rows that have them.

A large split goes through an Arrow file that is mapped into memory; nothing holds all its texts at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from core.data.dataset import Prepared, Split
from core.data.loading import rows
from core.data.loading.dropped import check_and_note
from core.data.loading.labels import Classes
from core.data.notes import Note
from core.data.reading.tables import parquet
from core.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset

LABEL, ROW = "label", "row"
IN_MEMORY_BYTES = 256 * 1024 * 1024


def dataset_of(
    prepared: Prepared, split: str, texts: Sequence[str], label: str, classes: Classes, notes: list[Note]
) -> Dataset:
    """The rows of a split that have texts and a label. Adds notes on those that have not. Raises DataError."""
    from datasets import ClassLabel, Dataset, DatasetInfo, Features, Value

    part = prepared.splits[split]
    missing = [n for n in (*texts, label) if n not in parquet.open_file(part.path).schema_arrow.names]
    if missing:
        raise DataError.of(
            "split-lacks-column",
            "the split {split!r} has no column {column!r}; choose another split",
            "data.eval_split",
            split=split,
            column=missing[0],
        )
    features = Features(
        {
            **{in_dataset(t): Value("string") for t in texts},
            LABEL: ClassLabel(names=list(classes.names)),
            ROW: Value("int64"),
        }
    )
    fingerprint = _fingerprint(prepared, split, texts, label, classes)
    table, lost = _table(prepared, part, texts, label, classes, fingerprint)
    check_and_note(lost, part, texts, label, classes, notes)
    return Dataset(table, info=DatasetInfo(features=features), fingerprint=fingerprint)


def in_dataset(text: str) -> str:
    """The name of a text column in the dataset, which also has the columns `label` and `row`."""
    return f"{text}_text" if text in (LABEL, ROW) else text


def _fingerprint(prepared: Prepared, split: str, texts: Sequence[str], label: str, classes: Classes) -> str:
    key = repr((prepared.fingerprint, split, tuple(texts), label, classes.names))
    return hashlib.sha256(key.encode("utf-8", "backslashreplace")).hexdigest()[:16]


def _table(
    prepared: Prepared, part: Split, texts: Sequence[str], label: str, classes: Classes, fingerprint: str
) -> tuple[Any, rows.Lost]:
    from datasets.table import InMemoryTable, MemoryMappedTable

    schema = pa.schema([*((in_dataset(t), pa.string()) for t in texts), (LABEL, pa.int64()), (ROW, pa.int64())])
    reader = rows.Reader(part.path, texts, label, classes, schema)
    if rows.unpacked_bytes(part.path, [*texts, label]) <= IN_MEMORY_BYTES:
        batches, size = [], 0
        for batch in reader.batches():
            batches.append(batch)
            size += batch.nbytes
            if size > 2 * IN_MEMORY_BYTES:  # values that a dictionary repeats
                reader = rows.Reader(part.path, texts, label, classes, schema)
                break
        else:
            return InMemoryTable(pa.Table.from_batches(batches, schema=reader.schema)), reader.lost
    path = prepared.folder / f"train-{fingerprint}.arrow"
    lost = reader.to_file(path)
    return MemoryMappedTable.from_file(str(path)), lost
