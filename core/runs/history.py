"""What a training went through: its steps and every point of its curves, in history.json of the run's folder."""

from __future__ import annotations

from pathlib import Path

from pydantic import ConfigDict, Field

from core.store.json_models import Count, Name, Result

HISTORY = "history.json"


class History(Result):
    """total_steps: as many as it was to have, or as it had where early stopping ended it

    best_step: that of the evaluation whose model was kept, None where the last one was
    log: points of the curves: step, epoch and what was measured there; not finite where training diverged
    """

    model_config = ConfigDict(allow_inf_nan=True, ser_json_inf_nan="constants")

    steps: Count = 0
    total_steps: Count = 0
    best_step: Count | None = None
    log: list[dict[Name, float]] = Field(default_factory=list)

    @property
    def evaluations(self) -> list[dict[str, float]]:
        """The points at which the model was evaluated."""
        return [point for point in self.log if "eval_loss" in point]

    @property
    def is_whole(self) -> bool:
        """Whether training came to its end."""
        return self.steps >= self.total_steps


def read_history(folder: Path) -> History | None:
    """None where training did not end, or the file is damaged."""
    return History.load(folder / HISTORY)
