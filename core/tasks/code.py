"""Parts of an exported script, which a task's room and `core.sharing.code` put together."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """One part of a script, two cells of a notebook. Without a title it has no heading.

    text: what it does, for a person; imports: import statements that `code` needs
    """

    title: str
    text: str
    code: str
    imports: tuple[str, ...] = ()


@dataclass(frozen=True)
class KerasLoss:
    """What a script of the Keras engine learns by.

    loss: an expression for what `compile` is given; lines: what stands before it
    needs: a section that comes earlier; argument, parameter: how train.py hands `fit` what that section has made, and
    what `fit` of exact.py calls it
    kept: a line of `fit` in exact.py that keeps it; each: lines there that set `each`, the loss of every example, from
    `logits` and `labels`
    """

    loss: str
    each: tuple[str, ...]
    lines: tuple[str, ...] = ()
    needs: Section | None = None
    argument: str = ""
    parameter: str = ""
    kept: str = ""
