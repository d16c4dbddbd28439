"""Final tests: splits that were set aside, known again by their content.

What is set aside never trains, chooses or tunes anything; every look at it is counted. Content means the texts, in any
order and under any name: a copy of the file, another preparation of it, a part of it or a split that it was joined to
is known again. Kept of it are its smallest text keys, a sketch that tells how much of it another split has (Broder,
1997); keys are hashes, from which no text can be read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core import seals
from core.data.browsing import browse
from core.data.dataset import Prepared
from core.data.preparing.repeats import text_keys
from core.data.reading.tables import parquet

if TYPE_CHECKING:
    import numpy as np

    from core.store.record import Holdout

SKETCH = 1024  # keys; a share is then known to about 1.5 points
SHARE = 0.3  # of a final test that makes a split one
PAGE_ROWS = 500_000  # a second or two, once


def keys_of(prepared: Prepared, split: str, texts: Sequence[str]) -> np.ndarray:
    """The different text keys of a split, ascending, uint64; kept with the dataset. Raises DataError."""
    import numpy as np

    key = hashlib.sha256(json.dumps([split, list(texts)]).encode()).hexdigest()[:16]
    path = prepared.folder / f"keys-{key}.npy"
    try:
        if seals.info(path) is not None:
            kept: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
            return kept
    except (OSError, ValueError):
        pass
    found = [keys for _, keys in browse.query(prepared, split, text_keys(prepared, texts))]
    keys = np.unique(np.concatenate(found)).astype(np.uint64) if found else np.empty(0, np.uint64)
    with seals.sealed_file(path) as partial, partial.open("wb") as file:
        np.save(file, keys, allow_pickle=False)
    return keys


def described(prepared: Prepared, split: str, texts: Sequence[str]) -> tuple[str, str, str, int, list[int]]:
    """A split for `Store.set_aside`: what names its texts, the dataset, the split, how many texts, their sketch."""
    keys = keys_of(prepared, split, texts)
    content = hashlib.blake2b(keys.astype("<u8").tobytes(), digest_size=16).hexdigest()
    return content, prepared.title, split, len(keys), keys[:SKETCH].tolist()


def find(
    prepared: Prepared, split: str, texts: Sequence[str], among: Sequence[Holdout], most_rows: int | None = None
) -> Holdout | None:
    """The final test that a split is, or has a good part of; None if there is none such.

    most_rows: a larger split is not read, for those who cannot wait; a worker reads all
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
