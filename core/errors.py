"""Errors a person can act on. Their text is one or two sentences: the value, the rule and the fix.

Core raises them; only the edges (the pages' one renderer, the command line, the worker's final state) show them. Any
other exception is a bug of ours and keeps its stack trace in the worker's log.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from dataclasses import field as field_of
from typing import Any, Self

from core.messages import Message, as_json, message_of, worded


class TunedeckError(Exception):
    """An error that a person can fix; `str(error)` is the sentence to show.

    message: the sentence with its id and arguments, which the store keeps of an error that ends a run
    """

    def __init__(self, message: str | Message = "") -> None:
        self.message = message_of(message)
        super().__init__(self.message.text)

    @classmethod
    def of(cls, id: str, template: str, /, **arguments: object) -> Self:
        """An error whose sentence has an id. template, arguments: see `core.messages`"""
        return cls(Message.of(id, template, **arguments))


@dataclass(frozen=True)
class Problem:
    """One error in one field of a spec; `field` is its dotted path (`training.learning_rate`).

    id, arguments: of the sentence, see `core.messages`
    """

    field: str
    message: str
    id: str = ""
    arguments: dict[str, Any] = field_of(default_factory=dict, hash=False)

    @classmethod
    def of(cls, id: str, template: str, field: str, /, **arguments: object) -> Problem:
        """A problem whose sentence has an id. template: see `core.messages`"""
        return cls(field, worded(template, arguments), id, as_json(arguments))

    @classmethod
    def from_message(cls, field: str, message: Message) -> Problem:
        """A message as the problem of a field."""
        return cls(field, message.text, message.id, dict(message.arguments))


class SpecError(TunedeckError):
    """A spec that breaks its rules; `problems` has one entry per field, in the order of the spec's fields."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        text = "\n".join(f"{p.field}: {p.message}" if p.field else p.message for p in problems)
        super().__init__(Message(text, "spec-problems", {"problems": [asdict(problem) for problem in problems]}))


class DataError(TunedeckError):
    """A dataset that cannot be opened, read or used; `field` names the spec field at fault, if there is one."""

    def __init__(self, message: str | Message, field: str = "") -> None:
        self.field = field
        super().__init__(message)

    @classmethod
    def of(cls, id: str, template: str, field: str = "", /, **arguments: object) -> Self:
        return cls(Message.of(id, template, **arguments), field)


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
