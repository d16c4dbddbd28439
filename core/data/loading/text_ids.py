"""Identifies texts by a hash of their content, whatever dataset, order or row they are in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset

BATCH = 10_000


def text_ids(texts: Iterable[Sequence[str]]) -> np.ndarray:
    """Returns a 64-bit hash for each example's text or pair: uint64 (examples,)."""
    import numpy as np

    digests = [hashlib.blake2b("\x1f".join(row).encode("utf-8", "replace"), digest_size=8).digest() for row in texts]
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def ids_of(rows: Dataset, columns: Sequence[str]) -> np.ndarray:
    """Returns the `text_ids` of a dataset's text columns, read in batches."""
    return text_ids(_texts(rows, columns))


def _texts(rows: Dataset, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for batch in rows.select_columns(list(columns)).with_format("arrow").iter(BATCH):
        yield from zip(*(batch.column(name).to_pylist() for name in columns), strict=True)
