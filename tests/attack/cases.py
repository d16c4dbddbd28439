"""The table that attacks are entered into: by their cause, each once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

CASES: dict[str, Callable[..., Any]] = {}


def case(cause: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter an attack. Its function is given what it names: place, shared, classifier, opened, capsys, monkeypatch."""

    def entered(attack: Callable[..., Any]) -> Callable[..., Any]:
        assert cause not in CASES, f"{cause} is there already"
        CASES[cause] = attack
        return attack

    return entered
