"""A finding: one problem of a dataset, with rows to see and, where there is one, a remedy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from core.messages import Message

Severity = Literal["high", "medium", "low"]
SEVERITIES: tuple[Severity, ...] = ("high", "medium", "low")

Kind = Literal[
    "empty",
    "long",
    "duplicates",
    "leak",
    "near-duplicates",
    "near-leak",
    "conflicts",
    "encoding",
    "replacement",
    "markup",
    "control",
    "unlabelled",
    "label-case",
    "label-spelling",
    "rare",
    "imbalance",
    "telltale",
    "split-column",
    "constant",
    "ids",
]


NO_REMEDY = Message("")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One problem.

    title, text: what it is and why it matters, as sentences
    count: how many rows, classes or columns have it; rows: the numbers of the first of them, in `split`
    steps: the remedy as a spec has it; remedy: the words on its button
    sampled: whether only a part of the rows was looked at
    """

    kind: Kind
    severity: Severity
    title: Message
    text: Message
    count: int
    split: str = ""
    rows: tuple[int, ...] = ()
    steps: tuple[dict[str, Any], ...] = ()
    remedy: Message = NO_REMEDY
    sampled: bool = False
