"""A dataset that has been brought to Parquet: its splits and its columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.data.notes import Note
from core.data.reading.aligning.types import Kind

Progress = Callable[[str, float | None], None]


def ignore(text: str, share: float | None) -> None:
    """A progress callback for those who do not watch."""


@dataclass(frozen=True)
class Column:
    """A column of all splits; kind: see `types`.

    nulls: how many values of all splits are empty; names: of the classes of kind `class`, in the order of their numbers
    added: those of the names that not every split knows
    """

    name: str
    kind: Kind
    nulls: int
    names: tuple[str, ...] | None = None
    added: tuple[str, ...] = ()


@dataclass(frozen=True)
class Split:
    """One split: a Parquet file with this many rows."""

    name: str
    path: Path
    rows: int


@dataclass(frozen=True)
class Prepared:
    """A dataset as Parquet.

    fingerprint: names its folder; folder: where what was made for it lies; title: what a person calls it
    notes: sentences on how it was read; reading: encoding, delimiter, quoting, header of text files, else empty
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
        """The column of this name."""
        return next((c for c in self.columns if c.name == name), None)
