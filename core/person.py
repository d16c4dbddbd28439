"""A person who uses Tunedeck, and their role."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import IntEnum

VISITOR = "visitor:"  # the prefix of a demo visitor's id


class Role(IntEnum):
    """What a person may do; a higher role includes the lower ones."""

    VIEWER = 1
    TRAINER = 2
    ADMIN = 3

    @property
    def title(self) -> str:
        return self.name.lower()


@dataclass(frozen=True)
class Person:
    """id: the owner of their runs, an e-mail address in team mode; name: for display"""

    id: str
    name: str
    role: Role

    @property
    def key(self) -> str:
        """The name of their upload folder, which does not reveal who they are; empty for the operator."""
        return "" if self == OPERATOR else "u-" + hashlib.sha256(self.id.encode()).hexdigest()[:20]


OPERATOR = Person("local", "You", Role.ADMIN)
"""The person who runs the command line, or the dashboard on their own machine."""


def visitor(token: str) -> Person:
    """A demo visitor. Only their browser knows the token; it cannot be derived from their id."""
    return Person(VISITOR + hashlib.sha256(token.encode()).hexdigest()[:16], "Visitor", Role.TRAINER)
