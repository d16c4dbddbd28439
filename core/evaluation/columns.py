"""Which columns of other data a trained model reads: those of its training, by name, never a new guess.

    run ── training_of() ──► Training ── fit(data) ──► Fit: text columns, label column, steps, notes

A run's preparation is repeated where it says what a row means (names of columns and of labels, repairs of texts), not
where it chooses rows for learning. A column counts under each name that the run's Rename steps gave it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from core.data.dataset import Prepared
from core.data.loading.choices import choose_label, choose_texts
from core.data.notes import Note
from core.data.prepare import find_prepared
from core.data.reading.guessing import split_words
from core.errors import DataError, RunNotFound
from core.evaluation.specs import Subject
from core.models import folder as model_folder
from core.models import names as models
from core.runs.environment import trained_data
from core.settings import Settings
from core.spec import run as specs
from core.spec.data import DataSpec
from core.spec.steps import CleanText, Columns, Condition, Divide, Filter, MapLabels, Rename, SplitBy, step_words
from core.store.record import Run
from core.store.store import Store
from core.wording import listed, shortened

PAIR_TASKS = {"mrpc", "qqp", "stsb", "sts-b", "mnli", "mnli-mm", "qnli", "rte", "wnli", "snli", "xnli", "paws"}
SINGLE_TASKS = {"cola", "sst2", "sst-2", "imdb", "ag_news"}
CROSS_ENCODER = ("sbert_ce_default_activation_function", "sentence_transformers")
FIELD_TEXTS, FIELD_LABEL = "data.text_columns", "data.label_column"


@dataclass(frozen=True)
class Training:
    """What a model was trained on, as far as that is known.

    title: what the model is called; texts, label: its columns after the preparation, empty and None if not known;
    count: how many texts it reads at a time, None if not known; steps: the preparation of its data;
    train_split: the split that it learned from
    """

    title: str
    texts: tuple[str, ...] = ()
    label: str | None = None
    count: int | None = None
    steps: tuple[Any, ...] = ()
    train_split: str = ""


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


def training_of(run: Run, settings: Settings) -> Training:
    """What a run trained on. Raises SpecError, PathError.

    A run of an early version kept no columns that were guessed; then its dataset says, if it still is there.
    """
    data = trained_data(run, settings)
    texts, label = data.text_columns, data.label_column
    if not texts or label is None:
        prepared = find_prepared(data, settings.on_behalf_of(run.owner))
        if prepared is not None:
            texts = texts or tuple(name for name in prepared.text_guess if name != label)
            label = label or (prepared.label_guess if prepared.label_guess not in texts else None)
    return Training(run.name, texts, label, len(texts) or None, data.steps, data.train_split or "train")


def training_for(subject: Subject, folder: Path, title: str, store: Store, settings: Settings) -> Training:
    """What a model that is asked was trained on. folder, title: as `find_subject` has them. Raises ModelError."""
    if subject.run:
        return training_of(store.run(subject.run), settings)
    return training_of_folder(folder, title, store, settings)


def known_training(subject: Subject, title: str, store: Store, settings: Settings) -> Training:
    """The same in a moment and without the network, for a page. Raises ModelError, PathError, SpecError."""
    folder = models.known_folder(subject.name, subject.revision, settings)
    return training_of_folder(folder, title, store, settings) if folder else Training(title)


def training_of_folder(folder: Path, title: str, store: Store, settings: Settings) -> Training:
    """What a model's folder tells: that of a run here, or its config.json. Raises ModelError for one without that."""
    runs, place = settings.home.resolve() / "runs", folder.resolve()
    if place.name == "model" and place.parent.parent == runs:
        try:
            return training_of(store.run(place.parent.name), settings)
        except RunNotFound:
            pass  # its record is gone, its files are not
    return Training(title, count=texts_of(model_folder.read_config(folder)))


def texts_of(config: dict[str, Any]) -> int | None:
    """How many texts a model reads at a time, by what its config.json says of its task; None if it says nothing."""
    task = str(config.get("finetuning_task", "")).lower()
    if task in PAIR_TASKS or any(key in config for key in CROSS_ENCODER):
        return 2
    if task in SINGLE_TASKS:
        return 1
    named = config.get("id2label")
    classes = {str(name).casefold() for name in named.values()} if isinstance(named, dict) else set()
    return 2 if {"entailment", "not_entailment"} <= classes or {"entailment", "neutral"} <= classes else None


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
    steps = _repeated(prepared, training, {k: v for k, v in roles.items() if v}, labelled, notes)
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
                FIELD_TEXTS, model=model, columns=here,
            )  # fmt: skip
        case True, _:
            return DataError.of(
                "pair-trained-one-named",
                "{model} reads pairs of texts (trained on {trained}), but one is named, {columns}; name two",
                FIELD_TEXTS, model=model, columns=here, trained=trained,
            )  # fmt: skip
        case False, None:
            return DataError.of(
                "text-wanted-two-named",
                "{model} reads one text at a time (its config.json says so), but two are named, {columns}; name one",
                FIELD_TEXTS, model=model, columns=here,
            )  # fmt: skip
        case _:
            return DataError.of(
                "text-trained-two-named",
                "{model} reads one text at a time (trained on {trained}), but two are named, {columns}; name one",
                FIELD_TEXTS, model=model, columns=here, trained=trained,
            )  # fmt: skip


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
    names = _names(name, len(training.steps), training.steps)
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
            field, data=prepared.title, names=wanted, what=what, run=run, columns=existing, meant=meant,
        )  # fmt: skip
    raise DataError.of(
        "trained-column-missing",
        "{data} has no column {names}, which is the {what} that the run {run} was trained on; its columns are "
        "{columns}. Name the {what} column, or give the file the column of this name",
        field, data=prepared.title, names=wanted, what=what, run=run, columns=existing,
    )  # fmt: skip


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).strip().casefold()


def _names(name: str, at: int, steps: Sequence[Any]) -> list[str]:
    """All names that a column had in the course of some steps, the last first; `name`: what it is called before step
    number `at`.
    """
    before, current = [], name
    for step in reversed(steps[:at]):
        if isinstance(step, Rename):
            current = next((old for old, new in step.names.items() if new == current), current)
            before.append(current)
    after, current = [], name
    for step in steps[at:]:
        if isinstance(step, Rename):
            current = step.names.get(current, current)
            after.append(current)
    return list(dict.fromkeys([*reversed(after), name, *before]))


def _repeated(
    prepared: Prepared, training: Training, roles: dict[str, str], labelled: bool, notes: list[Note]
) -> tuple[Any, ...]:
    """The steps of a run's preparation that are repeated, with the data's names. roles: the run's name → the data's"""
    steps: list[Any] = []
    passed: list[str] = []
    for place, step in enumerate(training.steps):
        trained = _was_trained_on(getattr(step, "splits", ()), place, training)
        match step:
            case Rename() | Columns():
                continue  # a column counts under each of its names, and what is not read does no harm
            case CleanText() if trained:
                own = [_here(name, place, prepared, training, roles) for name in step.columns]
                columns = tuple(dict.fromkeys(name for name in own if name in roles.values()))
                again: Any = step.model_copy(update={"columns": columns, "splits": ()}) if columns else None
            case MapLabels() if not labelled:
                continue  # labels are not read
            case MapLabels() if trained:
                again = _relabelled(step, place, prepared, training, roles)
            case MapLabels():
                again = None
                notes.append(
                    Note.of(
                        "relabelling-not-repeated",
                        "Not repeated of the preparation of the run {run}, as it was done to {splits} only, not to "
                        "what was trained: {step}.",
                        "warning",
                        run=training.title,
                        splits=listed(step.splits),
                        step=shortened(step_words(step), 200),
                    )
                )
            case Filter() if labelled and not step.splits:
                again = _filtered(step, place, prepared, training, roles)
                passed += [] if again else [shortened(step_words(step), 200)]
            case _:
                again = None
                passed.append(shortened(step_words(step), 200))
        if again is not None:
            steps.append(again)
            notes.append(
                Note.of(
                    "step-repeated",
                    "As in the preparation of the run {run}: {step}.",
                    "warning" if isinstance(again, Filter) else "info",
                    run=training.title,
                    step=shortened(step_words(again), 200),
                )
            )
    if passed:
        notes.append(_not_repeated(passed, training.title))
    return tuple(steps)


def _not_repeated(steps: Sequence[str], run: str) -> Note:
    """Steps that choose rows to learn from, in words."""
    if len(steps) > 3:
        return Note.of(
            "steps-not-repeated-many",
            "Not repeated of the preparation of the run {run}, as it chooses rows to learn from: {steps} and "
            "{more:more step|more steps}.",
            run=run,
            steps="; ".join(steps[:3]),
            more=len(steps) - 3,
        )
    return Note.of(
        "steps-not-repeated",
        "Not repeated of the preparation of the run {run}, as it chooses rows to learn from: {steps}.",
        run=run,
        steps="; ".join(steps),
    )


def _was_trained_on(splits: Sequence[str], place: int, training: Training) -> bool:
    """Whether step number `place`, done to these splits (all if empty), was done to rows of the training split."""
    name = training.train_split
    for step in reversed(training.steps[place + 1 :]):
        if isinstance(step, Divide):
            known = set(step.parts)
        elif isinstance(step, SplitBy):
            known = set(step.parts.values() or split_words.WORDS)
        else:
            continue
        if name in known:
            if not step.split:
                return True  # made of all splits
            name = step.split
    return not splits or name in splits


def _here(name: str, place: int, prepared: Prepared, training: Training, roles: dict[str, str]) -> str | None:
    """What the data calls the column that step number `place` of the run knows as `name`."""
    names = _names(name, place, training.steps)
    return roles.get(names[0]) or next((n for n in names if prepared.column(n) is not None), None)


def _relabelled(
    step: MapLabels, place: int, prepared: Prepared, training: Training, roles: dict[str, str]
) -> MapLabels | None:
    """None where it is about another column, or about classes that the data does not have."""
    column = prepared.column(_here(step.column, place, prepared, training, roles) or "")
    if column is None or column.name != roles.get(training.label or ""):
        return None
    labels = {old: new for old, new in step.labels.items() if column.names is None or old in column.names}
    return step.model_copy(update={"column": column.name, "labels": labels, "splits": ()}) if labels else None


def _filtered(step: Filter, place: int, prepared: Prepared, training: Training, roles: dict[str, str]) -> Filter | None:
    """None where a column that it asks about is not there."""

    def conditions() -> Iterator[Condition]:
        for condition in step.where:
            if own := _here(condition.column, place, prepared, training, roles):
                yield condition.model_copy(update={"column": own})

    where = tuple(conditions())
    return step.model_copy(update={"where": where}) if len(where) == len(step.where) else None
