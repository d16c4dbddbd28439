"""Texts laid end to end, straight from the files in which their tokens lie: no text becomes an object of its own."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import Dataset

from core.engines.padding_free.attention import BOUNDARIES, LONGEST
from core.engines.vocabulary import Vocabulary
from core.tasks.texts import Encoded

if TYPE_CHECKING:
    import datasets

Batch = dict[str, Any]
TOKENS = ("input_ids", "token_type_ids")


@dataclass(frozen=True)
class Example:
    """A text of a split, by its place there."""

    texts: Texts
    index: int


class Texts(Dataset[Example]):
    """One split, for a DataLoader: its items are places, of which `laid_out` makes a batch.

    padding_id: of a model that counts positions from it and leaves padding tokens out, as RoBERTa does; else None
    """

    def __init__(self, rows: datasets.Dataset, vocabulary: Vocabulary, padding_id: int | None) -> None:
        self._vocabulary, self._padding_id = vocabulary, padding_id
        self._columns = {name: _Column(rows, name) for name in TOKENS if name in rows.column_names}
        self._labels = np.asarray(rows["labels"])

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> Example:
        return Example(self, index)

    def laid_out(self, indices: Sequence[int]) -> Batch:
        """A batch as a model takes it, with `labels`, (texts,), first.

        input_ids, token_type_ids if the model reads them, position_ids: int64 (1, tokens of all); attention_mask: of
        what the model gives its head, one state of each text, (texts, 1); boundaries and longest as `attention` has
        them.
        """
        ids = self._columns["input_ids"].of(indices)
        ends = np.array(list(accumulate(map(len, ids), initial=0)))
        tokens = np.concatenate(ids).astype(np.int64)
        batch: Batch = {"labels": torch.from_numpy(self._labels[list(indices)])}
        lines = {
            "input_ids": self._vocabulary.renumber({"input_ids": tokens})["input_ids"],
            "position_ids": _positions(tokens, ends, self._padding_id),
        }
        if "token_type_ids" in self._columns:
            lines["token_type_ids"] = np.concatenate(self._columns["token_type_ids"].of(indices)).astype(np.int64)
        batch |= {name: torch.from_numpy(line)[None] for name, line in lines.items()}
        batch["attention_mask"] = torch.ones(len(ids), 1, dtype=torch.int64)
        batch[BOUNDARIES] = torch.from_numpy(ends.astype(np.int32))
        batch[LONGEST] = max(map(len, ids))
        return batch


def collate(examples: list[Example]) -> Batch:
    """The batch of these examples, which are of one split."""
    return examples[0].texts.laid_out([example.index for example in examples])


def splits(model: Any, encoded: Encoded, vocabulary: Vocabulary) -> tuple[Texts, Texts]:
    """The texts to train on, and those to evaluate on."""
    counts = model.config.model_type in COUNTS_FROM_PADDING
    padding_id = int(model.config.pad_token_id) if counts else None
    return Texts(encoded.train, vocabulary, padding_id), Texts(encoded.eval, vocabulary, padding_id)


COUNTS_FROM_PADDING = {"roberta", "xlm-roberta", "camembert"}


def _positions(tokens: np.ndarray, ends: np.ndarray, padding_id: int | None) -> np.ndarray:
    """The position of each token in its text, as the model counts."""
    lengths = np.diff(ends)
    if padding_id is None:
        return np.arange(len(tokens)) - np.repeat(ends[:-1], lengths)
    counted = tokens != padding_id  # a text may have the very words that stand for padding
    until = np.concatenate([[0], np.cumsum(counted)])
    return np.where(counted, until[1:] - np.repeat(until[ends[:-1]], lengths), 0) + padding_id


class _Column:
    """A column of lists of numbers, read in place where the file lies."""

    def __init__(self, rows: datasets.Dataset, name: str) -> None:
        chunks = [chunk for chunk in rows.data.column(name).chunks if len(chunk)]
        self._first = [0, *accumulate(map(len, chunks))]  # the row with which each chunk begins
        self._values = [chunk.flatten().to_numpy() for chunk in chunks]
        self._offsets = [chunk.offsets.to_numpy() - chunk.offsets[0].as_py() for chunk in chunks]

    def of(self, indices: Sequence[int]) -> list[np.ndarray]:
        return [self._row(int(index)) for index in indices]

    def _row(self, index: int) -> np.ndarray:
        chunk = bisect_right(self._first, index) - 1
        start, end = self._offsets[chunk][index - self._first[chunk] :][:2]
        return self._values[chunk][start:end]
