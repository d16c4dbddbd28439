"""A sentence for people that is stored, with the id and arguments from which a catalogue can word it again.

The store keeps all three: pages show the sentence as it was written, and a translation can look up the id and fill in
the arguments. An id never changes its meaning; a new sentence, or one with other arguments, gets a new id. A sentence
that is written with `Message.of` is a template with named placeholders, as of `str.format`, and two things more: in
`{count:row|rows}` a count takes its noun, and a list is joined by commas.
"""

from __future__ import annotations

import math
import numbers
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Argument = str | int | float | None | list[Any] | dict[str, Any]


@dataclass(frozen=True)
class Message:
    """A stored sentence.

    text: the whole sentence in English; id: names it, empty if an earlier version stored the sentence alone
    arguments: the values in the sentence, by name, unformatted: 0.25 and not "25%"
    """

    text: str
    id: str = ""
    arguments: Mapping[str, Argument] = field(default_factory=dict, hash=False)

    @classmethod
    def of(cls, id: str, template: str, /, **arguments: object) -> Message:
        """The message of an id. template: the sentence; arguments: its placeholders, which are kept as JSON values"""
        return cls(worded(template, arguments), id, as_json(arguments))

    def __str__(self) -> str:
        return self.text


def message_of(sentence: str | Message) -> Message:
    """A sentence as a message; one that has no id yet gets none."""
    return sentence if isinstance(sentence, Message) else Message(sentence)


def worded(template: str, arguments: Mapping[str, object]) -> str:
    """The sentence of a template. Raises KeyError for a placeholder without an argument."""
    return _Sentences().vformat(template, (), arguments)


def as_json(arguments: Mapping[str, object]) -> dict[str, Argument]:
    """Arguments as JSON has them: tuples as lists, NaN and infinities as None, what is no JSON as its text."""
    return {name: _json_value(value) for name, value in arguments.items()}


def with_noun(count: float, one: str, many: str) -> str:
    """A number with its noun: "1 run", "2,000 runs", "0.5 epochs"."""
    digits = f"{count:,}" if isinstance(count, int) else f"{count:,.3g}" if count < 1000 else f"{count:,.0f}"
    return f"{digits} {one if count == 1 else many}"


class _Sentences(string.Formatter):
    """`str.format` with nouns for counts and commas for lists."""

    def format_field(self, value: Any, format_spec: str) -> str:
        if "|" in format_spec:
            one, _, many = format_spec.partition("|")
            return with_noun(value, one, many)
        if isinstance(value, (list, tuple)) and not format_spec:
            return ", ".join(map(str, value))
        return str(super().format_field(value, format_spec))


def _json_value(value: object) -> Argument:
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, numbers.Integral):  # NumPy's too
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, (list, tuple)):
        return [_json_value(one) for one in value]
    if isinstance(value, Mapping):
        return {str(name): _json_value(one) for name, one in value.items()}
    return str(value)
