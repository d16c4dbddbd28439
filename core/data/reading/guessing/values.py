"""Judges values of a column: texts that people wrote, or file names, ids and other values that programs wrote."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import pyarrow as pa

SAMPLE = 200
MOST_CHARACTERS = 2_000  # of a value, which are judged
FIRST_CJK = "\u3040"
THAI = ("\u0e00", "\u0e7f")

MACHINE = re.compile(
    r"\[\s*[\[{\"']|\{\s*[\"']|\(\s*\(|\(ROOT\b|<\?xml"  # nested lists, objects, parse trees
    r"|(?:https?|ftp|s3|gs|hdfs|file|data)://?|www\.|[A-Za-z]:\\|\\\\|[./~]?/[\w.-]+/"  # addresses and paths
)
MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}\\.?"
DAY = r"\d{1,2}(?:st|nd|rd|th)?"
MOMENT = re.compile(  # a date, then perhaps a time, a day of the week and a time zone
    r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6}\.?,?\s+)?"
    r"(?:\d{4}\s?[-/.年]\s?\d{1,2}\s?[-/.月]\s?\d{1,2}日?|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d\d)"
    r"|(?:令和|平成|昭和)(?:\d{1,2}|元)年\d{1,2}月\d{1,2}日"
    rf"|{MONTH}[ -]{DAY}\b|{DAY}[ -]{MONTH}[ -](?:\d{{4}}|\d\d))"
    r"(?:[\s\d:.,+()（）-]|T(?=\d)|Z$|at\b|[AaPp]\.?[Mm]\b\.?|[A-Z]{3,4}\b|午前|午後|[月火水木金土日](?:曜日?)?(?=[)）\s]|$)"
    r"|[時分秒])*"
)
WHOLE = re.compile(
    r"[\w.%+-]+@[\w-]+(?:\.[\w-]+)+"  # an email address
    r"|[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"  # a UUID
    r"|(?=[0-9a-fA-F]*[0-9])[0-9a-fA-F]{16,}"  # a hash
    r"|(?=\S*[0-9])(?=\S*[a-z])(?=\S*[A-Z])[A-Za-z0-9+/_-]{24,}={0,2}"  # base64
    r"|\[?\s*-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?:\s*[,;\s]\s*-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?){3,}\s*\]?"  # a vector
)
FILE_NAME = re.compile(
    r"[^\n<>|*?\"]{0,200}\.(?:txt|csv|tsv|json[l]?|xml|html?|pdf|docx?|xlsx?|pptx?|rtf|md|png|jpe?g|gif|bmp|tiff?|svg|webp|wav"
    r"|mp3|mp4|flac|ogg|m4a|avi|mov|zip|gz|tar|parquet|npy|npz|pkl|bin|dat|log|ann|conll|eml|py|js|java|c|cpp|sh)",
    re.IGNORECASE,
)


def sample(column: pa.ChunkedArray) -> list[str]:
    """Returns up to SAMPLE values, evenly spaced, as trimmed texts."""
    values = column.drop_null()
    if not len(values):
        return []
    step = max(1, len(values) // SAMPLE)
    texts = (
        str(value)[:MOST_CHARACTERS].strip() for value in values.take(list(range(0, len(values), step))).to_pylist()
    )
    return [text for text in texts if text][:SAMPLE]


def is_machine_made(values: Sequence[str]) -> bool:
    """Whether most values were written by programs for programs."""
    return _most(values, lambda v: bool(MACHINE.match(v) or WHOLE.fullmatch(v) or MOMENT.fullmatch(v)) or _is_file(v))


def _is_file(value: str) -> bool:
    return len(value) <= 255 and value.count(" ") < 8 and bool(FILE_NAME.fullmatch(value))


def _most(values: Sequence[str], test: Callable[[str], bool]) -> bool:
    return len(values) > 0 and sum(map(test, values)) * 2 > len(values)


def natural(values: Sequence[str]) -> float:
    """Returns the share of values with several words, or in a script that is written without blanks."""
    return sum(map(_is_natural, values)) / len(values) if values else 0.0


def _is_natural(value: str) -> bool:
    return " " in value or any(c >= FIRST_CJK or THAI[0] <= c <= THAI[1] for c in value)


def pieces(text: str) -> set[str]:
    """Returns the words of a text; in a script without blanks, the pairs of neighbouring characters."""
    text = text.casefold()
    if any(c >= FIRST_CJK or THAI[0] <= c <= THAI[1] for c in text):
        return {text[i : i + 2] for i in range(len(text) - 1)}
    return set(re.findall(r"\w+", text))
