"""Converts JSON records to Arrow arrays, one for each column."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from core.data.reading.json.tree import ITEM, SURROGATE, JsonColumn, Path

LARGEST_WHOLE = 2.0**63
MANY = 100  # keys of one object, from which on one pass sorts its values by key, instead of a look-up for each key
PLAIN = {str: pa.string(), int: pa.int64(), bool: pa.bool_()}


@dataclass
class Broken:
    """Counts texts with half surrogate pairs, which are not valid text."""

    count: int = 0


def batch_arrays(records: list[dict[str, Any]], wanted: list[JsonColumn], broken: Broken) -> list[pa.Array]:
    """Returns the columns of some records. Mixed and nested values become JSON text. Raises RecursionError."""
    batch = _Batch(records, wanted)
    return [_array(batch.values(column.path), column, broken) for column in wanted]


class _Batch:
    """Looks up the value at a path in each record of a batch."""

    def __init__(self, records: list[dict[str, Any]], wanted: list[JsonColumn]) -> None:
        self.known: dict[Path, list[Any]] = {(): records}
        self.kept = {column.path[:end] for column in wanted for end in range(1, len(column.path))}
        self.children = Counter(column.path[:-1] for column in wanted)
        self.by_key: dict[Path, dict[str, tuple[list[int], list[Any]]]] = {}

    def values(self, path: Path) -> list[Any]:
        """Returns a value for each record, None if it has none."""
        if path in self.known:
            return self.known[path]
        parent, step = path[:-1], path[-1]
        above = self.values(parent)
        if step == ITEM:
            values = [value[0] if type(value) is list and value else None for value in above]
        elif self.children[parent] >= MANY:
            values = self._sorted_by_key(parent, above, str(step))
        else:
            values = [value.get(step) if type(value) is dict else None for value in above]
        if path in self.kept:
            self.known[path] = values
        return values

    def _sorted_by_key(self, parent: Path, above: list[Any], key: str) -> list[Any]:
        if parent not in self.by_key:
            self.by_key[parent] = {}
            for number, record in enumerate(above):
                for name, value in record.items() if type(record) is dict else ():
                    rows, present = self.by_key[parent].setdefault(name, ([], []))
                    rows.append(number)
                    present.append(value)
        rows, present = self.by_key[parent].get(key, ([], []))
        if len(rows) == len(above):
            return present
        values: list[Any] = [None] * len(above)
        for number, value in zip(rows, present, strict=True):
            values[number] = value
        return values


def _array(values: list[Any], column: JsonColumn, broken: Broken) -> pa.Array:
    if column.rest:
        values = [None if type(value) is dict else value for value in values]
    kinds = column.node.kinds
    if len(kinds) == 1 and PLAIN.get(next(iter(kinds))) == column.type:
        try:
            return pa.array(values, column.type)
        except UnicodeEncodeError:
            pass  # half a surrogate pair
    return pa.array([_fitted(value, column.type, broken) for value in values], column.type)


def _fitted(value: Any, kind: pa.DataType, broken: Broken) -> Any:
    """Converts a value to the type of its column: mixed and nested values to JSON text, 1.0 to 1 in text."""
    if value is None:
        return None
    if pa.types.is_list(kind):
        return [_fitted(v, kind.value_type, broken) for v in value]
    if kind == pa.float64():
        return float(value)
    if kind != pa.string():
        return value
    if type(value) is float and value.is_integer() and abs(value) < LARGEST_WHOLE:
        value = int(value)  # 1.0 beside "1" is the same label
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if not text.isascii() and SURROGATE.search(text):
        broken.count += 1
        text = SURROGATE.sub("\ufffd", text)
    return text
