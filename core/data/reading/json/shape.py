"""The shape of a JSON file: where its records are, and in which form."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from core.data.notes import Note

Form = Literal["records", "columns", "index", "map", "one"]


@dataclass(frozen=True)
class Shape:
    """The shape of a JSON file.

    path: keys that lead to the records; None if records, or arrays of records, follow each other at the top level
    form: records: an array of them; columns: arrays by column name; index: records by key; map: values by key; one: the
    object is one record
    names: column names, if records are arrays; header: whether the first record holds these names
    index: whether pandas' index stands beside such records; keyed: whether a record's key becomes a column
    wrapped: whether each record lies under `row`; tasks: whether the records are Label Studio's
    nested: whether top-level arrays are records; pages: whether arrays of objects hold records
    columns: the keys that are columns; empty for all
    keys: other places of records, for a person to choose; class_names: column of class numbers → class names
    """

    path: tuple[str, ...] | None = None
    form: Form = "records"
    names: tuple[str, ...] = ()
    header: bool = False
    index: bool = False
    keyed: bool = False
    wrapped: bool = False
    tasks: bool = False
    nested: bool = False
    pages: bool = False
    columns: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    class_names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    @property
    def key(self) -> str:
        """The path as a person writes it; empty for the whole file."""
        return ".".join(self.path or ())
