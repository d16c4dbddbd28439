"""What a task puts on top of a pretrained body, and what it says of it: which class, which fields of config.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class HeadKind:
    """The kind of head that a task has, and its sentences.

    auto_class, scratch_class: of transformers, for a pretrained model and for a small new BERT
    unfit: of a type of model that can have no such head; placeholders name (of the folder) and kind
    untrained: of a folder whose weights lack the head; placeholders title and missing (the name of a weight)
    new: what a person is told where the head begins with random weights
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
    rows: the name of each of its rows, by which a head that was trained before is taken over (see `class_head`); None
        for a head whose rows have no names
    """

    kind: HeadKind
    config: Mapping[str, Any]
    rows: tuple[str, ...] | None
