"""Reads JSON and JSON Lines of any size in two passes: one to determine the columns and types, one to write them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from core.data.notes import Note
from core.data.reading.aligning.columns import COMPRESSION
from core.data.reading.json import label_studio
from core.data.reading.json.arrays import Broken, batch_arrays
from core.data.reading.json.records import records, shape_of
from core.data.reading.json.shape import Shape
from core.data.reading.json.stream import Seen
from core.data.reading.json.tree import ITEM, JsonColumn, Node, Tree, columns, merged
from core.data.reading.text import encoding as encodings
from core.data.reading.text.encoding import Detected
from core.errors import DataError
from core.spec.data import ReadSpec
from core.wording import counted, listed

BATCH_ROWS = 10_000
BATCH_CHARACTERS = 16 * 1024 * 1024
BATCH_CELLS = 10_000_000
LISTED, MOST_KEYS = 5, 100
WORDS = {str: "texts", int: "whole numbers", float: "numbers with decimals", bool: "of true or false"}
SHARED = 0.5  # share of the keys in an average record, below which there is a warning


@dataclass
class Layout:
    """The content of a file: its shape, its columns and the irregularities in it."""

    path: Path
    kind: str
    detected: Detected
    shape: Shape
    tree: Tree
    seen: Seen = field(default_factory=Seen)
    broken: Broken = field(default_factory=Broken)


def examine(path: Path, kind: str, read: ReadSpec) -> Layout:
    """Reads a file once to determine its layout. Raises DataError."""
    detected = encodings.check(path, read.encoding) if read.encoding else encodings.detect(path)
    kind, shape = shape_of(path, kind, detected, read.records_key, read.header)
    layout = Layout(path, kind, detected, shape, Tree(path.name))
    try:
        for record in records(path, kind, detected, shape, layout.seen, careful=True):
            layout.tree.add(record)
    except RecursionError:
        raise _too_deep(path) from None
    if not layout.tree.rows or not layout.tree.root.fields:
        raise DataError.of(
            "json-without-records",
            "{file} has no records; choose a file with at least one",
            "data.path",
            file=path.name,
        )
    return layout


def columns_of(layouts: list[Layout]) -> list[JsonColumn]:
    """Returns the columns that hold the content of all files."""
    return columns(merged([layout.tree.root for layout in layouts]))


def columns_in(layouts: list[Layout], everything: list[JsonColumn]) -> list[JsonColumn]:
    """Returns the columns that have a value in at least one of the files."""
    return [column for column in everything if any(_is_in(layout.tree.root, column) for layout in layouts)]


def _is_in(root: Node, column: JsonColumn) -> bool:
    node: Node | None = root
    for step in column.path:
        if node is None:
            return False
        node = node.items if step == ITEM else node.fields.get(str(step))
    return node is not None and (not column.rest or bool(node.kinds - {dict}))


def write(layouts: list[Layout], wanted: list[JsonColumn], target: Path, tick: Callable[[float], None]) -> None:
    """Writes the records of some files to one Parquet file. A column that a record lacks is null there."""
    total, done = sum(layout.tree.rows for layout in layouts), 0
    schema = pa.schema([(column.name, column.type) for column in wanted], _class_names(layouts, wanted))
    with pq.ParquetWriter(target, schema, compression=COMPRESSION) as writer:
        for layout in layouts:
            for batch in _batches(
                records(layout.path, layout.kind, layout.detected, layout.shape, Seen()), len(wanted)
            ):
                try:
                    arrays = batch_arrays(batch, wanted, layout.broken)
                except RecursionError:
                    raise _too_deep(layout.path) from None
                writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
                done += len(batch)
                tick(done / max(1, total))


def _class_names(layouts: list[Layout], wanted: list[JsonColumn]) -> dict[bytes, bytes] | None:
    """Returns the class names that all files agree on, as schema metadata in the format of `datasets`; else None."""
    first = layouts[0].shape.class_names
    if not first or any(layout.shape.class_names != first for layout in layouts):
        return None
    numbers = {column.name for column in wanted if pa.types.is_integer(column.type)}
    features = {name: {"names": names, "_type": "ClassLabel"} for name, names in first.items() if name in numbers}
    return {b"huggingface": json.dumps({"info": {"features": features}}).encode()}


def _too_deep(path: Path) -> DataError:
    return DataError.of(
        "json-nested-too-deeply",
        "{file} is nested too deeply to be read; put its records into fewer levels",
        "data.path",
        file=path.name,
    )


def _batches(rows: Iterator[dict[str, Any]], width: int) -> Iterator[list[dict[str, Any]]]:
    most = min(BATCH_ROWS, max(1, BATCH_CELLS // max(1, width)))
    batch: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += sum(map(_size, row.values()))
        if len(batch) >= most or size >= BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _size(value: Any) -> int:
    """Estimates how many characters a value has."""
    if type(value) is str:
        return len(value)
    if type(value) is dict:
        return sum(map(_size, value.values()))
    return sum(map(_size, value)) if type(value) is list else 0


def reading(layout: Layout) -> dict[str, Any]:
    """Returns what was detected, as fields of `ReadSpec`, and the keys that a person may choose from."""
    fields: dict[str, Any] = {"encoding": layout.detected.encoding, "records_key": layout.shape.key}
    if layout.seen.arrays:
        fields["header"] = layout.shape.header
    return fields | {"records_keys": list(layout.shape.keys[:MOST_KEYS])}


def notes(layout: Layout, wanted: list[JsonColumn]) -> list[Note]:
    """Describes how a file was read, and which of its records differ from the others."""
    name, notes = layout.path.name, list(layout.shape.notes)
    if layout.detected.encoding != "utf-8":
        notes.append(
            Note.of("file-encoding", "{name}: {note}", layout.detected.level, name=name, note=layout.detected.note)
        )
    notes += [note for note in (*_on_records(layout, name), *_on_columns(layout, wanted, name)) if note]
    return notes


def _on_records(layout: Layout, name: str) -> Iterator[Note]:
    shape, seen, rows = layout.shape, layout.seen, layout.tree.rows
    if seen.commas:
        yield Note.of(
            "json-records-by-commas",
            "{name}: the records are separated by commas, without brackets around them; all {rows:,} were read.",
            name=name,
            rows=rows,
        )
    if shape.pages:
        yield Note.of(
            "json-several-arrays",
            "{name}: the records lie in several arrays; all {rows:,} were read.",
            name=name,
            rows=rows,
        )
    if shape.header:
        yield Note.of("json-first-row-names", "{name}: the first row has the names of the columns.", name=name)
    if shape.tasks:
        yield Note.of(
            "label-studio-export",
            "{name}: a Label Studio export; what was answered to each question is a column under the question's name.",
            name=name,
        )
        differ = layout.tree.root.fields.get(label_studio.DISAGREE)
        if differ is not None:
            yield Note.of(
                "annotators-disagree",
                "{name}: in {count:record|records} the annotators disagree; the commonest answer counts, "
                "else the first. {column} is true there.",
                "warning",
                name=name,
                count=differ.counts.get(bool, 0),
                column=label_studio.DISAGREE,
            )
    if seen.lone and seen.lone < rows:
        yield Note.of(
            "json-lone-values",
            "{name}: {count:record|records} of {rows:,} had a value alone where the others have an "
            "object; it stands in the column text, if it is not null.",
            "warning",
            name=name,
            count=seen.lone,
            rows=rows,
        )
    if seen.misfits:
        yield Note.of(
            "json-rows-misfit",
            "{name}: {count:row|rows} of {rows:,} had more or fewer values than there are names; what "
            "is missing is empty, what is too many has a column of its own.",
            "warning",
            name=name,
            count=seen.misfits,
            rows=rows,
        )
    if seen.no_numbers:
        yield Note.of(
            "json-nan", "{name}: {count:value|values} written as NaN: read as empty.", name=name, count=seen.no_numbers
        )
    if seen.repeated:
        keys = ", ".join(f"{key} ({counted(n, 'time')})" for key, n in list(seen.repeated.items())[:LISTED])
        yield Note.of(
            "json-keys-twice",
            "{name}: a key stands twice in one object: {keys}; the last value counts.",
            "warning",
            name=name,
            keys=keys,
        )
    if layout.broken.count:
        yield Note.of(
            "half-surrogates",
            "{name}: {count:,} half surrogate pairs, which no text can hold, became �.",
            "warning",
            name=name,
            count=layout.broken.count,
        )


def _on_columns(layout: Layout, wanted: list[JsonColumn], name: str) -> Iterator[Note]:
    fields, rows = layout.tree.root.fields, layout.tree.rows
    counts = {key: sum(node.counts.values()) for key, node in fields.items()}
    if sum(counts.values()) < SHARED * rows * len(counts):
        yield Note.of(
            "json-keys-not-shared",
            "{name}: most records do not share their keys: there are {keys:,}, and a record has "
            "{average:.1f} of them on average.",
            "warning",
            name=name,
            keys=len(counts),
            average=sum(counts.values()) / rows,
        )
    elif missing := [f"{key} ({counted(rows - count, 'time')})" for key, count in counts.items() if count < rows]:
        yield Note.of(
            "json-keys-missing",
            "{name}: not every record has {columns}; where it is missing it is empty.",
            name=name,
            columns=", ".join(missing[:LISTED]),
        )
    if inner := [column.name for column in wanted if len(column.path) > 1]:
        more = f" and {len(inner) - LISTED:,} more" if len(inner) > LISTED else ""
        yield Note.of(
            "json-inner-columns",
            "{name}: what is inside objects has columns of its own: {columns}{more}.",
            name=name,
            columns=", ".join(inner[:LISTED]),
            more=more,
        )
    for column in wanted:
        yield from _on_column(column, name)


def _on_column(column: JsonColumn, name: str) -> Iterator[Note]:
    node, title = column.node, column.name
    if column.renamed:
        yield Note.of(
            "json-key-renamed",
            "{name}: the key {key!r} was renamed to {column}, as a column needs a name of its own.",
            "warning",
            name=name,
            key=column.renamed,
            column=title,
        )
    elif column.renamed is not None:
        yield Note.of(
            "json-nameless-key-renamed",
            "{name}: the key with no name was renamed to {column}, as a column needs a name of its own.",
            "warning",
            name=name,
            column=title,
        )
    if len(node.kinds) > 1 and str in node.kinds and node.kinds <= WORDS.keys():
        values = listed([f"{counts:,} {WORDS[kind]}" for kind, counts in node.counts.items() if kind in WORDS])
        yield Note.of(
            "json-types-differ",
            "{name}: {column} has values of different types ({kinds}); all are kept as text.",
            "warning",
            name=name,
            column=title,
            kinds=values,
        )
    if column.rest:
        objects = node.counts.get(dict, 0)
        others = sum(n for kind, n in node.counts.items() if kind not in (dict, type(None)))
        yield Note.of(
            "json-objects-and-values",
            "{name}: {column} is an object in {count:record|records} and another value in {others:,}; "
            "the object's values are in {column}.…, the others in {column}.",
            "warning",
            name=name,
            column=title,
            count=objects,
            others=others,
        )
    if node.closed:
        yield Note.of(
            "json-closed-objects",
            "{name}: {column} holds objects with {reason}; it stays one column, as JSON text.",
            "warning",
            name=name,
            column=title,
            reason=node.closed,
        )
    elif node.items and node.items.fields and not column.rest:
        keys = listed(list(node.items.fields)[:LISTED])
        yield Note.of(
            "json-lists-of-objects",
            "{name}: {column} holds lists of up to {count:object|objects} with {keys}.",
            name=name,
            column=title,
            count=node.longest,
            keys=keys,
        )
