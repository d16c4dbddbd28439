"""The head that a task puts on a pretrained body: its transformers class, its config fields and its messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class HeadKind:
    """The kind of head of a task, and its messages.

    auto_class, scratch_class: of transformers, for a pretrained model and for a small new BERT
    unfit: for a type of model that cannot have such a head; placeholders name (of the folder) and kind
    untrained: for a folder whose weights lack the head; placeholders title and missing (the name of a weight)
    new: for a head of which nothing is trained
    """

    auto_class: str
    scratch_class: str
    unfit: str
    untrained: str
    new: str


@dataclass(frozen=True)
class Head:
    """The head of one run.

    config: the fields of config.json that describe it
    rows: the names of its rows, by which the rows of a trained head are matched (see `class_head`); None if its rows
        have no names
    """

    kind: HeadKind
    config: Mapping[str, Any]
    rows: tuple[str, ...] | None
