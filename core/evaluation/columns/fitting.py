"""Which columns of other data a trained model reads: those of its training, by name, never a new guess.

run ── training_of() ──► Training ── fit(data) ──► Fit: text columns, label column, steps, notes
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from core.data.dataset import Prepared
from core.data.loading.choices import choose_label, choose_texts
from core.data.notes import Note
from core.errors import DataError
from core.evaluation.columns.repeating import names_of, repeated
from core.evaluation.columns.trained_on import Training
from core.spec import run as specs
from core.spec.data import DataSpec
from core.wording import listed

FIELD_TEXTS, FIELD_LABEL = "data.text_columns", "data.label_column"


@dataclass(frozen=True)
class Fit:
    """How a dataset is read for a model.

    steps: of the run's preparation, those that are repeated, in the data's own names; notes: what is to be said of it
    """

    texts: tuple[str, ...]
    label: str | None
    steps: tuple[Any, ...]
    notes: tuple[Note, ...]

    def applied(self, data: DataSpec) -> DataSpec:
        """The dataset prepared in this way. Raises SpecError."""
        tree = data.model_dump() | {"text_columns": self.texts, "label_column": self.label}
        tree["steps"] = [step.model_dump() for step in (*data.steps, *self.steps)]
        return cast(DataSpec, specs.build(tree, DataSpec))


def fit(data: DataSpec, prepared: Prepared, training: Training, *, labelled: bool) -> Fit:
    """How to read a dataset for a model. Raises DataError that names what is missing.

    prepared: of `data`, before any step of the run; labelled: whether labels are wanted, to judge the model by
    """
    notes: list[Note] = []
    texts = _texts(data, prepared, training, notes)
    label = _label(data, prepared, training, texts, notes) if labelled else None
    if label is not None and label in texts:
        raise DataError.of(
            "text-and-label",
            "{column!r} is both text and label; name another column for one of them",
            FIELD_LABEL,
            column=label,
        )
    if data.steps or not training.steps:
        if data.steps and training.steps and training.steps != data.steps:
            notes.append(
                Note.of(
                    "preparation-not-repeated",
                    "The data has a preparation of its own; that of the run {run} is not repeated.",
                    run=training.title,
                )
            )
        return Fit(texts, label, (), tuple(notes))
    roles = dict(zip(training.texts, texts, strict=False)) | ({training.label: label} if training.label else {})
    steps = repeated(prepared, training, {k: v for k, v in roles.items() if v}, labelled, notes)
    return Fit(texts, label, steps, tuple(notes))


def _texts(data: DataSpec, prepared: Prepared, training: Training, notes: list[Note]) -> tuple[str, ...]:
    if not data.text_columns and training.texts:
        texts = tuple(_own(name, prepared, training, "text", FIELD_TEXTS) for name in training.texts)
        _plain(prepared, data, texts)
        notes.append(
            Note.of(
                "text-as-trained",
                "Text from {columns}, as the run {run} was trained.",
                columns=listed(texts),
                run=training.title,
            )
        )
        return texts
    texts = choose_texts(prepared, data)
    if training.count is not None and len(texts) != training.count:
        raise _other_number(texts, training, guessed=not data.text_columns)
    if data.text_columns:
        notes.append(Note.of("text-as-chosen", "Text from {columns}, as chosen.", columns=listed(texts)))
    else:
        notes.append(
            Note.of(
                "text-guessed-for-model",
                "Text from {columns}, guessed from the columns: {model} does not say which columns it was trained on.",
                columns=listed(texts),
                model=training.title,
            )
        )
    return texts


def _plain(prepared: Prepared, data: DataSpec, texts: tuple[str, ...]) -> None:
    choose_texts(prepared, data.model_copy(update={"text_columns": texts, "label_column": None}))


def _other_number(texts: Sequence[str], training: Training, guessed: bool) -> DataError:
    """The refusal of one text for a model of pairs, or the other way round. guessed: whether nobody named the texts"""
    model, here = training.title, listed(map(repr, texts))
    if guessed and training.count == 2:
        return DataError.of(
            "pair-wanted-one-guessed",
            "{model} reads pairs of texts, but only {columns} looks like text here; name two text columns",
            FIELD_TEXTS,
            model=model,
            columns=here,
        )
    if guessed:
        return DataError.of(
            "text-wanted-pair-guessed",
            "{model} reads one text at a time, but {columns} look like a pair here; name one text column",
            FIELD_TEXTS,
            model=model,
            columns=here,
        )
    return _other_number_named(model, here, listed(map(repr, training.texts)) if training.texts else None, training)


def _other_number_named(model: str, here: str, trained: str | None, training: Training) -> DataError:
    """trained: the columns that the run was trained on; None where config.json alone says how many texts there are"""
    match training.count == 2, trained:
        case True, None:
            return DataError.of(
                "pair-wanted-one-named",
                "{model} reads pairs of texts (its config.json says so), but one is named, {columns}; name two",
                FIELD_TEXTS,
                model=model,
                columns=here,
            )
        case True, _:
            return DataError.of(
                "pair-trained-one-named",
                "{model} reads pairs of texts (trained on {trained}), but one is named, {columns}; name two",
                FIELD_TEXTS,
                model=model,
                columns=here,
                trained=trained,
            )
        case False, None:
            return DataError.of(
                "text-wanted-two-named",
                "{model} reads one text at a time (its config.json says so), but two are named, {columns}; name one",
                FIELD_TEXTS,
                model=model,
                columns=here,
            )
        case _:
            return DataError.of(
                "text-trained-two-named",
                "{model} reads one text at a time (trained on {trained}), but two are named, {columns}; name one",
                FIELD_TEXTS,
                model=model,
                columns=here,
                trained=trained,
            )


def _label(
    data: DataSpec, prepared: Prepared, training: Training, texts: Sequence[str], notes: list[Note]
) -> str | None:
    if data.label_column is None and training.label is not None:
        label = _own(training.label, prepared, training, "label", FIELD_LABEL)
        notes.append(
            Note.of(
                "label-as-trained",
                "Label from {column}, as the run {run} was trained.",
                column=label,
                run=training.title,
            )
        )
        return label
    label = choose_label(prepared, data, texts)
    if data.label_column:
        notes.append(Note.of("label-as-chosen", "Label from {column}, as chosen.", column=label))
    else:
        notes.append(
            Note.of(
                "label-guessed-for-model",
                "Label from {column}, guessed from the columns: {model} does not say which column it was trained on.",
                column=label,
                model=training.title,
            )
        )
    return label


def _own(name: str, prepared: Prepared, training: Training, what: str, field: str) -> str:
    """The data's column that the run knows as `name`. Raises DataError if there is none, or more than one."""
    names = names_of(name, len(training.steps), training.steps)
    here = [column.name for column in prepared.columns]
    present = [n for n in names if n in here]
    if len(present) == 1:
        return present[0]
    if present:
        raise DataError.of(
            "several-names-of-column",
            "{data} has {columns}, and the preparation of the run {run} makes one column of these names; name the "
            "{what} column",
            field,
            data=prepared.title,
            columns=listed(map(repr, present)),
            run=training.title,
            what=what,
        )
    existing = ", ".join(here[:30]) + (" …" if len(here) > 30 else "")
    near = [column for column in here if _folded(column) in set(map(_folded, names))]
    meant = near[0] if len(near) == 1 else None
    wanted, run = " or ".join(map(repr, names)), training.title
    if meant is not None:  # its name differs in case, width or blanks alone
        raise DataError.of(
            "trained-column-almost-there",
            "{data} has no column {names}, which is the {what} that the run {run} was trained on; its columns are "
            "{columns}. If {meant!r} is meant, name it as {what} column",
            field,
            data=prepared.title,
            names=wanted,
            what=what,
            run=run,
            columns=existing,
            meant=meant,
        )
    raise DataError.of(
        "trained-column-missing",
        "{data} has no column {names}, which is the {what} that the run {run} was trained on; its columns are "
        "{columns}. Name the {what} column, or give the file the column of this name",
        field,
        data=prepared.title,
        names=wanted,
        what=what,
        run=run,
        columns=existing,
    )


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).strip().casefold()
