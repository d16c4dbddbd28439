"""When an engine logs, evaluates and saves: decided by the spec and the number of batches, alike for every engine."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate

from core.spec.run import RunSpec
from core.spec.training import TrainingSpec


@dataclass(frozen=True)
class Timetable:
    """Steps count from 1; a step is one update of the weights, after all batches that are accumulated for it.

    epoch_ends: the last step of each whole epoch, ascending; the run ends at `total`, maybe within the last one
    """

    training: TrainingSpec
    epoch_ends: tuple[int, ...]
    total: int

    @classmethod
    def of(cls, spec: RunSpec, batches: Callable[[int], int]) -> Timetable:
        """The timetable of a run; `batches(epoch)` is how many batches an epoch has, from 0 on."""
        training = spec.training
        whole = math.ceil(training.num_train_epochs)
        counts = [max(1, math.ceil(batches(epoch) / training.gradient_accumulation_steps)) for epoch in range(whole)]
        last_share = training.num_train_epochs - (whole - 1)
        return cls(training, tuple(accumulate(counts)), sum(counts[:-1]) + math.ceil(counts[-1] * last_share))

    def place(self, done: int) -> tuple[int, int]:
        """After `done` steps: the epoch that comes next, from 0, and the steps already done in it."""
        epoch = bisect_left(self.epoch_ends, done + 1)
        return epoch, done - (self.epoch_ends[epoch - 1] if epoch else 0)

    def epoch(self, step: int) -> float:
        """How many epochs are done after a step, with its fraction."""
        epoch = bisect_left(self.epoch_ends, step)
        start = self.epoch_ends[epoch - 1] if epoch else 0
        return epoch + (step - start) / (self.epoch_ends[epoch] - start)

    def logs(self, step: int) -> bool:
        """At the first step, every `logging_steps`, and where an evaluation, a checkpoint or the end follows."""
        regular = step == 1 or step % self.training.logging_steps == 0
        return regular or self.evaluates(step) or self.saves(step) or self.ends(step)

    def evaluates(self, step: int) -> bool:
        return self._at(self.training.eval_strategy, self.training.eval_steps, step)

    def saves(self, step: int) -> bool:
        """Whether a checkpoint is due; a new best is saved besides, see `Record.evaluated`."""
        return self._at(self.training.save_strategy, self.training.save_steps, step)

    def ends(self, step: int) -> bool:
        return step >= self.total

    def _at(self, strategy: str, every: int, step: int) -> bool:
        match strategy:
            case "epoch":
                return step in self.epoch_ends or self.ends(step)
            case "steps":
                return step % every == 0 or self.ends(step)
            case _:
                return False
