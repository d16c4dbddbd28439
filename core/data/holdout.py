"""Final tests: splits that were set aside, known again by their content.

What is set aside never trains, chooses or tunes anything; every look at it is counted. Content means the texts, in any
order and under any name: a copy of the file or another preparation of it is the same test.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.data import browse, parquet
from core.data.prepared import Prepared
from core.data.transform import text_keys
from core.files import write_text

if TYPE_CHECKING:
    from core.store import Holdout


def content_of(prepared: Prepared, split: str, texts: Sequence[str]) -> tuple[str, int]:
    """The name of a split's texts and how many there are; kept with the dataset. Raises DataError."""
    import numpy as np

    key = hashlib.sha256(json.dumps([split, list(texts)]).encode()).hexdigest()[:16]
    path = prepared.folder / f"content-{key}.json"
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return str(kept["content"]), int(kept["rows"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    found = [keys for _, keys in browse.query(prepared, split, text_keys(prepared, texts))]
    keys = np.sort(np.concatenate(found).astype("<u8")) if found else np.empty(0, "<u8")
    content = hashlib.blake2b(keys.tobytes(), digest_size=16).hexdigest()
    write_text(path, json.dumps({"content": content, "rows": len(keys)}))
    return content, len(keys)


def find(prepared: Prepared, split: str, texts: Sequence[str], among: Sequence[Holdout]) -> Holdout | None:
    """The final test that a split is; None if it is none. Reads the split only if one could be it."""
    part = prepared.splits[split]
    if not texts or not any(h.rows <= part.rows for h in among):
        return None
    with parquet.open_file(part.path) as file:
        if not set(texts) <= set(file.schema_arrow.names):
            return None
    content, _ = content_of(prepared, split, texts)
    return next((h for h in among if h.content == content), None)
