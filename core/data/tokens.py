"""The tokenizer of a model for the pages: its `tokenizer.json`, without the libraries that train."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from core import models, scratch, seals
from core.data import browse
from core.data.prepared import Prepared
from core.errors import DataError
from core.settings import Settings
from core.spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    from tokenizers import Encoding, Tokenizer

SCRATCH_TEXTS = 5_000
UNKNOWN = ("[UNK]", "<unk>", "<|unk|>")


@dataclass(frozen=True)
class Lengths:
    """Lengths of texts in characters or tokens; `sampled` if they are those of some rows only, out of `rows`."""

    values: np.ndarray
    rows: int
    sampled: bool


@dataclass(frozen=True)
class Token:
    """A token of a text as a model sees it; `cut` if the text is too long for it to be read."""

    text: str
    kind: Literal["word", "special", "unknown"]
    cut: bool


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
    if seals.info(path) is None:
        texts = browse.texts(prepared, split, columns, SCRATCH_TEXTS)
        words = [text for row in texts for text in row if text.strip()]
        if not words:
            raise DataError("all texts in these columns are empty; choose another text column", "data.text_columns")
        seals.write_text(path, scratch.train_wordpiece(words).to_str())
    return path


def token_lengths(
    prepared: Prepared, split: str, columns: Sequence[str], tokenizer_json: Path, sample: int = 2000, seed: int = 42
) -> Lengths:
    """Tokens, special ones included, that the texts become with a tokenizer, before any truncation."""
    import numpy as np

    texts, sampled = browse.sample_texts(prepared, split, columns, sample, seed)
    pairs = [tuple(row) if len(row) == 2 else row[0] for row in texts]
    encoded = open_tokenizer(tokenizer_json).encode_batch(pairs)
    return Lengths(np.array([len(e.ids) for e in encoded], dtype=np.int64), prepared.splits[split].rows, sampled)


def character_lengths(prepared: Prepared, split: str, column: str, most: int = 1_000_000, seed: int = 42) -> Lengths:
    """Characters of the texts of a column: of all rows up to `most`, else of so many drawn by a seed."""
    import numpy as np

    rows = prepared.splits[split].rows
    sample = "" if rows <= most else f" USING SAMPLE reservoir({most} ROWS) REPEATABLE ({seed})"

    def sql(names: dict[str, str]) -> tuple[str, list[str]]:
        if column not in names:
            raise DataError(f"the split {split!r} has no column {column!r}; choose another")
        return f"SELECT coalesce(length(CAST({names[column]} AS VARCHAR)), 0) FROM data{sample}", []

    parts = [values for (values,) in browse.query(prepared, split, sql)]
    found = np.concatenate(parts).astype(np.int64) if parts else np.empty(0, np.int64)
    return Lengths(found, rows, rows > most)


def tokens_of(texts: Sequence[str], tokenizer_json: Path, max_length: int) -> list[Token]:
    """The tokens of a text, or of a pair, special ones included; those beyond `max_length` are marked as cut.

    Raises DataError if the file is no tokenizer.
    """
    tokenizer = open_tokenizer(tokenizer_json)
    first, second = texts[0], texts[1] if len(texts) > 1 else None
    whole = tokenizer.encode(first, second)
    tokenizer.enable_truncation(max_length)
    left = _lengths(tokenizer.encode(first, second))
    result = []
    for text, special, sequence in zip(whole.tokens, whole.special_tokens_mask, whole.sequence_ids, strict=True):
        kind: Literal["word", "special", "unknown"] = "special" if special else "unknown" if text in UNKNOWN else "word"
        if sequence is not None:
            left[sequence] = left.get(sequence, 0) - 1
        result.append(Token(text, kind, sequence is not None and left[sequence] < 0))
    return result


def open_tokenizer(tokenizer_json: Path) -> Tokenizer:
    """A tokenizer that neither cuts nor pads. Raises DataError."""
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(tokenizer_json))
    except Exception as error:  # the library raises plain Exception
        raise DataError(f"{tokenizer_json.name} is not a tokenizer that can be read ({error})", "model.name") from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _lengths(encoding: Encoding) -> dict[int, int]:
    """How many tokens each text of a pair has, special ones not counted."""
    found: dict[int, int] = {}
    for sequence in encoding.sequence_ids:
        if sequence is not None:
            found[sequence] = found.get(sequence, 0) + 1
    return found
