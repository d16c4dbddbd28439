"""From a data spec to what a task trains on: typed columns, a class label, a training and an evaluation part.

    prepare ── choose splits and columns ── drop rows that cannot be used ── encode labels ── hold out ── subsets

Runs in the worker: it imports `datasets`. A large split goes through an Arrow file that is mapped into memory; nothing
holds all its texts at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from core.data.dataset import Column, Prepared, Progress, Split, ignore
from core.data.loading import holdout, rows
from core.data.loading import labels as label_rules
from core.data.loading.labels import Classes
from core.data.notes import Note
from core.data.prepare import prepare
from core.data.reading.aligning import types
from core.data.reading.files import split_of
from core.data.reading.tables import parquet
from core.errors import DataError
from core.models.label_names import groups, places, telling
from core.settings import Settings
from core.spec.run import DataSpec
from core.wording import counted, listed, shortened

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset, DatasetDict

    from core.store.record import Holdout

LABEL, ROW = "label", "row"
IN_MEMORY_BYTES = 256 * 1024 * 1024
MAX_LOST = 0.5  # beyond this share of unusable rows the column is the wrong one


@dataclass
class Loaded:
    """What a task trains on.

    dataset: splits "train" and "eval"; columns: the texts under their names, `label` (ClassLabel) and `row` (int64,
    the row number in the split it came from); notes: sentences on what was chosen, dropped and held out
    source_columns: the texts' columns as the dataset calls them
    train_split, eval_split: the splits of the source that the two parts come from
    """

    dataset: DatasetDict
    text_columns: tuple[str, ...]
    source_columns: tuple[str, ...]
    label_column: str
    label_names: list[str]
    prepared: Prepared
    notes: tuple[Note, ...]
    train_split: str
    eval_split: str


def load(data: DataSpec, settings: Settings, progress: Progress = ignore, holdouts: Sequence[Holdout] = ()) -> Loaded:
    """The dataset that a spec describes, ready for a task. Raises DataError, HubError, PathError.

    holdouts: final tests, which neither train nor choose anything
    """
    from datasets import DatasetDict

    prepared = prepare(data, settings, progress)
    progress("Loading", None)
    notes: list[Note] = []
    texts, label = choose_columns(prepared, data, notes)
    train_split = choose_train(prepared, data, notes)
    aside = set_aside(prepared, texts, holdouts)
    for name, field in ((train_split, "data.train_split"), (data.eval_split, "data.eval_split")):
        if name in aside:
            raise DataError(
                f"the split {name!r} is set aside as the final test, or has texts of it, so that nothing is trained or "
                "tuned on it; choose another split, drop those texts under Prepare, or take the test back on the "
                "Evaluate page",
                field,
            )
    classes = label_rules.classes(prepared, train_split, label)
    eval_split = choose_eval(prepared, data, train_split, texts, label, classes, notes, aside)
    train = _part(prepared, train_split, texts, label, classes, notes)
    _check_classes_left(train, classes.names, label, "data.label_column")
    notes += _look_alikes(classes.names, label)
    if eval_split is None:
        train, evaluation = _held_out(train, data, classes.names, notes)
    else:
        evaluation = _part(prepared, eval_split, texts, label, classes, notes)
    train = _subset(train, data.max_train_examples, data.seed, "training", notes)
    evaluation = _subset(evaluation, data.max_eval_examples, data.seed, "evaluation", notes)
    if data.max_train_examples:
        _check_classes_left(train, classes.names, label, "data.max_train_examples")
    return Loaded(
        dataset=DatasetDict({"train": train, "eval": evaluation}),
        text_columns=tuple(map(in_dataset, texts)),
        source_columns=tuple(texts),
        label_column=label,
        label_names=list(classes.names),
        prepared=prepared,
        notes=(*prepared.notes, *notes),
        train_split=train_split,
        eval_split=eval_split or train_split,
    )


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
            what = _holds(prepared, column)
            raise DataError(
                f"the column {name!r} holds {what}, no text; choose another of {existing}", "data.text_columns"
            )
    return texts


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
    found = next((n for n in names if n == "train"), None) or next((n for n in names if split_of(n) == "train"), None)
    if found is None and len(names) > 1:
        raise DataError(f"no split is called train; choose one of {', '.join(names)}", "data.train_split")
    found = found or names[0]
    if len(names) > 1 or found != "train":
        notes.append(Note(f"Training on the split {found}."))
    return found


def choose_eval(
    prepared: Prepared,
    data: DataSpec,
    train_split: str,
    texts: Sequence[str],
    label: str,
    classes: Classes,
    notes: list[Note],
    aside: Collection[str] = (),
) -> str | None:
    """The split to evaluate on; None if a part of the training split is to be held out. Raises DataError."""
    names = list(prepared.splits)
    if data.eval_split:
        if data.eval_split not in names:
            raise DataError(
                f"{prepared.title} has no split {data.eval_split!r}; its splits are {', '.join(names)}",
                "data.eval_split",
            )
        if data.eval_split == train_split:
            raise DataError(
                f"the split {train_split!r} is named for training and for evaluation; leave the evaluation split "
                "empty to hold a part out",
                "data.eval_split",
            )
        return data.eval_split
    for kind in ("validation", "test"):
        for name in sorted(n for n in names if n != train_split and split_of(n) == kind):
            if name in aside:
                notes.append(Note(f"The split {name} is set aside as the final test; this run does not look at it."))
                continue
            unusable = _unusable(prepared, name, train_split, texts, label, classes)
            if unusable is None:
                notes.append(Note(f"Evaluating on the split {name}."))
                return name
            notes.append(unusable)
    return None


def _unusable(
    prepared: Prepared, split: str, train_split: str, texts: Sequence[str], label: str, classes: Classes
) -> Note | None:
    """Why nothing can be evaluated on a split; None if something can."""
    columns = parquet.open_file(prepared.splits[split].path).schema_arrow.names
    missing = [name for name in (*texts, label) if name not in columns]
    if missing:
        return Note(f"The split {split} has no column {missing[0]!r}, so it is not used.", "warning")
    names = label_rules.names_in(prepared, split, label)
    if not names:
        return Note(f"The split {split} has no labels to evaluate with, so it is not used.", "warning")
    if max(places(names, classes.names)) < 0:
        return Note(
            f"The split {split} has the labels {_shown(names)} in {label!r}, none of which is a class of {train_split} "
            f"({_shown(classes.names)}), so it is not used.",
            "warning",
        )
    return None


def _shown(names: Sequence[str]) -> str:
    return ", ".join(shortened(name, 40) for name in names[:5]) + (f" and {len(names) - 5:,} more" if names[5:] else "")


def set_aside(
    prepared: Prepared, texts: Sequence[str], holdouts: Sequence[Holdout], most_rows: int | None = None
) -> set[str]:
    """The splits that are final tests; most_rows: see `holdout.find`."""
    return {name for name in prepared.splits if holdout.find(prepared, name, texts, holdouts, most_rows)}


@dataclass(frozen=True)
class Part:
    """One split alone. examples: as in `Loaded`; source_columns: the texts' columns as the dataset calls them"""

    examples: Dataset
    text_columns: tuple[str, ...]
    source_columns: tuple[str, ...]
    label_column: str
    label_names: tuple[str, ...]
    prepared: Prepared
    notes: tuple[Note, ...]


def load_split(
    data: DataSpec, split: str, settings: Settings, progress: Progress = ignore, like: str | None = None
) -> Part:
    """One split with labels. Raises DataError.

    like: the split whose labels say which classes there are; the split itself if None
    """
    prepared = prepare(data, settings, progress)
    notes: list[Note] = []
    texts, label = choose_columns(prepared, data, notes)
    if split not in prepared.splits:
        listed = ", ".join(prepared.splits)
        raise DataError(f"{prepared.title} has no split {split!r}; its splits are {listed}", "split")
    classes = label_rules.classes(prepared, like or split, label)
    part = _part(prepared, split, texts, label, classes, notes)
    columns = tuple(map(in_dataset, texts))
    return Part(part, columns, tuple(texts), label, classes.names, prepared, (*prepared.notes, *notes))


def _part(
    prepared: Prepared, split: str, texts: Sequence[str], label: str, classes: Classes, notes: list[Note]
) -> Dataset:
    """One split as a dataset: texts, label and row number of all rows that have them. Raises DataError."""
    from datasets import ClassLabel, Dataset, DatasetInfo, Features, Value

    part = prepared.splits[split]
    missing = [n for n in (*texts, label) if n not in parquet.open_file(part.path).schema_arrow.names]
    if missing:
        raise DataError(f"the split {split!r} has no column {missing[0]!r}; choose another split", "data.eval_split")
    features = Features(
        {
            **{in_dataset(t): Value("string") for t in texts},
            LABEL: ClassLabel(names=list(classes.names)),
            ROW: Value("int64"),
        }
    )
    fingerprint = _fingerprint(prepared, split, texts, label, classes)
    table, lost = _table(prepared, part, texts, label, classes, fingerprint)
    _say_lost(lost, part, split, texts, label, classes, notes)
    return Dataset(table, info=DatasetInfo(features=features), fingerprint=fingerprint)


def in_dataset(text: str) -> str:
    """What a text column is called beside `label` and `row`."""
    return f"{text}_text" if text in (LABEL, ROW) else text


def _fingerprint(prepared: Prepared, split: str, texts: Sequence[str], label: str, classes: Classes) -> str:
    key = repr((prepared.fingerprint, split, tuple(texts), label, classes.names))
    return hashlib.sha256(key.encode("utf-8", "backslashreplace")).hexdigest()[:16]


def _table(
    prepared: Prepared, part: Split, texts: Sequence[str], label: str, classes: Classes, fingerprint: str
) -> tuple[Any, rows.Lost]:
    from datasets.table import InMemoryTable, MemoryMappedTable

    schema = pa.schema([*((in_dataset(t), pa.string()) for t in texts), (LABEL, pa.int64()), (ROW, pa.int64())])
    reader = rows.Reader(part.path, texts, label, classes, schema)
    if rows.unpacked_bytes(part.path, [*texts, label]) <= IN_MEMORY_BYTES:
        batches, size = [], 0
        for batch in reader.batches():
            batches.append(batch)
            size += batch.nbytes
            if size > 2 * IN_MEMORY_BYTES:  # values that a dictionary repeats
                reader = rows.Reader(part.path, texts, label, classes, schema)
                break
        else:
            return InMemoryTable(pa.Table.from_batches(batches, schema=reader.schema)), reader.lost
    path = prepared.folder / f"train-{fingerprint}.arrow"
    lost = reader.to_file(path)
    return MemoryMappedTable.from_file(str(path)), lost


def _say_lost(
    lost: rows.Lost, part: Split, split: str, texts: Sequence[str], label: str, classes: Classes, notes: list[Note]
) -> None:
    """Notes on dropped rows. Raises DataError if too many were dropped for the column to be the right one."""
    shown = " and ".join(map(repr, texts))
    if part.rows == 0:
        raise DataError(f"the split {split!r} has no rows; choose another one", "data.train_split")
    if lost.texts == part.rows:
        raise DataError(
            f"all texts in {shown} of the split {split!r} are empty; choose another column", "data.text_columns"
        )
    for count, what, field in (
        (lost.texts, f"no text in {shown}", "data.text_columns"),
        (lost.labels, f"no label in {label!r}", "data.label_column"),
    ):
        if count > MAX_LOST * part.rows:
            raise DataError(
                f"{count:,} of the {part.rows:,} rows of the split {split!r} have {what}; that is too many to leave "
                "them out, choose another column",
                field,
            )
        if count:
            notes.append(
                Note(f"{count:,} of the {part.rows:,} rows of {split} have {what} and were left out.", "warning")
            )
    if lost.unknown:
        values = ", ".join(map(repr, sorted(lost.unknown_values)[:5]))
        notes.append(
            Note(
                f"{counted(lost.unknown, 'row')} of {split} with a label that does not occur in training ({values}) "
                "left out.",
                "warning",
            )
        )
    if lost.alike:
        pairs = ", ".join(f"“{telling(a, b)}” as “{telling(b, a)}”" for a, b in list(lost.alike.items())[:5])
        notes.append(
            Note(f"Labels of {split} that differ from a class by case or blanks only are taken as that class: {pairs}.")
        )
    if lost.texts + lost.labels + lost.unknown >= part.rows:
        raise DataError(
            f"no row of the split {split!r} can be used: its labels ({_shown(lost.unknown_values)}) do not occur in "
            f"training, which has {_shown(classes.names)}; rename them under Prepare or choose another split",
            "data.eval_split",
        )


def _look_alikes(names: Sequence[str], label: str) -> list[Note]:
    """A warning for classes that a person cannot tell apart; at most five."""
    notes = []
    for first, second, *others in groups(names)[:5]:
        shown = listed(f"“{telling(a, b)}”" for a, b in [(first, second), *((n, first) for n in (second, *others))])
        notes.append(
            Note(
                f"{label}: {shown} differ by case, blanks or unseen characters only and are different classes; the "
                "problems of the dataset, on its page, offer to make them one.",
                "warning",
            )
        )
    return notes


def _check_classes_left(train: Dataset, names: Sequence[str], label: str, field: str) -> None:
    import numpy as np

    counts = np.bincount(_codes(train), minlength=len(names))
    if (counts > 0).sum() < 2:
        only = names[int(counts.argmax())]
        raise DataError(
            f"the training examples have one class only, {only!r} in {label!r}; at least two are needed. Choose "
            "another column or more examples",
            field,
        )


def _codes(part: Dataset) -> np.ndarray:
    """The class numbers of all rows, by way of Arrow: the other formats take seconds per million."""
    return part.select_columns([LABEL]).with_format("arrow")[:].column(LABEL).to_numpy()


def _held_out(train: Dataset, data: DataSpec, names: Sequence[str], notes: list[Note]) -> tuple[Dataset, Dataset]:
    """A stratified part of the training rows for evaluation; classes with one example stay in training."""
    import numpy as np

    codes = _codes(train)
    if len(codes) < 4:
        raise DataError(
            f"there are {len(codes)} usable rows; at least 4 are needed to hold some out for evaluation. Add rows or "
            "name an evaluation split",
            "data.eval_split",
        )
    chosen = label_rules.stratified(codes, data.validation_fraction, data.seed)
    if not len(chosen):
        raise DataError(
            f"each label occurs once in {len(codes):,} rows, so none can be held out for evaluation; choose another "
            "label column, add rows or name an evaluation split",
            "data.label_column",
        )
    mask = np.zeros(len(codes), dtype=bool)
    mask[chosen] = True
    notes.append(
        Note(
            f"There is no evaluation split, so {len(chosen):,} of {len(codes):,} training rows "
            f"({len(chosen) / len(codes):.0%}) are held out, in the same proportions of classes (seed {data.seed})."
        )
    )
    lonely = [names[i] for i, n in enumerate(np.bincount(codes, minlength=len(names))) if n == 1]
    if lonely:
        shown = ", ".join(map(repr, lonely[:5])) + (f" and {len(lonely) - 5:,} more" if len(lonely) > 5 else "")
        notes.append(Note(f"Of {shown} there is one example each; it stays in training and is not evaluated."))
    return train.select(np.flatnonzero(~mask)), train.select(chosen)


def _subset(part: Dataset, count: int | None, seed: int, what: str, notes: list[Note]) -> Dataset:
    if count is None or count >= len(part):
        if count is not None and count > len(part):
            notes.append(
                Note(f"{count:,} {what} examples were asked for; there are {len(part):,}, all of which are used.")
            )
        return part
    notes.append(Note(f"{count:,} of {len(part):,} {what} examples are used, chosen by shuffling with seed {seed}."))
    return part.shuffle(seed=seed).select(range(count))
