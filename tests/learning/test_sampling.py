"""The order of examples: every one once, repeatable, like lengths together, and random all the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.engines.sampling import EpochSampler, EvalSampler, TrainingBatches
from core.spec.training import TrainingSpec
from core.tasks.batches import evaluation_batches

LENGTHS = np.minimum(np.random.default_rng(1).lognormal(4, 0.8, 1003).astype(int) + 3, 512)


def batches_of(lengths: np.ndarray = LENGTHS, seed: int = 42, **changes: Any) -> TrainingBatches:
    return TrainingBatches(lengths, TrainingSpec(per_device_train_batch_size=8, seed=seed, **changes))


def padded(lengths: np.ndarray, batches: list[np.ndarray]) -> int:
    return sum(int(lengths[batch].max()) * len(batch) for batch in batches)


WAYS = pytest.mark.parametrize(
    "way",
    [{}, {"train_sampling_strategy": "random"}, {"max_tokens_per_batch": 600}],
    ids=["length", "random", "tokens"],
)


@WAYS
@pytest.mark.parametrize("count", [1, 7, 8, 9, 64, 1003])
def test_an_epoch_has_every_example_once(count: int, way: dict[str, Any]) -> None:
    batches = batches_of(LENGTHS[:count], **way)
    sampler = EpochSampler(batches)
    order = list(sampler)
    assert sorted(order) == list(range(count)) and len(sampler) == count
    assert sampler.tokens_until[-1] == LENGTHS[:count].sum()
    assert sampler.tokens_until[1] == LENGTHS[order[0]]
    assert batches.count(0) == len(batches.of(0))


@WAYS
def test_seed_and_epoch_decide_the_order(way: dict[str, Any]) -> None:
    sampler, same = EpochSampler(batches_of(**way)), EpochSampler(batches_of(**way))
    first = list(sampler)
    assert list(sampler) == first == list(same)
    sampler.set_epoch(1)
    assert list(sampler) != first
    sampler.set_epoch(0)
    assert list(sampler) == first
    assert list(EpochSampler(batches_of(seed=43, **way))) != first


@pytest.mark.parametrize(("count", "most"), [(256, 1.2), (1003, 1.1)])
def test_batches_have_little_padding_and_come_in_no_order_of_length(count: int, most: float) -> None:
    lengths = LENGTHS[:count]
    batches = batches_of(lengths).of(0)
    shuffled = batches_of(lengths, train_sampling_strategy="random").of(0)
    assert padded(lengths, batches) < most * lengths.sum() < 0.8 * padded(lengths, shuffled)
    assert lengths.max() in lengths[batches[0]], "the longest comes first, so that memory runs out at once or never"
    means = np.array([lengths[batch].mean() for batch in batches[1:-1]])
    neighbours = np.corrcoef(means[:-1], means[1:])[0, 1]
    assert abs(neighbours) < 0.3


def test_an_incomplete_batch_comes_last() -> None:
    assert [len(batch) for batch in batches_of().of(0)] == [8] * 125 + [3]


def test_batches_by_tokens_are_filled_and_never_above() -> None:
    batches = batches_of(max_tokens_per_batch=600).of(0)
    sizes = np.array([LENGTHS[batch].max() * len(batch) for batch in batches])
    assert sizes.max() <= 600 and sizes.mean() > 480
    alone = batches_of(max_tokens_per_batch=64).of(0)
    assert all(len(batch) == 1 for batch in alone if LENGTHS[batch].max() > 64), "a text that is too long is not lost"


@pytest.mark.parametrize("count", [256, 1003])
def test_examples_meet_others_in_the_next_epoch(count: int) -> None:
    def company(epoch: int) -> dict[int, frozenset[int]]:
        return {int(i): frozenset(b.tolist()) for b in batches_of(LENGTHS[:count]).of(epoch) for i in b}

    first, second = company(0), company(1)
    shared = np.mean([len(first[i] & second[i]) - 1 for i in first])
    assert shared < 2.5, "of seven others"


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
