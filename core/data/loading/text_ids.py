"""Texts known again by their content, in whatever dataset, order or row they are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset

BATCH = 10_000


def text_ids(texts: Iterable[Sequence[str]]) -> np.ndarray:
    """A number for each example's text or pair, 64 bits of a hash: uint64 (examples,)."""
    import numpy as np

    found = [hashlib.blake2b("\x1f".join(row).encode("utf-8", "replace"), digest_size=8).digest() for row in texts]
    return np.frombuffer(b"".join(found), dtype="<u8").astype(np.uint64)


def ids_of(rows: Dataset, columns: Sequence[str]) -> np.ndarray:
    """`text_ids` of a dataset's text columns, a batch at a time."""
    return text_ids(_texts(rows, columns))


def _texts(rows: Dataset, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for batch in rows.select_columns(list(columns)).with_format("arrow").iter(BATCH):
        yield from zip(*(batch.column(name).to_pylist() for name in columns), strict=True)
