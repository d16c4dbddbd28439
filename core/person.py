"""Who somebody is and what they may do at most."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import IntEnum

VISITOR = "visitor:"  # how the id of somebody begins who tries the demo


class Role(IntEnum):
    """A higher one may do all that a lower one may."""

    VIEWER = 1
    TRAINER = 2
    ADMIN = 3

    @property
    def title(self) -> str:
        return self.name.lower()


@dataclass(frozen=True)
class Person:
    """id: what their runs name as owner, an e-mail address in team mode; name: what they are called"""

    id: str
    name: str
    role: Role

    @property
    def key(self) -> str:
        """Names the folder of their uploads, from which nobody can be told; empty for the operator."""
        return "" if self == OPERATOR else "u-" + hashlib.sha256(self.id.encode()).hexdigest()[:20]


OPERATOR = Person("local", "You", Role.ADMIN)
"""Whoever runs the command line, or the dashboard on a machine of their own."""


def visitor(token: str) -> Person:
    """Somebody who tries the demo; the token is known to their browser alone, and cannot be told from their id."""
    return Person(VISITOR + hashlib.sha256(token.encode()).hexdigest()[:16], "Visitor", Role.TRAINER)
