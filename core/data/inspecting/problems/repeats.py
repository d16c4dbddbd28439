"""Texts that occur again: in the same split, in training and evaluation both, with another label.

Texts count as the same when they match with case and whitespace ignored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from core.data.browsing import database
from core.data.dataset import Prepared
from core.data.inspecting.problems.counting import MANY, collected, rows_where, splits_with
from core.data.inspecting.problems.finding import Finding
from core.data.preparing.repeats import conflicts_sql, copies_sql, text_keys
from core.messages import Message
from core.spec.steps import Deduplicate, DropConflicts, DropLeaks, dump_steps


def copies(prepared: Prepared, texts: Sequence[str]) -> Iterator[Finding]:
    """Rows of a split whose texts occurred in it before."""
    for split in splits_with(prepared, texts):
        count, rows = rows_where(prepared, split, lambda names: copies_sql(texts, names, prepared))
        if count:
            yield Finding(
                kind="duplicates",
                severity="medium" if count / prepared.splits[split].rows > MANY else "low",
                title=Message.of(
                    "duplicates", "{count:copy|copies} of other rows in {split}", count=count, split=split
                ),
                text=Message.of(
                    "duplicates-why",
                    "What occurs twice counts twice: in training it is learned by heart, in evaluation it "
                    "makes the score too sure.",
                ),
                count=count,
                split=split,
                rows=rows,
                steps=dump_steps(Deduplicate(columns=tuple(texts), splits=(split,))),
                remedy=Message.of("remedy-keep-one", "Keep one of each"),
            )


def leaks(prepared: Prepared, texts: Sequence[str], train: str) -> Iterator[Finding]:
    """Texts of the other splits that also occur in training."""
    import numpy as np

    splits = splits_with(prepared, texts)
    others = [split for split in splits if split != train]
    if train not in splits or not others:
        return
    key = text_keys(prepared, texts)
    in_training = np.unique(np.concatenate([keys for _, keys in database.query(prepared, train, key)]))
    for split in others:
        count, rows = collected(
            numbers[np.isin(keys, in_training)] for numbers, keys in database.query(prepared, split, key)
        )
        if count:
            share = count / prepared.splits[split].rows
            yield Finding(
                kind="leak",
                severity="high",
                title=Message.of(
                    "leak", "{count:text|texts} of {split} also in {train}", count=count, split=split, train=train
                ),
                text=Message.of(
                    "leak-why",
                    "The model has read them with their labels, so the score on {split} is too good "
                    "({share:.1%} of it).",
                    split=split,
                    share=share,
                ),
                count=count,
                split=split,
                rows=rows,
                steps=dump_steps(DropLeaks(columns=tuple(texts), split=train)),
                remedy=Message.of("remedy-drop-from-split", "Drop them from {train}", train=train),
            )


def conflicts(prepared: Prepared, texts: Sequence[str], label: str) -> Iterator[Finding]:
    """Rows of a split with the same text and different labels."""
    for split in splits_with(prepared, [*texts, label]):
        count, rows = rows_where(prepared, split, lambda names: conflicts_sql(texts, label, names, prepared))
        if count:
            yield Finding(
                kind="conflicts",
                severity="high",
                title=Message.of(
                    "conflicts",
                    "{count:row|rows} of {split} with the same text but another {label}",
                    count=count,
                    split=split,
                    label=label,
                ),
                text=Message.of(
                    "conflicts-why", "At most one of the labels is right, so no model can be right on all of them."
                ),
                count=count,
                split=split,
                rows=rows,
                steps=dump_steps(DropConflicts(columns=tuple(texts), label=label, splits=(split,))),
                remedy=Message.of("remedy-drop-all", "Drop them all"),
            )
