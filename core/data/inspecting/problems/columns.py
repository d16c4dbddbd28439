"""Columns that nothing can be learned from: the same value everywhere, another in each row, the names of splits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from core.data.browsing import database
from core.data.dataset import Prepared
from core.data.inspecting.problems.counting import Names, has_columns
from core.data.inspecting.problems.finding import NO_REMEDY, Finding
from core.data.preparing import divide
from core.data.reading.aligning.types import PLAIN
from core.messages import Message
from core.spec.steps import Columns, SplitBy, dump_steps
from core.wording import listed, shortened

AT_ONCE = 50  # columns of one query
ID_SHARE, ID_ROWS = 0.95, 20  # different values per row, and rows, from which a column holds ids


def columns(prepared: Prepared, used: Sequence[str]) -> Iterator[Finding]:
    """Findings of all columns. used: those that are chosen as text or label"""
    yield from _split_columns(prepared)
    split = max(prepared.splits, key=lambda name: prepared.splits[name].rows)
    rows = prepared.splits[split].rows
    constant, ids = [], []
    plain = [c for c in prepared.columns if c.kind in PLAIN and has_columns(prepared, split, [c.name])]
    for column, distinct in zip(plain, _distinct(prepared, split, [c.name for c in plain]), strict=True):
        if distinct <= 1 and rows > 1:
            constant.append(column.name)
        elif column.name not in used and column.kind in ("integer", "text") and rows >= ID_ROWS:
            ids += [column.name] if distinct > ID_SHARE * rows else []
    yield from _constant(prepared, split, constant, used)
    yield from _ids(split, ids)


def _split_columns(prepared: Prepared) -> Iterator[Finding]:
    """A column that names the split of each row, where all rows are in one split."""
    split = next(iter(prepared.splits))
    for column in divide.proposed(prepared):
        yield Finding(
            kind="split-column",
            severity="high",
            title=Message.of(
                "split-column", "The values of “{column}” name the split of each row", column=shortened(column, 40)
            ),
            text=Message.of(
                "split-column-why",
                "The official training and test rows are mixed: a model would be judged on rows drawn from both.",
            ),
            count=prepared.splits[split].rows,
            split=split,
            steps=dump_steps(SplitBy(column=column)),
            remedy=Message.of("remedy-make-splits", "Make these splits"),
        )


def _distinct(prepared: Prepared, split: str, names: Sequence[str]) -> list[int]:
    """About how many different values each column has."""
    counts: list[int] = []
    for start in range(0, len(names), AT_ONCE):
        part = names[start : start + AT_ONCE]

        def query(selected: Names, part: Sequence[str] = part) -> tuple[str, list[Any]]:
            return f"SELECT {', '.join(f'approx_count_distinct({selected[name]})' for name in part)} FROM data", []

        (values,) = database.query(prepared, split, query)
        counts += [int(value[0]) for value in values]
    return counts


def _constant(prepared: Prepared, split: str, constant: list[str], used: Sequence[str]) -> Iterator[Finding]:
    others = tuple(column.name for column in prepared.columns if column.name not in constant)
    if not constant or not others:
        return
    in_use = any(name in used for name in constant)
    yield Finding(
        kind="constant",
        severity="high" if in_use else "low",
        title=Message.of(
            "constant",
            "{count:column|columns} with the same value everywhere: {columns}",
            count=len(constant),
            columns=listed(constant[:5]),
        ),
        text=(
            Message.of("constant-in-use-why", "Nothing can be told apart by it. It is chosen as text or label.")
            if in_use
            else Message.of("constant-why", "Nothing can be told apart by it.")
        ),
        count=len(constant),
        split=split,
        steps=() if in_use else dump_steps(Columns(keep=others)),
        remedy=NO_REMEDY if in_use else Message.of("remedy-leave-out", "Leave it out"),
    )


def _ids(split: str, ids: list[str]) -> Iterator[Finding]:
    if ids:
        yield Finding(
            kind="ids",
            severity="low",
            title=Message.of(
                "ids",
                "{count:column|columns} with another value in each row: {columns}",
                count=len(ids),
                columns=listed(ids[:5]),
            ),
            text=Message.of(
                "ids-why", "Ids, links or dates: no model learns from them, but they help to find a row again."
            ),
            count=len(ids),
            split=split,
        )
