"""The nouns of a dataset that was read into Parquet: the dataset, its splits and its columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.data.notes import Note
from core.data.reading.aligning.types import Kind

Progress = Callable[[str, float | None], None]


def ignore(text: str, share: float | None) -> None:
    """A progress callback that does nothing."""


@dataclass(frozen=True)
class Column:
    """A column of all splits.

    kind: see `types`; nulls: the number of empty values in all splits
    names: of a column of kind `class`, the class names in the order of their ids
    added: the class names that not every split has
    """

    name: str
    kind: Kind
    nulls: int
    names: tuple[str, ...] | None = None
    added: tuple[str, ...] = ()


@dataclass(frozen=True)
class Split:
    """A split: a Parquet file and its number of rows."""

    name: str
    path: Path
    rows: int


@dataclass(frozen=True)
class Prepared:
    """A dataset as Parquet.

    fingerprint: the name of its folder; folder: of the files that are kept for it; title: its name for people
    notes: sentences on how it was read; reading: encoding, delimiter, quoting and header of text files, else empty
    text_guess, label_guess: the columns that look like text and label
    """

    fingerprint: str
    folder: Path
    title: str
    splits: dict[str, Split]
    columns: tuple[Column, ...]
    notes: tuple[Note, ...]
    reading: dict[str, Any]
    text_guess: tuple[str, ...]
    label_guess: str | None

    def column(self, name: str) -> Column | None:
        """Returns the column of this name, or None."""
        return next((c for c in self.columns if c.name == name), None)
