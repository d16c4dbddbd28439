"""Notes on how a dataset was read and used, for pages, the command line and the worker's log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.events import Level
from core.messages import Argument, Message, as_json, worded


@dataclass(frozen=True)
class Note:
    """A sentence for people; its level is `warning` if rows or values are not used as the file has them.

    id, arguments: of the sentence, see `core.messages`; empty if an earlier version kept the sentence alone
    """

    text: str
    level: Level = "info"
    id: str = ""
    arguments: Mapping[str, Argument] = field(default_factory=dict, hash=False)

    @classmethod
    def of(cls, id: str, template: str, level: Level = "info", /, **arguments: object) -> Note:
        """A note whose sentence has an id. template: see `core.messages`"""
        return cls(worded(template, arguments), level, id, as_json(arguments))

    @classmethod
    def from_message(cls, message: Message, level: Level = "info") -> Note:
        """A message as a note."""
        return cls(message.text, level, message.id, message.arguments)

    @property
    def message(self) -> Message:
        return Message(self.text, self.id, self.arguments)
