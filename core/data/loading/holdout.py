"""Final tests: splits that were set aside, and are recognised by their content.

A final test is never used to train, choose or tune, and every look at it is counted. It is recognised by its texts, in
any order and under any name: in a copy of the file, in another preparation, in a part of it, and in a split that it was
joined to. What is kept is a sketch, its smallest text keys, which estimates how much of it another split contains
(Broder, 1997). Keys are hashes, from which no text can be read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core import seals
from core.data.browsing import database
from core.data.dataset import Prepared
from core.data.preparing.repeats import text_keys
from core.data.reading.tables import parquet

if TYPE_CHECKING:
    import numpy as np

    from core.store.record import Holdout

SKETCH = 1024  # keys, which estimate a share to about 1.5 points
SHARE = 0.3  # a split with this share of a final test counts as that final test
PAGE_ROWS = 500_000  # which take a second or two, once


def keys_of(prepared: Prepared, split: str, texts: Sequence[str]) -> np.ndarray:
    """Returns the distinct text keys of a split, ascending, uint64; kept with the dataset. Raises DataError."""
    import numpy as np

    key = hashlib.sha256(json.dumps([split, list(texts)]).encode()).hexdigest()[:16]
    path = prepared.folder / f"keys-{key}.npy"
    try:
        if seals.info(path) is not None:
            kept: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
            return kept
    except (OSError, ValueError):
        pass
    parts = [part for _, part in database.query(prepared, split, text_keys(prepared, texts))]
    keys = np.unique(np.concatenate(parts)).astype(np.uint64) if parts else np.empty(0, np.uint64)
    with seals.sealed_file(path) as partial, partial.open("wb") as file:
        np.save(file, keys, allow_pickle=False)
    return keys


def describe(prepared: Prepared, split: str, texts: Sequence[str]) -> tuple[str, str, str, int, list[int]]:
    """The split for `final_tests.set_aside`: content hash, dataset title, split, number of texts, sketch."""
    keys = keys_of(prepared, split, texts)
    content = hashlib.blake2b(keys.astype("<u8").tobytes(), digest_size=16).hexdigest()
    return content, prepared.title, split, len(keys), keys[:SKETCH].tolist()


def find(
    prepared: Prepared, split: str, texts: Sequence[str], among: Sequence[Holdout], most_rows: int | None = None
) -> Holdout | None:
    """Returns the final test that a split contains, in whole or to a good part; None if there is none.

    most_rows: skip a larger split, so that a page does not wait; a worker reads all
    """
    import numpy as np

    part = prepared.splits[split]
    candidates = [h for h in among if part.rows >= SHARE * h.rows]
    if not texts or not candidates or (most_rows is not None and part.rows > most_rows):
        return None
    with parquet.open_file(part.path) as file:
        if not set(texts) <= set(file.schema_arrow.names):
            return None
    keys = keys_of(prepared, split, texts)
    shares = [float(np.isin(np.array(h.sketch, np.uint64), keys).mean()) if h.sketch else 0.0 for h in candidates]
    best = int(np.argmax(shares))
    return candidates[best] if shares[best] >= SHARE else None
