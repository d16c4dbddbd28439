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
        notes.append(Note.of("text-guessed", "Text from {texts}, guessed from the columns.", texts=" and ".join(texts)))
    if data.label_column is None:
        notes.append(Note.of("label-guessed", "Label from {label}, guessed from the columns.", label=label))
    return texts, label


def choose_label(prepared: Prepared, data: DataSpec, texts: Sequence[str]) -> str:
    """The label column: that of the spec, else the guess if it is none of the texts. Raises DataError."""
    existing = ", ".join(c.name for c in prepared.columns)
    if data.label_column is not None and prepared.column(data.label_column) is None:
        raise DataError.of(
            "no-such-column-in",
            "{title} has no column {column!r}; its columns are {columns}",
            "data.label_column",
            title=prepared.title,
            column=data.label_column,
            columns=existing,
        )
    label = data.label_column or (prepared.label_guess if prepared.label_guess not in texts else None)
    if label is None:
        raise DataError.of(
            "no-label-column", "no column looks like a label; {choice}", "data.label_column", choice=_choice(prepared)
        )
    return label


def choose_texts(prepared: Prepared, data: DataSpec) -> tuple[str, ...]:
    """The text columns: those of the spec, else the guess. Raises DataError."""
    existing = ", ".join(c.name for c in prepared.columns)
    for name in data.text_columns:
        if prepared.column(name) is None:
            raise DataError.of(
                "no-such-column-in",
                "{title} has no column {column!r}; its columns are {columns}",
                "data.text_columns",
                title=prepared.title,
                column=name,
                columns=existing,
            )
    texts = data.text_columns or tuple(t for t in prepared.text_guess if t != data.label_column)
    if not texts:
        raise DataError.of(
            "no-text-column", "no column looks like text; {choice}", "data.text_columns", choice=_choice(prepared)
        )
    for name in texts:
        column = prepared.column(name)
        if column and column.kind not in types.PLAIN:
            raise DataError.of(
                "column-holds-no-text",
                "the column {column!r} holds {content}, no text; choose another of {columns}",
                "data.text_columns",
                column=name,
                content=_holds(prepared, column),
                columns=existing,
            )
    return texts


def choose_train(prepared: Prepared, data: DataSpec, notes: list[Note]) -> str:
    """The split to train on. Raises DataError."""
    names = list(prepared.splits)
    if data.train_split:
        if data.train_split not in names:
            raise DataError.of(
                "no-such-split-in",
                "{title} has no split {split!r}; its splits are {splits}",
                "data.train_split",
                title=prepared.title,
                split=data.train_split,
                splits=", ".join(names),
            )
        return data.train_split
    called_train = [name for name in names if split_of(name) == "train"]
    if not called_train and len(names) > 1:
        raise DataError.of(
            "no-train-split",
            "no split is called train; choose one of {splits}",
            "data.train_split",
            splits=", ".join(names),
        )
    train = "train" if "train" in names else [*called_train, *names][0]
    if len(names) > 1 or train != "train":
        notes.append(Note.of("training-split", "Training on the split {split}.", split=train))
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
