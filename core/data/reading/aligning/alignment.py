"""One type for each column of a dataset, and one numbering of its classes, whatever its files hold.

    parts ── align() ──► per column: class names, and for each part a conversion where what it holds differs

A class number means the name that its own file has for it; a text means the class of that name (see `label_names`).
What the training split has decides: its numbering, its spelling, its type.
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

MOST_NAMES = 1000  # different texts of a column that is matched with class names
SHOWN = 5


@dataclass(frozen=True)
class Aligned:
    """columns: by name, what each part that has the column stores; names: of the classes of class columns

    added: names that not every split knows, by column; notes: what was converted, for people
    """

    columns: dict[str, list[Stored]]
    names: dict[str, tuple[str, ...]]
    added: dict[str, tuple[str, ...]]
    notes: list[Note]


def align(parts: Sequence[Part]) -> Aligned:
    """How the columns of all parts are stored so that a value means the same everywhere. Raises DataError."""
    ordered = sorted(parts, key=lambda part: split_of(part.split) != "train")
    aligned = Aligned(columns_of(ordered), {}, {}, [])
    for name, column in aligned.columns.items():
        aligned.notes.extend(reshaping.unwrap(column))
        told = [stored for stored in column if stored.kind != "empty"]
        kinds = {stored.kind for stored in told}
        if (len(kinds) > 1 and kinds <= set(types.PLAIN)) or len({s.names for s in told if s.kind == "class"}) > 1:
            aligned.notes.extend(_classes(told) if "class" in kinds else numbers.align(told))
        if told and told[0].kind == "class":
            aligned.names[name], aligned.added[name] = _names(told)
    return aligned


def _names(column: Sequence[Stored]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """All class names of an aligned column, and those that not each of its splits has."""
    names = max((stored.names or () for stored in column), key=len)
    known: dict[str, set[str]] = {}
    for stored in column:
        known.setdefault(stored.part.split, set()).update(stored.known or stored.names or ())
    return names, tuple(name for name in names if not all(name in here for here in known.values()))


def _classes(column: list[Stored]) -> list[Note]:
    """Class numbers of different lists, or beside other values: one list of names for all of them."""
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
    """Where each class of one list stands in `names`, to which new ones are appended; no two become one."""
    numbers: list[int] = []
    for name, place in zip(more, places(more, names), strict=True):
        if place < 0 or place in numbers or (names[place] != name and names[place] in more):
            place = len(names)
            names.append(name)
        numbers.append(place)
    return numbers


def _are_places(stored: Stored, values: Iterable[str], names: Sequence[str]) -> bool:
    """Whether values without names are places in a list of names: whole numbers in it, which are no names there."""
    values = [value for value in values if value != "-1"]
    if not values or not all(v.isascii() and v.isdigit() and len(v) < 10 and int(v) < len(names) for v in values):
        return False
    matches = [place >= 0 for place in places(values, names)]
    return not any(matches) if stored.kind == "text" else not all(matches)


def _renumber(stored: Stored, table: list[int], names: list[str], known: Stored) -> list[Note]:
    """Class numbers of a file's own list become those of `names`, at the places in `table`."""
    before, own = stored.names or (), known.names or ()
    stored.known = tuple(names[number] for number in table)
    if table == list(range(len(table))) and (len(names) == len(before) or _all_named(stored)):
        return []
    stored.become("class", pa.int64(), lambda values: _taken(values, pa.array(table, pa.int64())))
    if before == own:
        return []
    return [
        Note(
            f"{stored.column}: {stored.part.title} numbers its classes {_shown(before)}, {known.part.title} "
            f"{_shown(own)}; the numbers of each are read by its own names."
        )
    ]


def _all_named(stored: Stored) -> bool:
    """Whether all class numbers have a name in their own list: others must not get one from a longer list."""
    return all((pc.max(values).as_py() or 0) < len(stored.names or ()) for values in stored.values())


def _taken(values: Any, table: Any) -> Any:
    """The entries of a table at the places that class numbers name; -1 stays, other numbers outside become null."""
    inside = pc.and_(pc.greater_equal(values, 0), pc.less(values, len(table)))
    taken = pc.take(table, pc.if_else(inside, pc.cast(values, pa.int64()), pa.scalar(None, pa.int64())))
    return pc.if_else(pc.less(values, 0), pa.scalar(-1, pa.int64()), taken) if table.type == pa.int64() else taken


def _number(stored: Stored, values: list[str], names: list[str], known: Stored) -> list[Note]:
    """Values without numbers become the numbers of classes: by name, by place, or as new classes."""
    own = known.names or ()
    by_place = _are_places(stored, values, names)
    beside = f"{stored.column}: {stored.part.title} has {numbers.WORDS[stored.kind]} ({_shown(_ordered(values))})"
    if by_place:
        table = {value: int(value) for value in values}
        note = Note(
            f"{beside}, {known.part.title} names its classes {_shown(own)}; the numbers are taken as places in that "
            "list, which begins with 0.",
            "warning",
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
            Note(f"{beside}, {known.part.title} class numbers with the names {_shown(own)}; they are matched by name.")
            if matches
            else Note(f"{beside}, none of which is a class of {known.part.title} ({_shown(own)}).", "warning")
        )
    stored.known = tuple(names[place] for place in table.values() if place >= 0)
    keys, numbered = pa.array(list(table), pa.string()), pa.array(list(table.values()), pa.int64())
    stored.become("class", pa.int64(), lambda v: pc.take(numbered, pc.index_in(trimmed(v), keys)))
    return [note]


def _to_text(column: list[Stored], spelling: Sequence[str]) -> list[Note]:
    """All values as text, class numbers as their names, spelt as in `spelling` where they are there."""
    first, notes = column[0], []
    for stored in column:
        if stored.kind == "class":
            own = stored.names or ()
            at = places(own, spelling)
            table = pa.array([spelling[p] if p >= 0 else name for name, p in zip(own, at, strict=True)], pa.string())
            stored.become("text", pa.string(), partial(_taken, table=table))
            text = f"{stored.column}: {first.part.title} has {numbers.WORDS[first.kind]}"
            text += f" ({_shown(_ordered(spelling))})" if spelling else ""
            notes.append(
                Note(f"{text}, so the class numbers of {stored.part.title} are read as their names ({_shown(own)}).")
                if not spelling or any(p >= 0 for p in at)
                else Note(f"{text}, none of which is a class of {stored.part.title} ({_shown(own)}).", "warning")
            )
        elif stored.kind != "text":
            stored.become("text", pa.string(), types.as_text)
    return list(dict.fromkeys(notes))


def _ordered(values: Iterable[str]) -> list[str]:
    return sorted(values, key=lambda v: (len(v), v) if v.lstrip("-").isdigit() else (0, v))


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(shortened(name, 40) for name in names[:SHOWN]) + more
