"""Gives each column of a dataset one type and one numbering of its classes, across all of its files.

    parts ── align() ──► for each column: class names, and a conversion for each part that differs

A class number means the name that its own file gives it; a text means the class of that name (see `label_names`).
Where parts differ, the training split decides the numbering, the spelling and the type.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from core.data.notes import Note
from core.data.reading.aligning import numbers, reshaping, types
from core.data.reading.aligning.parts import Part, Stored, columns_of, trimmed
from core.data.reading.files import split_of
from core.models.label_names import places
from core.wording import shortened

MOST_NAMES = 1000  # distinct texts in a column that is matched with class names
SHOWN = 5


@dataclass(frozen=True)
class Aligned:
    """The columns of all parts as they are to be stored.

    columns: name → how each part with that column stores it; names: class column → class names
    added: class column → names that not every split has; notes: what was converted, for people
    """

    columns: dict[str, list[Stored]]
    names: dict[str, tuple[str, ...]]
    added: dict[str, tuple[str, ...]]
    notes: list[Note]


def align(parts: Sequence[Part]) -> Aligned:
    """Decides how each part stores its columns, so that a value means the same in every part. Raises DataError."""
    ordered = sorted(parts, key=lambda part: split_of(part.split) != "train")
    aligned = Aligned(columns_of(ordered), {}, {}, [])
    for name, column in aligned.columns.items():
        aligned.notes.extend(reshaping.unwrap(column))
        filled = [stored for stored in column if stored.kind != "empty"]
        kinds = {stored.kind for stored in filled}
        if (len(kinds) > 1 and kinds <= set(types.PLAIN)) or len({s.names for s in filled if s.kind == "class"}) > 1:
            aligned.notes.extend(_classes(filled) if "class" in kinds else numbers.align(filled))
        if filled and filled[0].kind == "class":
            aligned.names[name], aligned.added[name] = _names(filled)
    return aligned


def _names(column: Sequence[Stored]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Returns all class names of an aligned column, and those that not every split has."""
    names = max((stored.names or () for stored in column), key=len)
    known: dict[str, set[str]] = {}
    for stored in column:
        known.setdefault(stored.part.split, set()).update(stored.known or stored.names or ())
    return names, tuple(name for name in names if not all(name in here for here in known.values()))


def _classes(column: list[Stored]) -> list[Note]:
    """Gives parts that number their classes differently, or hold names in place of numbers, one list of class names."""
    names: list[str] = []
    tables = [_merge(names, stored.names or ()) if stored.kind == "class" else [] for stored in column]
    texts = [None if stored.kind == "class" else stored.texts(MOST_NAMES) for stored in column]
    first = column[0]
    many = any(t is None and s.kind != "class" for s, t in zip(column, texts, strict=True))
    if many or (first.kind == "text" and not _are_places(first, texts[0] or [], names)):
        return _to_text(column, texts[0] or [])
    notes = []
    known = next(stored for stored in column if stored.kind == "class")
    for stored, values, table in zip(column, texts, tables, strict=True):
        if values is None:
            notes += _renumber(stored, table, names, known)
        else:
            notes += _number(stored, values, names, known)
    for stored in column:
        stored.names = tuple(names)
    return list(dict.fromkeys(notes))


def _merge(names: list[str], more: Sequence[str]) -> list[int]:
    """Returns the place in `names` of each class of another list, appending new names; no two classes become one."""
    numbers: list[int] = []
    for name, place in zip(more, places(more, names), strict=True):
        if place < 0 or place in numbers or (names[place] != name and names[place] in more):
            place = len(names)
            names.append(name)
        numbers.append(place)
    return numbers


def _are_places(stored: Stored, values: Iterable[str], names: Sequence[str]) -> bool:
    """Whether values are places in a list of names: whole numbers within its length that are not names themselves."""
    values = [value for value in values if value != "-1"]
    if not values or not all(v.isascii() and v.isdigit() and len(v) < 10 and int(v) < len(names) for v in values):
        return False
    matches = [place >= 0 for place in places(values, names)]
    return not any(matches) if stored.kind == "text" else not all(matches)


def _renumber(stored: Stored, table: list[int], names: list[str], known: Stored) -> list[Note]:
    """Changes the class numbers of a part to those of `names`. table: the part's number → the place in `names`"""
    before, own = stored.names or (), known.names or ()
    stored.known = tuple(names[number] for number in table)
    if table == list(range(len(table))) and (len(names) == len(before) or _all_named(stored)):
        return []
    stored.become("class", pa.int64(), lambda values: _lookup(values, pa.array(table, pa.int64())))
    if before == own:
        return []
    return [
        Note.of(
            "class-numbers-differ",
            "{column}: {part} numbers its classes {before}, {other} {own}; the numbers of each are "
            "read by its own names.",
            column=stored.column,
            part=stored.part.title,
            before=_name_list(before),
            other=known.part.title,
            own=_name_list(own),
        )
    ]


def _all_named(stored: Stored) -> bool:
    """Whether each class number of a part has a name in its own list; a longer list must not name the others."""
    return all((pc.max(values).as_py() or 0) < len(stored.names or ()) for values in stored.values())


def _lookup(values: Any, table: Any) -> Any:
    """Looks class numbers up in a table. In a table of numbers -1 stays; other numbers outside it become null."""
    inside = pc.and_(pc.greater_equal(values, 0), pc.less(values, len(table)))
    entries = pc.take(table, pc.if_else(inside, pc.cast(values, pa.int64()), pa.scalar(None, pa.int64())))
    return pc.if_else(pc.less(values, 0), pa.scalar(-1, pa.int64()), entries) if table.type == pa.int64() else entries


def _number(stored: Stored, values: list[str], names: list[str], known: Stored) -> list[Note]:
    """Changes plain values to class numbers: by name, by place in the list of names, or as new classes."""
    column, title, kind = stored.column, stored.part.title, numbers.WORDS[stored.kind]
    examples, other, classes = _name_list(_ordered(values)), known.part.title, _name_list(known.names or ())
    if _are_places(stored, values, names):
        table = {value: int(value) for value in values}
        note = Note.of(
            "class-values-as-places",
            "{column}: {part} has {kind} ({examples}), {other} names its classes {classes}; the "
            "numbers are taken as places in that list, which begins with 0.",
            "warning",
            column=column,
            part=title,
            kind=kind,
            examples=examples,
            other=other,
            classes=classes,
        )
    else:
        table = dict(zip(values, places(values, names), strict=True))
        if stored.kind in ("integer", "float") and table.get("-1") == -1:
            table.pop("-1")
        matches = any(place >= 0 for place in table.values())
        for value in _ordered(v for v, place in table.items() if place < 0):
            table[value] = len(names)
            names.append(value)
        note = (
            Note.of(
                "class-values-by-name",
                "{column}: {part} has {kind} ({examples}), {other} class numbers with the names {classes}; "
                "they are matched by name.",
                column=column,
                part=title,
                kind=kind,
                examples=examples,
                other=other,
                classes=classes,
            )
            if matches
            else Note.of(
                "class-values-unknown",
                "{column}: {part} has {kind} ({examples}), none of which is a class of {other} ({classes}).",
                "warning",
                column=column,
                part=title,
                kind=kind,
                examples=examples,
                other=other,
                classes=classes,
            )
        )
    stored.known = tuple(names[place] for place in table.values() if place >= 0)
    keys, numbered = pa.array(list(table), pa.string()), pa.array(list(table.values()), pa.int64())
    stored.become("class", pa.int64(), lambda v: pc.take(numbered, pc.index_in(trimmed(v), keys)))
    return [note]


def _to_text(column: list[Stored], spelling: Sequence[str]) -> list[Note]:
    """Changes all values to text and class numbers to their names, in the spelling of `spelling` where it has them."""
    first, notes = column[0], []
    for stored in column:
        if stored.kind == "class":
            own = stored.names or ()
            at = places(own, spelling)
            table = pa.array([spelling[p] if p >= 0 else name for name, p in zip(own, at, strict=True)], pa.string())
            stored.become("text", pa.string(), partial(_lookup, table=table))
            notes.append(_text_note(stored, first, spelling, matches=any(p >= 0 for p in at)))
        elif stored.kind != "text":
            stored.become("text", pa.string(), types.as_text)
    return list(dict.fromkeys(notes))


def _text_note(stored: Stored, first: Stored, spelling: Sequence[str], matches: bool) -> Note:
    """Explains why a part's class numbers are read as text. matches: whether some of its names are in `spelling`"""
    column, title, kind = stored.column, first.part.title, numbers.WORDS[first.kind]
    examples, other, classes = _name_list(_ordered(spelling)), stored.part.title, _name_list(stored.names or ())
    if not spelling:
        return Note.of(
            "class-numbers-read-as-names",
            "{column}: {part} has {kind}, so the class numbers of {other} are read as their names ({classes}).",
            column=column,
            part=title,
            kind=kind,
            other=other,
            classes=classes,
        )
    if matches:
        return Note.of(
            "class-numbers-read-as-names-with-examples",
            "{column}: {part} has {kind} ({examples}), so the class numbers of {other} are read as "
            "their names ({classes}).",
            column=column,
            part=title,
            kind=kind,
            examples=examples,
            other=other,
            classes=classes,
        )
    return Note.of(
        "class-values-unknown",
        "{column}: {part} has {kind} ({examples}), none of which is a class of {other} ({classes}).",
        "warning",
        column=column,
        part=title,
        kind=kind,
        examples=examples,
        other=other,
        classes=classes,
    )


def _ordered(values: Iterable[str]) -> list[str]:
    return sorted(values, key=lambda v: (len(v), v) if v.lstrip("-").isdigit() else (0, v))


def _name_list(names: Sequence[str]) -> str:
    """Lists names for a sentence: the first few, and how many more there are."""
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(shortened(name, 40) for name in names[:SHOWN]) + more
