"""What a frozen model makes of texts, and a linear head that was fitted to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from core.tasks.results import Start

if TYPE_CHECKING:
    import numpy as np

    from core.spec.run import RunSpec

Pooling = Literal["model", "mean"]

START, NOTE = "start.safetensors", "start"


@dataclass(frozen=True)
class Features:
    """What a linear head can read of some examples.

    own: what the model's own head reads; mean: of the mean of the last states of all tokens, as far as there is one
    after `core.models.pooling.pool_mean`, else that mean; both float32 (examples, width)
    labels: of the examples, (examples, ...)
    """

    own: np.ndarray
    mean: np.ndarray
    labels: np.ndarray

    def of(self, pooling: Pooling) -> np.ndarray:
        return self.mean if pooling == "mean" else self.own


@dataclass(frozen=True)
class LinearHead:
    """Outputs as a sum of what a head reads. weight: float32 (outputs, width); bias: float32 (outputs,)"""

    pooling: Pooling
    weight: np.ndarray
    bias: np.ndarray

    def logits(self, features: Features) -> np.ndarray:
        """float32 (examples, outputs)"""
        logits: np.ndarray = features.of(self.pooling) @ self.weight.T + self.bias
        return logits


def read_start(folder: Path) -> Start | None:
    """The note on a run's fitted head; None for a run without one, or where the file is damaged."""
    from pydantic import ValidationError
    from safetensors import SafetensorError, safe_open

    if not (folder / START).is_file():
        return None
    try:
        with safe_open(folder / START, framework="np") as file:
            return Start.model_validate_json((file.metadata() or {}).get(NOTE, ""))
    except (OSError, SafetensorError, ValidationError):
        return None


def drawn(count: int, most: int, spec: RunSpec) -> np.ndarray:
    """The places of at most so many examples, ascending: int64 (examples,)."""
    import numpy as np

    return np.sort(np.random.default_rng(spec.training.seed).permutation(count)[:most])
