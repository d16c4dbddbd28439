"""Columns of text on their way to Parquet: written as they are, and typed afterwards by all their values.

A column becomes integers, floats or booleans only if every value is one, written so that nothing is lost: 007 and
numbers too long for 64 bits stay text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

NULL_WORDS = ["NA", "N/A", "NaN", "nan", "null", "NULL", "None"]  # only where the rest are numbers or booleans
PATTERNS = {
    "boolean": r"^(?i:true|false)$",
    "integer": r"^[+-]?(?:0|[1-9][0-9]{0,18})$",
    "float": r"^[+-]?(?:(?:0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+|0|[1-9][0-9]{0,14})(?:[eE][+-]?[0-9]+)?$",
}
ARROW = {"boolean": pa.bool_(), "integer": pa.int64(), "float": pa.float64(), "text": pa.string()}
COMPRESSION = "zstd"


@dataclass
class Possible:
    """The types that a column may still have, narrowed with each batch; `seen` once it had a value."""

    kinds: set[str] = field(default_factory=lambda: set(PATTERNS))
    seen: bool = False
    nulls: int = 0

    def narrow(self, values: pa.Array) -> None:
        self.nulls += values.null_count
        if not self.kinds or values.null_count == len(values):
            return
        trimmed = pc.utf8_trim_whitespace(values.drop_null())
        trimmed = trimmed.filter(pc.invert(pc.is_in(trimmed, pa.array(NULL_WORDS))))
        if not len(trimmed):
            return
        self.seen = True
        self.kinds = {kind for kind in self.kinds if pc.all(pc.match_substring_regex(trimmed, PATTERNS[kind])).as_py()}
        if "integer" in self.kinds:
            try:
                _number(trimmed, pa.int64())
            except pa.ArrowInvalid:
                self.kinds.discard("integer")

    @property
    def kind(self) -> str:
        return next((kind for kind in PATTERNS if kind in self.kinds), "text") if self.seen else "text"


class StringColumns:
    """A Parquet file of string columns in the making; an empty value is a null."""

    def __init__(self, path: Path, names: list[str]) -> None:
        self.path, self.names = path, names
        self.possible = {name: Possible() for name in names}
        self.rows = 0
        self._schema = pa.schema([(name, pa.string()) for name in names])
        self._writer = pq.ParquetWriter(path, self._schema, compression=COMPRESSION)

    def add(self, rows: list[list[str]]) -> None:
        """Appends rows, each as wide as there are names."""
        if not rows:
            return
        empty = pa.scalar(None, pa.string())
        arrays = []
        for name, values in zip(self.names, zip(*rows, strict=True), strict=True):
            array = pa.array(values, pa.string())
            array = pc.if_else(pc.equal(array, ""), empty, array)
            self.possible[name].narrow(array)
            arrays.append(array)
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema), row_group_size=len(rows))
        self.rows += len(rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()


def together(parts: list[Possible]) -> Possible:
    """What a column may be that is spread over several files."""
    kinds = set(PATTERNS).intersection(*(part.kinds for part in parts if part.seen or not part.kinds))
    return Possible(kinds, any(part.seen for part in parts), sum(part.nulls for part in parts))


def common_kind(kinds: list[str]) -> str:
    """The type in which the same column of several splits can be held."""
    distinct = set(kinds)
    if len(distinct) == 1:
        return kinds[0]
    return "float" if distinct == {"integer", "float"} else "text"


def retype(sources: list[Path], target: Path, kinds: dict[str, str], tick: Callable[[float], None]) -> None:
    """Writes Parquet files of strings anew as one with typed columns; a rename if there is nothing to change."""
    if len(sources) == 1 and all(kind == "text" for kind in kinds.values()):
        sources[0].replace(target)
        return
    schema = pa.schema([(name, ARROW[kind]) for name, kind in kinds.items()])
    with pq.ParquetWriter(target, schema, compression=COMPRESSION) as writer:
        for number, source in enumerate(sources):
            with pq.ParquetFile(source) as file:
                for group in range(file.num_row_groups):
                    table = file.read_row_group(group)
                    arrays = [_typed(table.column(name), kind) for name, kind in kinds.items()]
                    writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
                    tick((number + (group + 1) / file.num_row_groups) / len(sources))
            source.unlink()


def _typed(values: Any, kind: str) -> Any:
    if kind == "text":
        return values
    trimmed = pc.utf8_trim_whitespace(values)
    trimmed = pc.if_else(pc.is_in(trimmed, pa.array(NULL_WORDS)), pa.scalar(None, pa.string()), trimmed)
    return pc.cast(pc.utf8_lower(trimmed), pa.bool_()) if kind == "boolean" else _number(trimmed, ARROW[kind])


def _number(trimmed: Any, kind: pa.DataType) -> Any:
    return pc.cast(pc.replace_substring_regex(trimmed, r"^\+", ""), kind)
