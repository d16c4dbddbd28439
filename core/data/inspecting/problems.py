"""What in a dataset will hurt a model: found by looking, each with rows to see and, where there is one, a remedy.

A remedy is steps of a spec. Texts are the same here when they are so but for case and blanks.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from core import seals
from core.data.browsing import browse
from core.data.dataset import Prepared, Progress, ignore
from core.data.loading.load import choose_train
from core.data.preparing import divide
from core.data.preparing.clean import CONTROL
from core.data.preparing.repeats import conflicts_sql, copies_sql, text_keys
from core.data.reading.aligning.types import PLAIN
from core.models.label_names import groups, telling
from core.spec.run import DataSpec
from core.spec.steps import (
    CleanText,
    Columns,
    Condition,
    Deduplicate,
    DropConflicts,
    DropLeaks,
    Filter,
    MapLabels,
    SplitBy,
    dump_steps,
)
from core.wording import counted, listed, shortened

if TYPE_CHECKING:
    import numpy as np

VERSION = 5  # raise it when something else is found than before
EXAMPLES = 20
RARE, TOO_RARE = 10, 2  # rows of a class
MAJORITY = 0.8
LONG_TIMES, LONG_CHARACTERS = 20, 5_000
SAMPLED_TEXTS = 100_000
COLUMNS_AT_ONCE = 50
MOST_LABELS, MOST_LABELS_COMPARED = 1_000, 200
ALIKE = 0.85
TELLTALE = 0.5  # of the rows of a class
NEAR_ROWS = 1_000_000
MARKUP = r"(?i)&(amp|lt|gt|quot|nbsp|apos|#\d+);|#\d{2,4};|\bquot;|</?(br|p|div|span|li|td|font|strong)( [^<>]*)?/?>"
UNSEEN = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x{9f}\x{200b}\x{2060}\x{feff}]"  # clean.CONTROL for DuckDB
# What text looks like that was read in a wrong encoding; ftfy then says whether it was.
BROKEN = "[ÃÂâ€ðï¿]|\ufffd|縺|繧|譁|蜿"

BLANK = "trim(coalesce(CAST({} AS VARCHAR), ''), ' \t\r\n\u3000') = ''"
LENGTH = "length(CAST({} AS VARCHAR))"

Severity = Literal["high", "medium", "low"]
Query = Callable[[dict[str, str]], tuple[str, list[Any]]]


@dataclass(frozen=True)
class Finding:
    """One problem.

    count: how many rows, classes or columns; rows: some of them, in `split`
    steps: the remedy, as a spec has it; remedy: what to call it
    sampled: whether a part of the rows was looked at only
    """

    kind: str
    title: str
    text: str
    severity: Severity
    count: int
    split: str = ""
    rows: tuple[int, ...] = ()
    steps: tuple[dict[str, Any], ...] = ()
    remedy: str = ""
    sampled: bool = False


def inspect(prepared: Prepared, data: DataSpec, progress: Progress = ignore) -> list[Finding]:
    """All problems of a dataset with these text and label columns, the worst first; kept for `find_inspection`."""
    found: list[Finding] = []
    texts = [name for name in data.text_columns if prepared.column(name) is not None]
    label = data.label_column if data.label_column and prepared.column(data.label_column) else None
    train = choose_train(prepared, data, [])
    checks: list[tuple[str, Callable[[], Iterator[Finding]]]] = []
    if texts:
        checks += [
            ("Looking for empty and endless texts", lambda: _lengths(prepared, texts)),
            ("Looking for copies", lambda: _copies(prepared, texts)),
            ("Looking for leaks", lambda: _leaks(prepared, texts, train)),
            ("Looking for broken characters", lambda: _characters(prepared, texts)),
            ("Comparing texts", lambda: _near(prepared, texts, train, progress)),
        ]
    if texts and label:
        checks.append(("Looking for contradictions", lambda: _conflicts(prepared, texts, label)))
    if label:
        checks.append(("Looking at the labels", lambda: _labels(prepared, texts, label, train)))
    checks.append(("Looking at the columns", lambda: _columns(prepared, [*texts, *([label] if label else [])])))
    for number, (what, check) in enumerate(checks):
        progress(what, number / len(checks))
        found += check()
    order = ("high", "medium", "low")
    found.sort(key=lambda finding: order.index(finding.severity))
    seals.write_text(_path(prepared, data), json.dumps([asdict(finding) for finding in found], ensure_ascii=True))
    return found


def find_inspection(prepared: Prepared, data: DataSpec) -> list[Finding] | None:
    """What `inspect` found before; None if it has not looked yet."""
    try:
        tree = json.loads(seals.read_text(_path(prepared, data)) or "null")
        return [Finding(**{**f, "rows": tuple(f["rows"]), "steps": tuple(f["steps"])}) for f in tree]
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _path(prepared: Prepared, data: DataSpec) -> Path:
    key = json.dumps([VERSION, data.text_columns, data.label_column, data.train_split])
    return prepared.folder / f"problems-{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"


def _counted(found: Iterable[np.ndarray]) -> tuple[int, tuple[int, ...]]:
    """How many row numbers there are, and the first of them."""
    count = 0
    first: list[int] = []
    for numbers in found:
        count += len(numbers)
        first = sorted([*first, *numbers[:EXAMPLES].tolist()])[:EXAMPLES]
    return count, tuple(first)


def _numbers(prepared: Prepared, split: str, where: Callable[[dict[str, str]], str]) -> tuple[int, tuple[int, ...]]:
    """How many rows a condition is true of, and the first of them."""
    query: Query = lambda names: (f"SELECT n FROM data WHERE {where(names)}", [])  # noqa: E731
    return _counted(numbers for (numbers,) in browse.query(prepared, split, query))


def _about(column: str, template: str) -> Callable[[dict[str, str]], str]:
    """SQL about one column, which is `{}` in the template."""
    return lambda names: template.replace("{}", names[column])


def _value(prepared: Prepared, split: str, column: str, template: str) -> float:
    """One number about a column."""
    sql = _about(column, template)
    return next(
        float(values[0]) for (values,) in browse.query(prepared, split, lambda n: (f"SELECT {sql(n)} FROM data", []))
    )


def _has(prepared: Prepared, split: str, columns: Sequence[str]) -> bool:
    from core.data.reading.tables import parquet

    with parquet.open_file(prepared.splits[split].path) as file:
        return set(columns) <= set(file.schema_arrow.names)


def _each(prepared: Prepared, columns: Sequence[str]) -> list[str]:
    """The splits that have rows and these columns."""
    return [name for name, part in prepared.splits.items() if part.rows and _has(prepared, name, columns)]


def _lengths(prepared: Prepared, texts: Sequence[str]) -> Iterator[Finding]:
    for split in _each(prepared, texts):
        for name in texts:
            count, rows = _numbers(prepared, split, _about(name, BLANK))
            if count:
                yield Finding(
                    "empty", f"{counted(count, 'row')} of {split} without {name}",
                    "There is nothing to read in them. A run leaves them out by itself.", "low", count, split, rows,
                    dump_steps(Filter(where=(Condition(column=name, op="missing", negate=True),))), "Drop them",
                )  # fmt: skip
            median = _value(prepared, split, name, f"coalesce(median({LENGTH}), 0)")
            limit = max(LONG_TIMES * median, LONG_CHARACTERS)
            count, rows = _numbers(prepared, split, _about(name, f"{LENGTH} > {limit}"))
            if count:
                yield Finding(
                    "long", f"{counted(count, 'text')} of {split} with more than {limit:,.0f} characters",
                    f"Half of the texts have up to {median:,.0f}. A model reads only the beginning of such a text; it "
                    "often is several texts in one, or a whole document.", "low", count, split, rows,
                    dump_steps(Filter(where=(Condition(column=name, op="length", high=float(int(limit))),))),
                    "Drop them",
                )  # fmt: skip


def _copies(prepared: Prepared, texts: Sequence[str]) -> Iterator[Finding]:
    for split in _each(prepared, texts):

        def where(names: dict[str, str]) -> str:
            return copies_sql(texts, names, prepared)

        count, rows = _numbers(prepared, split, where)
        if count:
            share = count / prepared.splits[split].rows
            yield Finding(
                "duplicates", f"{counted(count, 'copy', 'copies')} of other rows in {split}",
                "What occurs twice counts twice: in training it is learned by heart, in evaluation it makes the score "
                "too sure.", "medium" if share > 0.01 else "low", count, split, rows,
                dump_steps(Deduplicate(columns=tuple(texts), splits=(split,))), "Keep one of each",
            )  # fmt: skip


def _leaks(prepared: Prepared, texts: Sequence[str], train: str) -> Iterator[Finding]:
    import numpy as np

    if train not in _each(prepared, texts):
        return
    key = text_keys(prepared, texts)
    seen: np.ndarray | None = None
    for split in _each(prepared, texts):
        if split == train:
            continue
        if seen is None:
            seen = np.unique(np.concatenate([keys for _, keys in browse.query(prepared, train, key)]))
        count, rows = _counted(numbers[np.isin(keys, seen)] for numbers, keys in browse.query(prepared, split, key))
        if count:
            yield Finding(
                "leak", f"{counted(count, 'text')} of {split} also in {train}",
                f"The model has read them with their labels, so the score on {split} is too good "
                f"({count / prepared.splits[split].rows:.1%} of it).", "high", count, split, rows,
                dump_steps(DropLeaks(columns=tuple(texts), split=train)), f"Drop them from {train}",
            )  # fmt: skip


def _near(prepared: Prepared, texts: Sequence[str], train: str, progress: Progress) -> Iterator[Finding]:
    from core.data.preparing.near import groups

    splits = _each(prepared, texts)
    if sum(prepared.splits[name].rows for name in splits) > NEAR_ROWS:
        return
    threshold = Deduplicate().threshold
    within: dict[str, list[int]] = {name: [] for name in splits}
    across: dict[str, list[int]] = {name: [] for name in splits}
    exact = _exact_keys(prepared, texts, splits)
    for group in groups(prepared, splits, texts, threshold, progress):
        known: dict[str, set[int]] = {}
        in_train = {exact[place] for place in group if place[0] == train}
        for split, number in group:
            keys = known.setdefault(split, set())
            if keys and exact[split, number] not in keys:
                within[split].append(number)
            if split != train and in_train and exact[split, number] not in in_train:
                across[split].append(number)
            keys.add(exact[split, number])
    for split, rows in across.items():
        if rows:
            yield Finding(
                "near-leak", f"{counted(len(rows), 'text')} of {split} nearly also in {train}",
                f"At least {threshold:.0%} of their word groups are the same: the score on {split} is too good.",
                "medium", len(rows), split, tuple(sorted(rows)[:EXAMPLES]),
                dump_steps(DropLeaks(columns=tuple(texts), split=train, match="near")), f"Drop them from {train}",
            )  # fmt: skip
    for split, rows in within.items():
        if rows:
            yield Finding(
                "near-duplicates", f"{counted(len(rows), 'text')} of {split} nearly the same as another",
                f"At least {threshold:.0%} of their word groups are the same: templates, reposts, small edits.",
                "medium" if len(rows) > 0.01 * prepared.splits[split].rows else "low", len(rows), split,
                tuple(sorted(rows)[:EXAMPLES]),
                dump_steps(Deduplicate(columns=tuple(texts), splits=(split,), match="near")), "Keep one of each",
            )  # fmt: skip


def _exact_keys(prepared: Prepared, texts: Sequence[str], splits: Sequence[str]) -> dict[tuple[str, int], int]:
    key = text_keys(prepared, texts)
    return {
        (split, number): value
        for split in splits
        for numbers, keys in browse.query(prepared, split, key)
        for number, value in zip(numbers.tolist(), keys.tolist(), strict=True)
    }


def _characters(prepared: Prepared, texts: Sequence[str]) -> Iterator[Finding]:
    from ftfy import fix_encoding

    for split in _each(prepared, texts):
        for name in texts:
            column = prepared.column(name)
            if column is None or column.kind != "text":
                continue

            def broken(names: dict[str, str], name: str = name) -> tuple[str, list[Any]]:
                where = f"regexp_matches({names[name]}, '{BROKEN}')"
                return f"SELECT n, {names[name]} FROM data WHERE {where} LIMIT {SAMPLED_TEXTS}", []

            rows: list[int] = []
            example, looked, lost = ("", ""), 0, []
            for numbers, values in browse.query(prepared, split, broken):
                looked += len(numbers)
                for number, text in zip(numbers.tolist(), values.tolist(), strict=True):
                    if (fixed := fix_encoding(text)) != text:
                        rows.append(number)
                        example = example if example[0] else _difference(text, fixed)
                    if "\ufffd" in fixed:
                        lost.append(number)
            if rows:
                yield Finding(
                    "encoding", f"{counted(len(rows), 'text')} of {split} in a wrong encoding",
                    f"For instance “{example[0]}” where “{example[1]}” was meant. The model would learn the damage.",
                    "medium", len(rows), split, tuple(rows[:EXAMPLES]),
                    dump_steps(CleanText(columns=(name,), remove_control=False)), "Repair them",
                    looked == SAMPLED_TEXTS,
                )  # fmt: skip
            if lost:
                yield Finding(
                    "replacement", f"{counted(len(lost), 'text')} of {split} with lost characters (\ufffd)",
                    "Something could not be read when the file was made. Read the original again if you have it.",
                    "medium", len(lost), split, tuple(lost[:EXAMPLES]),
                    dump_steps(Filter(where=(Condition(column=name, op="contains", values=("\ufffd",), negate=True),))),
                    "Drop them", looked == SAMPLED_TEXTS,
                )  # fmt: skip
            count, found = _numbers(prepared, split, _about(name, f"regexp_matches(CAST({{}} AS VARCHAR), '{MARKUP}')"))
            if count:
                yield Finding(
                    "markup", f"{counted(count, 'text')} of {split} with HTML in them",
                    "Tags and codes such as &amp; and #39; are left of a web page; to a model they are words.",
                    "medium" if count > 0.01 * prepared.splits[split].rows else "low", count, split, found,
                    dump_steps(CleanText(columns=(name,), remove_markup=True)), "Make plain text of it",
                )  # fmt: skip
            count, found = _numbers(prepared, split, _about(name, f"regexp_matches(CAST({{}} AS VARCHAR), '{UNSEEN}')"))
            if count:
                yield Finding(
                    "control", f"{counted(count, 'text')} of {split} with characters that nobody sees",
                    "Control characters and blanks of no width split words into unknown tokens.", "low", count, split,
                    found, dump_steps(CleanText(columns=(name,), fix_encoding=False)), "Remove the characters",
                )  # fmt: skip


def _difference(text: str, fixed: str) -> tuple[str, str]:
    """The words around the first place where two texts differ."""
    at = next((i for i, (a, b) in enumerate(zip(text, fixed, strict=False)) if a != b), 0)
    start = text.rfind(" ", 0, at) + 1
    return CONTROL.sub("", shortened(text[start : start + 24], 20)), CONTROL.sub(
        "", shortened(fixed[start : start + 20], 20)
    )


def _conflicts(prepared: Prepared, texts: Sequence[str], label: str) -> Iterator[Finding]:
    for split in _each(prepared, [*texts, label]):

        def where(names: dict[str, str]) -> str:
            return conflicts_sql(texts, label, names, prepared)

        count, rows = _numbers(prepared, split, where)
        if count:
            yield Finding(
                "conflicts", f"{counted(count, 'row')} of {split} with the same text but another {label}",
                "At most one of the labels is right, so no model can be right on all of them.", "high", count, split,
                rows, dump_steps(DropConflicts(columns=tuple(texts), label=label, splits=(split,))), "Drop them all",
            )  # fmt: skip


def _labels(prepared: Prepared, texts: Sequence[str], label: str, train: str) -> Iterator[Finding]:
    column = prepared.column(label)
    assert column is not None
    for split in _each(prepared, [label]):
        none = "({} IS NULL OR {} < 0)" if column.kind == "class" else BLANK
        count, rows = _numbers(prepared, split, _about(label, none))
        if count:
            yield Finding(
                "unlabelled", f"{counted(count, 'row')} of {split} without {label}",
                "There is nothing to learn from them. A run leaves them out by itself.", "low", count, split, rows,
                dump_steps(Filter(where=(Condition(column=label, op="missing", negate=True),))), "Drop them",
            )  # fmt: skip
    if train not in _each(prepared, [label]) or column.kind not in PLAIN:
        return
    frame = browse.label_counts(prepared, train, label, MOST_LABELS)
    if (frame["label"] == browse.OTHER).any():
        return
    counts = {str(name): int(n) for name, n in zip(frame["label"], frame["count"], strict=True) if name != browse.EMPTY}
    counts = {name: n for name, n in counts.items() if n}
    yield from _alike(counts, label)
    yield from _rare(counts, label, train)
    total = sum(counts.values())
    if counts and (top := max(counts, key=counts.__getitem__)) and len(counts) > 1 and counts[top] / total >= MAJORITY:
        yield Finding(
            "imbalance", f"{counts[top] / total:.0%} of {train} is “{shortened(top, 40)}”",
            f"A model that always says so is right in {counts[top] / total:.0%} of cases. Look at F1 (macro) or "
            "Matthews correlation instead of accuracy, and try balanced class weights on the New run page.", "medium",
            counts[top], train,
        )  # fmt: skip
    if texts:
        yield from _telltales(prepared, texts, label, train, counts)


def _alike(counts: dict[str, int], label: str) -> Iterator[Finding]:
    """Labels that look the same or differ by case, and rare ones that look like a misspelt common one."""
    names = sorted(counts, key=lambda name: -counts[name])
    same = {other: common for common, *others in groups(names) for other in others}
    misspelt: dict[str, str] = {}
    for common, other in combinations([name for name in names if name not in same][:MOST_LABELS_COMPARED], 2):
        if (
            not {common, other} & set(misspelt)
            and min(len(common), len(other)) >= 4
            and counts[other] * 20 <= counts[common]
            and not re.search(r"\d", common + other)  # 3 stars is not a misspelt 4 stars
            and SequenceMatcher(None, common.casefold(), other.casefold()).ratio() >= ALIKE
        ):
            misspelt[other] = common
    for kind, found, what in (
        ("label-case", same, "differ by case, blanks or unseen characters only"),
        ("label-spelling", misspelt, "look misspelt"),
    ):
        if found:
            shown = ", ".join(f"“{telling(a, b)}” for “{telling(b, a)}”" for a, b in list(found.items())[:5])
            yield Finding(
                kind, f"{counted(len(found), 'label')} of {label} that {what}",
                f"{shown}. To a model they are different classes.", "high", len(found), steps=dump_steps(
                    MapLabels(column=label, labels=found)), remedy="Make them one",
            )  # fmt: skip


def _rare(counts: dict[str, int], label: str, train: str) -> Iterator[Finding]:
    rare = {name: n for name, n in counts.items() if n < RARE}
    if not rare or len(counts) - len(rare) < 2:
        return
    worst = min(rare.values())
    shown = ", ".join(f"“{shortened(name, 30)}” ({n})" for name, n in sorted(rare.items(), key=lambda p: p[1])[:5])
    yield Finding(
        "rare", f"{counted(len(rare), 'class', 'classes')} with fewer than {RARE} rows in {train}",
        f"{shown}. Too few to learn from and to judge by" + (
            "; one that occurs once cannot be in training and evaluation both." if worst < TOO_RARE else "."
        ), "medium", len(rare), train,
        steps=dump_steps(Filter(where=(Condition(column=label, op="is", values=tuple(rare), negate=True),))),
        remedy="Drop their rows",
    )  # fmt: skip


def _telltales(
    prepared: Prepared, texts: Sequence[str], label: str, split: str, counts: dict[str, int]
) -> Iterator[Finding]:
    """Classes whose texts hold the class's name: then that word may be all a model learns."""
    if not _has(prepared, split, [*texts, label]) or len(counts) > 100:
        return
    column = prepared.column(label)
    assert column is not None
    for name, rows_of_class in counts.items():
        if len(name) < 3 or name.replace(".", "").isdigit():
            continue

        def query(names: dict[str, str], name: str = name) -> tuple[str, list[Any]]:
            value: Any = column.names.index(name) if column.names else name
            found = " OR ".join(f"contains(lower(CAST({names[text]} AS VARCHAR)), ?)" for text in texts)
            selected = names[label] if column.names else f"CAST({names[label]} AS VARCHAR)"
            return f"SELECT n FROM data WHERE {selected} = ? AND ({found})", [value, *[name.lower()] * len(texts)]

        count, rows = _counted(numbers for (numbers,) in browse.query(prepared, split, query))
        if count >= max(3, TELLTALE * rows_of_class):
            yield Finding(
                "telltale", f"{count / rows_of_class:.0%} of the “{shortened(name, 40)}” texts hold that word",
                f"If the word gives {label} away, a model learns it and nothing else, and fails where it is missing.",
                "medium", count, split, rows,
            )  # fmt: skip


def _distinct(prepared: Prepared, split: str, columns: Sequence[str]) -> list[int]:
    """About how many different values each column has."""
    found: list[int] = []
    for start in range(0, len(columns), COLUMNS_AT_ONCE):
        part = columns[start : start + COLUMNS_AT_ONCE]

        def query(names: dict[str, str], part: Sequence[str] = part) -> tuple[str, list[Any]]:
            return f"SELECT {', '.join(f'approx_count_distinct({names[n]})' for n in part)} FROM data", []

        (values,) = browse.query(prepared, split, query)
        found += [int(value[0]) for value in values]
    return found


def _split_columns(prepared: Prepared) -> Iterator[Finding]:
    """A column that names the split of each row, where all rows are in one split."""
    split = next(iter(prepared.splits))
    for column in divide.proposed(prepared):
        yield Finding(
            "split-column", f"The values of “{shortened(column, 40)}” name the split of each row",
            "The official training and test rows are mixed: a model would be judged on rows drawn from both.", "high",
            prepared.splits[split].rows, split, steps=dump_steps(SplitBy(column=column)), remedy="Make these splits",
        )  # fmt: skip


def _columns(prepared: Prepared, used: Sequence[str]) -> Iterator[Finding]:
    yield from _split_columns(prepared)
    constant, ids = [], []
    split = max(prepared.splits, key=lambda name: prepared.splits[name].rows)
    rows = prepared.splits[split].rows
    plain = [c for c in prepared.columns if c.kind in PLAIN and _has(prepared, split, [c.name])]
    for column, distinct in zip(plain, _distinct(prepared, split, [c.name for c in plain]), strict=True):
        if distinct <= 1 and rows > 1:
            constant.append(column.name)
        elif column.name not in used and column.kind in ("integer", "text") and distinct > 0.95 * rows and rows >= 20:
            ids.append(column.name)
    others = [c.name for c in prepared.columns if c.name not in constant]
    if constant and others:
        in_use = [name for name in constant if name in used]
        yield Finding(
            "constant", f"{counted(len(constant), 'column')} with the same value everywhere: {listed(constant[:5])}",
            "Nothing can be told apart by it." + (" It is chosen as text or label." if in_use else ""),
            "high" if in_use else "low", len(constant), split,
            steps=() if in_use else dump_steps(Columns(keep=tuple(others))), remedy="" if in_use else "Leave it out",
        )  # fmt: skip
    if ids:
        yield Finding(
            "ids", f"{counted(len(ids), 'column')} with another value in each row: {listed(ids[:5])}",
            "Ids, links or dates: no model learns from them, but they help to find a row again.",
            "low", len(ids), split,
        )  # fmt: skip
