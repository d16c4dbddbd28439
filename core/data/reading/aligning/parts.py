"""The Parquet files of a dataset before they are joined: what each holds in a column, and how it will be stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from core.data.reading.aligning import lists, types
from core.data.reading.aligning.types import Kind
from core.data.reading.tables import bounded, parquet
from core.errors import DataError

Convert = Callable[[Any], Any]
SCAN_ROWS = 100_000
SAMPLED_ROWS = 1_500


@dataclass(frozen=True)
class Part:
    """A Parquet file of a split.

    title: its name in notes; schema, rows: of the file; names: column of class numbers → class names
    """

    split: str
    path: Path
    title: str
    schema: pa.Schema
    rows: int
    names: Mapping[str, tuple[str, ...]]

    @cached_property
    def with_lists(self) -> frozenset[str]:
        """The text columns in which some sampled texts are lists. Read together, as one by one can take minutes."""
        texts = [field.name for field in self.schema if types.kind_of(field.type) == "text"]
        table = parquet.head(self.path, SAMPLED_ROWS, texts)
        return frozenset(name for name in texts if pc.any(lists.look_like_lists(table.column(name))).as_py())


@dataclass
class Stored:
    """A column of a part as it will be stored: its kind, plain type and class names.

    convert: converts the values of the file; known: the part's own class names, if `names` has more
    """

    part: Part
    column: str
    kind: Kind
    type: pa.DataType
    names: tuple[str, ...] | None
    convert: Convert | None = None
    known: tuple[str, ...] = ()

    def values(self) -> Iterator[Any]:
        """Yields all values as they will be stored, in plain arrays of bounded length."""
        for batch in bounded.batches(self.part.path, SCAN_ROWS, [self.column]):
            yield self.stored(batch.column(0))

    def stored(self, values: Any) -> Any:
        """Converts values of the file to what will be stored."""
        values = types.plain(values)
        return self.convert(values) if self.convert is not None else values

    def become(self, kind: Kind, arrow: pa.DataType, convert: Convert) -> None:
        """Changes the kind; `convert` takes the values as they would have been stored so far."""
        before = self.convert
        self.convert = convert if before is None else lambda values: convert(before(values))
        self.kind, self.type = kind, arrow

    def texts(self, most: int) -> list[str] | None:
        """Returns the distinct values as trimmed text, as labels are compared; None if there are more than `most`."""
        seen: dict[str, None] = {}
        for values in self.values():
            seen.update(dict.fromkeys(pc.unique(trimmed(values)).drop_null().to_pylist()))
            if len(seen) > most:
                return None
        return list(seen)


def part_of(split: str, path: Path, title: str, names: Mapping[str, tuple[str, ...]] | None = None) -> Part:
    """Reads the footer of a Parquet file into a Part. names: class names that the file lacks. Raises DataError."""
    with parquet.open_file(path) as file:
        schema, rows = file.schema_arrow, file.metadata.num_rows
    if len(set(schema.names)) < len(schema.names):
        raise DataError.of(
            "columns-same-name-in-file",
            "{file} has two columns of the same name; rename one of them",
            "data.path",
            file=path.name,
        )
    return Part(split, path, title, schema, rows, {**(names or {}), **parquet.class_names(schema)})


def columns_of(parts: list[Part]) -> dict[str, list[Stored]]:
    """Returns the columns of all parts: name → the column in each part that has it."""
    columns: dict[str, list[Stored]] = {}
    for part in parts:
        for field in part.schema:
            kind, names = types.kind_of(field.type), part.names.get(field.name)
            arrow = types.plain_type(field.type)
            kind = "class" if names and kind == "integer" else kind
            columns.setdefault(field.name, []).append(Stored(part, field.name, kind, arrow, names))
    return columns


def trimmed(values: Any) -> Any:
    """Converts values to trimmed text; empty text becomes null."""
    text = pc.utf8_trim_whitespace(types.as_text(values))
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
