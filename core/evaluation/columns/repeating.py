"""Which steps of a run's preparation are repeated for other data: those that say what a row means.

Names of columns and of labels, and repairs of texts, are; what chooses rows for learning is not. A column counts under
each name that the run's Rename steps gave it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from core.data.dataset import Prepared
from core.data.notes import Note
from core.data.reading.guessing import split_words
from core.evaluation.columns.trained_on import Training
from core.spec.steps import CleanText, Columns, Condition, Divide, Filter, MapLabels, Rename, SplitBy, step_words
from core.wording import listed, shortened


def repeated(
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
        notes.append(_left_out(passed, training.title))
    return tuple(steps)


def _left_out(steps: Sequence[str], run: str) -> Note:
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
    names = names_of(name, place, training.steps)
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


def names_of(name: str, at: int, steps: Sequence[Any]) -> list[str]:
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
