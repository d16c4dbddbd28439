"""Rows that were dropped because they cannot be used: what is noted of them, and when they are too many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from core.data.dataset import Split
from core.data.loading import rows
from core.data.loading.eval_split import first_five
from core.data.loading.labels import Classes
from core.data.notes import Note
from core.errors import DataError
from core.models.label_names import telling

MAX_LOST = 0.5  # beyond this share of unusable rows the column is the wrong one


def check_and_note(
    lost: rows.Lost, part: Split, texts: Sequence[str], label: str, classes: Classes, notes: list[Note]
) -> None:
    """Notes on dropped rows. Raises DataError if too many were dropped for the column to be the right one."""
    quoted = " and ".join(map(repr, texts))
    if part.rows == 0:
        raise DataError.of(
            "split-empty", "the split {split!r} has no rows; choose another one", "data.train_split", split=part.name
        )
    if lost.texts == part.rows:
        raise DataError.of(
            "split-texts-empty",
            "all texts in {columns} of the split {split!r} are empty; choose another column",
            "data.text_columns",
            columns=quoted,
            split=part.name,
        )
    notes += _without(lost.texts, f"no text in {quoted}", part, "data.text_columns")
    notes += _without(lost.labels, f"no label in {label!r}", part, "data.label_column")
    notes += _unknown_labels(lost, part)
    if lost.texts + lost.labels + lost.unknown >= part.rows:
        raise DataError.of(
            "split-labels-unknown",
            "no row of the split {split!r} can be used: its labels ({labels}) do not occur in "
            "training, which has {classes}; rename them under Prepare or choose another split",
            "data.eval_split",
            split=part.name,
            labels=first_five(lost.unknown_values),
            classes=first_five(classes.names),
        )


def _without(count: int, lack: str, part: Split, field: str) -> Iterator[Note]:
    """A note on rows that lack something. Raises DataError if they are too many."""
    if count > MAX_LOST * part.rows:
        raise DataError.of(
            "too-many-rows-left-out",
            "{count:,} of the {rows:,} rows of the split {split!r} have {lack}; that is too many to "
            "leave them out, choose another column",
            field,
            count=count,
            rows=part.rows,
            split=part.name,
            lack=lack,
        )
    if count:
        yield Note.of(
            "rows-left-out",
            "{count:,} of the {rows:,} rows of {split} have {lack} and were left out.",
            "warning",
            count=count,
            rows=part.rows,
            split=part.name,
            lack=lack,
        )


def _unknown_labels(lost: rows.Lost, part: Split) -> Iterator[Note]:
    """Notes on labels that training does not have, or has in another spelling."""
    if lost.unknown:
        values = ", ".join(map(repr, sorted(lost.unknown_values)[:5]))
        yield Note.of(
            "rows-with-unknown-label",
            "{count:row|rows} of {split} with a label that does not occur in training ({labels}) left out.",
            "warning",
            count=lost.unknown,
            split=part.name,
            labels=values,
        )
    if lost.alike:
        pairs = ", ".join(f"“{telling(a, b)}” as “{telling(b, a)}”" for a, b in list(lost.alike.items())[:5])
        yield Note.of(
            "labels-taken-as-classes",
            "Labels of {split} that differ from a class by case or blanks only are taken as that class: {pairs}.",
            split=part.name,
            pairs=pairs,
        )
