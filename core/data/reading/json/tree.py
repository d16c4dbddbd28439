"""Which keys some records have, down through objects in objects, and the columns that this makes.

An object becomes columns named `meta.label`, as pandas' json_normalize names them; so does a list that never has more
than one object. What is not the same in all records, or too wide or too deep for columns, stays one column of text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from core.data.reading.aligning.columns import MAX_COLUMNS, check_width

MAX_DEPTH = 8  # of objects in objects that become columns
MAX_NODES = 50_000  # keys that are kept count of
MANY_KEYS, RARE_KEY = 50, 0.05  # an object whose keys differ from record to record is one value
SURROGATE = re.compile("[\ud800-\udfff]")
INT64 = range(-(2**63), 2**63)
ITEM = 0  # a step of a path: the only item of a list

Path = tuple[str | int, ...]


@dataclass
class Node:
    """What stands under one key of all records.

    counts: values of each Python type; big: whole numbers beyond 64 bits; fields: what the objects have; items: what
    the lists have; longest: the most items of a list; closed: why the objects do not become columns
    """

    counts: dict[type, int] = field(default_factory=dict)
    big: int = 0
    fields: dict[str, Node] = field(default_factory=dict)
    items: Node | None = None
    longest: int = 0
    closed: str = ""

    @property
    def kinds(self) -> set[type]:
        return self.counts.keys() - {type(None)}


class Tree:
    """All keys of the records of a file; `add` each record."""

    def __init__(self, name: str) -> None:
        self.name, self.root, self.nodes, self.rows = name, Node(), 0, 0

    def add(self, record: dict[str, Any]) -> None:
        """Raises DataError if there are more keys than a dataset may have columns."""
        self.rows += 1
        fields = self.root.fields
        for key, value in record.items():
            node = fields.get(key)
            if node is None:
                if len(fields) >= MAX_COLUMNS:
                    check_width(self.name, len(fields) + 1, "different keys or more")
                node = fields[key] = Node()
                self.nodes += 1
            kind = type(value)
            node.counts[kind] = node.counts.get(kind, 0) + 1
            if kind is int:
                node.big += value not in INT64
            elif kind is dict or kind is list:
                self._inside(node, value, 1)

    def _add(self, node: Node, value: Any, depth: int) -> None:
        kind = type(value)
        node.counts[kind] = node.counts.get(kind, 0) + 1
        if kind is int:
            node.big += value not in INT64
        elif kind is dict or kind is list:
            self._inside(node, value, depth)

    def _inside(self, node: Node, value: Any, depth: int) -> None:
        if type(value) is list:
            node.items = node.items or Node()
            node.longest = max(node.longest, len(value))
            for item in value[:1]:
                self._add(node.items, item, depth)
            for item in value[1:]:
                kind = type(item)
                node.items.counts[kind] = node.items.counts.get(kind, 0) + 1
                node.items.big += kind is int and item not in INT64
        elif not node.closed:
            self._fields(node, value, depth)

    def _fields(self, node: Node, value: dict[str, Any], depth: int) -> None:
        if depth >= MAX_DEPTH:
            node.closed = f"more than {MAX_DEPTH} objects deep"
            return
        for key, inner in value.items():
            child = node.fields.get(key)
            if child is None:
                if len(node.fields) >= MAX_COLUMNS or self.nodes >= MAX_NODES:
                    close(node, f"more than {len(node.fields):,} different keys")
                    return
                child = node.fields[key] = Node()
                self.nodes += 1
            self._add(child, inner, depth + 1)


def close(node: Node, why: str) -> None:
    """From now on the objects of a node are one value each."""
    node.closed, node.fields = why, {}


def merged(nodes: list[Node]) -> Node:
    """What several files have together."""
    result = Node()
    for node in nodes:
        for kind, count in node.counts.items():
            result.counts[kind] = result.counts.get(kind, 0) + count
        result.big += node.big
        result.longest = max(result.longest, node.longest)
        result.closed = result.closed or node.closed
    lists = [node.items for node in nodes if node.items]
    result.items = merged(lists) if lists else None
    if not result.closed:
        keys = dict.fromkeys(key for node in nodes for key in node.fields)
        result.fields = {key: merged([n.fields[key] for n in nodes if key in n.fields]) for key in keys}
    return result


@dataclass(frozen=True)
class JsonColumn:
    """A column to write. path: keys that lead to it in a record; rest: only what is no object; renamed: from what"""

    name: str
    path: Path
    type: pa.DataType
    node: Node
    rest: bool = False
    renamed: str | None = None


def columns(root: Node) -> list[JsonColumn]:
    """The columns of records, objects in them taken apart as far as there is room. Closes the nodes that are not."""
    for node in _objects(root):
        if _is_map(node):
            close(node, "different keys in each record")
    while True:
        found = [column for key, node in root.fields.items() for column in _columns(node, key, (key,))]
        if len(found) <= MAX_COLUMNS:
            return _named(found)
        widest = max(_objects(root), key=lambda node: (len(node.fields) > 1, _leaves(node)))
        close(widest, f"more columns than the {MAX_COLUMNS:,} that are read")


def _objects(node: Node) -> Iterator[Node]:
    """Every node that is taken apart, the outermost first."""
    for child in node.fields.values():
        if opened := _opened(child):
            yield opened
            yield from _objects(opened)


def _opened(node: Node) -> Node | None:
    """The node with the fields of the objects under a key, also of one object in a list."""
    if dict in node.kinds and node.fields:
        return node
    items = node.items
    if node.kinds == {list} and node.longest <= 1 and items and items.kinds == {dict} and items.fields:
        return items
    return None


def _is_map(node: Node) -> bool:
    present = sum(sum(child.counts.values()) for child in node.fields.values())
    return len(node.fields) > MANY_KEYS and present < RARE_KEY * len(node.fields) * node.counts.get(dict, 0)


def _leaves(node: Node) -> int:
    return sum(_leaves(opened) if (opened := _opened(child)) else 1 for child in node.fields.values())


def _columns(node: Node, name: str, path: Path) -> Iterator[JsonColumn]:
    opened = _opened(node)
    if opened is None:
        yield JsonColumn(name, path, _arrow(node.kinds, node), node)
        return
    inner = path if opened is node else (*path, ITEM)
    for key, child in opened.fields.items():
        yield from _columns(child, f"{name}.{key}", (*inner, key))
    if opened is node and (rest := node.kinds - {dict}):
        yield JsonColumn(name, path, _arrow(rest, node), node, rest=True)


def _named(found: list[JsonColumn]) -> list[JsonColumn]:
    """Names that are text, not empty and different; keys of the record itself keep theirs first."""
    names: dict[int, str] = {}
    taken: set[str] = set()
    for number in sorted(range(len(found)), key=lambda i: (len(found[i].path), i)):
        base = SURROGATE.sub("\ufffd", found[number].name) or f"column_{number + 1}"
        name, copy = base, 1
        while name in taken:
            copy += 1
            name = f"{base}_{copy}"
        taken.add(name)
        names[number] = name
    return [
        JsonColumn(names[i], c.path, c.type, c.node, c.rest, c.name if names[i] != c.name else None)
        for i, c in enumerate(found)
    ]


def _arrow(kinds: set[type], node: Node) -> pa.DataType:
    if kinds == {list} and node.items is not None:
        inner = node.items.kinds
        return pa.list_(pa.string() if inner & {list, dict} or not inner else _arrow(inner, node.items))
    if int in kinds and node.big:
        return pa.string()
    return {
        frozenset({bool}): pa.bool_(),
        frozenset({int}): pa.int64(),
        frozenset({float}): pa.float64(),
        frozenset({int, float}): pa.float64(),
    }.get(frozenset(kinds), pa.string())
