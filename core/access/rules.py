"""Who may do what: the one table of rules. Pages ask it what to offer; core asks it what to allow.

local    one person on their own machine may do everything
team     viewers look; trainers also start work, and change their own runs; admins may change everything
viewer   everybody may look, nobody may change anything
demo     a visitor trains on the sample within the rules of `core.access.demo`, and changes their own runs
"""

from __future__ import annotations

from typing import Literal, Protocol

from core.errors import AccessDenied
from core.person import OPERATOR, VISITOR, Role
from core.settings import Settings


class Owned(Protocol):
    """The part of a run that the rules need."""

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
"""The lowest role that may do an action in team mode; trainer for actions that are not listed."""

OF_OWNER: frozenset[Action] = frozenset({"stop", "resume", "rename", "delete", "calibrate", "push", "publish", "card"})
"""The actions on a run that only its owner or an admin may do."""

IN_DEMO: frozenset[Action] = frozenset({"train", "work", "stop", "rename", "delete", "calibrate", "ask"})
"""The actions that a demo visitor may do; the others need an installation of one's own."""

PHRASES: dict[Action, str] = {
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
    """Why the person may not do this action (on this run); None if they may."""
    person = settings.person
    if settings.mode == "local" or person == OPERATOR:
        return None
    if settings.mode == "viewer":
        return f"these pages only show results; to {PHRASES[action]}, install Tunedeck on your own machine"
    if settings.mode == "demo":
        if action not in IN_DEMO:
            return f"this is a demo; to {PHRASES[action]}, install Tunedeck on your own machine"
        if action in OF_OWNER and run is not None and run.owner != person.id:
            return f"the run {run.name!r} is shown to everybody; you can change only the runs that you started"
        return None
    least = LEAST.get(action, Role.TRAINER)
    if person.role < least:
        return (
            f"only the role {least.title} or a higher one may {PHRASES[action]}, and yours is {person.role.title}; "
            "ask an admin for it"
        )
    if action in OF_OWNER and run is not None and run.owner != person.id and person.role < Role.ADMIN:
        return f"the run {run.name!r} belongs to {run.owner}; only its owner or an admin can {PHRASES[action]}"
    return None


def check(settings: Settings, action: Action, run: Owned | None = None) -> None:
    """Raise AccessDenied if the person may not do this action (on this run)."""
    if (why := why_not(settings, action, run)) is not None:
        raise AccessDenied(why)


def sees(settings: Settings, owner: str) -> bool:
    """Whether the person may see runs of this owner: only the visitor who started a run in a demo sees it."""
    person = settings.person
    return settings.mode != "demo" or person == OPERATOR or owner == person.id or not owner.startswith(VISITOR)


def sources(settings: Settings) -> tuple[str, ...]:
    """The values of `data.source` that the person may use."""
    if settings.person == OPERATOR or settings.mode in ("local", "team"):
        return ("sample", "file", "hub")
    return ("sample",)
