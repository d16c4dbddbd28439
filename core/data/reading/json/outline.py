"""Outlines a JSON document in one pass: the sizes and samples of its arrays and objects, without all the values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from core.data.reading.json.stream import Reader

DEPTH = 5  # levels of nested objects that are searched for records
SAMPLE = 100  # items that are kept of an array
KEPT = 1000  # keys that are kept of an object
TEXT_MOST = 400  # characters that are counted of a text


@dataclass
class Outline:
    """One value of a document.

    types: Python type → number of items or values; size: their number in all
    sample: the first items of an array, or the value itself if it is neither array nor object
    children: the first keys of an object; numbered: whether its keys, or the items of an array, are 0, 1, 2 …
    """

    kind: str  # object, array or value
    size: int = 0
    types: Counter[type] = field(default_factory=Counter)
    sample: list[Any] = field(default_factory=list)
    children: dict[str, Outline] = field(default_factory=dict)
    numbered: bool = True

    def add(self, child: Any) -> None:
        """Adds an item of an array."""
        self.numbered = self.numbered and child == self.size
        self.size += 1
        self.types[type(child)] += 1
        if len(self.sample) < SAMPLE:
            self.sample.append(child)

    def add_key(self, key: str, child: Outline) -> None:
        """Adds a key of an object and the outline of its value."""
        self.numbered = self.numbered and key == str(self.size)
        self.size += 1
        self.types[{"object": dict, "array": list}.get(child.kind) or type(child.sample[0])] += 1
        if len(self.children) < KEPT:
            self.children[key] = child

    @property
    def most(self) -> type | None:
        """The commonest type of the items or values."""
        return self.types.most_common(1)[0][0] if self.types else None


def outline(reader: Reader, depth: int = 0) -> Outline:
    """Reads the next value and returns its outline. Raises DataError."""
    value, whole = reader.short_value()
    if whole:
        return outline_of(value, depth)
    match reader.peek():
        case "[":
            array = Outline("array")
            for item in reader.array():
                array.add(item)
            return array
        case "{" if depth < DEPTH:
            tree = Outline("object")
            for key in reader.object_keys():
                if key in tree.children:
                    reader.seen.repeated[key] = reader.seen.repeated.get(key, 0) + 1
                tree.add_key(key, outline(reader, depth + 1))
            return tree
        case _:
            return outline_of(reader.value(), depth)


def outline_of(value: Any, depth: int = 0) -> Outline:
    """Returns the outline of a value in memory."""
    if isinstance(value, list):
        numbered = all(item == number for number, item in enumerate(value))
        return Outline("array", len(value), Counter(map(type, value)), value[:SAMPLE], numbered=numbered)
    if not isinstance(value, dict) or depth >= DEPTH:
        return Outline("value", sample=[value])
    tree = Outline("object", types=Counter(map(type, value.values())))
    tree.children = {key: outline_of(v, depth + 1) for key, v in islice(value.items(), KEPT)}
    tree.size = len(value)
    tree.numbered = all(key == str(number) for number, key in enumerate(value))
    return tree


def texts_in(value: Any) -> int:
    """Returns the length of the longest natural text in a record: of several words, or in a script without blanks."""
    if isinstance(value, str):
        head = value[:TEXT_MOST]
        natural = " " in head.strip() or (bool(head) and max(head) >= "\u3040")
        return len(head) if natural else 0
    if isinstance(value, dict):
        return max((texts_in(v) for v in islice(value.values(), 50)), default=0)
    if isinstance(value, list):
        return max((texts_in(v) for v in value[:50]), default=0)
    return 0


def places(root: Outline, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Outline]]:
    """Yields every object and array of a document with the path of keys that leads to it, the outermost first."""
    yield path, root
    if root.kind == "object" and root.size <= KEPT:
        for key, child in root.children.items():
            if child.kind != "value":
                yield from places(child, (*path, key))
