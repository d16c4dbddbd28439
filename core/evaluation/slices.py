"""Groups of examples on which a model errs more than chance explains: by length, label, language, form and columns.

Each group, and each pair of groups of different kinds, is tested against the rest: how likely is it that so many of
the errors fall into it (hypergeometric, one-sided)? The p-values are corrected for how many were tried (Benjamini and
Hochberg, 1995).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from core.data.dataset import Column, Prepared
from core.data.inspecting.language import NONE, language_of
from core.data.reading.aligning import types
from core.data.reading.tables import bounded, parquet
from core.tasks.evaluations import Group, Slices

LEAST, LEAST_SHARE = 20, 0.005  # of examples in a group
MOST_VALUES, MOST_GROUPS = 20, 120
PARTS = 4  # of a range of numbers
LANGUAGES_OF, LANGUAGE_CHARACTERS = 100_000, 300
WORSE = 0.02  # by how much a pair's share of errors must exceed that of both of its groups
KEPT, ROWS_KEPT = 40, 100
SIGNIFICANT = 0.05
SAME = 0.98  # of two groups

FORMS: dict[str, re.Pattern[str]] = {
    "a question mark": re.compile(r"[?？]"),
    "an exclamation mark": re.compile(r"[!！]"),
    "a digit": re.compile(r"\d"),
    "a link": re.compile(r"https?://|www\."),
    "a word in capitals": re.compile(r"\b[A-Z]{3,}\b"),
    "a negation": re.compile(r"\b(?:not|no|never|none|cannot)\b|n't\b|ない|ません", re.IGNORECASE),
    "more than one paragraph": re.compile(r"\n\s*\n|\\n\\n"),
}


@dataclass(frozen=True)
class Division:
    """kind: what it is a group by, such as "length"; name: in words; mask: which examples, bool (examples,)"""

    kind: str
    name: str
    mask: np.ndarray


def find(groups: Sequence[Division], errors: np.ndarray, scores: np.ndarray, rows: np.ndarray) -> Slices:
    """All groups with their scores, and the worst of them and of their pairs, by how many errors fall into them.

    errors: bool (examples,); scores: of each example, of which a group tells the mean; rows: row numbers
    """
    least = max(LEAST, int(LEAST_SHARE * len(errors)))
    usable = [g for g in groups if least <= g.mask.sum() < len(errors)][:MOST_GROUPS]
    bits = [np.packbits(g.mask) for g in usable]
    wrong = np.packbits(errors)
    tried = [Tried((i,), int(g.mask.sum()), int(np.bitwise_count(bits[i] & wrong).sum())) for i, g in enumerate(usable)]
    for a in range(len(usable)):
        for b in range(a + 1, len(usable)):
            if usable[a].kind != usable[b].kind:
                both = bits[a] & bits[b]
                count = int(np.bitwise_count(both).sum())
                if count >= least and count < min(tried[a].examples, tried[b].examples):
                    tried.append(Tried((a, b), count, int(np.bitwise_count(both & wrong).sum())))
    p, q = _chances(tried, int(errors.sum()), len(errors))

    def group(n: int, rows_of: np.ndarray | None = None) -> Group:
        entry = tried[n]
        mask = np.logical_and.reduce([usable[i].mask for i in entry.places])
        fields: dict[str, Any] = {} if rows_of is None else {"rows": rows_of[mask & errors][:ROWS_KEPT].tolist()}
        return Group(
            name=" and ".join(usable[i].name for i in entry.places),
            kind=" + ".join(usable[i].kind for i in entry.places),
            count=entry.examples,
            errors=entry.errors,
            score=float(scores[mask].mean()),
            coverage=entry.examples / len(errors),
            p=float(p[n]),
            q=float(q[n]),
            **fields,
        )

    return Slices(
        tried=len(tried),
        groups=tuple(group(n) for n in range(len(usable))),
        worst=tuple(group(n, rows) for n in _worst(tried, q)),
    )


class Tried(NamedTuple):
    """A group, or the examples that two groups share. places: of its groups"""

    places: tuple[int, ...]
    examples: int
    errors: int

    @property
    def share(self) -> float:
        """How many of its examples are errors."""
        return self.errors / self.examples


def _chances(tried: Sequence[Tried], errors: int, total: int) -> tuple[np.ndarray, np.ndarray]:
    """For each how likely so many errors are by luck; and that corrected for all that were tried."""
    from scipy.stats import false_discovery_control, hypergeom

    if not tried:
        return np.empty(0), np.empty(0)
    counts, wrong = np.array([t.examples for t in tried]), np.array([t.errors for t in tried])
    p = np.clip(hypergeom.sf(wrong - 1, total, errors, counts), 0, 1)
    return p, false_discovery_control(p)


def _worst(tried: Sequence[Tried], q: np.ndarray) -> list[int]:
    """Those beyond chance, with the largest share of errors first; a pair only if it is worse than each of its two."""
    chosen = [
        n
        for n, entry in enumerate(tried)
        if q[n] <= SIGNIFICANT
        and (len(entry.places) == 1 or all(entry.share >= tried[i].share + WORSE for i in entry.places))
    ]
    return sorted(chosen, key=lambda n: (-tried[n].share, -tried[n].examples))[:KEPT]


def chance(errors: int, count: int, all_errors: int, total: int) -> float:
    """How likely at least `errors` of `all_errors` fall among `count` of `total` examples by luck (hypergeometric).

    As scipy.stats.hypergeom.sf(errors - 1, ...), without the second that a page would wait for scipy.
    """

    def log_choose(n: int, k: int) -> float:
        return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)

    least, most = max(errors, count - (total - all_errors), 0), min(count, all_errors)
    if errors <= max(0, count - (total - all_errors)):
        return 1.0
    if least > most:
        return 0.0
    whole = log_choose(total, count)
    terms = [
        log_choose(all_errors, k) + log_choose(total - all_errors, count - k) - whole for k in range(least, most + 1)
    ]
    highest = max(terms)
    return min(1.0, math.exp(highest) * math.fsum(math.exp(term - highest) for term in terms))


def groups_of(
    texts: Sequence[str],
    by_label: Mapping[str, np.ndarray],
    rows: np.ndarray,
    prepared: Prepared,
    split: str,
    without: Sequence[str],
    say: Callable[[str], None],
) -> list[Division]:
    """The groups to look at. by_label: as the task makes them; rows: of the split

    without: its columns that are texts or the label
    """
    say("Looking for groups that it finds hard")
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    divisions = _ranges("length", "text", lengths, unit=" characters")
    divisions += [Division("label", name, mask) for name, mask in by_label.items()]
    divisions += [
        Division("form", f"text with {what}", np.fromiter((bool(pattern.search(t)) for t in texts), bool, len(texts)))
        for what, pattern in FORMS.items()
    ]
    divisions += _languages(texts)
    labels = list(by_label.values())
    for column in prepared.columns:
        if column.name not in without:
            divisions += [g for g in _column(prepared, split, column, rows) if not _is_label(g.mask, labels)]
    return divisions


def _is_label(mask: np.ndarray, labels: Sequence[np.ndarray]) -> bool:
    """Whether a group is one by label under another name: a column that is a copy of the label says nothing new."""
    return any((mask & of_label).sum() >= SAME * max(1, (mask | of_label).sum()) for of_label in labels)


def _languages(texts: Sequence[str]) -> list[Division]:
    if len(texts) > LANGUAGES_OF:
        return []  # a tenth of a millisecond each
    codes = np.array([language_of(text[:LANGUAGE_CHARACTERS]) for text in texts])
    return [Division("language", f"language {code}", codes == code) for code in sorted(set(codes.tolist()) - {NONE})]


def _column(prepared: Prepared, split: str, column: Column, rows: np.ndarray) -> list[Division]:
    import pyarrow.compute as pc

    with parquet.open_file(prepared.splits[split].path) as file:
        if column.kind not in types.PLAIN or column.name not in file.schema_arrow.names:
            return []
    values = types.plain(bounded.column(prepared.splits[split].path, column.name))
    if column.kind in ("integer", "float") and pc.count_distinct(values).as_py() > MOST_VALUES:
        numbers = values.cast("float64").to_numpy(zero_copy_only=False)[rows]
        return _ranges(column.name, column.name, numbers)
    counts = pc.value_counts(values)
    if not 2 <= len(counts) <= MOST_VALUES:
        return []
    held = values.to_numpy(zero_copy_only=False)[rows]
    groups = []
    for value in (entry["values"].as_py() for entry in counts):
        if value is not None:
            name = column.names[value] if column.names and 0 <= value < len(column.names) else value
            groups.append(Division(column.name, f"{column.name} {name}"[:120], np.asarray(held == value, dtype=bool)))
    return groups


def _ranges(kind: str, name: str, numbers: np.ndarray, unit: str = "") -> list[Division]:
    """Quarters of the examples by a number."""
    known = numbers[np.isfinite(numbers)] if numbers.dtype.kind == "f" else numbers
    if not len(known):
        return []
    edges = np.unique(np.quantile(known, np.linspace(0, 1, PARTS + 1)))
    divisions = []
    for low, high in pairwise(edges.tolist()):
        inside = (numbers >= low) & (numbers <= high if high == edges[-1] else numbers < high)
        divisions.append(Division(kind, f"{name} of {low:,.6g} to {high:,.6g}{unit}", inside))
    return divisions
