"""The order of examples: every one once, repeatable, like lengths together, and random all the same."""

from __future__ import annotations

import numpy as np
import pytest

from core.engines.sampling import EpochSampler, EvalSampler, evaluation_batches, training_batches

LENGTHS = np.minimum(np.random.default_rng(1).lognormal(4, 0.8, 1003).astype(int) + 3, 512)


def padded(lengths: np.ndarray, batches: list[np.ndarray]) -> int:
    return sum(int(lengths[batch].max()) * len(batch) for batch in batches)


@pytest.mark.parametrize("by_length", [True, False])
@pytest.mark.parametrize("count", [1, 7, 8, 9, 64, 1003])
def test_an_epoch_has_every_example_once(count: int, by_length: bool) -> None:
    sampler = EpochSampler(LENGTHS[:count], 8, 42, by_length)
    order = list(sampler)
    assert sorted(order) == list(range(count)) and len(sampler) == count
    assert sampler.tokens_until[-1] == LENGTHS[:count].sum()
    assert sampler.tokens_until[1] == LENGTHS[order[0]]


@pytest.mark.parametrize("by_length", [True, False])
def test_seed_and_epoch_decide_the_order(by_length: bool) -> None:
    sampler, same = EpochSampler(LENGTHS, 8, 42, by_length), EpochSampler(LENGTHS, 8, 42, by_length)
    first = list(sampler)
    assert list(sampler) == first == list(same)
    sampler.set_epoch(1)
    assert list(sampler) != first
    sampler.set_epoch(0)
    assert list(sampler) == first
    assert list(EpochSampler(LENGTHS, 8, 43, by_length)) != first


def test_batches_have_little_padding_and_come_in_no_order_of_length() -> None:
    rng = np.random.default_rng(0)
    batches = training_batches(LENGTHS, 8, rng)
    shuffled = np.split(rng.permutation(1000), 125)
    assert padded(LENGTHS, batches) < 1.25 * LENGTHS.sum() < 0.7 * padded(LENGTHS, shuffled)
    assert LENGTHS.max() in LENGTHS[batches[0]], "the longest comes first, so that memory runs out at once or never"
    assert len(batches[-1]) == 1003 % 8
    means = np.array([LENGTHS[batch].mean() for batch in batches[1:-1]])
    neighbours = np.corrcoef(means[:-1], means[1:])[0, 1]
    assert abs(neighbours) < 0.3


def test_examples_meet_others_in_the_next_epoch() -> None:
    def company(epoch: int) -> dict[int, frozenset[int]]:
        batches = training_batches(LENGTHS, 8, np.random.default_rng([42, epoch]))
        return {int(i): frozenset(batch.tolist()) for batch in batches for i in batch}

    first, second = company(0), company(1)
    shared = np.mean([len(first[i] & second[i]) - 1 for i in first])
    assert shared < 1.5


def test_an_evaluation_is_a_fair_sample_at_any_time() -> None:
    batches = evaluation_batches(LENGTHS, 16)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(LENGTHS)))
    assert padded(LENGTHS, batches) < 1.1 * LENGTHS.sum()
    half = LENGTHS[np.concatenate(batches[: len(batches) // 2])]
    assert abs(half.mean() - LENGTHS.mean()) < 0.3 * LENGTHS.mean()
    assert evaluation_batches(LENGTHS, 16)[3].tolist() == batches[3].tolist()


def test_an_evaluation_asked_to_stop_ends_after_a_whole_batch() -> None:
    sampler = EvalSampler(LENGTHS, 16, stop=lambda: True)
    assert len(list(sampler)) == 16
    assert sampler.cut_short
    whole = EvalSampler(LENGTHS, 16, stop=lambda: False)
    assert len(list(whole)) == len(LENGTHS) and not whole.cut_short
