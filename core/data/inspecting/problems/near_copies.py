"""Texts that are nearly the same as another: in the same split, or in training and evaluation both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from core.data.browsing import database
from core.data.dataset import Prepared, Progress
from core.data.inspecting.problems.counting import EXAMPLES, MANY, splits_with
from core.data.inspecting.problems.finding import Finding
from core.data.preparing.repeats import text_keys
from core.messages import Message
from core.spec.steps import Deduplicate, DropLeaks, dump_steps

NEAR_ROWS = 1_000_000  # of all splits; in more rows near copies are not looked for

Place = tuple[str, int]
"""A row: its split and its number."""


def near_copies(prepared: Prepared, texts: Sequence[str], train: str, progress: Progress) -> Iterator[Finding]:
    """Findings of each split; none in a dataset of more than `NEAR_ROWS` rows."""
    from core.data.preparing.near import groups

    splits = splits_with(prepared, texts)
    if sum(prepared.splits[name].rows for name in splits) > NEAR_ROWS:
        return
    threshold = Deduplicate().threshold
    keys = _exact_keys(prepared, texts, splits)
    within: dict[str, list[int]] = {name: [] for name in splits}
    across: dict[str, list[int]] = {name: [] for name in splits}
    for group in groups(prepared, splits, texts, threshold, progress):
        for split, number in _later_of_group(group, keys):
            within[split].append(number)
        for split, number in _like_training(group, keys, train):
            across[split].append(number)
    for split, rows in across.items():
        if rows:
            yield _near_leak(split, rows, texts, train, threshold)
    for split, rows in within.items():
        if rows:
            yield _near_duplicates(split, rows, texts, threshold, prepared.splits[split].rows)


def _exact_keys(prepared: Prepared, texts: Sequence[str], splits: Sequence[str]) -> dict[Place, int]:
    """Each row's key, which rows with the same texts share: those are copies, not near copies."""
    key = text_keys(prepared, texts)
    return {
        (split, number): value
        for split in splits
        for numbers, keys in database.query(prepared, split, key)
        for number, value in zip(numbers.tolist(), keys.tolist(), strict=True)
    }


def _later_of_group(group: Sequence[Place], keys: dict[Place, int]) -> Iterator[Place]:
    """The rows of a group that are nearly the same as an earlier one of their split."""
    earlier: dict[str, set[int]] = {}
    for place in group:
        known = earlier.setdefault(place[0], set())
        if known and keys[place] not in known:
            yield place
        known.add(keys[place])


def _like_training(group: Sequence[Place], keys: dict[Place, int], train: str) -> Iterator[Place]:
    """The rows of a group outside of training that are nearly the same as one in training."""
    in_training = {keys[place] for place in group if place[0] == train}
    if in_training:
        yield from (place for place in group if place[0] != train and keys[place] not in in_training)


def _near_leak(split: str, rows: list[int], texts: Sequence[str], train: str, threshold: float) -> Finding:
    return Finding(
        kind="near-leak",
        severity="medium",
        title=Message.of(
            "near-leak",
            "{count:text|texts} of {split} nearly also in {train}",
            count=len(rows),
            split=split,
            train=train,
        ),
        text=Message.of(
            "near-leak-why",
            "At least {share:.0%} of their word groups are the same: the score on {split} is too good.",
            share=threshold,
            split=split,
        ),
        count=len(rows),
        split=split,
        rows=tuple(sorted(rows)[:EXAMPLES]),
        steps=dump_steps(DropLeaks(columns=tuple(texts), split=train, match="near")),
        remedy=Message.of("remedy-drop-from-split", "Drop them from {train}", train=train),
    )


def _near_duplicates(split: str, rows: list[int], texts: Sequence[str], threshold: float, total: int) -> Finding:
    return Finding(
        kind="near-duplicates",
        severity="medium" if len(rows) > MANY * total else "low",
        title=Message.of(
            "near-duplicates", "{count:text|texts} of {split} nearly the same as another", count=len(rows), split=split
        ),
        text=Message.of(
            "near-duplicates-why",
            "At least {share:.0%} of their word groups are the same: templates, reposts, small edits.",
            share=threshold,
        ),
        count=len(rows),
        split=split,
        rows=tuple(sorted(rows)[:EXAMPLES]),
        steps=dump_steps(Deduplicate(columns=tuple(texts), splits=(split,), match="near")),
        remedy=Message.of("remedy-keep-one", "Keep one of each"),
    )
