"""The batches in which examples are evaluated, the same for every engine.

Parts of this file are copied, as text, into the exact.py of exported scripts: see core/sharing/code.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def evaluation_batches(lengths: Sequence[int] | np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Batches of like lengths, as alike as can be, in an order that is random but always the same.

    Any first part of them is a fair sample of all, so an evaluation cut short still says something. An incomplete
    batch comes last.
    """
    order = np.argsort(-np.asarray(lengths), kind="stable")
    whole = len(order) - len(order) % batch_size
    batches = list(order[:whole].reshape(-1, batch_size))
    batches = [batches[i] for i in np.random.default_rng(0).permutation(len(batches))]
    return [*batches, order[whole:]] if whole < len(order) else batches
