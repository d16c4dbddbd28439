"""Collects the keys of JSON records, also of nested objects, and turns them into columns.

An object becomes columns named `meta.label`, as in pandas' json_normalize; so does a list that never has more than one
object. Objects whose keys differ between records, or that are too wide or too deep, stay one column of text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from core.data.reading.aligning.columns import MAX_COLUMNS, check_width

MAX_DEPTH = 8  # levels of nested objects that become columns
MAX_NODES = 50_000  # keys that are counted
MANY_KEYS, RARE_KEY = 50, 0.05  # an object with so many keys, each in so few records, is one value
SURROGATE = re.compile("[\ud800-\udfff]")
INT64 = range(-(2**63), 2**63)
ITEM = 0  # a step of a path: the only item of a list

Path = tuple[str | int, ...]


@dataclass
class Node:
    """The values under one key in all records.

    counts: Python type → number of values; big: number of whole numbers beyond 64 bits; fields: key → node of the
    objects; items: node of the lists' items; longest: length of the longest list
    closed: as a noun phrase, why the objects do not become columns; empty if they do
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
        """Counts the keys of a record. Raises DataError if there are more keys than a dataset may have columns."""
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


def close(node: Node, reason: str) -> None:
    """Makes each object of a node one value from now on. reason: a noun phrase"""
    node.closed, node.fields = reason, {}


def merged(nodes: list[Node]) -> Node:
    """Merges the nodes of several files."""
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
    """A column to write.

    path: keys that lead to it in a record; rest: whether it holds only the values that are not objects
    renamed: its old name if it was renamed, else None
    """

    name: str
    path: Path
    type: pa.DataType
    node: Node
    rest: bool = False
    renamed: str | None = None


def columns(root: Node) -> list[JsonColumn]:
    """Returns the columns of records, splitting objects into columns within MAX_COLUMNS. Closes the other nodes."""
    for node in _objects(root):
        if _is_map(node):
            close(node, "different keys in each record")
    while True:
        candidates = [column for key, node in root.fields.items() for column in _columns(node, key, (key,))]
        if len(candidates) <= MAX_COLUMNS:
            return _with_unique_names(candidates)
        widest = max(_objects(root), key=lambda node: (len(node.fields) > 1, _leaves(node)))
        close(widest, f"more columns than the {MAX_COLUMNS:,} that are read")


def _objects(node: Node) -> Iterator[Node]:
    """Yields every node whose objects become columns, the outermost first."""
    for child in node.fields.values():
        if inner := _object_node(child):
            yield inner
            yield from _objects(inner)


def _object_node(node: Node) -> Node | None:
    """Returns the node with the fields of the objects under a key, or of the only object in each list; else None."""
    if dict in node.kinds and node.fields:
        return node
    items = node.items
    if node.kinds == {list} and node.longest <= 1 and items and items.kinds == {dict} and items.fields:
        return items
    return None


def _is_map(node: Node) -> bool:
    """Whether the objects of a node have many keys, each in few records only."""
    present = sum(sum(child.counts.values()) for child in node.fields.values())
    return len(node.fields) > MANY_KEYS and present < RARE_KEY * len(node.fields) * node.counts.get(dict, 0)


def _leaves(node: Node) -> int:
    return sum(_leaves(inner) if (inner := _object_node(child)) else 1 for child in node.fields.values())


def _columns(node: Node, name: str, path: Path) -> Iterator[JsonColumn]:
    inner = _object_node(node)
    if inner is None:
        yield JsonColumn(name, path, _arrow(node.kinds, node), node)
        return
    inner_path = path if inner is node else (*path, ITEM)
    for key, child in inner.fields.items():
        yield from _columns(child, f"{name}.{key}", (*inner_path, key))
    if inner is node and (rest := node.kinds - {dict}):
        yield JsonColumn(name, path, _arrow(rest, node), node, rest=True)


def _with_unique_names(columns: list[JsonColumn]) -> list[JsonColumn]:
    """Gives columns names that are valid text, not empty and unique; top-level keys keep theirs first."""
    names: dict[int, str] = {}
    taken: set[str] = set()
    for number in sorted(range(len(columns)), key=lambda i: (len(columns[i].path), i)):
        base = SURROGATE.sub("\ufffd", columns[number].name) or f"column_{number + 1}"
        name, copy = base, 1
        while name in taken:
            copy += 1
            name = f"{base}_{copy}"
        taken.add(name)
        names[number] = name
    return [
        JsonColumn(names[i], c.path, c.type, c.node, c.rest, c.name if names[i] != c.name else None)
        for i, c in enumerate(columns)
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
