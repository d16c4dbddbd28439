"""Reads the usable rows of a split, those with a text and a known label, in batches of bounded size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core import seals
from core.data.loading import labels
from core.data.loading.labels import Classes
from core.data.reading.aligning import types
from core.data.reading.aligning.parts import trimmed
from core.data.reading.tables import bounded, parquet

BATCH_ROWS = 20_000


@dataclass
class Lost:
    """Counts of the rows that were left out: without text, without label, with a label that is not a class.

    alike: labels of kept rows whose spelling differs from their class: label → class
    """

    texts: int = 0
    labels: int = 0
    unknown: int = 0
    unknown_values: list[str] = field(default_factory=list)
    alike: dict[str, str] = field(default_factory=dict)


class Reader:
    """Reads a Parquet file once; `lost` is complete when all batches are read.

    schema: of the batches: the texts, the class id, the row number
    """

    def __init__(self, path: Path, texts: Sequence[str], label: str, classes: Classes, schema: pa.Schema) -> None:
        self.path, self.texts, self.label, self.classes, self.schema = path, list(texts), label, classes, schema
        self.lost = Lost()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yields the usable rows as record batches of the schema."""
        start = 0
        for batch in bounded.batches(self.path, BATCH_ROWS, list(dict.fromkeys([*self.texts, self.label]))):
            yield self._usable(batch, start)
            start += len(batch)

    def to_file(self, path: Path) -> Lost:
        """Writes the batches to an Arrow stream; if that was done before, only returns what was lost."""
        if (kept := seals.info(path)) is not None:
            return Lost(**kept)
        lost: dict[str, Any] = {}
        with seals.sealed_file(path, lost) as partial:
            with partial.open("wb") as out, pa.ipc.new_stream(out, self.schema) as writer:
                for batch in self.batches():
                    writer.write_batch(batch)
            lost |= asdict(self.lost)
        return self.lost

    def _usable(self, batch: pa.RecordBatch, start: int) -> pa.RecordBatch:
        columns: list[Any] = [types.as_text(batch.column(t)) for t in self.texts]
        filled = pa.array(np.ones(len(batch), dtype=bool))
        for column in columns:
            filled = pc.and_(
                filled, pc.fill_null(pc.greater(pc.utf8_length(pc.utf8_trim_whitespace(column)), 0), False)
            )
        codes = labels.codes(batch.column(self.label), self.classes)
        self._count(batch, filled, codes)
        numbers = codes.numbers
        keep = pc.and_(filled, pc.is_valid(numbers))
        index = pa.array(np.arange(start, start + len(batch), dtype=np.int64))
        return pa.RecordBatch.from_arrays([a.filter(keep) for a in (*columns, numbers, index)], schema=self.schema)

    def _count(self, batch: pa.RecordBatch, filled: Any, codes: labels.Codes) -> None:
        self.lost.texts += pc.sum(pc.invert(filled)).as_py() or 0
        unknown = pc.and_(filled, codes.unknown)
        self.lost.unknown += pc.sum(unknown).as_py() or 0
        unlabelled = pc.and_(filled, pc.and_not(pc.is_null(codes.numbers), codes.unknown))
        self.lost.labels += pc.sum(unlabelled).as_py() or 0
        self.lost.alike |= codes.alike
        if len(self.lost.unknown_values) < 5:
            values = trimmed(pc.unique(types.plain(batch.column(self.label)).filter(unknown))).to_pylist()
            declared = self.classes.declared
            names = {declared[int(v)] if declared and int(v) < len(declared) else v for v in values}
            self.lost.unknown_values = sorted({*self.lost.unknown_values, *names})[:5]


def unpacked_bytes(path: Path, columns: Sequence[str]) -> int:
    """Estimates from the file's footer how many bytes some columns take in memory."""
    with parquet.open_file(path) as file:
        total = 0
        for g in range(file.metadata.num_row_groups):
            group = file.metadata.row_group(g)
            for c in range(group.num_columns):
                chunk = group.column(c)
                if chunk.path_in_schema.split(".")[0] in columns or chunk.path_in_schema in columns:
                    total += chunk.total_uncompressed_size
        return total
