"""Labels that will hurt: missing, rare, one that most rows have, and ones that their texts give away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from core.data.browsing.label_counts import EMPTY, OTHER, label_counts
from core.data.dataset import Column, Prepared
from core.data.inspecting.problems.counting import Names, about, has_columns, rows_of, rows_where, splits_with
from core.data.inspecting.problems.finding import Finding
from core.data.inspecting.problems.lengths import BLANK
from core.data.inspecting.problems.look_alikes import look_alikes
from core.data.reading.aligning.types import PLAIN
from core.messages import Message
from core.spec.steps import Condition, Filter, dump_steps
from core.wording import shortened

RARE, TOO_RARE = 10, 2  # rows of a class
MAJORITY = 0.8
MOST_LABELS = 1_000
TELLTALE = 0.5  # of the rows of a class
TELLTALE_CLASSES = 100

Counts = dict[str, int]
"""Label -> rows of the training split that have it."""


def labels(prepared: Prepared, texts: Sequence[str], label: str, train: str) -> Iterator[Finding]:
    """Findings of the label column. With more than `MOST_LABELS` labels only missing ones are looked for."""
    column = prepared.column(label)
    assert column is not None
    for split in splits_with(prepared, [label]):
        yield from _unlabelled(prepared, split, column)
    counts = _counts(prepared, column, train)
    if counts:
        yield from look_alikes(counts, label)
        yield from _rare(counts, label, train)
        yield from _imbalance(counts, train)
        if texts and has_columns(prepared, train, [*texts, label]) and len(counts) <= TELLTALE_CLASSES:
            yield from _telltales(prepared, texts, column, train, counts)


def _counts(prepared: Prepared, column: Column, train: str) -> Counts:
    """Empty if the training split has no such column, or it holds no classes."""
    if train not in splits_with(prepared, [column.name]) or column.kind not in PLAIN:
        return {}
    frame = label_counts(prepared, train, column.name, MOST_LABELS)
    if (frame["label"] == OTHER).any():
        return {}
    pairs = zip(frame["label"], frame["count"], strict=True)
    return {str(name): int(count) for name, count in pairs if name != EMPTY and count}


def _unlabelled(prepared: Prepared, split: str, column: Column) -> Iterator[Finding]:
    missing = "({} IS NULL OR {} < 0)" if column.kind == "class" else BLANK
    count, rows = rows_where(prepared, split, about(column.name, missing))
    if count:
        yield Finding(
            kind="unlabelled",
            severity="low",
            title=Message.of(
                "unlabelled",
                "{count:row|rows} of {split} without {column}",
                count=count,
                split=split,
                column=column.name,
            ),
            text=Message.of("unlabelled-why", "There is nothing to learn from them. A run leaves them out by itself."),
            count=count,
            split=split,
            rows=rows,
            steps=dump_steps(Filter(where=(Condition(column=column.name, op="missing", negate=True),))),
            remedy=Message.of("remedy-drop", "Drop them"),
        )


def _rare(counts: Counts, label: str, train: str) -> Iterator[Finding]:
    rare = {name: count for name, count in counts.items() if count < RARE}
    if not rare or len(counts) - len(rare) < 2:
        return
    rarest = sorted(rare.items(), key=lambda item: item[1])[:5]
    examples = ", ".join(f"“{shortened(name, 30)}” ({count})" for name, count in rarest)
    yield Finding(
        kind="rare",
        severity="medium",
        title=Message.of(
            "rare",
            "{count:class|classes} with fewer than {most} rows in {train}",
            count=len(rare),
            most=RARE,
            train=train,
        ),
        text=(
            Message.of(
                "rare-once-why",
                "{examples}. Too few to learn from and to judge by; one that occurs once cannot be in training and "
                "evaluation both.",
                examples=examples,
            )
            if min(rare.values()) < TOO_RARE
            else Message.of("rare-why", "{examples}. Too few to learn from and to judge by.", examples=examples)
        ),
        count=len(rare),
        split=train,
        steps=dump_steps(Filter(where=(Condition(column=label, op="is", values=tuple(rare), negate=True),))),
        remedy=Message.of("remedy-drop-rows-of-labels", "Drop their rows"),
    )


def _imbalance(counts: Counts, train: str) -> Iterator[Finding]:
    commonest = max(counts, key=counts.__getitem__)
    share = counts[commonest] / sum(counts.values())
    if len(counts) > 1 and share >= MAJORITY:
        yield Finding(
            kind="imbalance",
            severity="medium",
            title=Message.of(
                "imbalance",
                "{share:.0%} of {train} is “{label}”",
                share=share,
                train=train,
                label=shortened(commonest, 40),
            ),
            text=Message.of(
                "imbalance-why",
                "A model that always says so is right in {share:.0%} of cases. Look at F1 (macro) or "
                "Matthews correlation instead of accuracy, and try balanced class weights on the New "
                "run page.",
                share=share,
            ),
            count=counts[commonest],
            split=train,
        )


def _telltales(
    prepared: Prepared, texts: Sequence[str], column: Column, split: str, counts: Counts
) -> Iterator[Finding]:
    """Classes whose texts hold the class's name: then that word may be all a model learns."""
    for name, rows_of_class in counts.items():
        if len(name) < 3 or name.replace(".", "").isdigit():
            continue

        def query(names: Names, name: str = name) -> tuple[str, list[Any]]:
            value: Any = column.names.index(name) if column.names else name
            label = names[column.name] if column.names else f"CAST({names[column.name]} AS VARCHAR)"
            holds_name = " OR ".join(f"contains(lower(CAST({names[text]} AS VARCHAR)), ?)" for text in texts)
            return f"SELECT n FROM data WHERE {label} = ? AND ({holds_name})", [value, *[name.lower()] * len(texts)]

        count, rows = rows_of(prepared, split, query)
        if count >= max(3, TELLTALE * rows_of_class):
            yield Finding(
                kind="telltale",
                severity="medium",
                title=Message.of(
                    "telltale",
                    "{share:.0%} of the “{label}” texts hold that word",
                    share=count / rows_of_class,
                    label=shortened(name, 40),
                ),
                text=Message.of(
                    "telltale-why",
                    "If the word gives {column} away, a model learns it and nothing else, and fails where "
                    "it is missing.",
                    column=column.name,
                ),
                count=count,
                split=split,
                rows=rows,
            )
