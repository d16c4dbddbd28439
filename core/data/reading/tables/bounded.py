"""Reads Parquet in batches of bounded size, since a few bytes of a file can stand for gigabytes.

A dictionary holds a long value once, however many rows have it, and a run of one number takes a few bytes. So neither
the size of a file nor its footer limits the memory that reading takes. The size of a batch follows from the longest
value in a dictionary; the total may be a multiple of the file's size, as with archives.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.data.reading.aligning.columns import check_width
from core.data.reading.archives import MAX_RATIO, RATIO_FROM
from core.errors import DataError
from core.wording import size

MAX_ROWS = 100_000_000
BATCH_BYTES = 64 * 1024**2
MAX_VALUE = 64 * 1024**2  # bytes of a dictionary page, and of a row
HELD_BYTES = 1024**3  # of a column that is read into memory whole
SMALL_FILE = 16 * 1024**2  # bytes of a file up to which counting its unpacked size is fast
COUNTED_ROWS = 100_000
TOTAL_FROM = 4 * 1024**3  # bytes in all below which reading a file to its end does no harm
I32 = 0x15  # in a page's header: the next field is a whole number


def check(path: Path) -> None:
    """Raises DataError for a file with too many columns or rows, or that unpacks to far more than its size.

    Reads the footer and the headers of the dictionaries.
    """
    with reading(path), pq.ParquetFile(path) as file:
        footer = file.metadata
        check_width(path.name, footer.num_columns)
        if footer.num_rows > MAX_ROWS:
            raise DataError.of(
                "too-many-rows",
                "{file} has {rows:,} rows; at most {most:,} are read. Divide it into several files",
                "data.path",
                file=path.name,
                rows=footer.num_rows,
                most=MAX_ROWS,
            )
        unpacked = sum(_unpacked(footer.row_group(g)) for g in range(footer.num_row_groups))
        if unpacked > RATIO_FROM and unpacked > MAX_RATIO * path.stat().st_size:
            raise _bomb(path, unpacked)
        _check_dictionaries(path, footer)
        if path.stat().st_size <= SMALL_FILE:
            _check_repeated(path, file)


def _unpacked(group: Any) -> int:
    """Returns the unpacked bytes of a row group; a column of repeated values takes less than the values."""
    return sum(max(0, group.column(c).total_uncompressed_size) for c in range(group.num_columns))


def _check_dictionaries(path: Path, footer: Any) -> None:
    with path.open("rb") as stream:
        for g in range(footer.num_row_groups):
            for c in range(footer.num_columns):
                chunk = footer.row_group(g).column(c)
                if chunk.physical_type == "BYTE_ARRAY" and chunk.has_dictionary_page:
                    stream.seek(max(0, chunk.dictionary_page_offset or 0))
                    unpacked = _page_bytes(stream.read(32))
                    if unpacked > MAX_VALUE:
                        raise DataError.of(
                            "parquet-values-too-large",
                            "{file} has {size} of different values in {column!r} at once; at most {most} "
                            "are read. Shorten them, or write smaller row groups",
                            "data.path",
                            file=path.name,
                            size=size(unpacked),
                            column=chunk.path_in_schema,
                            most=size(MAX_VALUE),
                        )


def _check_repeated(path: Path, file: pq.ParquetFile) -> None:
    """Raises DataError for a small file whose values take gigabytes when repeated. Counts them without unpacking."""
    limit = max(HELD_BYTES, MAX_RATIO * path.stat().st_size)
    if (
        sum(_row_bytes(path, file, g, None) * file.metadata.row_group(g).num_rows for g in range(file.num_row_groups))
        <= limit
    ):
        return
    total = 0
    with pq.ParquetFile(path, metadata=file.metadata, read_dictionary=_texts(file.metadata)) as encoded:
        for batch in encoded.iter_batches(COUNTED_ROWS):
            total += sum(map(_bytes_of, batch.columns))
            if total > limit:
                raise _bomb(path, total)


def _texts(footer: Any) -> list[str]:
    columns = [footer.schema.column(c) for c in range(footer.num_columns)]
    return [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]


def _bytes_of(values: Any) -> int:
    """Returns the bytes of all values of an array, counting the values of a dictionary as often as they occur."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        lengths = pc.binary_length(values.dictionary.cast(pa.large_binary()))
        return int(pc.sum(lengths.take(values.indices)).as_py() or 0)
    if pa.types.is_struct(kind):
        return sum(_bytes_of(values.field(i)) for i in range(kind.num_fields))
    return _bytes_of(values.flatten()) if pa.types.is_list(kind) or pa.types.is_large_list(kind) else values.nbytes


def _page_bytes(header: bytes) -> int:
    """Returns the unpacked size of a page from its header; -1 if that is not a header."""
    at, values = 0, []
    for _ in range(2):  # the page's type, then its unpacked size; as Thrift's compact protocol writes them
        if at >= len(header) or header[at] != I32:
            return -1
        at += 1
        number = shift = 0
        while at < len(header):
            number |= (header[at] & 0x7F) << shift
            shift += 7
            at += 1
            if header[at - 1] < 0x80:
                break
        values.append((number >> 1) ^ -(number & 1))
    return values[1]


def batches(
    path: Path,
    rows: int,
    columns: Sequence[str] | None = None,
    groups: Sequence[int] | None = None,
    most: int | None = None,
) -> Iterator[pa.RecordBatch]:
    """Yields the rows of a file, or of some row groups, in batches of at most `rows` rows and about `BATCH_BYTES`.

    columns: the columns to read, in this order; None for all
    most: bytes to read in all, for callers that keep the batches
    Raises DataError.
    """
    names = None if columns is None else list(columns)
    total = 0
    with reading(path), pq.ParquetFile(path) as file:
        chosen = list(range(file.num_row_groups)) if groups is None else list(groups)
        limit = max(TOTAL_FROM, MAX_RATIO * path.stat().st_size) if most is None else most
        widest = max((_row_bytes(path, file, g, names) for g in chosen), default=0)
        fitting = max(1, min(rows, int(BATCH_BYTES / max(1.0, widest))))
        for batch in file.iter_batches(fitting, row_groups=chosen, columns=names):
            total += batch.nbytes
            if total > limit:
                raise _bomb(path, total)
            yield batch if names is None else batch.select(names)


def column(path: Path, name: str) -> pa.ChunkedArray:
    """Reads a whole column into memory. Raises DataError if it takes more than `HELD_BYTES`."""
    with reading(path), pq.ParquetFile(path) as file:
        kind = file.schema_arrow.field(name).type
    parts = [batch.column(0) for batch in batches(path, COUNTED_ROWS, [name], most=HELD_BYTES)]
    return pa.chunked_array(parts, kind)


def nulls(path: Path, column: str) -> int:
    """Counts the rows without a value in a column, without unpacking its dictionary. Raises DataError."""
    with reading(path), pq.ParquetFile(path) as file:
        with pq.ParquetFile(path, metadata=file.metadata, read_dictionary=_texts(file.metadata)) as encoded:
            return sum(b.column(column).null_count for b in encoded.iter_batches(COUNTED_ROWS, columns=[column]))


def _row_bytes(path: Path, file: pq.ParquetFile, group: int, names: list[str] | None) -> float:
    """Estimates the bytes of a row in a row group, with the longest value of each dictionary; 0 without rows."""
    footer = file.metadata.row_group(group)
    if not footer.num_rows:
        return 0
    repeated: list[str] = []
    each = 0.0
    for c in range(footer.num_columns):
        chunk = footer.column(c)
        if names is not None and chunk.path_in_schema not in names and _top(chunk, names) is None:
            continue
        items = chunk.num_values / footer.num_rows
        if chunk.physical_type != "BYTE_ARRAY":
            each += items * 8
        elif chunk.has_dictionary_page:
            repeated.append(chunk.path_in_schema)
        else:
            each += chunk.total_uncompressed_size / footer.num_rows
    if repeated:
        each += _longest(path, file, group, repeated, footer)
    return each


def _top(chunk: Any, names: list[str]) -> str | None:
    """Returns the name of the column that a leaf belongs to; None if it is not among the names."""
    return next((name for name in names if chunk.path_in_schema.startswith(f"{name}.")), None)


def _longest(path: Path, file: pq.ParquetFile, group: int, leaves: list[str], footer: Any) -> float:
    """Returns the bytes of a row that has the longest dictionary value in each of the given leaves."""
    items = {footer.column(c).path_in_schema: footer.column(c).num_values for c in range(footer.num_columns)}
    longest = 0.0
    with pq.ParquetFile(path, metadata=file.metadata, read_dictionary=leaves, pre_buffer=False) as encoded:
        names = dict.fromkeys(encoded.schema_arrow.names)  # read once, as each access builds the schema again
        most: dict[str, int] = {}
        for leaf in leaves:
            top = _column_of(leaf, names)
            most[top] = max(most.get(top, 0), items[leaf])
        for top, count in most.items():
            first = next(encoded.iter_batches(1, row_groups=[group], columns=[top]), None)
            if first is not None and top in first.schema.names:
                longest += _longest_value(first.column(top)) * max(1.0, count / footer.num_rows)
    return longest


def _column_of(leaf: str, names: Collection[str]) -> str:
    """Returns the column of the table that a leaf of the file belongs to."""
    return leaf if leaf in names else max((n for n in names if leaf.startswith(f"{n}.")), key=len, default=leaf)


def _longest_value(values: Any) -> int:
    """Returns the bytes of the longest dictionary value in an array, however nested."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        lengths = pc.binary_length(values.dictionary.cast(pa.large_binary()))
        return int(pc.max(lengths).as_py() or 0)
    if pa.types.is_struct(kind):
        return sum(_longest_value(values.field(i)) for i in range(kind.num_fields))
    if pa.types.is_nested(kind) and hasattr(values, "values"):
        return _longest_value(values.values)
    return 0


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns errors of Arrow and of memory into DataErrors while a file is read."""
    try:
        yield
    except MemoryError:  # Arrow's too
        raise DataError.of(
            "out-of-memory-reading",
            "there is not enough memory to read {file}; use fewer or shorter columns, or several files",
            "data.path",
            file=path.name,
        ) from None
    except (pa.ArrowException, OSError) as error:
        raise DataError.of(
            "parquet-damaged",
            "{file} cannot be read as Parquet, it is damaged or incomplete ({reason}); copy or download it again",
            "data.path",
            file=path.name,
            reason=str(error).splitlines()[0][:120],
        ) from None


def _bomb(path: Path, unpacked: int) -> DataError:
    return DataError.of(
        "parquet-ratio-suspicious",
        "{file} has {size} and unpacks to {unpacked} or more, over {ratio} times as much, as a "
        "file that is made to fill the memory does; if you trust it, write it again as several "
        "files",
        "data.path",
        file=path.name,
        size=size(path.stat().st_size),
        unpacked=size(unpacked),
        ratio=MAX_RATIO,
    )
