"""What a run reports while it works: the one vocabulary between engines, the worker and the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

from core.messages import Argument, Message

Level = Literal["info", "notice", "warning"]


class Reporter(Protocol):
    """Where tasks, engines and evaluation report progress. Calls return at once; a thread writes in batches.

    Safe to call from any thread. Only `fraction` and `check_stop` may raise.
    """

    def phase(self, text: str | Message) -> None:
        """The current activity, in a few words for the progress bar: "Tokenising", "Training"."""

    def fraction(self, text: str | Message, done: float | None = None) -> None:
        """A phase with the share of it that is done, from 0 to 1. Raises to end the run if it was asked to stop."""

    def progress(self, step: int, total: int, epoch: float | None = None) -> None:
        """Optimizer steps done, and the total. The receiver throttles, so call it at every step."""

    def metrics(self, values: dict[str, float], step: int, epoch: float | None = None) -> None:
        """Metrics at an optimizer step, by name.

        Names: `loss`, `learning_rate`, `grad_norm`, `examples_per_second`, `tokens_per_second` for training;
        `eval_loss` and `eval_<metric>` for evaluation. NaN and infinities are recorded as they are.
        """

    def restore(self, log: Sequence[Mapping[str, float | None]]) -> None:
        """Record the metrics of an earlier attempt that never reached the store.

        A killed worker loses its last batch, although the checkpoint after it exists. log: one mapping per step, with
        `step`, `epoch` and metrics by name; None stands for NaN
        """

    def message(self, text: str, level: Level = "info", code: str = "", **arguments: Argument) -> None:
        """A sentence for the person watching; level `notice` explains something normal that looks alarming.

        code, arguments: the id and the values of the sentence, see `core.messages`
        """

    def checkpoint(self, path: Path, step: int, best: bool) -> None:
        """A complete checkpoint lies at `path`."""

    @property
    def step(self) -> int:
        """The optimizer steps done, as last told to `progress`; 0 before."""

    @property
    def stop_requested(self) -> bool:
        """Whether the run was asked to stop; an engine checks after every step, ends there and keeps the model."""

    def check_stop(self) -> None:
        """Raise to end the run if it was asked to stop; for the phases before there is a model to keep."""
