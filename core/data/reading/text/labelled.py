"""Reads files whose lines begin with a label: fastText's `__label__pos fine lamp`, TREC's `LOC:city Where is it?`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

FASTTEXT, TREC = "fastText", "TREC"
LABELS = re.compile(r"((?:__label__\S+\s+)*__label__\S+)(?:\s+(.*))?", re.DOTALL)
COARSE_FINE = re.compile(r"([A-Z]{2,12}):(\w+) (.*\S)", re.DOTALL)
MORE = "more_labels"
LOOKED_AT = 2_000  # lines
LEAST = 4  # lines of TREC's form; a shorter file may be a log that looks like it


def form_of(text: str) -> str | None:
    """Returns FASTTEXT or TREC if nearly all lines at the beginning of a file have that form, else None."""
    lines = list(islice((line.strip() for line in text.splitlines() if line.strip()), LOOKED_AT))
    if sum(line.startswith("__label__") for line in lines) >= 0.9 * len(lines) > 0:
        return FASTTEXT
    pairs = Counter(match.group(1, 2) for line in lines if (match := COARSE_FINE.fullmatch(line)))
    rows = sum(pairs.values())
    if len(lines) >= LEAST and rows >= 0.95 * len(lines) and len(pairs) * 2 <= rows and len({c for c, _ in pairs}) > 1:
        return TREC
    return None


def names(form: str, lines: Iterable[str]) -> list[str]:
    """Returns the column names of a file of this form. Reads on until a line has several labels."""
    if form == TREC:
        return ["coarse_label", "fine_label", "text"]
    several = any(" " in match[1].replace("\t", " ") for line in lines if (match := LABELS.match(line)))
    return ["label", MORE, "text"] if several else ["label", "text"]


def rows(form: str, lines: Iterable[str], width: int) -> Iterator[tuple[int, int, list[str]]]:
    """Yields rows in the form of `dialect.numbered`; a line without a label gets an empty one."""
    for number, raw in enumerate(lines, 1):
        line = raw.strip()
        if not line:
            continue
        if form == TREC:
            match = COARSE_FINE.fullmatch(line)
            yield number - 1, number, [match[1], f"{match[1]}:{match[2]}", match[3]] if match else ["", "", line]
            continue
        match = LABELS.fullmatch(line)
        labels = [label.removeprefix("__label__") for label in match[1].split()] if match else [""]
        text = (match[2] or "") if match else line
        yield number - 1, number, [labels[0], text] if width == 2 else [labels[0], " ".join(labels[1:]), text]
