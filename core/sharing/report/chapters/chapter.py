"""What a task may add to the report and to the model card."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from core.sharing.report.content import Content
from core.sharing.report.document import Block, Line, Section

Fact = tuple[str, str, str]
"""A title, a number and what it is about."""


def nothing(content: Content) -> Any:
    """The facts of a chapter without any."""
    return ()


def no_section(content: Content) -> None:
    """The section of a chapter whose parts stand within other chapters."""


@dataclass(frozen=True)
class Chapter:
    """Each is asked with the content of a run, and is empty where there is nothing to say.

    section: a section of its own in the report
    lead: how the report's first sentence begins, "A classifier of 3 classes"; facts: of its summary
    data: what is to be known of the data; failures: what stands under "Where it fails"
    description: how the card's first sentence begins; uses, limits, results: what stands there in these sections
    """

    section: Callable[[Content], Section | None] = no_section
    lead: Callable[[Content], str] = nothing
    facts: Callable[[Content], list[Fact]] = nothing
    data: Callable[[Content], list[tuple[str, Line]]] = nothing
    failures: Callable[[Content], list[Block]] = nothing
    description: Callable[[Content], str] = nothing
    uses: Callable[[Content], Line] = nothing
    limits: Callable[[Content], list[Line]] = nothing
    results: Callable[[Content], list[Block]] = nothing
