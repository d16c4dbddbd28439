"""Errors a person can act on. Their text is one or two sentences: the value, the rule and the fix.

Core raises them; only the edges (the pages' one renderer, the command line, the worker's final state) show them. Any
other exception is a bug of ours and keeps its stack trace in the worker's log.
"""

from __future__ import annotations

from dataclasses import dataclass


class TunedeckError(Exception):
    """An error that a person can fix; `str(error)` is the sentence to show."""


@dataclass(frozen=True)
class Problem:
    """One error in one field of a spec; `field` is its dotted path (`training.learning_rate`)."""

    field: str
    message: str


class SpecError(TunedeckError):
    """A spec that breaks its rules; `problems` has one entry per field, in the order of the spec's fields."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(f"{p.field}: {p.message}" if p.field else p.message for p in problems))


class DataError(TunedeckError):
    """A dataset that cannot be opened, read or used; `field` names the spec field at fault, if there is one."""

    def __init__(self, message: str, field: str = "") -> None:
        self.field = field
        super().__init__(message)


class ModelError(TunedeckError):
    """A model that cannot be opened, loaded or trained."""

    field = "model.name"


class HubError(TunedeckError):
    """The Hub refused a request or did not answer."""


class PathError(TunedeckError):
    """A path that this mode of Tunedeck may not read or write."""


class AccessDenied(TunedeckError):
    """A person may not do this here; the sentence says why."""


class StoreError(TunedeckError):
    """The run store cannot carry out a request."""


class StoreTrouble(StoreError):
    """The run store cannot be read or written at all; it works again once the cause is gone."""


class RunNotFound(StoreError):
    """There is no run with this id."""


class WrongStatus(StoreError):
    """The run's status does not allow this action."""


class StaleWrite(Exception):
    """A worker or scheduler that has been replaced tried to write; its token is no longer current."""
