"""What a profile of a dataset says, as frozen models: what is kept, and what pages and the command line read."""

from __future__ import annotations

from collections.abc import Mapping

from core.data.notes import Note
from core.store.json_models import Count, Result

Measure = int | float | None
"""A number as the column has it; None where there is none."""


class Lengths(Result):
    """Of texts in one unit. p95, p99: at most this long are 95 and 99 % of them"""

    min: Measure
    mean: Measure
    max: Measure
    median: Measure
    p95: Measure
    p99: Measure


class TokenLengths(Lengths):
    """Of `rows` of the `of` rows of a split.

    cut: maximum length -> the share of texts that it cuts; fits_95: the length that cuts 5 % of them
    unknown: the share of tokens that the vocabulary does not have
    vocabulary_used: how many of the `vocabulary` entries occur
    """

    rows: Count
    of: Count
    cut: Mapping[str, float]
    fits_95: Count
    unknown: float
    vocabulary_used: Count
    vocabulary: Count

    @property
    def is_sample(self) -> bool:
        return self.rows < self.of


class TextStatistics(Result):
    """Of a text column. scripts: name -> how many of `scripts_of_rows` texts have letters of it"""

    empty: Count
    characters: Lengths
    words: Lengths
    scripts: Mapping[str, Count]
    scripts_of_rows: Count


class Value(Result):
    """A value of a column, and in how many rows it stands."""

    value: str
    rows: Count


class LabelRows(Result):
    """A label, and how many rows have it."""

    label: str
    rows: Count


class ColumnStatistics(Result):
    """Of a column. kind, type: as we call it, and as Arrow does; distinct: an estimate of its different values

    min, max, mean, median: of numbers; top: the commonest values; holds: what it probably contains, in words
    """

    kind: str
    type: str
    missing: Count
    distinct: Count | None = None
    min: Measure = None
    max: Measure = None
    mean: Measure = None
    median: Measure = None
    top: tuple[Value, ...] = ()
    holds: str = ""


LEAST_LANGUAGE = 0.02  # share of the rows


class Languages(Result):
    """Of a sample of rows. counts: code -> rows, the commonest first"""

    rows: Count
    counts: Mapping[str, Count]

    @property
    def likely(self) -> dict[str, int]:
        """Without rare ones: the language of short texts is often misjudged."""
        return {code: count for code, count in self.counts.items() if count >= LEAST_LANGUAGE * self.rows}


class SplitStatistics(Result):
    """Of one split. texts: of each text column; languages, tokens: of all of them together"""

    rows: Count
    columns: Mapping[str, ColumnStatistics]
    texts: Mapping[str, TextStatistics]
    labels: tuple[LabelRows, ...] = ()
    languages: Languages | None = None
    tokens: TokenLengths | None = None


class Profile(Result):
    """rows: split -> all its rows; recommended_max_length: in tokens; None where none were counted"""

    version: int
    title: str
    notes: tuple[Note, ...]
    rows: Mapping[str, Count]
    text_columns: tuple[str, ...]
    label_column: str | None
    splits: Mapping[str, SplitStatistics]
    recommended_max_length: Count | None
