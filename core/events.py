"""What a run says while it works: the one vocabulary between engines, the worker and the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

Level = Literal["info", "notice", "warning"]


class Reporter(Protocol):
    """Where tasks, engines and evaluation say how they are doing. Calls return at once; writing is batched behind it.

    Safe to call from any thread. No call raises, except that `fraction` and `check_stop` may.
    """

    def phase(self, text: str) -> None:
        """What is being done now, in a few words for the progress bar: "Tokenising", "Training"."""

    def fraction(self, text: str, done: float | None = None) -> None:
        """A phase that knows how much of it is done, from 0 to 1. Raises to end the run if it was asked to stop."""

    def progress(self, step: int, total: int, epoch: float | None = None) -> None:
        """Optimizer steps done of all; throttled by the receiver, so call it at every step."""

    def metrics(self, values: dict[str, float], step: int, epoch: float | None = None) -> None:
        """Named numbers at an optimizer step.

        Names: `loss`, `learning_rate`, `grad_norm`, `examples_per_second`, `tokens_per_second` for training;
        `eval_loss` and `eval_<metric>` for evaluation. A number that is not finite is recorded as it is.
        """

    def restore(self, log: Sequence[Mapping[str, float | None]]) -> None:
        """Metrics of an earlier attempt, each with its `step` and `epoch`: those are written that were never told.

        A killed worker takes the last ones with it, though the checkpoint after them is there. None is not a number.
        """

    def message(self, text: str, level: Level = "info", code: str = "") -> None:
        """A sentence for the person who watches; `notice` explains something normal that looks alarming."""

    def checkpoint(self, path: Path, step: int, best: bool) -> None:
        """A complete checkpoint lies at `path`."""

    @property
    def stop_requested(self) -> bool:
        """Whether the run was asked to stop; an engine looks after every step, ends there and keeps the model."""

    def check_stop(self) -> None:
        """Raises to end the run if it was asked to stop; for the steps before there is a model to keep."""
