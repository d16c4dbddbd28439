"""What a person says in a model card."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Edits:
    """What a person says that a run does not know. Empty: as far as it can be told from the base model and the data

    licence: by the Hub's name for it; languages: codes; description: one line; intended: what it is for
    """

    licence: str = ""
    languages: tuple[str, ...] = ()
    description: str = ""
    intended: str = ""


NOTHING = Edits()
