"""Detects the language of texts with py3langid: often right for a single text, reliable for many texts together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from core.data.browsing.samples import sample_texts
from core.data.dataset import Prepared
from core.errors import DataError
from core.spec.data import DataSpec

CHARACTERS = 500  # of a text; enough to detect its language
NONE = "none"  # the code for a text without letters
MOST = 0.5
SAMPLE, SEED = 200, 42


def language_of(text: str) -> str:
    """Returns the language code of a text, such as "en"; "none" if the text has no letters."""
    return str(_identifier().classify(text[:CHARACTERS])[0]) if any(c.isalpha() for c in text) else NONE


def languages_of(rows: Iterable[Sequence[str]]) -> dict[str, int]:
    """Counts rows by language, the commonest first. A row is one text or a pair."""
    return dict(Counter(language_of(" ".join(row)) for row in rows).most_common())


def sampled(prepared: Prepared, split: str, columns: Sequence[str], rows: int) -> dict[str, int]:
    """Counts the rows of a sample of a split by language, the commonest first. Raises DataError."""
    return languages_of(sample_texts(prepared, split, columns, rows, SEED)[0])


def main_language(data: DataSpec, prepared: Prepared, split: str, columns: Sequence[str]) -> str:
    """Returns the language of most of a split's texts; empty if no language has most, or they cannot be read."""
    if data.source == "sample":  # known: detecting it would take 80 MB, which a small demo does not have
        return "en"
    try:
        counts = sampled(prepared, split, columns, SAMPLE)
    except DataError:
        return ""  # only advice needs it; faults of the data are reported elsewhere
    known = {code: n for code, n in counts.items() if code != NONE}
    return next((code for code, n in known.items() if n > MOST * sum(known.values())), "")


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE)
