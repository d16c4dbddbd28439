"""Determines the shape of a JSON file and yields its records as dicts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from core.data.reading.json import label_studio, stream
from core.data.reading.json.outline import Outline, outline
from core.data.reading.json.places import are_tasks, choose, has_names
from core.data.reading.json.shape import Shape
from core.data.reading.json.stream import Reader, Seen
from core.data.reading.text import encoding as encodings
from core.data.reading.text.encoding import Detected
from core.errors import DataError

LINE_KINDS = (".jsonl", ".ndjson")
MAX_HELD = 512 * 1024 * 1024  # bytes of a file whose columns are turned into rows in memory
LOOKED_AT = 50  # rows from which the shape is determined
LONG_LINE = 1024 * 1024  # characters of a line that make a file count as one document
NO_JSON = object()
PAGE_ITEMS = 20  # objects in each inner array that make the arrays count as pages of records
KEY, VALUE = "key", "value"


def shape_of(path: Path, kind: str, detected: Detected, key: str | None, header: bool | None) -> tuple[str, Shape]:
    """Determines whether a file is read line by line (`.jsonl`) or not (`.json`), and its shape. Raises DataError.

    key: the key of the records; header: whether rows of arrays begin with the column names. None: detect it
    """
    if kind in LINE_KINDS and key is None:
        with encodings.open_text(path, detected, "") as text:
            first = [line for line in (raw.strip(stream.LINE_ENDS) for raw in _first_lines(text)) if line]
        values = [_decoded(line) for line in first]
        whole = len(values) == 1 and isinstance(values[0], dict | list)  # a document, despite its suffix
        if values and values[0] is not NO_JSON and not whole:
            return ".jsonl", _of_values([value for value in values if value is not NO_JSON], header)
    seen = Seen()
    with encodings.open_text(path, detected, "") as text:
        shape = _of_document(Reader(path, text, seen, careful=True), key, header)
    if twice := next((part for part in shape.path or () if part in seen.repeated), None):
        raise DataError.of(
            "json-key-twice",
            "{file} has the key {key!r} twice in one object; rename one of them",
            "data.path",
            file=path.name,
            key=twice,
        )
    return ".json", shape


def _first_lines(text: IO[str]) -> Iterator[str]:
    for _ in range(LOOKED_AT):
        yield text.readline(LONG_LINE)


def _decoded(text: str) -> Any:
    try:
        return json.loads(text.rstrip(", "), parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return NO_JSON


def _of_values(values: list[Any], header: bool | None) -> Shape:
    """Determines the shape of records that follow each other, from the first of them."""
    if all(isinstance(v, list) for v in values):
        if all(v and all(isinstance(item, dict) for item in v) for v in values):
            return Shape(pages=True, nested=True)
        return Shape(nested=True, header=has_names(values) if header is None else header)
    return Shape(nested=True, tasks=are_tasks(values))


def _of_document(reader: Reader, key: str | None, header: bool | None) -> Shape:
    match reader.peek():
        case "[":
            _check_no_key(reader, key)
            return _of_array(reader, header)
        case "{":
            root = outline(reader)
            end = reader.peek_after_value()
            if end == "":
                return choose(reader.path.name, root, key)
            if end not in "{[":
                raise reader.error(ValueError("something follows the end of the object"))
            _check_no_key(reader, key)
            return Shape(tasks=_is_task(root))
        case _:
            raise reader.error(ValueError("a dataset begins with [ or {"))


def _check_no_key(reader: Reader, key: str | None) -> None:
    if key is not None:
        raise DataError.of(
            "json-list-has-no-keys",
            "{file} is a list of records, so that no key leads to them; leave the key {key!r} out",
            "data.read.records_key",
            file=reader.path.name,
            key=key,
        )


def _is_task(root: Outline) -> bool:
    data, annotations = root.children.get("data"), root.children.get("annotations")
    return data is not None and annotations is not None and (data.kind, annotations.kind) == ("object", "array")


def _of_array(reader: Reader, header: bool | None) -> Shape:
    first: list[Any] = []
    items = reader.array()
    for item in items:
        first.append(item)
        if len(first) >= LOOKED_AT:
            break
    if first and not any(isinstance(item, dict | list) for item in first):
        for _ in items:
            pass
        rows = [first]
        while reader.peek_after_value() == "[" and len(rows) < LOOKED_AT:
            rows.append(reader.value())
        return _of_values(rows, header) if len(rows) > 1 else Shape()
    if first and all(isinstance(item, list) for item in first):
        objects = [len(item) for item in first if item and all(isinstance(v, dict) for v in item)]
        if len(objects) == len(first) and sum(objects) > PAGE_ITEMS * len(first):
            return Shape(pages=True)
        return Shape(header=has_names(first) if header is None else header)
    return Shape(tasks=bool(first) and are_tasks(first))


def records(
    path: Path, kind: str, detected: Detected, shape: Shape, seen: Seen, careful: bool = False
) -> Iterator[Any]:
    """Yields the records of a file as dicts. An array becomes column_1, …; a single value the column `text`.

    careful: count keys that occur twice. Raises DataError, with the line, if the file is not valid JSON.
    """
    with encodings.open_text(path, detected, "") as text:
        if kind == ".jsonl":
            values = stream.lines(path, text, seen, careful)
        else:
            values = _values(Reader(path, text, seen, careful), shape)
        yield from _as_records(values, shape, seen, _index(path, detected, shape) if shape.index else None)


def _as_records(values: Iterator[Any], shape: Shape, seen: Seen, index: list[Any] | None) -> Iterator[dict[str, Any]]:
    names = shape.names
    if shape.header:
        names = tuple("" if v is None else str(v) for v in next(values, ()))
    names = _unique(names)
    if shape.pages:
        values = (item for page in values for item in (page if isinstance(page, list) else [page]))
    change = _change(shape)
    for number, value in enumerate(values):
        if type(value) is dict:
            yield change(value) if change else value
        elif type(value) is list:
            seen.arrays += 1
            seen.misfits += bool(names) and len(value) != len(names)
            record = {names[i] if i < len(names) else f"column_{i + 1}": v for i, v in enumerate(value)}
            yield record if index is None else {"index": index[number], **record}
        else:
            seen.lone += 1
            yield {} if value is None else {"text": value}


def _unique(names: tuple[str, ...]) -> tuple[str, ...]:
    """Makes names unique by adding numbers to repeated ones."""
    unique: dict[str, None] = {}
    for number, name in enumerate(names, 1):
        free = name
        while free in unique or (free != name and free in names):
            free, number = f"{name}_{number}", number + 1
        unique[free] = None
    return tuple(unique)


def _change(shape: Shape) -> Callable[[dict[str, Any]], dict[str, Any]] | None:
    """Returns the function that unwraps or completes each record; None if records stay as they are."""
    if shape.wrapped:
        return lambda record: record["row"] if isinstance(record.get("row"), dict) else record
    return label_studio.with_answers if shape.tasks else None


def _index(path: Path, detected: Detected, shape: Shape) -> list[Any]:
    """Reads pandas' index, which stands beside the rows."""
    with encodings.open_text(path, detected, "") as text:
        reader = Reader(path, text, Seen(), careful=False)
        _go(reader, (*(shape.path or ())[:-1], "index"))
        return list(reader.array())


def _values(reader: Reader, shape: Shape) -> Iterator[Any]:
    if shape.path is None:
        yield from _one_after_other(reader, shape)
        return
    _go(reader, shape.path)
    match shape.form:
        case "records":
            yield from reader.array()
        case "columns":
            yield from _from_columns(reader, shape)
        case "one":
            yield reader.value()
        case _:
            for key in reader.object_keys():
                yield _keyed(key, reader.value(), shape)


def _one_after_other(reader: Reader, shape: Shape) -> Iterator[Any]:
    """Yields top-level values one after the other; unless arrays are records, yields their items."""
    while start := reader.peek_after_value():
        if start == "[" and not shape.nested:
            yield from reader.array()
            if reader.peek_after_value() not in ("", "[", "{"):
                raise reader.error(ValueError("something follows the end of the array"))
        else:
            yield reader.value()


def _keyed(key: str, value: Any, shape: Shape) -> Any:
    """Adds the key of a record, or of a single value, as a column."""
    if shape.form == "map":
        return {KEY: key, VALUE: value} if shape.keyed else value
    if not shape.keyed:
        return value
    return {_free(KEY, value): key, **value} if isinstance(value, dict) else [key, *_as_list(value)]


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _free(name: str, record: dict[str, Any]) -> str:
    while name in record:
        name += "_"
    return name


def _go(reader: Reader, path: tuple[str, ...]) -> None:
    """Moves the reader to the value at a path of keys."""
    for wanted in path:
        for key in reader.object_keys():
            if key == wanted:
                break
            reader.skip()


def _from_columns(reader: Reader, shape: Shape) -> Iterator[Any]:
    """Yields rows from columns, which are arrays, or objects with a value for each row's number or name."""
    if reader.path.stat().st_size > MAX_HELD:
        raise DataError.of(
            "json-columns-too-large",
            "{file} has its values column by column; such a file may have at most {megabytes:,} MB. "
            "Write it row by row, as JSON Lines",
            "data.path",
            file=reader.path.name,
            megabytes=MAX_HELD // 1024**2,
        )
    columns: dict[str, Any] = {}
    for key in reader.object_keys():
        if shape.columns and key not in shape.columns:
            reader.skip()
        elif key in columns:
            raise DataError.of(
                "json-column-twice",
                "{file} has the column {key!r} twice; rename one of them",
                "data.path",
                file=reader.path.name,
                key=key,
            )
        elif reader.peek() == "[":
            columns[key] = list(reader.array())
        else:
            columns[key] = {inner: reader.value() for inner in reader.object_keys()}
    if all(isinstance(column, list) for column in columns.values()):
        for values in zip(*columns.values(), strict=True):
            yield dict(zip(columns, values, strict=True))
        return
    rows = dict.fromkeys(key for column in columns.values() for key in column)
    for row in rows:
        record = {name: column[row] for name, column in columns.items() if row in column}
        yield {_free("index", columns): row, **record} if shape.keyed else record
