"""How a delimited text file is laid out: which character parts the columns, whether quotes enclose values, whether
the first line names the columns."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain

MAX_CELL = 64 * 1024 * 1024  # characters; a longer cell is a quote that was never closed
csv.field_size_limit(MAX_CELL)

DELIMITERS = {"\t": "a tab", ",": "a comma", ";": "a semicolon", "|": "a bar"}
NAMES = re.compile(
    r"(text|texts|sentence|sentences|review|reviews|comment|content|body|title|description|document|message|tweet|query"
    r"|question|answer|premise|hypothesis|context|label|labels|class|target|category|categories|sentiment|stars?|rating"
    r"|score|topic|intent|emotion|polarity|id|idx|index|date|name|source|split|url|lang|language|user|author"
    r"|テキスト|本文|文|文章|内容|レビュー|コメント|タイトル|ラベル|カテゴリー?|分類|クラス|感情|評価|星|極性|番号|日付)"
    r"([ _-]?(\d+|[ab]|id|text|name|label))?",
    re.IGNORECASE,
)
NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")


@dataclass(frozen=True)
class Dialect:
    """`sure` is False while no quote was seen that could decide whether quotes enclose values."""

    delimiter: str
    quoting: bool
    header: bool = True
    sure: bool = True
    line_end: str = "\n"  # what ends a line where quotes have no meaning

    @property
    def newline(self) -> str:
        """As for `open`: with quotes, line ends are kept as they are and may stand inside a value."""
        return "" if self.quoting else self.line_end


@dataclass(frozen=True)
class Survey:
    """What one way of reading makes of a text: rows of the most common width, and what does not fit."""

    width: int
    rows: int
    misfits: int  # rows of another width
    first_fits: bool
    multiline: int  # rows that go over several lines
    faults: int  # quotes that close in the middle of a value, or never
    quoted: int  # values that begin with a quote
    needless: float  # of the column with the most quotes: the share of its values that are quoted without need

    @property
    def share(self) -> float:
        return 1 - self.misfits / self.rows if self.rows else 0.0


def detect(text: str, cut: bool, suffix: str, delimiter: str | None, quoting: bool | None) -> Dialect:
    """The delimiter and quoting of the beginning of a file; the header is decided by `has_header`.

    text: the first part of the file, decoded; cut: whether the file goes on; suffix: `.csv` and so on;
    delimiter, quoting: what a person chose, if anything.
    """
    likely = {".csv": ",\t;|", ".tsv": "\t,;|"}.get(suffix, "\t,;|")
    line_end = "\n" if "\n" in text or "\r" not in text else "\r"

    def decide(candidate: str) -> Dialect:
        return decide_quoting(lambda newline: io.StringIO(text, newline=newline), line_end, cut, candidate, quoting)

    options = []
    for rank, candidate in enumerate(delimiter or likely):
        dialect = decide(candidate)
        found = survey(io.StringIO(text, newline=dialect.newline), candidate, dialect.quoting, cut)
        options.append((_fit(found), -rank, dialect))
    fit, _, dialect = max(options, key=lambda option: option[:2])
    if delimiter is None and fit <= 0:  # one column: part it by what does not occur in it
        return decide(next((d for d in likely if d not in text), "\t"))
    return dialect


def decide_quoting(
    open_as: Callable[[str], Iterable[str]], line_end: str, cut: bool, delimiter: str, quoting: bool | None
) -> Dialect:
    """Whether quotes enclose values, by reading all that `open_as(newline)` gives in both ways."""
    enclosing = Dialect(delimiter, quoting=True, line_end=line_end)
    literal = replace(enclosing, quoting=False)
    if quoting is not None:
        return enclosing if quoting else literal
    plain = survey(open_as(line_end), delimiter, quoting=False)
    if not plain.quoted:
        return replace(literal, sure=False)
    quoted = survey(open_as(""), delimiter, quoting=True, cut=cut)
    if quoted.faults:
        return literal if plain.share >= 0.99 or delimiter == "\t" else enclosing
    if delimiter == "\t" and plain.misfits == 0 and plain.width > 1:
        # Nothing needs the quotes. They enclose values if a whole column has them, else they are part of the text.
        return enclosing if quoted.multiline == 0 and plain.needless > 0.5 else literal
    if plain.width == 1 and quoted.width == 1 and not quoted.multiline:
        return enclosing if plain.needless > 0.5 else literal
    return enclosing if quoted.misfits <= plain.misfits or quoted.width > 1 else literal


def survey(lines: Iterable[str], delimiter: str, quoting: bool, cut: bool = False) -> Survey:
    """Reads text in one way and counts. `cut`: the text may end in the middle of a value."""
    widths: Counter[int] = Counter()
    needless: Counter[int] = Counter()
    multiline = faults = quoted = first = 0
    try:
        for before, after, row in numbered(lines, delimiter, quoting, strict=True):
            widths[len(row)] += 1
            first = first or len(row)
            multiline += after - before > 1
            if not quoting:
                for column, cell in enumerate(row):
                    if cell[:1] == '"':
                        quoted += 1
                        needless[column] += len(cell) > 1 and cell[-1] == '"' and '"' not in cell[1:-1]
    except csv.Error as error:
        faults = not (cut and "unexpected end of data" in str(error))
    rows = sum(widths.values())
    width, fitting = widths.most_common(1)[0] if widths else (0, 0)
    share = max(needless.values(), default=0) / max(1, rows - 1)
    return Survey(width, rows, rows - fitting, first == width, multiline, int(faults), quoted, share)


END = "\0end of file\0"  # a row of its own after the last, unless a quote is still open there


def numbered(
    lines: Iterable[str], delimiter: str, quoting: bool, strict: bool = False
) -> Iterator[tuple[int, int, list[str]]]:
    """Rows that are not blank, each with the number of the line before it and of its last line. Raises csv.Error."""
    before = 0
    if not quoting:
        for number, line in enumerate(lines, 1):
            text = line.rstrip("\r\n") if line[-1:] in "\r\n" else line
            if text:
                yield number - 1, number, text.split(delimiter)
        return
    reader = csv.reader(chain(lines, [END]), delimiter=delimiter, strict=strict)
    for row in reader:
        if row == [END]:
            return
        if row and row[-1].endswith(END):
            raise csv.Error("unexpected end of data")
        if row:
            yield before, reader.line_num, row
        before = reader.line_num


def has_header(rows: list[list[str]], known: list[str] | None = None) -> bool:
    """Whether the first of some rows names the columns. `known`: the names that another file of the set has."""
    first, body = rows[0], rows[1:]
    filled = [c for c in first if c.strip()]
    if known and [c.strip() for c in first] == known:
        return True
    if any(NUMBER.fullmatch(c) for c in first) or len(set(filled)) < len(filled):
        # A number or a repetition is rarely a name, unless the rest look like names that people use.
        return sum(bool(NAMES.fullmatch(c.strip())) for c in first) * 2 > len(first)
    if any(NAMES.fullmatch(c.strip()) for c in first):
        return True
    return sum(_votes(cell, [r[i] for r in body if i < len(r)]) for i, cell in enumerate(first)) > 0


def _votes(first: str, body: list[str]) -> float:
    """What one column says: above 0 for a name, below for a value."""
    values = [v for v in body if v]
    if not values or not first.strip():
        return 0.0
    if all(NUMBER.fullmatch(v) for v in values):
        return 2.0
    if first in values:
        return -2.0
    mean = sum(map(_length, values)) / len(values)
    if _length(first) > 50 or first.strip()[-1] in ".!?。！？":
        return -1.5
    return 1.0 if mean > 2.5 * _length(first) else 0.1 if _length(first) <= 20 and " " not in first.strip() else -0.5


def _length(text: str) -> int:
    return sum(1 if c < "\u2e80" else 2 for c in text[:400])


def _fit(found: Survey) -> float:
    """How well a delimiter explains a text: 0 for not at all, 1 for every row of one width above 1."""
    if found.width < 2 or found.share < (0.5 if found.first_fits else 0.8):
        return 0.0
    return round(found.share - (0.0 if found.first_fits else 0.2) - (0.3 if found.faults else 0.0), 4)
