"""What a label column really holds where that is no class per text: numbers on a scale, tags of words, several labels.

From some rows, in a moment: for pages, profiles and the command line, before a run starts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from core.data.dataset import Prepared
from core.data.loading import labels
from core.data.reading.aligning.parts import trimmed
from core.data.reading.aligning.types import PLAIN
from core.data.reading.guessing import values
from core.data.reading.tables import parquet

MOST_WHOLE_NUMBERS = 50
TAG = re.compile(r"(?:[BIESLUM]-\S+|O)")
SEPARATORS = ",;|/# "  # doccano joins labels by #, fastText's and Stack Overflow's exports by blanks
ALL, A_PART = 0.95, 0.02
LEAST_ROWS = 20


class Doubt(NamedTuple):
    """What is to be said of a label column. fatal: whether a run on it would be refused"""

    message: str
    fatal: bool


def doubt(prepared: Prepared, split: str, label: str, texts: Sequence[str]) -> Doubt | None:
    """None for what may be a class of each text, as far as some rows tell."""
    column = prepared.column(label)
    if column is None or column.names or column.kind not in PLAIN or column.kind == "boolean":
        return None
    path = prepared.splits[split].path
    try:
        return _doubt(path, path.stat().st_mtime_ns, column.kind, label, tuple(texts))
    except OSError:
        return None  # it is gone, which is said elsewhere


@lru_cache(maxsize=64)
def _doubt(path: Path, changed: int, kind: str, label: str, texts: tuple[str, ...]) -> Doubt | None:
    """changed: when the file was; a part of the key"""
    table = parquet.head(path, columns=[label, *texts])
    if label not in table.column_names:
        return None
    found = trimmed(table.column(label)).drop_null()
    distinct = pc.unique(found).to_pylist()
    if len(found) < LEAST_ROWS:
        return None
    shown = ", ".join(distinct[:3])
    if _is_measured(path, kind, label, distinct, len(found)):
        return Doubt(
            f"{label!r} has fractions ({shown}, …): numbers on a scale, not classes. Choose another column, or group "
            "its values into classes first",
            fatal=True,
        )
    if kind == "integer" and len(distinct) > MOST_WHOLE_NUMBERS:
        return Doubt(
            f"{label!r} has more than {MOST_WHOLE_NUMBERS} different whole numbers ({shown}, …), which look like "
            "amounts, not classes: a class is learned without its neighbours",
            fatal=False,
        )
    named = found.to_pylist() if kind in ("text", "integer") else []
    if _are_tags(named, table, texts):
        return Doubt(
            f"each row is one word with its tag in {label!r} (as in CoNLL files): tags of words are not learned here, "
            "and words alone, without their sentence, teach little. Bring a file with one text per row",
            fatal=False,
        )
    if combined := _combinations(named):
        return Doubt(
            f"{label!r} holds several labels in some rows ({combined!r}); one class per text is learned, so each "
            "combination becomes a class of its own",
            fatal=False,
        )
    return None


def _is_measured(path: Path, kind: str, label: str, some: list[str], rows: int) -> bool:
    """As a run judges it. Some rows have a larger share of different values than all: for text, all are counted."""
    measured = labels.is_measured(kind, some, rows)
    return measured and (kind != "text" or labels.is_measured(kind, *labels.distinct(path, label)))


def _are_tags(named: Sequence[str], table: pa.Table, texts: Sequence[str]) -> bool:
    """Whether the rows are words of sentences: tags of the BIO kind, or punctuation marks that stand alone."""
    if len(texts) != 1 or texts[0] not in table.column_names or not named:
        return False
    words = values.sample(table.column(texts[0]))
    if not words or sum(len(word.split()) == 1 for word in words) < ALL * len(words):
        return False
    tags = sum(bool(TAG.fullmatch(tag)) for tag in named)
    bio = tags >= ALL * len(named) and any("-" in tag for tag in named)
    marks = sum(not any(c.isalnum() for c in word) for word in words)
    return bio or (marks >= A_PART * len(words) and all(" " not in tag for tag in named))


def _combinations(named: Sequence[str]) -> str | None:
    """A value that joins several of the other values; None where hardly any does."""
    classes = set(named)
    joined = [value for value in named if _parts(value, classes)]
    return joined[0] if len(joined) >= A_PART * len(named) and joined else None


def _parts(value: str, classes: set[str]) -> list[str] | None:
    """The other classes that this one joins, by one of the separators."""
    for separator in SEPARATORS:
        parts = [part.strip() for part in value.split(separator)]
        if len(parts) > 1 and classes.issuperset(parts):
            return parts
    return None
