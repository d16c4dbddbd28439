"""Tokens and lengths of texts for the pages, from a model's `tokenizer.json` and without the training libraries."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from core import seals
from core.data.browsing import database
from core.data.browsing.samples import sample_texts
from core.data.browsing.token_process import open_limited
from core.data.dataset import Prepared
from core.errors import DataError
from core.models import names as models
from core.models import scratch
from core.settings import Settings
from core.spec.model import ModelSpec

if TYPE_CHECKING:
    import numpy as np

SCRATCH_TEXTS = 5_000
MOST_TOKENS = 100_000  # of one text; a page shows the first 1,500 and counts the rest


@dataclass(frozen=True)
class Lengths:
    """Lengths of texts in characters or tokens; `sampled` if they cover a sample of the `rows` only."""

    values: np.ndarray
    rows: int
    sampled: bool


Kind = Literal["word", "special", "unknown"]


@dataclass(frozen=True)
class Token:
    """A token of a text as the model sees it; `cut` if it lies beyond the maximum length."""

    text: str
    kind: Kind
    cut: bool


def tokenizer_for(
    model: ModelSpec, prepared: Prepared, split: str, columns: Sequence[str], settings: Settings
) -> Path | None:
    """Returns the `tokenizer.json` of a model; for a model from scratch, one that is built from these texts.

    None for a Hub model that is not on this machine. Raises ModelError, DataError, PathError.
    """
    if models.kind_of(model.name) != "scratch":
        return models.tokenizer_json(model, settings)
    key = hashlib.sha256(repr((split, tuple(columns))).encode()).hexdigest()[:12]
    path = prepared.folder / f"scratch-{key}.json"
    if seals.info(path) is None:
        texts = sample_texts(prepared, split, columns, SCRATCH_TEXTS)[0]
        words = [text for row in texts for text in row if text.strip()]
        if not words:
            raise DataError.of(
                "texts-all-empty",
                "all texts in these columns are empty; choose another text column",
                "data.text_columns",
            )
        seals.write_text(path, scratch.train_wordpiece(words).to_str())
    return path


def token_lengths(
    prepared: Prepared, split: str, columns: Sequence[str], tokenizer_json: Path, sample: int = 2000, seed: int = 42
) -> Lengths:
    """Returns the lengths of texts in tokens, special tokens included and before any truncation."""
    import numpy as np

    texts, sampled = sample_texts(prepared, split, columns, sample, seed)
    lengths = open_limited(tokenizer_json).lengths(texts)
    return Lengths(np.array(lengths, dtype=np.int64), prepared.splits[split].rows, sampled)


def character_lengths(prepared: Prepared, split: str, column: str, most: int = 1_000_000, seed: int = 42) -> Lengths:
    """Returns the lengths of a column's texts in characters: of all rows, or of a seeded sample of `most` rows."""
    import numpy as np

    rows = prepared.splits[split].rows
    sample = "" if rows <= most else f" USING SAMPLE reservoir({most} ROWS) REPEATABLE ({seed})"

    def sql(names: dict[str, str]) -> tuple[str, list[str]]:
        if column not in names:
            raise DataError.of(
                "split-without-column",
                "the split {split!r} has no column {column!r}; choose another",
                split=split,
                column=column,
            )
        return f"SELECT coalesce(length(CAST({names[column]} AS VARCHAR)), 0) FROM data{sample}", []

    parts = [values for (values,) in database.query(prepared, split, sql)]
    lengths = np.concatenate(parts).astype(np.int64) if parts else np.empty(0, np.int64)
    return Lengths(lengths, rows, rows > most)


def tokens_of(texts: Sequence[str], tokenizer_json: Path, max_length: int) -> list[Token]:
    """Returns the tokens of a text or pair, special tokens included; those beyond `max_length` are marked as cut.

    Raises DataError if the file is not a tokenizer or breaks the limits.
    """
    tokens = open_limited(tokenizer_json).tokens(texts, max_length, MOST_TOKENS)
    return [Token(text, cast(Kind, kind), cut) for text, kind, cut in tokens]
