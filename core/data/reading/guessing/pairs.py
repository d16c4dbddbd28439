"""Finds two columns that form a pair of texts: by well-known names, by twin names, or as similar neighbours."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import pyarrow as pa

from core.data.reading.guessing import values
from core.messages import Message

KNOWN = [
    ("premise", "hypothesis"), ("text", "hypothesis"), ("question", "sentence"), ("question", "passage"),
    ("question", "context"), ("query", "passage"), ("query", "document"), ("claim", "evidence"),
    ("前提", "仮説"), ("質問", "文脈"), ("質問", "回答"), ("クエリ", "文書"),
]  # fmt: skip
TWINS = [("1", "2"), ("0", "1"), ("a", "b"), ("x", "y"), ("one", "two"), ("first", "second"), ("left", "right"),
         ("一", "二"), ("甲", "乙")]  # fmt: skip
UNNAMED = re.compile(r"(?:column|col|field|f|var|v|unnamed:?)?[ _]?\d+", re.IGNORECASE)
TOKEN = re.compile(r"\d+|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_a-zA-Z]")
NATURAL, ALIKE = 0.3, 10.0
NATURAL_UNNAMED, ALIKE_UNNAMED = 0.8, 1.5
SHARED, ABOVE_CHANCE = 0.1, 2.0
LOOK = 100  # rows


class Pair(NamedTuple):
    """Two columns, and a sentence that says why they are a pair."""

    first: str
    second: str
    reason: Message


def find(table: pa.Table, texts: Sequence[str], scores: Mapping[str, float]) -> Pair | None:
    """Returns the pair among columns of text, or None. scores: how much each column looks like text; 0: not at all"""
    usable = [name for name in texts if scores[name] > 0]
    by_name = {unicodedata.normalize("NFKC", name).strip().casefold(): name for name in usable}
    for one, other in KNOWN:
        if one in by_name and other in by_name:
            first, second = by_name[one], by_name[other]
            reason = Message.of(
                "pair-by-common-names",
                "{first} and {second} are read as a pair of texts: these are common names of a pair.",
                first=first,
                second=second,
            )
            return Pair(first, second, reason)
    samples = {name: values.sample(table.column(name)) for name in usable}
    twins = [
        (first, second)
        for first, second in _twins(usable)
        if all(values.natural(samples[n]) >= NATURAL for n in (first, second))
        and _ratio(samples[first], samples[second]) <= ALIKE
    ]
    if twins:
        first, second = max(twins, key=lambda pair: scores[pair[0]] + scores[pair[1]])
        reason = Message.of(
            "pair-by-twin-names",
            "{first} and {second} are read as a pair of texts: their names are twins.",
            first=first,
            second=second,
        )
        return Pair(first, second, reason)
    return _neighbours(table, usable, samples)


def _twins(names: Sequence[str]) -> list[tuple[str, str]]:
    """Returns pairs of names that differ in one number or letter, except where a third such name exists."""
    groups: dict[tuple[int, tuple[str, ...]], dict[str, str]] = {}
    for name in names:
        tokens = [token.casefold() for token in TOKEN.findall(unicodedata.normalize("NFKC", name))]
        for place, token in enumerate(tokens):
            rest = (*tokens[:place], "", *tokens[place + 1 :])
            groups.setdefault((place, rest), {})[token] = name
    twins = []
    for (_, rest), members in groups.items():
        counted = [token for token in members if token.isdigit() or len(token) == 1]
        for one, other in TWINS:
            series = len(counted) if one.isdigit() or len(one) == 1 else 2
            if one in members and other in members and series == 2 and _is_a_name(rest, one):
                twins.append((members[one], members[other]))
    return twins


def _is_a_name(rest: Sequence[str], mark: str) -> bool:
    """Whether a numbered or lettered name means something: q1 and s_a do; x, y and column_1 do not."""
    words = [word for word in rest if word]
    return bool(words) and not UNNAMED.fullmatch("_".join([*words, "1"])) and not all(w.isdigit() for w in words)


def _ratio(one: Sequence[str], other: Sequence[str]) -> float:
    lengths = sorted(sum(map(len, texts)) / max(1, len(texts)) for texts in (one, other))
    return lengths[1] / max(lengths[0], 1e-9)


def _neighbours(table: pa.Table, usable: Sequence[str], samples: Mapping[str, list[str]]) -> Pair | None:
    """Returns two neighbouring unnamed columns with texts of similar length that share more words within a row than
    across rows. In contrast, a title and its text differ in length, and two reviews of one shop share few words.
    """
    order = [name for name in table.column_names if name in usable]
    natural = [n for n in order if UNNAMED.fullmatch(n) and values.natural(samples[n]) >= NATURAL_UNNAMED]
    if len(natural) != 2 or tuple(natural) not in list(pairwise(table.column_names)):
        return None
    first, second = natural
    if _ratio(samples[first], samples[second]) > ALIKE_UNNAMED:
        return None
    rows = [
        (values.pieces(str(a)), values.pieces(str(b)))
        for a, b in zip(*(table.column(n).slice(0, LOOK).to_pylist() for n in (first, second)), strict=True)
        if a is not None and b is not None
    ]
    if len(rows) < 4:
        return None
    within = _shared(rows)
    across = _shared([(a, b) for (a, _), (_, b) in zip(rows, rows[1:] + rows[:1], strict=True)])
    if within < SHARED or within < ABOVE_CHANCE * across:
        return None
    reason = Message.of(
        "pair-by-likeness",
        "{first} and {second} are read as a pair of texts: they are neighbours with texts of similar length, and the "
        "two texts of a row have many words in common.",
        first=first,
        second=second,
    )
    return Pair(first, second, reason)


def _shared(rows: Sequence[tuple[set[str], set[str]]]) -> float:
    """Returns the mean Jaccard index of the words of each two texts."""
    return sum(len(a & b) / max(1, len(a | b)) for a, b in rows) / len(rows)
