"""The manifest of a prepared dataset: its splits, columns and notes, from the Parquet files that were manifest."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from core.data.dataset import Column, Progress
from core.data.notes import Note
from core.data.reading.aligning import types
from core.data.reading.aligning.alignment import align
from core.data.reading.aligning.columns import check_width
from core.data.reading.aligning.parts import Part
from core.data.reading.aligning.storing import UNPACKED, store
from core.data.reading.aligning.types import Kind
from core.data.reading.guessing import guess
from core.data.reading.tables import parquet
from core.errors import DataError

Names = Mapping[str, tuple[str, ...]]
"""Column -> names of classes."""


@dataclass
class Manifest:
    """Like `Prepared`, with paths as text (relative ones lie in its folder)."""

    title: str
    splits: list[dict[str, Any]] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    reading: dict[str, Any] = field(default_factory=dict)
    text_guess: tuple[str, ...] = ()
    label_guess: str | None = None


def align_parts(manifest: Manifest, parts: list[Part], folder: Path, progress: Progress) -> Manifest:
    """The manifest of some Parquet files, after their columns hold the same everywhere."""
    for part in parts:
        check_width(part.title, len(part.schema))
    aligned = align(parts)
    manifest.notes += aligned.notes
    paths = store(parts, aligned, folder, progress)
    shutil.rmtree(folder / UNPACKED, ignore_errors=True)
    return describe(manifest, paths, folder, aligned.names, aligned.added)


def describe(manifest: Manifest, paths: dict[str, Path], folder: Path, names: Names, added: Names) -> Manifest:
    """Adds rows, columns and guesses, as the Parquet files have them. names, added: see `Column`

    Raises DataError if there is no row.
    """
    columns: dict[str, Column] = {}
    for split, path in paths.items():
        with parquet.open_file(path) as file:
            rows, schema = file.metadata.num_rows, file.schema_arrow
        check_width(manifest.title, len(schema))
        relative = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)
        manifest.splits.append({"name": split, "path": relative, "rows": rows})
        _add_columns(columns, schema, parquet.null_counts(path), names, added)
    if not any(split["rows"] for split in manifest.splits):
        raise DataError.of(
            "dataset-without-rows",
            "{title} has no rows; choose a dataset with at least one",
            "data.path",
            title=manifest.title,
        )
    manifest.columns = list(columns.values())
    _guess(manifest, paths, columns)
    return manifest


def _add_columns(
    columns: dict[str, Column], schema: pa.Schema, nulls: Mapping[str, int], names: Names, added: Names
) -> None:
    """Adds the columns of one split to those of the splits before it."""
    for column in schema:
        name = column.name
        kind: Kind = "class" if names.get(name) else types.kind_of(column.type)
        before = columns.get(name)
        if before is not None:
            kind = before.kind if before.kind != "empty" else kind
        total = nulls[name] + (before.nulls if before else 0)
        columns[name] = Column(name, kind, total, names.get(name) or None, added.get(name) or ())


def _guess(manifest: Manifest, paths: dict[str, Path], columns: dict[str, Column]) -> None:
    """Adds which columns are text and label, by the first rows, and notes on how that was guessed."""
    table = parquet.head(paths.get("train") or next(iter(paths.values())))
    kinds: dict[str, str] = {name: columns[name].kind for name in table.column_names}
    guessed = guess.guess(table, kinds)
    manifest.text_guess, manifest.label_guess = guessed.texts, guessed.label
    notes = [Note.from_message(reason) for reason in guessed.notes]
    if len(manifest.splits) == 1:
        notes += [split_column_note(name) for name in guess.split_columns(table, kinds)]
    manifest.notes += [note for note in notes if note not in manifest.notes]


def split_column_note(column: str) -> Note:
    """The finding that a column names splits, from which Prepare can make splits."""
    return Note.of(
        "column-names-splits",
        "The values of {column} name splits, such as train and test, but all rows are in one "
        "split: Prepare makes splits of them (split_by).",
        "notice",
        column=column,
    )


def ticker(progress: Progress, text: str) -> Callable[[float], None]:
    """A progress callback of one phase."""
    return lambda share: progress(text, share)
