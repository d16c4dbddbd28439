"""Detects the dialect of a delimited text file: the delimiter, the quote and the escape character.

`preamble` finds the beginning of the table.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain

from core.data.reading.text.preamble import NAMES, is_named
from core.spec.data import ReadSpec

MAX_CELL = 64 * 1024 * 1024  # characters; a longer cell is a quote that was never closed
csv.field_size_limit(MAX_CELL)

DELIMITERS = {
    "\t": "a tab",
    ",": "a comma",
    ";": "a semicolon",
    "|": "a bar",
    "\x01": "the control character \\x01 (as Hive writes it)",
    "\x1f": "the control character \\x1f",
    "~": "a tilde",
    "^": "a caret",
}
CONTROLS = "\x01\x1f"  # never part of a text
RARE = "~^"  # tried if none of the usual four splits every row
MARKS = "\"'“"  # that values may begin with; the last never encloses values, as its closing mark differs
QUOTES = {'"': "double quotes", "'": "single quotes"}
HINT = re.compile(r'"?sep=(?:(\\t)|([^\r\n]))"?[;,\t ]*(?=\r|\n|$)', re.IGNORECASE)
MOST_ABOVE = 50  # rows above the table


@dataclass(frozen=True)
class Dialect:
    """The dialect of a file.

    quote, escape: empty if there is none; skip: the number of lines above the table
    sure: False as long as no quote decides whether quotes enclose values
    """

    delimiter: str
    quote: str = ""
    escape: str = ""
    header: bool = True
    skip: int = 0
    sure: bool = True
    kept_quotes: str = ""  # a mark that most values begin with, and that is part of them
    line_end: str = "\n"  # if values cannot hold line ends

    @property
    def newline(self) -> str:
        """The `newline` argument for `open`: keeps line ends unchanged if values may hold them."""
        return "" if self.quote or self.escape else self.line_end


@dataclass(frozen=True)
class Survey:
    """The result of reading a text in one dialect: rows of the commonest width, and rows that do not fit."""

    width: int = 0
    rows: int = 0
    misfits: int = 0  # rows of another width
    above: int = 0  # misfits before the first row that fits
    multiline: int = 0  # rows that span several lines
    faults: int = 0  # quotes that close in the middle of a value, or never
    opened: dict[str, int] = field(default_factory=dict)  # quote → values that begin with it
    needless: dict[str, float] = field(default_factory=dict)  # quote → share of values that it encloses needlessly, in
    # the column that has the most of them

    @property
    def share(self) -> float:
        """The share of rows that fit, from the first one that fits on."""
        rows = self.rows - self.above
        return 1 - (self.misfits - self.above) / rows if rows else 0.0

    @property
    def stray(self) -> int:
        """Rows that do not fit, other than those above the table."""
        return self.misfits - self.above

    @property
    def orderly(self) -> bool:
        """Whether all rows fit, except for a few that may stand below the table."""
        return not self.faults and self.width > 1 and self.stray <= max(min(2, self.rows // 8), self.rows // 100)

    def better_than(self, other: Survey) -> bool:
        """Whether a smaller share of rows does not fit."""
        if self.faults or not self.rows:
            return False
        return bool(other.faults) or self.misfits * max(1, other.rows) < other.misfits * max(1, self.rows)


def separator_hint(text: str) -> tuple[str | None, bool]:
    """Returns the delimiter that Excel's first line `sep=;` names, and whether there is such a line."""
    match = HINT.match(text)
    return ("\t" if match[1] else match[2], True) if match else (None, False)


def without_lines(text: str, count: int) -> str:
    """Removes the first lines of a text."""
    stream = io.StringIO(text, newline="")
    for _ in range(count):
        stream.readline()
    return stream.read()


def detect(text: str, cut: bool, suffix: str, read: ReadSpec) -> Dialect:
    """Detects the delimiter, quote and escape from the beginning of a file; not the header and preamble.

    text: the decoded beginning of the file, from the first line that is read; cut: whether the file continues
    suffix: `.csv` and so on; read: the choices of a person
    """
    likely = {".csv": ",\t;|", ".tsv": "\t,;|"}.get(suffix, "\t,;|")
    line_end = "\n" if "\n" in text or "\r" not in text else "\r"
    controls = [c for c in CONTROLS if c in text]
    options = _options(text, cut, line_end, read.delimiter or [*controls, *likely], read)
    if read.delimiter is None and options[0][0] < 1:
        options = options + _options(text, cut, line_end, [c for c in RARE if c in text], read)
        options.sort(key=lambda option: -option[0])  # stable, so that the usual delimiters win ties
    fit, dialect = options[0]
    if read.delimiter is None and fit <= 0:
        with_header = [option for _, option in options if _first_is_named(text, option)]
        if with_header:
            return with_header[0]  # the rows do not fit, which `write` will report
        # One column: choose a delimiter that does not occur.
        return decide(text, cut, line_end, next((d for d in likely if d not in text), "\t"), read)
    return dialect


def _options(
    text: str, cut: bool, line_end: str, delimiters: Iterable[str], read: ReadSpec
) -> list[tuple[float, Dialect]]:
    """Returns the best dialect for each delimiter with how well it fits a text, the best first."""
    options = []
    for delimiter in delimiters:
        dialect = decide(text, cut, line_end, delimiter, read)
        result = survey(text, dialect, cut)
        fit = 0.0 if result.above and _is_one_name(text) else _fit(result)
        options.append((fit, dialect))
    return sorted(options, key=lambda option: -option[0])


def decide(text: str, cut: bool, line_end: str, delimiter: str, read: ReadSpec) -> Dialect:
    """Decides which characters enclose values and escape, by reading a text in each way."""
    literal = Dialect(delimiter, line_end=line_end, escape=read.escape_character or "")
    if read.quote_character or read.quoting is not None:
        quote = "" if read.quoting is False else read.quote_character or '"'
        return _with_escape(text, cut, replace(literal, quote=quote), read)
    plain = survey(text, literal)
    single = _single_quotes(text, cut, replace(literal, quote="'"), plain, read)
    if single:
        return single
    kept = next((mark for mark in "'“" if plain.opened.get(mark, 0) * 2 >= plain.rows > 1), "")
    literal = replace(literal, kept_quotes=kept)
    enclosing = replace(literal, quote='"')
    if not plain.opened.get('"'):
        return _with_escape(text, cut, replace(literal, sure=False), read)
    escaped = _with_escape(text, cut, enclosing, read)
    if escaped.escape:
        return escaped
    quoted = survey(text, enclosing, cut)
    needless = plain.needless.get('"', 0.0)
    if quoted.faults:
        return literal if plain.share >= 0.99 or delimiter == "\t" else enclosing
    if delimiter == "\t" and plain.misfits == 0 and plain.width > 1:
        # The quotes are not needed. They enclose values if a whole column has them, else they are part of the text.
        return enclosing if quoted.multiline == 0 and needless > 0.5 else literal
    if plain.width == 1 and quoted.width == 1 and not quoted.multiline:
        # In one column an empty value must be quoted, else its line would be blank: that is how pandas writes it.
        only_empty = text.splitlines().count('""') == plain.opened['"']
        return enclosing if needless > 0.5 or only_empty else literal
    return enclosing if quoted.misfits <= plain.misfits or quoted.width > 1 else literal


def _single_quotes(text: str, cut: bool, dialect: Dialect, plain: Survey, read: ReadSpec) -> Dialect | None:
    """Returns a dialect with single quotes if they enclose values in most rows; apostrophes are far more common."""
    if not plain.opened.get("'") or plain.opened["'"] * 2 < plain.rows - 1:
        return None
    dialect = _with_escape(text, cut, dialect, read)
    quoted = survey(text, dialect, cut)
    return dialect if quoted.orderly or (quoted.width == 1 and not quoted.faults) else None


def _with_escape(text: str, cut: bool, dialect: Dialect, read: ReadSpec) -> Dialect:
    """Adds a backslash as the escape of quotes or delimiters to a dialect, if more rows fit then."""
    special = [dialect.quote] if dialect.quote else [dialect.delimiter, "\n", "\r"]
    if read.escape_character is not None or not any(f"\\{c}" in text for c in special):
        return dialect
    escaping = replace(dialect, escape="\\")
    escaped, plain = survey(text, escaping, cut), survey(text, dialect, cut)
    even = escaped.orderly and escaped.stray <= plain.stray  # no evidence against it
    return escaping if even or escaped.better_than(plain) else dialect


def survey(text: str, dialect: Dialect, cut: bool = False) -> Survey:
    """Reads a text in one dialect and counts the rows that fit. cut: the text may end in the middle of a value"""
    widths: list[int] = []
    opened: Counter[str] = Counter()
    needless: Counter[tuple[str, int]] = Counter()
    multiline = faults = 0
    try:
        for before, after, row in numbered(io.StringIO(text, newline=dialect.newline), dialect, strict=True):
            widths.append(len(row))
            multiline += after - before > 1
            if not dialect.quote:
                for column, cell in enumerate(row):
                    if (mark := cell[:1]) and mark in MARKS:
                        opened[mark] += 1
                        needless[mark, column] += len(cell) > 1 and cell[-1] == mark and mark not in cell[1:-1]
    except csv.Error as error:
        faults = not (cut and "unexpected end of data" in str(error))
    rows = len(widths)
    width, fitting = Counter(widths).most_common(1)[0] if widths else (0, 0)
    above = next((i for i, w in enumerate(widths[:MOST_ABOVE]) if w == width), 0)
    shares = {q: max((n for (m, _), n in needless.items() if m == q), default=0) / max(1, rows - 1) for q in QUOTES}
    return Survey(width, rows, rows - fitting, above, multiline, int(faults), dict(opened), shares)


END = "\0end of file\0"  # a row after the last one, unless a quote is still open there


def numbered(
    lines: Iterable[str], dialect: Dialect, strict: bool = False, start: int = 0
) -> Iterator[tuple[int, int, list[str]]]:
    """Yields rows that are not blank, each with the number of the line before it and of its last line.

    start: the number of lines in the file before the first of `lines`. Raises csv.Error.
    """
    before, delimiter = start, dialect.delimiter
    if not dialect.quote and not dialect.escape:
        for number, line in enumerate(lines, start + 1):
            text = line.rstrip("\r\n") if line[-1:] in "\r\n" else line
            if text:
                yield number - 1, number, text.split(delimiter)
        return
    reader = csv.reader(
        chain(_protect(lines, dialect) if dialect.escape else lines, [END]),
        delimiter=delimiter,
        quotechar=dialect.quote or None,
        escapechar=dialect.escape or None,
        quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
        strict=strict,
    )
    for row in reader:
        if row == [END]:
            return
        if row and row[-1].endswith(END):
            raise csv.Error("unexpected end of data")
        if row:
            yield before, start + reader.line_num, row
        before = start + reader.line_num


def _protect(lines: Iterable[str], dialect: Dialect) -> Iterator[str]:
    r"""Doubles escapes that escape nothing (`\d`, `C:\new`), as the reader would remove them."""
    escape = dialect.escape
    special = re.escape(dialect.delimiter + dialect.quote + escape)
    pattern = re.compile(rf"{re.escape(escape)}([{special}\r\n])?")
    for line in lines:
        if escape in line:
            line = pattern.sub(lambda match: match[0] if match[1] else escape * 2, line)
        yield line


def _is_one_name(text: str) -> bool:
    """Whether the first line is the name of the only column."""
    return NAMES.fullmatch(text.lstrip("\r\n").partition("\n")[0].strip("\"'\r ")) is not None


def _first_is_named(text: str, dialect: Dialect) -> bool:
    lines = io.StringIO(text, newline=dialect.newline)
    try:
        return is_named(next(numbered(lines, dialect))[2], 1.0)
    except (csv.Error, StopIteration):
        return False


def _fit(result: Survey) -> float:
    """Returns how well a delimiter fits a text: 0 for not at all, 1 if all rows have one width above 1."""
    if result.width < 2 or result.share < (0.8 if result.above else 0.5):
        return 0.0
    return round(result.share - (0.2 if result.above else 0.0) - (0.3 if result.faults else 0.0), 4)
