"""Stores each split as one Parquet file: an unchanged file stays where it is, others are rewritten or joined."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from core.data.dataset import Progress
from core.data.reading.aligning.alignment import Aligned
from core.data.reading.aligning.columns import COMPRESSION
from core.data.reading.aligning.parts import Part
from core.data.reading.tables import bounded
from core.errors import DataError
from core.wording import library_message

BATCH_ROWS = 20_000
UNPACKED = "unpacked"  # the folder of temporary files, beside the splits


def store(parts: Sequence[Part], aligned: Aligned, folder: Path, progress: Progress) -> dict[str, Path]:
    """Returns the Parquet file of each split, in order; new files are written to `folder`. Raises DataError."""
    changed = {id(s.part) for column in aligned.columns.values() for s in column if s.convert is not None}
    by_split: dict[str, list[Part]] = {}
    for part in parts:
        by_split.setdefault(part.split, []).append(part)
    paths: dict[str, Path] = {}
    for split, members in by_split.items():
        target = folder / f"split-{len(paths)}-{name_of(split)}.parquet"
        if len(members) > 1 or id(members[0]) in changed:

            def tick(share: float, split: str = split) -> None:
                progress(f"Writing {split}", share)

            write(members, aligned, target, tick)
            for part in members:
                if part.path.is_relative_to(folder):
                    part.path.unlink()
            paths[split] = target
        else:
            paths[split] = _kept(members[0].path, target, folder)
    return paths


def write(parts: Sequence[Part], aligned: Aligned, target: Path, tick: Callable[[float], None]) -> None:
    """Joins the files of a split into one, in order.

    A column that a file lacks is null in its rows. Raises DataError if the columns of the files do not fit together.
    """
    stored = {(id(s.part), name): s for name, column in aligned.columns.items() for s in column}
    rows, done = sum(part.rows for part in parts) or 1, 0
    try:
        schemas = [pa.schema([(n, stored[id(part), n].type) for n in part.schema.names]) for part in parts]
        schema = pa.unify_schemas(schemas, promote_options="permissive")
        with pq.ParquetWriter(target, schema, compression=COMPRESSION) as writer:
            for part in parts:
                for batch in bounded.batches(part.path, BATCH_ROWS):
                    arrays = [
                        stored[id(part), f.name].stored(batch.column(f.name)).cast(f.type)
                        if f.name in part.schema.names
                        else pa.nulls(len(batch), f.type)
                        for f in schema
                    ]
                    writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
                    done += len(batch)
                    tick(done / rows)
    except pa.ArrowException as error:
        raise _unfit(parts, error) from None


def _unfit(parts: Sequence[Part], error: Exception) -> DataError:
    names = f"{parts[0].path.name} to {parts[-1].path.name}" if len(parts) > 1 else parts[0].path.name
    return DataError.of(
        "split-files-not-joined",
        "the files {files} of one split cannot be joined, their columns differ ({reason}); give them the same ones",
        "data.path",
        files=names,
        reason=library_message(error, 160),
    )


def _kept(path: Path, target: Path, folder: Path) -> Path:
    """Returns the path of an unchanged file: its own, or `target` if it was unpacked or its path is like a pattern."""
    if path.is_relative_to(folder):
        return path if path.parent == folder else path.rename(target)
    return linked(path, target) if any(c in "*?[" for c in str(path)) else path


def linked(path: Path, target: Path) -> Path:
    """Links a file to another name, `target`; copies it where links are not possible."""
    try:
        target.hardlink_to(path)
    except OSError:  # another disk, or a file system without links
        shutil.copyfile(path, target)
    return target


def name_of(split: str) -> str:
    """Returns a split's name with only characters that every file system allows."""
    return "".join(c if (c.isascii() and c.isalnum()) or c in "-_" else "_" for c in split)[:60]
