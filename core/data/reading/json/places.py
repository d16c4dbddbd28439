"""Finds the records in a JSON object: every place that may hold records, and the best of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from core.data.notes import Note
from core.data.reading.guessing.guess import LABEL_WORDS, TEXT_WORDS
from core.data.reading.json.outline import Outline, places, texts_in
from core.data.reading.json.shape import Shape
from core.data.reading.text import preamble
from core.errors import DataError
from core.wording import counted, listed

NAMES = ("columns", "column_names", "columnNames", "headers", "header", "fields", "names", "cols")
ROW_KEYS = {"row_idx", "row", "truncated_cells"}
KEYS_ARE_COLUMNS, KEYS_ARE_ROWS = "Each key is a column.", "Each key is one row."
KNOWN = {*TEXT_WORDS, *LABEL_WORDS}
COMPARED = 200  # objects whose keys are compared
MIN_MAP, LISTED = 20, 6


@dataclass(frozen=True)
class Place:
    """A place that may hold records.

    text: mean characters of their texts; weak: used only if there is no other place
    reading: a sentence on how the records are read, empty if that is obvious
    """

    shape: Shape
    rows: int
    text: float
    weak: bool = False
    reading: str = ""

    @property
    def score(self) -> tuple[bool, float, int]:
        return not self.weak, self.rows * self.text, self.rows


def choose(name: str, root: Outline, key: str | None) -> Shape:
    """Chooses the records of an object: where most text is, else most rows. Raises DataError.

    name: of the file; key: the place that a person chose, as keys joined by dots
    """
    candidates = [place for path, value in places(root) for place in _places_at(path, value, root)]
    keys = tuple(dict.fromkeys(place.shape.key for place in candidates if place.shape.path and not place.weak))
    if key is not None:
        candidates = [place for place in candidates if place.shape.key == key]
        if not candidates:
            raise _no_records(name, key, keys)
    best = max(candidates, key=lambda place: place.score, default=None)
    if best is None or best.weak:
        _check_lengths(name, root)
    if best is None or best.shape.form == "one":
        one = Note.of(
            "json-one-object", "{name}: the file is one object, and is read as one row.", "warning", name=name
        )
        return Shape((), "one", keys=keys, notes=(one,))
    others = [place for place in candidates if place is not best and not place.weak and place.shape.path]
    return replace(best.shape, keys=keys, notes=(_note(name, root, best, others),))


def _no_records(name: str, key: str, keys: tuple[str, ...]) -> DataError:
    if not keys:
        return DataError.of(
            "no-records-under-key",
            "{name} has no records under {key!r}: no key of it has records; leave the key empty",
            "data.read.records_key",
            name=name,
            key=key,
        )
    return DataError.of(
        "records-under-other-keys",
        "{name} has no records under {key!r}: there are records under {keys}; choose another key, or leave it empty",
        "data.read.records_key",
        name=name,
        key=key,
        keys=", ".join(keys[:20]),
    )


def has_names(rows: list[Any]) -> bool:
    """Whether the first of some rows, which are arrays, names the columns."""
    first = rows[0]
    if len(rows) < 2 or not all(isinstance(cell, str) for cell in first) or len(set(first)) < len(first):
        return False
    if any(not isinstance(row, list) or len(row) != len(first) for row in rows):
        return False
    return preamble.has_header([["" if v is None else str(v) for v in row] for row in rows])


def are_tasks(records: Iterable[Any]) -> bool:
    """Whether records are the tasks of a Label Studio export."""
    return all(
        isinstance(r, dict) and isinstance(r.get("data"), dict) and isinstance(r.get("annotations"), list)
        for r in records
    )


def _places_at(path: tuple[str, ...], value: Outline, root: Outline) -> Iterator[Place]:
    """Yields the ways to read a value as records."""
    if value.kind == "array":
        yield from _in_array(path, value, root)
        return
    arrays = {key: child for key, child in value.children.items() if child.kind == "array"}
    objects = {key: child for key, child in value.children.items() if child.kind == "object"}
    if arrays:
        yield from _in_columns(path, value, arrays)
    elif objects and len(objects) == len(value.children):
        yield from _in_objects(path, value, objects)
    elif not objects:
        yield from _in_map(path, value)
    if not path and (text := _own_text(value)):
        yield Place(Shape((), "one"), 1, text)


def _own_text(value: Outline) -> int:
    """Returns the length of the text of an object that is itself a record; 0 if it has none."""
    values = {key.casefold(): child.sample[0] for key, child in value.children.items() if child.kind == "value"}
    return max((texts_in(v) for key, v in values.items() if key in KNOWN), default=0)


def _in_array(path: tuple[str, ...], value: Outline, root: Outline) -> Iterator[Place]:
    if not value.size or not path:
        return
    text = sum(map(texts_in, value.sample)) / len(value.sample)
    parent = root
    for key in path[:-1]:
        parent = parent.children[key]
    if value.most is dict:
        wrapped = all(isinstance(v, dict) and "row" in v and v.keys() <= ROW_KEYS for v in value.sample)
        shape = Shape(path, wrapped=wrapped, tasks=are_tasks(value.sample))
        if wrapped:
            shape = replace(shape, class_names=_class_names(parent))
            yield Place(shape, value.size, text, reading="The file has the form of the Hub's rows API.")
        else:
            pandas = "pandas_version" in parent.children.get("schema", value).children
            reading = "The file has the form of pandas' orient='table'." if pandas else ""
            yield Place(shape, value.size, text, reading=reading)
    elif value.most is list and (names := _names(parent, value)):
        index = parent.children.get("index")
        beside = index is not None and index.size == value.size and index.kind == "array"
        shape = Shape(path, names=names, index=beside and index is not None and not index.numbered)
        yield Place(shape, value.size, text, reading="The names of the columns stand beside the rows.")
    elif value.most is list:
        yield Place(Shape(path, header=has_names(value.sample)), value.size, text)
    else:
        yield Place(Shape(path), value.size, text, weak=True)


def _names(parent: Outline, rows: Outline) -> tuple[str, ...]:
    """Returns the column names that stand beside rows of arrays; empty if there are none."""
    widths = {len(row) for row in rows.sample if isinstance(row, list)}
    for key in NAMES:
        beside = parent.children.get(key)
        if beside is None or beside is rows or beside.kind != "array" or widths != {beside.size}:
            continue
        names = [v.get("name") if isinstance(v, dict) else v for v in beside.sample]
        if len(names) == beside.size and all(isinstance(name, str | int | list) for name in names):
            return tuple(".".join(map(str, n)) if isinstance(n, list) else str(n) for n in names)
    return ()


def _class_names(parent: Outline) -> dict[str, tuple[str, ...]]:
    """Returns column → class names from the features that the Hub's rows API gives beside the rows."""
    features, result = parent.children.get("features"), {}
    for feature in features.sample if features is not None else ():
        kind = feature.get("type") if isinstance(feature, dict) else None
        if isinstance(kind, dict) and kind.get("_type") == "ClassLabel" and isinstance(kind.get("names"), list):
            result[str(feature.get("name"))] = tuple(map(str, kind["names"]))
    return result


def _in_columns(path: tuple[str, ...], value: Outline, arrays: dict[str, Outline]) -> Iterator[Place]:
    """Yields the reading of arrays of one length as columns, unless each array holds records itself."""
    plain = {key: child for key, child in arrays.items() if child.most not in (dict, None)}
    if not plain or any(child.most is list and _names(value, child) for child in plain.values()):
        return
    fullest = max(plain.values(), key=lambda c: c.size * sum(map(texts_in, c.sample)) / max(1, len(c.sample)))
    columns = {key: child for key, child in arrays.items() if child.size == fullest.size}
    others = [child for key, child in plain.items() if key not in columns]
    alone = len(columns) == 1 and (len(value.children) > 1 or fullest.most is list)
    if alone or any(2 * child.size > fullest.size for child in others):
        return
    samples = [child.sample for child in columns.values()]
    text = sum(max(map(texts_in, row)) for row in zip(*samples, strict=False)) / max(1, min(map(len, samples)))
    words = KNOWN & {key.casefold() for key in columns}
    whole = len(columns) == value.size
    wide = len(columns) > fullest.size and len(columns) >= MIN_MAP and not words
    if whole and (wide or (len(columns) > 1 and _digits(columns) and not words)):
        shape = Shape(path, "index", keyed=not value.numbered)
        yield Place(shape, len(columns), text, reading="Each key has the values of one row.")
        return
    reading = KEYS_ARE_COLUMNS
    if len(columns) >= fullest.size > 1:
        reading = "Each key is read as a column, though it could be a row as well."
    yield Place(Shape(path, "columns", columns=() if whole else tuple(columns)), fullest.size, text, reading=reading)


def _in_objects(path: tuple[str, ...], value: Outline, objects: dict[str, Outline]) -> Iterator[Place]:
    """Yields the reading of objects with the same keys: as records by their ids, or as columns by row number."""
    compared = list(islice(objects.values(), COMPARED))
    inner = dict.fromkeys(key for child in compared for key in child.children)
    shared = sum(len(child.children) for child in compared) / max(1, len(compared) * len(inner))
    if not inner or shared < 0.5 or all(child.types[list] == child.size for child in compared):
        return
    by_key, reading = _keys_are_rows(value, compared[0], list(inner))
    if value.size == 1 and not (_digits(objects) or _digits(inner)):
        return
    if by_key:
        text = sum(_longest_text(child) for child in compared) / len(compared)
        yield Place(Shape(path, "index", keyed=not value.numbered), value.size, text, reading=reading)
    else:
        samples = [[_value(v) for v in islice(child.children.values(), COMPARED)] for child in compared]
        text = sum(max(map(texts_in, row)) for row in zip(*samples, strict=False)) / max(1, min(map(len, samples)))
        shape = Shape(path, "columns", keyed=not compared[0].numbered)
        yield Place(shape, compared[0].size, text, reading=reading)


def _keys_are_rows(value: Outline, first: Outline, inner: list[str]) -> tuple[bool, str]:
    """Whether the outer keys of nested objects name rows, else columns; and a sentence that says so."""
    if _digits(value.children) != _digits(inner):
        by_key = _digits(value.children)
    elif bool(KNOWN & {k.casefold() for k in value.children}) != bool(KNOWN & {k.casefold() for k in inner}):
        by_key = bool(KNOWN & {k.casefold() for k in inner})
    elif value.size != first.size:
        by_key = value.size > first.size
    else:
        return False, (
            f"Each key is a column, though with {value.size:,} keys of {first.size:,} values it could be a row as well."
        )
    return by_key, KEYS_ARE_ROWS if by_key else KEYS_ARE_COLUMNS


def _in_map(path: tuple[str, ...], value: Outline) -> Iterator[Place]:
    """Yields the reading of values under keys as one row each, if the keys are numbers or texts, or many are texts."""
    keys, values = list(value.children), [_value(child) for child in value.children.values()]
    if len(keys) < 2:
        return
    texts = [max(texts_in(key), texts_in(v)) for key, v in zip(keys, values, strict=True)]
    named_by_text = sum(texts_in(key) > 0 for key in keys) * 2 > len(keys)
    many_texts = len(keys) >= MIN_MAP and all(texts_in(v) for v in values)
    if _digits(keys) or named_by_text or many_texts:
        shape = Shape(path, "map", keyed=not value.numbered)
        yield Place(shape, value.size, sum(texts) / len(texts), reading="Each key with its value is one row.")


def _digits(keys: Iterable[str]) -> bool:
    return all(key.isascii() and key.isdigit() for key in keys)


def _value(child: Outline) -> Any:
    return child.sample[0] if child.kind == "value" else child.sample


def _longest_text(child: Outline) -> int:
    return max((texts_in(_value(inner)) for inner in child.children.values()), default=0)


def _check_lengths(name: str, root: Outline) -> None:
    for _, value in places(root):
        lengths = {key: child.size for key, child in value.children.items() if child.kind == "array"}
        if len(set(lengths.values())) > 1:
            counts = ", ".join(f"{key} has {count:,}" for key, count in list(lengths.items())[:LISTED])
            raise DataError.of(
                "json-columns-differ-in-length",
                "the columns of {name} differ in length: {counts}; they must be equal",
                "data.path",
                name=name,
                counts=counts,
            )


def _note(name: str, root: Outline, best: Place, others: list[Place]) -> Note:
    """Describes where the records are, how they are read, and which keys are left out; a sentence each."""
    rows, key = counted(best.rows, "row"), best.shape.key
    sentences = [f"{name}: {rows} under the key {key}." if best.shape.path else f"{name}: {rows} in the object."]
    sentences += [best.reading] if best.reading else []
    unused = _unused_keys(root, best.shape)
    if not unused:
        return Note(" ".join(sentences))
    keys = [f"{key} ({counted(n, 'value')})" if n else key for key, n in unused[:LISTED]]
    keys += [counted(len(unused) - LISTED, "other key")] if len(unused) > LISTED else []
    sentences.append(f"Left out: {', '.join(keys)}.")
    first_keys = {key.split(".")[0] for key, _ in unused}
    if elsewhere := [place.shape.key for place in others if place.shape.key.split(".")[0] in first_keys]:
        sentences.append(f"Records are also under {listed(elsewhere[:LISTED])}.")
    return Note(" ".join(sentences), "warning" if elsewhere or any(n > 1 for _, n in unused) else "info")


def _is_used(key: str, beside: Outline, shape: Shape) -> bool:
    """Whether a key beside the records is used to read them."""
    if shape.wrapped:
        return key == "features"
    return (bool(shape.names) and key in (*NAMES, "index")) or "pandas_version" in beside.children


def _unused_keys(root: Outline, shape: Shape) -> list[tuple[str, int]]:
    """Returns the keys that are not read, beside the path to the records, each with the number of items under it."""
    unused: list[tuple[str, int]] = []
    value, path = root, shape.path or ()
    for depth, key in enumerate(path):
        for other, child in value.children.items():
            if other != key and not (depth == len(path) - 1 and _is_used(other, child, shape)):
                unused.append((".".join((*path[:depth], other)), child.size))
        value = value.children[key]
    if shape.form == "columns" and shape.columns:
        unused += [(".".join((*path, k)), child.size) for k, child in value.children.items() if k not in shape.columns]
    return unused
