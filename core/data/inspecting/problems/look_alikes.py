"""Labels that a person takes for one: they differ by case or whitespace, or one looks like the other misspelt."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import combinations
from typing import Literal

from core.data.inspecting.problems.finding import Finding
from core.messages import Message
from core.models.label_names import groups, telling
from core.spec.steps import MapLabels, dump_steps

MOST_COMPARED = 200
ALIKE = 0.85
TIMES_RARER = 20
SHORTEST = 4  # characters of a label in which a misspelling can be seen


def look_alikes(counts: dict[str, int], label: str) -> Iterator[Finding]:
    """counts: label -> rows"""
    by_count = sorted(counts, key=lambda name: -counts[name])
    same = {other: common for common, *others in groups(by_count) for other in others}
    misspelt = _misspelt([name for name in by_count if name not in same][:MOST_COMPARED], counts)
    if same:
        title = Message.of(
            "label-case",
            "{count:label|labels} of {column} that differ by case, blanks or unseen characters only",
            count=len(same),
            column=label,
        )
        yield _finding("label-case", title, label, same)
    if misspelt:
        title = Message.of(
            "label-spelling", "{count:label|labels} of {column} that look misspelt", count=len(misspelt), column=label
        )
        yield _finding("label-spelling", title, label, misspelt)


def _finding(
    kind: Literal["label-case", "label-spelling"], title: Message, label: str, labels: dict[str, str]
) -> Finding:
    """labels: each label -> the one that it should be"""
    return Finding(
        kind=kind,
        severity="high",
        title=title,
        text=Message.of("look-alikes-why", "{pairs}. To a model they are different classes.", pairs=_pairs(labels)),
        count=len(labels),
        steps=dump_steps(MapLabels(column=label, labels=labels)),
        remedy=Message.of("remedy-make-one", "Make them one"),
    )


def _misspelt(names: list[str], counts: dict[str, int]) -> dict[str, str]:
    """Rare label -> the common one that it resembles. names: the commonest first"""
    misspelt: dict[str, str] = {}
    for common, rare in combinations(names, 2):
        if not {common, rare} & set(misspelt) and _resembles(common, rare, counts):
            misspelt[rare] = common
    return misspelt


def _resembles(common: str, rare: str, counts: dict[str, int]) -> bool:
    return (
        min(len(common), len(rare)) >= SHORTEST
        and counts[rare] * TIMES_RARER <= counts[common]
        and not re.search(r"\d", common + rare)  # 3 stars is not a misspelt 4 stars
        and SequenceMatcher(None, common.casefold(), rare.casefold()).ratio() >= ALIKE
    )


def _pairs(others: dict[str, str]) -> str:
    """The first five pairs, written so that they can be told apart."""
    return ", ".join(f"“{telling(a, b)}” for “{telling(b, a)}”" for a, b in list(others.items())[:5])
