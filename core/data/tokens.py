"""The tokenizer of a model for the pages: its `tokenizer.json`, without the libraries that train."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from core import models, scratch
from core.data import browse
from core.data.prepared import Prepared
from core.errors import DataError
from core.files import write_text
from core.settings import Settings
from core.spec import ModelSpec

SCRATCH_TEXTS = 5_000


def tokenizer_for(
    model: ModelSpec, prepared: Prepared, split: str, columns: Sequence[str], settings: Settings
) -> Path | None:
    """The `tokenizer.json` of a model; for scratch, one like that which its run will make of these texts.

    None for a model of the Hub that is not on this machine. Raises ModelError, DataError, PathError.
    """
    if models.kind_of(model.name) != "scratch":
        return models.tokenizer_json(model, settings)
    key = hashlib.sha256(repr((split, tuple(columns))).encode()).hexdigest()[:12]
    path = prepared.folder / f"scratch-{key}.json"
    if not path.is_file():
        texts = browse.texts(prepared, split, columns, SCRATCH_TEXTS)
        words = [text for row in texts for text in row if text.strip()]
        if not words:
            raise DataError("all texts in these columns are empty; choose another text column", "data.text_columns")
        write_text(path, scratch.train_wordpiece(words).to_str())
    return path
