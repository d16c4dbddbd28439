"""The kinds of columns: one table of Arrow types, the kind that people see, and the values as text.

| Arrow | kind | as text |
|---|---|---|
| string, large_string, string_view | text | itself |
| integers of any width and sign | integer | 12 |
| halffloat, float, double | float | 1.5; whole numbers as 1; NaN is no value |
| bool | boolean | True, False |
| decimal of any width | decimal | 1.10 |
| date, time, timestamp (in UTC), duration | date | 2024-05-01, 10:30:00, 2024-05-01 10:30:00, a count of units |
| null | empty | no value |
| lists of any kind | list | none; a list of one value is read as that value (see `lists`) |
| binary of any kind | bytes | none; bytes of UTF-8 are read as text (see `reshaping`) |
| struct, map | object | none |
| union, interval, unknown | other | none |

Dictionaries, extension types and run-end encoding count as the type that they hold.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import pyarrow as pa
import pyarrow.compute as pc

Kind = Literal[
    "text", "integer", "float", "boolean", "class", "decimal", "date", "empty", "list", "bytes", "object", "other"
]
PLAIN: tuple[Kind, ...] = ("text", "integer", "float", "boolean", "class", "decimal", "date")
"""The kinds with one value per row: they can be labels, and can be read as text."""

_HOLDS = {
    "list": "lists of several values",
    "bytes": "bytes that are not UTF-8 text",
    "empty": "no value in any row",
    "other": "values of several types",
}
_COMMON = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary(), pa.float16(): pa.float32()}
_SIGNATURES = {
    b"\x89PNG": "pictures as bytes", b"\xff\xd8\xff": "pictures as bytes", b"GIF8": "pictures as bytes",
    b"BM": "pictures as bytes", b"RIFF": "pictures or sounds as bytes", b"ID3": "sounds as bytes",
    b"fLaC": "sounds as bytes", b"OggS": "sounds as bytes", b"\xff\xfb": "sounds as bytes",
    b"%PDF": "documents as bytes",
    b"\x80\x04": "pickled objects, which are not opened",
}  # fmt: skip


def kind_of(kind: pa.DataType) -> Kind:
    """Returns the kind of an Arrow type."""
    types = pa.types
    inner = _inner(kind)
    if inner is not None:
        return kind_of(inner)
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return "text"
    if types.is_integer(kind):
        return "integer"
    if types.is_floating(kind):
        return "float"
    if types.is_boolean(kind):
        return "boolean"
    if types.is_decimal(kind):
        return "decimal"
    if types.is_temporal(kind) and not types.is_interval(kind):
        return "date"
    if types.is_null(kind):
        return "empty"
    if is_list(kind):
        return "list"
    if is_bytes(kind):
        return "bytes"
    if types.is_struct(kind) or types.is_map(kind):
        return "object"
    return "other"


def is_list(kind: pa.DataType) -> bool:
    """Whether each value is a list, of any width, fixed or not."""
    types = pa.types
    return (
        types.is_list(kind)
        or types.is_large_list(kind)
        or types.is_fixed_size_list(kind)
        or types.is_list_view(kind)
        or types.is_large_list_view(kind)
    )


def is_bytes(kind: pa.DataType) -> bool:
    """Whether each value is a string of bytes, of any width, fixed or not."""
    types = pa.types
    return (
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_fixed_size_binary(kind)
        or types.is_binary_view(kind)
    )


def _inner(kind: pa.DataType) -> pa.DataType | None:
    """Returns the type inside a dictionary, an extension type or a run-end encoding; None for any other type."""
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return kind.value_type
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else None


def plain(values: Any) -> Any:
    """Unwraps an array or column: decodes dictionaries, extension types and run-end encoding.

    Views and half floats become plain strings, bytes and floats, since Arrow lacks functions for them.
    """
    if isinstance(values, pa.ChunkedArray):
        return pa.chunked_array([plain(chunk) for chunk in values.chunks], plain_type(values.type))
    if isinstance(values.type, pa.BaseExtensionType):
        return plain(values.storage)
    if pa.types.is_run_end_encoded(values.type):
        return plain(pc.run_end_decode(values))
    if pa.types.is_dictionary(values.type):
        return plain(values.dictionary_decode())
    common = _COMMON.get(values.type)
    return values if common is None else pc.cast(values, common)


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Returns the type that `plain` gives to values of a type."""
    inner = _inner(kind)
    return plain_type(inner) if inner is not None else _COMMON.get(kind, kind)


def as_text(values: Any) -> Any:
    """Converts the values of a plain column to text (see the table above). Raises ArrowException for other columns."""
    values = plain(values)
    kind = values.type
    if pa.types.is_floating(kind):
        values = without_nan(values)
        decimals = pc.cast(pc.cast(values, pa.float64()), pa.string())
        return pc.replace_substring_regex(decimals, r"^-0$", "0")
    if pa.types.is_boolean(kind):
        return pc.utf8_capitalize(pc.cast(values, pa.string()))
    if pa.types.is_timestamp(kind):
        values = pc.cast(values, pa.timestamp(kind.unit))
    text = pc.cast(values, pa.string())
    if pa.types.is_timestamp(kind) or pa.types.is_time(kind):
        return pc.replace_substring_regex(pc.replace_substring_regex(text, r"\.0+$", ""), r"(\.[0-9]*[1-9])0+$", r"\1")
    return text


def without_nan(values: Any) -> Any:
    """Replaces NaN by null in floats; returns other values as they are."""
    if not pa.types.is_floating(values.type):
        return values
    return pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)


def holds(kind: Kind, arrow: pa.DataType, example: Any = None) -> str:
    """Describes, as a noun phrase, what a column that is not plain holds. example: one of its values, or None"""
    if isinstance(example, dict) and set(example) == {"bytes", "path"}:
        return "pictures or sounds, as files in the cells"
    if kind == "bytes" and isinstance(example, bytes):
        return next((content for start, content in _SIGNATURES.items() if example.startswith(start)), _HOLDS[kind])
    if kind == "object" and pa.types.is_struct(arrow) and arrow.num_fields:
        fields = ", ".join(arrow.field(i).name for i in range(min(5, arrow.num_fields)))
        return f"objects with {fields}"
    return _HOLDS.get(kind, f"{kind} values" if kind != "object" else "objects")


assert set(PLAIN) | {"empty", *_HOLDS, "object"} == set(get_args(Kind)), "each kind is in the table"
