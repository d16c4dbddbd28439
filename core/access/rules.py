"""Who may do what: the one table of rules. Pages ask it to show the right things; core asks it to allow them.

local    one person on their own machine may do everything
team     viewers see; trainers also work, and change what is theirs; admins may change everything
viewer   everybody sees, nobody changes anything
demo     a visitor trains the sample within `core.access.demo`'s rules, and changes what is theirs
"""

from __future__ import annotations

from typing import Any, Literal, Protocol

from core.access import demo
from core.errors import AccessDenied
from core.person import OPERATOR, VISITOR, Role
from core.settings import Settings


class Owned(Protocol):
    """A run, as far as the rules look at it."""

    @property
    def owner(self) -> str: ...
    @property
    def name(self) -> str: ...


Action = Literal[
    "train",
    "work",
    "stop",
    "resume",
    "rename",
    "delete",
    "calibrate",
    "push",
    "publish",
    "card",
    "import",  # a run
    "set aside",
    "give back",
    "upload",
    "correct",
    "review",
    "sql",
    "ask",
    "hub",
    "audit",
]

LEAST: dict[Action, Role] = {"audit": Role.ADMIN, "give back": Role.ADMIN}
"""The role an action needs in team mode; a trainer's if it is not here."""

OF_OWNER: frozenset[Action] = frozenset({"stop", "resume", "rename", "delete", "calibrate", "push", "publish", "card"})
"""What only the owner of a run, or an admin, does with it."""

IN_DEMO: frozenset[Action] = frozenset({"train", "work", "stop", "rename", "delete", "calibrate", "ask"})
"""What a visitor may; the rest is said to be for an installation of one's own."""

SHOWN: dict[Action, str] = {
    "train": "train a model",
    "work": "start work in the background",
    "stop": "stop a run",
    "resume": "resume a run",
    "rename": "rename a run",
    "delete": "delete a run",
    "calibrate": "change how a model answers",
    "push": "push a model to the Hub",
    "publish": "publish a run",
    "card": "change a run's card",
    "import": "import a bundle",
    "set aside": "set a final test aside",
    "give back": "take a final test back",
    "upload": "upload a file",
    "correct": "collect corrections",
    "review": "decide on labels",
    "sql": "run SQL",
    "ask": "ask a model",
    "hub": "search the Hub",
    "audit": "see who did what",
}


def why_not(settings: Settings, action: Action, run: Owned | None = None) -> str | None:
    """Why the person may not do this (to this run); None if they may."""
    person = settings.person
    if settings.mode == "local" or person == OPERATOR:
        return None
    if settings.mode == "viewer":
        return f"this is a page to look at results; to {SHOWN[action]}, install Tunedeck on a machine of your own"
    if settings.mode == "demo":
        if action not in IN_DEMO:
            return f"this is a demo; to {SHOWN[action]}, install Tunedeck on a machine of your own"
        if action in OF_OWNER and run is not None and run.owner != person.id:
            return f"the run {run.name!r} is shown to everybody; only one that you started is yours to change"
        return None
    least = LEAST.get(action, Role.TRAINER)
    if person.role < least:
        return f"to {SHOWN[action]} takes the role {least.title}, and yours is {person.role.title}; ask an admin for it"
    if action in OF_OWNER and run is not None and run.owner != person.id and person.role < Role.ADMIN:
        return f"the run {run.name!r} belongs to {run.owner}; only its owner or an admin can {SHOWN[action]}"
    return None


def check(settings: Settings, action: Action, run: Owned | None = None) -> None:
    """Raises AccessDenied if the person may not do this (to this run)."""
    if (why := why_not(settings, action, run)) is not None:
        raise AccessDenied(why)


def check_start(settings: Settings, kind: str, spec: dict[str, Any]) -> None:
    """Whether the person may start work of this kind; `core.guarded_store` limits how much. Raises AccessDenied."""
    check(settings, "train" if kind == "train" else "work")
    if settings.mode == "demo" and settings.person != OPERATOR and (why := demo.why_not(settings.demo, kind, spec)):
        raise AccessDenied(why)


def sees(settings: Settings, owner: str) -> bool:
    """Whether runs of this owner are there for the person: a visitor's are for that visitor alone."""
    person = settings.person
    return settings.mode != "demo" or person == OPERATOR or owner == person.id or not owner.startswith(VISITOR)


def sources(settings: Settings) -> tuple[str, ...]:
    """The kinds of data that may be opened here, as `data.source` names them."""
    if settings.person == OPERATOR or settings.mode in ("local", "team"):
        return ("sample", "file", "hub")
    return ("sample",)
