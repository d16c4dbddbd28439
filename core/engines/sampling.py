"""The order of examples: seeded per epoch, so that one can be repeated exactly, with batches of like lengths."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

# Batches are cut from this many batches' worth of shuffled examples, sorted by length: as in the Trainer's own
# grouping, large enough for little padding and small enough that the same examples do not meet in every epoch.
MEGABATCH = 50


def training_batches(
    lengths: Sequence[int] | np.ndarray, batch_size: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """All indices of `lengths` in batches of like lengths, in random order; an incomplete batch comes last.

    Unlike in the Trainer's own grouping, the batches are shuffled too: with long texts always before short ones, what
    goes with length (complaints are longer than praise) would come in waves. Only the batch with the longest text is
    moved to the front, so that memory runs out at once or never.
    """
    lengths = np.asarray(lengths)
    order = rng.permutation(len(lengths))
    whole = len(order) - len(order) % batch_size
    # At least four groups, if there are examples enough: with one, the lengths alone would decide who meets whom.
    group = batch_size * max(1, min(MEGABATCH, len(lengths) // (batch_size * 4)))
    batches: list[np.ndarray] = []
    for start in range(0, whole, group):
        members = order[start : min(start + group, whole)]
        members = members[np.argsort(-lengths[members], kind="stable")]
        batches.extend(members.reshape(-1, batch_size))
    batches = [batches[i] for i in rng.permutation(len(batches))]
    if batches:
        batches.insert(0, batches.pop(int(np.argmax([lengths[batch].max() for batch in batches]))))
    return [*batches, order[whole:]] if whole < len(order) else batches


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


class EpochSampler(Sampler[int]):
    """Indices of one epoch after the other, each in the order that its seed and number decide.

    lengths: tokens of each example
    by_length: in batches of like lengths, else only shuffled
    tokens_until: of the epoch begun last, the tokens in its first 0, 1, 2, … examples
    """

    def __init__(self, lengths: Sequence[int] | np.ndarray, batch_size: int, seed: int, by_length: bool) -> None:
        self.lengths = np.asarray(lengths)
        self.batch_size, self.seed, self.by_length = batch_size, seed, by_length
        self.epoch = 0
        self.tokens_until = np.zeros(1, dtype=np.int64)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def order(self) -> np.ndarray:
        """The indices of the current epoch."""
        rng = np.random.default_rng([self.seed, self.epoch])
        if not self.by_length:
            return rng.permutation(len(self.lengths))
        return np.concatenate(training_batches(self.lengths, self.batch_size, rng))

    def __iter__(self) -> Iterator[int]:
        order = self.order()
        self.tokens_until = np.concatenate([[0], np.cumsum(self.lengths[order])])
        return iter(order.tolist())

    def __len__(self) -> int:
        return len(self.lengths)


class EvalSampler(Sampler[int]):
    """Every index once, in batches of like lengths; ends early, after at least one batch, once `stop()` says so."""

    def __init__(self, lengths: Sequence[int] | np.ndarray, batch_size: int, stop: Callable[[], bool]) -> None:
        self.batches = evaluation_batches(lengths, batch_size)
        self.stop = stop
        self.cut_short = False

    def __iter__(self) -> Iterator[int]:
        for number, batch in enumerate(self.batches):
            if number and self.stop():
                self.cut_short = True
                return
            yield from batch.tolist()

    def __len__(self) -> int:
        return sum(len(batch) for batch in self.batches)
