"""A sentence for people that is stored, with the id and arguments from which a catalogue can word it again.

The store keeps all three: pages show the sentence as it was written, and a translation can look up the id and fill in
the arguments. An id never changes its meaning; a new sentence with other arguments gets a new id.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Argument = str | int | float


@dataclass(frozen=True)
class Message:
    """A stored sentence.

    text: the whole sentence in English; id: names it, empty if an earlier version stored the sentence alone
    arguments: the values in the sentence, by name, unformatted: 0.25 and not "25%"
    """

    text: str
    id: str = ""
    arguments: dict[str, Argument] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.text
