"""Writes columns of text to Parquet, first as text, and then with the type that all of their values allow.

A column is boolean only if every value is true or false, in any case. It is numeric only if each number, written as
text, gives the same text again: 007, +1, -0, 1.10, .5, 1E2, 0x1F, and numbers with more digits than 64 bits or a float
can hold stay text. 1.0 may stand for 1, but not beside a 1 in the same file, where both are names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.errors import DataError

NULL_MARK = "\\N"  # how MySQL, Hive and PostgreSQL write a missing value
NULL_WORDS = ["NA", "N/A", "NaN", "nan", "null", "NULL", "None"]  # only in columns of numbers or booleans
MOST_NULL_WORDS = 0.03  # of a column that may be a label; more of them are a class of their own
MAX_LABELS = 50  # distinct values of a column that may be a label, when null words are judged
BOOLEAN = r"^(?i:true|false)$"
INTEGER = r"^-?(?:0|[1-9][0-9]{0,18})$"
DECIMAL = r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?$"
NEGATIVE_ZERO = r"^-0(?:\.0*)?$"
KINDS = ("boolean", "integer", "float", "short")
"""The types that a column may have. float: whole numbers end in .0; short: floats whose whole numbers do not."""

ARROW = {"boolean": pa.bool_(), "integer": pa.int64(), "float": pa.float64(), "text": pa.string()}
COMPRESSION = "zstd"
MAX_COLUMNS = 2_000  # of a dataset; a page shows them all, and each is examined


@dataclass
class Possible:
    """The types that a column may still have, narrowed by each batch; `seen` once it had a value.

    words: how often each null word occurs; labels: the other values, or None if there are too many for a label
    """

    kinds: set[str] = field(default_factory=lambda: set(KINDS))
    seen: bool = False
    nulls: int = 0
    values: int = 0
    words: Counter[str] = field(default_factory=Counter)
    labels: set[str] | None = field(default_factory=set)

    def narrow(self, values: pa.Array) -> None:
        """Removes the types that a batch of texts rules out."""
        self.nulls += values.null_count
        if not self.kinds or values.null_count == len(values):
            return
        trimmed = pc.utf8_trim_whitespace(values.drop_null())
        self.values += len(trimmed)
        missing = pc.is_in(trimmed, pa.array(NULL_WORDS))
        if pc.any(missing).as_py():
            self.words.update(trimmed.filter(missing).to_pylist())
            trimmed = trimmed.filter(pc.invert(missing))
        if not len(trimmed):
            return
        self.seen = True
        self.kinds = {kind for kind in self.kinds if _all_are(trimmed, kind)}
        if self.labels is not None and self.kinds:
            self.labels.update(pc.unique(trimmed).to_pylist())
            self.labels = self.labels if len(self.labels) <= MAX_LABELS else None

    @property
    def kind(self) -> Literal["text", "integer", "float", "boolean"]:
        """The narrowest type that fits all values so far."""
        if not self.seen or not self.kinds:
            return "text"
        if "boolean" in self.kinds:
            return "boolean"
        return "integer" if "integer" in self.kinds else "float"

    @property
    def has_null_class(self) -> bool:
        """Whether null words are a class: beside few other values, and too often to mean a missing value."""
        few = self.labels is not None and 2 * len(self.labels) <= self.values
        return few and self.words.total() > MOST_NULL_WORDS * self.values


def _all_are(trimmed: pa.Array, kind: str) -> bool:
    """Whether each text is a value of a kind, and converts back to the same text."""
    if kind == "boolean":
        return _match(trimmed, BOOLEAN)
    if not _match(trimmed, INTEGER if kind == "integer" else DECIMAL):
        return False
    if pc.any(pc.match_substring_regex(trimmed, NEGATIVE_ZERO)).as_py():
        return False
    if kind == "integer":
        try:
            pc.cast(trimmed, pa.int64())
        except pa.ArrowInvalid:
            return False
        return True
    back = pc.cast(pc.cast(trimmed, pa.float64()), pa.string())
    if kind == "float":
        back = pc.if_else(pc.match_substring(back, "."), back, pc.binary_join_element_wise(back, "0", "."))
    return bool(pc.all(pc.equal(back, trimmed)).as_py())


def _match(texts: pa.Array, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(texts, pattern)).as_py())


def check_width(name: str, count: int, what: str = "columns") -> None:
    """Raises DataError if a file has more columns than a dataset may have."""
    if count > MAX_COLUMNS:
        raise DataError.of(
            "too-many-columns",
            "{name} has {count:,} {noun}; at most {most:,} columns are read. Keep the text, the label "
            "and what you need beside them",
            "data.path",
            name=name,
            count=count,
            noun=what,
            most=MAX_COLUMNS,
        )


class StringColumns:
    """Writes a Parquet file of string columns. An empty value becomes null, and so does \\N, which is counted."""

    def __init__(self, path: Path, names: list[str]) -> None:
        self.path, self.names = path, names
        self.possible = {name: Possible() for name in names}
        self.rows = self.nulls = 0
        self._schema = pa.schema([(name, pa.string()) for name in names])
        self._writer = pq.ParquetWriter(path, self._schema, compression=COMPRESSION)

    def add(self, rows: list[list[str]]) -> None:
        """Appends rows; each has one value for each column."""
        if not rows:
            return
        nothing = pa.scalar(None, pa.string())
        arrays = []
        for name, values in zip(self.names, zip(*rows, strict=True), strict=True):
            array = pa.array(values, pa.string())
            array = pc.if_else(pc.equal(array, ""), nothing, array)
            marked = pc.equal(array, NULL_MARK)
            if count := marked.true_count:
                array = pc.if_else(marked, nothing, array)
                self.nulls += count
            self.possible[name].narrow(array)
            arrays.append(array)
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema), row_group_size=len(rows))
        self.rows += len(rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()


def together(parts: list[Possible]) -> Possible:
    """Combines the possible types of a column that is spread over several files."""
    with_values = [part for part in parts if part.seen or not part.kinds]
    kinds = set(KINDS).intersection(*(part.kinds for part in with_values))
    if not kinds and {part.kind for part in with_values} == {"integer", "float"}:
        kinds = {"float"}  # 1 in one file and 1.0 in another
    labels = None if any(part.labels is None for part in parts) else set().union(*(part.labels or () for part in parts))
    return Possible(
        kinds,
        any(part.seen for part in parts),
        sum(part.nulls for part in parts),
        sum(part.values for part in parts),
        sum((part.words for part in parts), Counter()),
        labels if labels is None or len(labels) <= MAX_LABELS else None,
    )


def common_kind(kinds: list[str]) -> str:
    """Returns the type that can hold a column of several splits."""
    distinct = set(kinds)
    if len(distinct) == 1:
        return kinds[0]
    return "float" if distinct == {"integer", "float"} else "text"


def retype(sources: list[Path], target: Path, kinds: dict[str, str], tick: Callable[[float], None]) -> None:
    """Joins Parquet files of strings into one with typed columns; only renames a single file that stays text."""
    if len(sources) == 1 and all(kind == "text" for kind in kinds.values()):
        sources[0].replace(target)
        return
    schema = pa.schema([(name, ARROW[kind]) for name, kind in kinds.items()])
    with pq.ParquetWriter(target, schema, compression=COMPRESSION) as writer:
        for number, source in enumerate(sources):
            with pq.ParquetFile(source) as file:
                for group in range(file.num_row_groups):
                    table = file.read_row_group(group)
                    arrays = [typed(table.column(name), kind) for name, kind in kinds.items()]
                    writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
                    tick((number + (group + 1) / file.num_row_groups) / len(sources))
            source.unlink()


def typed(values: Any, kind: str) -> Any:
    """Converts texts to a kind that fits all of them; null words become null."""
    if kind == "text":
        return values
    trimmed = pc.utf8_trim_whitespace(values)
    trimmed = pc.if_else(pc.is_in(trimmed, pa.array(NULL_WORDS)), pa.scalar(None, pa.string()), trimmed)
    return pc.cast(pc.utf8_lower(trimmed) if kind == "boolean" else trimmed, ARROW[kind])
