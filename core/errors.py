"""Errors a person can act on. Their text is one or two sentences: the value, the rule and the fix.

Core raises them; only the edges (the pages' one renderer, the command line, the worker's final state) turn them into
words on a screen. Anything else that is raised is a defect of ours and keeps its stack trace in the worker's log.
"""

from __future__ import annotations

from dataclasses import dataclass


class TunedeckError(Exception):
    """Something a person can put right; `str(error)` is the sentence to show."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with one field of a spec: `field` is its dotted path (`training.learning_rate`)."""

    field: str
    message: str


class SpecError(TunedeckError):
    """A spec that breaks its rules; `problems` has one entry per field, in the order of the spec."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(f"{p.field}: {p.message}" if p.field else p.message for p in problems))


class DataError(TunedeckError):
    """A dataset that cannot be found, read or used; `field` is the spec field to look at, if one is to blame."""

    def __init__(self, message: str, field: str = "") -> None:
        self.field = field
        super().__init__(message)


class ModelError(TunedeckError):
    """A model that cannot be found, loaded or trained."""

    field = "model.name"


class HubError(TunedeckError):
    """The Hub said no, or did not answer."""


class PathError(TunedeckError):
    """A path outside what this mode of Tunedeck may read or write."""


class AccessDenied(TunedeckError):
    """Somebody may not do this here; the sentence says why."""


class StoreError(TunedeckError):
    """The run store cannot do what was asked of it."""


class StoreTrouble(StoreError):
    """The run store cannot be read or written now, whatever is asked of it; it works again once the cause is gone."""


class RunNotFound(StoreError):
    """No run has this id."""


class WrongStatus(StoreError):
    """The run's status does not allow this."""


class StaleWrite(Exception):
    """A worker or scheduler that was given up tried to write; its token is no longer the current one."""
