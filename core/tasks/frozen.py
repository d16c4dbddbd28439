"""What a frozen model makes of texts, for a simpler model that learns from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np

    from core.spec.run import RunSpec

Pooling = Literal["model", "mean"]


@dataclass(frozen=True)
class Features:
    """What a linear classifier can read of some examples.

    own: what the head reads; mean: the mean of the last states of all tokens; both float32 (examples, width)
    labels: class ids (examples,)
    """

    own: np.ndarray
    mean: np.ndarray
    labels: np.ndarray

    def of(self, pooling: Pooling) -> np.ndarray:
        return self.mean if pooling == "mean" else self.own


def drawn(count: int, most: int, spec: RunSpec) -> np.ndarray:
    """The places of at most so many examples, ascending: int64 (examples,)."""
    import numpy as np

    return np.sort(np.random.default_rng(spec.training.seed).permutation(count)[:most])
