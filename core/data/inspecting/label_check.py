"""Warns about label columns that do not hold one class per text: numbers on a scale, tags of words, several labels.

Reads only some rows, so that pages, profiles and the command line can warn quickly before a run starts.
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
from core.messages import Message

MOST_WHOLE_NUMBERS = 50
TAG = re.compile(r"(?:[BIESLUM]-\S+|O)")
SEPARATORS = ",;|/# "  # doccano joins labels by #, fastText's and Stack Overflow's exports by blanks
ALL, A_PART = 0.95, 0.02
LEAST_ROWS = 20


class Doubt(NamedTuple):
    """A warning about a label column. fatal: whether a run on it would be refused"""

    message: Message
    fatal: bool


def doubt(prepared: Prepared, split: str, label: str, texts: Sequence[str]) -> Doubt | None:
    """Returns a warning about a label column; None if, in some rows, it looks like one class per text."""
    column = prepared.column(label)
    if column is None or column.names or column.kind not in PLAIN or column.kind == "boolean":
        return None
    path = prepared.splits[split].path
    try:
        return _doubt(path, path.stat().st_mtime_ns, column.kind, label, tuple(texts))
    except OSError:
        return None  # the file is gone, which is reported elsewhere


@lru_cache(maxsize=64)
def _doubt(path: Path, changed: int, kind: str, label: str, texts: tuple[str, ...]) -> Doubt | None:
    """Checks some rows of a label column. changed: the modification time of the file, for the cache key"""
    table = parquet.head(path, columns=[label, *texts])
    if label not in table.column_names:
        return None
    given = trimmed(table.column(label)).drop_null()
    distinct = pc.unique(given).to_pylist()
    if len(given) < LEAST_ROWS:
        return None
    examples = ", ".join(distinct[:3])
    if _is_measured(path, kind, label, distinct, len(given)):
        message = Message.of(
            "label-has-fractions",
            "{column!r} has fractions ({examples}, …): numbers on a scale, not classes. Choose another column, or "
            "group its values into classes first",
            column=label,
            examples=examples,
        )
        return Doubt(message, fatal=True)
    if kind == "integer" and len(distinct) > MOST_WHOLE_NUMBERS:
        message = Message.of(
            "label-has-amounts",
            "{column!r} has more than {most} different whole numbers ({examples}, …), which look like amounts, not "
            "classes: a class is learned without its neighbours",
            column=label,
            most=MOST_WHOLE_NUMBERS,
            examples=examples,
        )
        return Doubt(message, fatal=False)
    label_values = given.to_pylist() if kind in ("text", "integer") else []
    if _are_tags(label_values, table, texts):
        message = Message.of(
            "label-has-tags",
            "each row is one word with its tag in {column!r} (as in CoNLL files): tags of words are not learned here, "
            "and words alone, without their sentence, teach little. Bring a file with one text per row",
            column=label,
        )
        return Doubt(message, fatal=False)
    if combined := _combinations(label_values):
        message = Message.of(
            "label-has-combinations",
            "{column!r} holds several labels in some rows ({example!r}); one class per text is learned, so each "
            "combination becomes a class of its own",
            column=label,
            example=combined,
        )
        return Doubt(message, fatal=False)
    return None


def _is_measured(path: Path, kind: str, label: str, some: list[str], rows: int) -> bool:
    """Whether a run would take the values for measurements. Text is judged by all rows, as a sample overcounts."""
    measured = labels.is_measured(kind, some, rows)
    return measured and (kind != "text" or labels.is_measured(kind, *labels.distinct(path, label)))


def _are_tags(label_values: Sequence[str], table: pa.Table, texts: Sequence[str]) -> bool:
    """Whether the rows are single words of sentences: with BIO tags as labels, or with punctuation marks among them."""
    if len(texts) != 1 or texts[0] not in table.column_names or not label_values:
        return False
    words = values.sample(table.column(texts[0]))
    if not words or sum(len(word.split()) == 1 for word in words) < ALL * len(words):
        return False
    tags = sum(bool(TAG.fullmatch(tag)) for tag in label_values)
    bio = tags >= ALL * len(label_values) and any("-" in tag for tag in label_values)
    marks = sum(not any(c.isalnum() for c in word) for word in words)
    return bio or (marks >= A_PART * len(words) and all(" " not in tag for tag in label_values))


def _combinations(label_values: Sequence[str]) -> str | None:
    """Returns a value that joins several other values, such as "a;b"; None if hardly any value does."""
    classes = set(label_values)
    joined = [value for value in label_values if _parts(value, classes)]
    return joined[0] if len(joined) >= A_PART * len(label_values) and joined else None


def _parts(value: str, classes: set[str]) -> list[str] | None:
    """Splits a value into other classes by one of the separators; None if that is not possible."""
    for separator in SEPARATORS:
        parts = [part.strip() for part in value.split(separator)]
        if len(parts) > 1 and classes.issuperset(parts):
            return parts
    return None
