"""Finds one type for a column that holds numbers in one file and text, booleans or other numbers in another."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from core.data.notes import Note
from core.data.reading.aligning import types
from core.data.reading.aligning.columns import ARROW, Possible, typed
from core.data.reading.aligning.parts import Stored
from core.data.reading.aligning.types import Kind

WORDS: dict[str, str] = {
    "text": "text", "integer": "whole numbers", "float": "numbers with decimals", "boolean": "true and false",
    "decimal": "decimals", "date": "dates or times", "class": "class numbers",
}  # fmt: skip
EXACT = 2**53  # floats hold whole numbers exactly up to here


def align(column: Sequence[Stored]) -> list[Note]:
    """Converts values of different plain kinds, none of them class, to a kind that holds them all; else to text."""
    before = [stored.kind for stored in column]
    readable = [_readable_as(stored) for stored in column]
    if set(readable) <= {"integer", "float", "decimal", "boolean"}:
        for stored, kind in zip(column, readable, strict=True):
            if stored.kind == "text":
                stored.become(kind, ARROW[kind], partial(typed, kind=kind))
    target = _target(column)
    for stored in column:
        if stored.kind != target:
            stored.become(target, ARROW[target], partial(_as, target))
    name, title, first_kind = column[0].column, column[0].part.title, WORDS[before[0]]
    other, other_kind = next((s.part.title, WORDS[k]) for s, k in zip(column, before, strict=True) if k != before[0])
    if "boolean" in before and target in ("integer", "boolean") and set(readable) != {"boolean"}:
        return [
            Note.of(
                "booleans-and-numbers",
                "{column}: {part} has {kind}, {other} {other_kind}; 1 and true, 0 and false are taken as the same.",
                "warning",
                column=name,
                part=title,
                kind=first_kind,
                other=other,
                other_kind=other_kind,
            )
        ]
    return [
        Note.of(
            "number-kinds-widened",
            "{column}: {part} has {kind}, {other} {other_kind}; both are read as {read_as}.",
            column=name,
            part=title,
            kind=first_kind,
            other=other,
            other_kind=other_kind,
            read_as=WORDS[target],
        )
    ]


def _readable_as(stored: Stored) -> Kind:
    """Returns the kind of the values; for text, the kind that a text file with these values would get."""
    if stored.kind != "text":
        return stored.kind
    possible = Possible()
    for values in stored.values():
        possible.narrow(pc.cast(values, pa.string()))
        if not possible.kinds or possible.words:
            return "text"
    return possible.kind


def _target(column: Sequence[Stored]) -> Kind:
    """Returns the kind that holds all values without loss. Where true and false stand for 1 and 0, the first part
    decides between boolean and integer.
    """
    kinds = {stored.kind for stored in column}
    if len(kinds) == 1:
        return column[0].kind
    if kinds <= {"integer", "float", "decimal"}:
        return _number(column)
    if kinds <= {"integer", "float", "decimal", "boolean"} and all(map(_is_zero_or_one, column)):
        return "boolean" if column[0].kind == "boolean" else "integer"
    return "text"


def _number(column: Sequence[Stored]) -> Kind:
    """Returns integer if all values are whole, float if that loses nothing, else text."""
    whole = small = True
    for stored in column:
        for values in stored.values():
            floats = _as("float", values)
            whole = whole and pc.all(pc.equal(floats, pc.floor(floats))).as_py() is not False
            small = small and (pc.max(pc.abs(floats)).as_py() or 0) <= EXACT
    if not small:
        return "text"
    return "integer" if whole else "float"


def _is_zero_or_one(stored: Stored) -> bool:
    choices = pa.array([0.0, 1.0])
    parts = (_as("float", values).drop_null() for values in stored.values())
    return stored.kind == "boolean" or all(pc.all(pc.is_in(p, choices)).as_py() is not False for p in parts)


def _as(kind: Kind, values: Any) -> Any:
    """Converts plain values to another kind: text, boolean, integer or float."""
    if kind == "text":
        return types.as_text(values)
    if pa.types.is_boolean(values.type):
        values = pc.cast(values, pa.int8())
    floats = types.without_nan(pc.cast(values, pa.float64(), safe=False))
    return floats if kind == "float" else pc.cast(floats, ARROW[kind])
