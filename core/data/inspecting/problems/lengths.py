"""Empty texts, and texts that are far longer than the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from core.data.dataset import Prepared
from core.data.inspecting.problems.counting import about, rows_where, splits_with, value_of
from core.data.inspecting.problems.finding import Finding
from core.messages import Message
from core.spec.steps import Condition, Filter, dump_steps

LONG_TIMES, LONG_CHARACTERS = 20, 5_000

BLANK = "trim(coalesce(CAST({} AS VARCHAR), ''), ' \t\r\n\u3000') = ''"
LENGTH = "length(CAST({} AS VARCHAR))"


def lengths(prepared: Prepared, texts: Sequence[str]) -> Iterator[Finding]:
    """Findings of each text column of each split."""
    for split in splits_with(prepared, texts):
        for column in texts:
            yield from _empty(prepared, split, column)
            yield from _long(prepared, split, column)


def _empty(prepared: Prepared, split: str, column: str) -> Iterator[Finding]:
    count, rows = rows_where(prepared, split, about(column, BLANK))
    if count:
        yield Finding(
            kind="empty",
            severity="low",
            title=Message.of(
                "empty", "{count:row|rows} of {split} without {column}", count=count, split=split, column=column
            ),
            text=Message.of("empty-why", "There is nothing to read in them. A run leaves them out by itself."),
            count=count,
            split=split,
            rows=rows,
            steps=dump_steps(Filter(where=(Condition(column=column, op="missing", negate=True),))),
            remedy=Message.of("remedy-drop", "Drop them"),
        )


def _long(prepared: Prepared, split: str, column: str) -> Iterator[Finding]:
    median = value_of(prepared, split, column, f"coalesce(median({LENGTH}), 0)")
    limit = max(LONG_TIMES * median, LONG_CHARACTERS)
    count, rows = rows_where(prepared, split, about(column, f"{LENGTH} > {limit}"))
    if count:
        yield Finding(
            kind="long",
            severity="low",
            title=Message.of(
                "long",
                "{count:text|texts} of {split} with more than {characters:,.0f} characters",
                count=count,
                split=split,
                characters=limit,
            ),
            text=Message.of(
                "long-why",
                "Half of the texts have up to {median:,.0f}. A model reads only the beginning of such "
                "a text; it often is several texts in one, or a whole document.",
                median=median,
            ),
            count=count,
            split=split,
            rows=rows,
            steps=dump_steps(Filter(where=(Condition(column=column, op="length", high=float(int(limit))),))),
            remedy=Message.of("remedy-drop", "Drop them"),
        )
