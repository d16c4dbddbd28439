"""Which columns are text and label, and which split is trained on: those of the spec, else a guess."""

from __future__ import annotations

from collections.abc import Sequence

from core.data.dataset import Column, Prepared
from core.data.notes import Note
from core.data.reading.aligning import types
from core.data.reading.files import split_of
from core.data.reading.tables import parquet
from core.errors import DataError
from core.spec.data import DataSpec
from core.wording import listed


def choose_columns(prepared: Prepared, data: DataSpec, notes: list[Note]) -> tuple[tuple[str, ...], str]:
    """The text columns and the label column: those of the spec, else the guess. Raises DataError."""
    if data.label_column is not None:
        choose_label(prepared, data, ())
    texts = choose_texts(prepared, data)
    label = choose_label(prepared, data, texts)
    if not data.text_columns:
        notes.append(Note(f"Text from {' and '.join(texts)}, guessed from the columns."))
    if data.label_column is None:
        notes.append(Note(f"Label from {label}, guessed from the columns."))
    return texts, label


def choose_label(prepared: Prepared, data: DataSpec, texts: Sequence[str]) -> str:
    """The label column: that of the spec, else the guess if it is none of the texts. Raises DataError."""
    existing = ", ".join(c.name for c in prepared.columns)
    if data.label_column is not None and prepared.column(data.label_column) is None:
        raise DataError(
            f"{prepared.title} has no column {data.label_column!r}; its columns are {existing}", "data.label_column"
        )
    label = data.label_column or (prepared.label_guess if prepared.label_guess not in texts else None)
    if label is None:
        raise DataError(f"no column looks like a label; {_choice(prepared)}", "data.label_column")
    return label


def choose_texts(prepared: Prepared, data: DataSpec) -> tuple[str, ...]:
    """The text columns: those of the spec, else the guess. Raises DataError."""
    existing = ", ".join(c.name for c in prepared.columns)
    for name in data.text_columns:
        if prepared.column(name) is None:
            raise DataError(f"{prepared.title} has no column {name!r}; its columns are {existing}", "data.text_columns")
    texts = data.text_columns or tuple(t for t in prepared.text_guess if t != data.label_column)
    if not texts:
        raise DataError(f"no column looks like text; {_choice(prepared)}", "data.text_columns")
    for name in texts:
        column = prepared.column(name)
        if column and column.kind not in types.PLAIN:
            raise DataError(
                f"the column {name!r} holds {_holds(prepared, column)}, no text; choose another of {existing}",
                "data.text_columns",
            )
    return texts


def choose_train(prepared: Prepared, data: DataSpec, notes: list[Note]) -> str:
    """The split to train on. Raises DataError."""
    names = list(prepared.splits)
    if data.train_split:
        if data.train_split not in names:
            raise DataError(
                f"{prepared.title} has no split {data.train_split!r}; its splits are {', '.join(names)}",
                "data.train_split",
            )
        return data.train_split
    called_train = [name for name in names if split_of(name) == "train"]
    if not called_train and len(names) > 1:
        raise DataError(f"no split is called train; choose one of {', '.join(names)}", "data.train_split")
    train = "train" if "train" in names else [*called_train, *names][0]
    if len(names) > 1 or train != "train":
        notes.append(Note(f"Training on the split {train}."))
    return train


def _choice(prepared: Prepared) -> str:
    """Which columns can be chosen, and what to do about those whose values are lists or objects."""
    plain = ", ".join(c.name for c in prepared.columns if c.kind in types.PLAIN)
    others = [f"{c.name} holds {_holds(prepared, c)}" for c in prepared.columns if c.kind not in types.PLAIN]
    if not others:
        return f"choose one of {plain}"
    nested = listed(others)
    if not plain:
        return f"{nested}; give each record its text and its label under keys of their own"
    return f"choose one of {plain} ({nested}; what is in there needs keys of its own in each record)"


def _holds(prepared: Prepared, column: Column) -> str:
    """What a column that is no plain one holds, in the first split that has it."""
    for split in prepared.splits.values():
        with parquet.open_file(split.path) as file:
            if column.name in file.schema_arrow.names:
                arrow = file.schema_arrow.field(column.name).type
                batch = next(file.iter_batches(batch_size=100, columns=[column.name]), None)
                values = types.plain(batch.column(0)).drop_null().to_pylist() if batch is not None else []
                return types.holds(column.kind, arrow, values[0] if values else None)
    return column.kind
