"""Groups of examples on which a model errs more than chance explains: by length, label, language, form and columns.

Each group, and each pair of groups of different kinds, is tested against the rest: how likely is it that so many of
the errors fall into it (hypergeometric, one-sided)? The p-values are corrected for how many were tried (Benjamini and
Hochberg, 1995).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from core.data.dataset import Column, Prepared
from core.data.inspecting.language import NONE, language_of
from core.data.reading.aligning import types
from core.data.reading.tables import bounded, parquet
from core.tasks.evaluations import Group, Slices

LEAST, LEAST_SHARE = 20, 0.005  # of examples in a group
MOST_VALUES, MOST_GROUPS, MOST_CLASSES = 20, 120, 30
PARTS = 4  # of a range of numbers
LANGUAGES_OF, LANGUAGE_CHARACTERS = 100_000, 300
WORSE = 0.02  # by how much a pair must exceed both of its groups
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


def find(groups: Sequence[Division], wrong: np.ndarray, rows: np.ndarray) -> Slices:
    """All groups with their error rates, and the worst of them and of their pairs.

    wrong: bool (examples,); rows: row numbers
    """
    least = max(LEAST, int(LEAST_SHARE * len(wrong)))
    usable = [g for g in groups if least <= g.mask.sum() < len(wrong)][:MOST_GROUPS]
    bits = [np.packbits(g.mask) for g in usable]
    errors = np.packbits(wrong)
    tried: list[tuple[tuple[int, ...], int, int]] = [
        ((i,), int(g.mask.sum()), int(np.bitwise_count(bits[i] & errors).sum())) for i, g in enumerate(usable)
    ]
    for a in range(len(usable)):
        for b in range(a + 1, len(usable)):
            if usable[a].kind != usable[b].kind:
                both = bits[a] & bits[b]
                count = int(np.bitwise_count(both).sum())
                if count >= least and count < min(tried[a][1], tried[b][1]):
                    tried.append(((a, b), count, int(np.bitwise_count(both & errors).sum())))
    entries = _tested(tried, usable, int(wrong.sum()), len(wrong))
    worst = []
    for group, places in _worst(entries, tried):
        mask = np.logical_and.reduce([usable[i].mask for i in places]) & wrong
        worst.append(group.model_copy(update={"rows": rows[mask][:ROWS_KEPT].tolist()}))
    return Slices(tried=len(tried), groups=tuple(entries[: len(usable)]), worst=tuple(worst))


def _tested(
    tried: Sequence[tuple[tuple[int, ...], int, int]], divisions: Sequence[Division], errors: int, total: int
) -> list[Group]:
    from scipy.stats import false_discovery_control, hypergeom

    if not tried:
        return []
    counts, wrong = (np.array([entry[i] for entry in tried]) for i in (1, 2))
    p = np.clip(hypergeom.sf(wrong - 1, total, errors, counts), 0, 1)
    q = false_discovery_control(p)
    return [
        Group(
            name=" and ".join(divisions[i].name for i in places),
            kind=" + ".join(divisions[i].kind for i in places),
            count=count,
            errors=bad,
            score=1 - bad / count,
            coverage=count / total,
            p=float(p[n]),
            q=float(q[n]),
        )
        for n, (places, count, bad) in enumerate(tried)
    ]


def _worst(
    entries: list[Group], tried: Sequence[tuple[tuple[int, ...], int, int]]
) -> list[tuple[Group, tuple[int, ...]]]:
    """Those beyond chance, the least accurate first; a pair only if it is worse than each of its two groups."""
    chosen = []
    for entry, (places, _, _) in zip(entries, tried, strict=True):
        if entry.q > SIGNIFICANT:
            continue
        if len(places) == 2 and any(entry.score > entries[i].score - WORSE for i in places):
            continue
        chosen.append((entry, places))
    return sorted(chosen, key=lambda pair: (pair[0].score, -pair[0].count))[:KEPT]


def groups_of(
    texts: Sequence[str],
    labels: np.ndarray,
    names: Sequence[str],
    rows: np.ndarray,
    prepared: Prepared,
    split: str,
    without: Sequence[str],
    say: Callable[[str], None],
) -> list[Division]:
    """The groups to look at. rows: of the split; without: its columns that are texts or the label."""
    say("Looking for groups that it finds hard")
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    divisions = _ranges("length", "text", lengths, unit=" characters")
    if len(names) <= MOST_CLASSES:
        divisions += [Division("label", f"class {name}", labels == i) for i, name in enumerate(names)]
    divisions += [
        Division("form", f"text with {what}", np.fromiter((bool(pattern.search(t)) for t in texts), bool, len(texts)))
        for what, pattern in FORMS.items()
    ]
    divisions += _languages(texts)
    classes = [g.mask for g in divisions if g.kind == "label"]
    for column in prepared.columns:
        if column.name not in without:
            divisions += [g for g in _column(prepared, split, column, rows) if not _is_class(g.mask, classes)]
    return divisions


def _is_class(mask: np.ndarray, classes: Sequence[np.ndarray]) -> bool:
    """Whether a group is a class by another name: a column that is a copy of the label says nothing new."""
    return any((mask & of_class).sum() >= SAME * max(1, (mask | of_class).sum()) for of_class in classes)


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
