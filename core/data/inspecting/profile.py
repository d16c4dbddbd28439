"""Profiles a dataset: statistics of its columns, texts, labels, languages and tokens, for each split.

Counts, nulls, characters and words cover all rows; languages and tokens cover a sample, tokens all rows on request.
Counts of different values, and medians of very long columns, are estimates. Each number comes with the number of rows
it covers. A profile is kept with the dataset, one for each choice of columns and tokenizer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import seals
from core.data.browsing import database
from core.data.browsing.label_counts import MAX_LABELS, label_counts
from core.data.browsing.samples import sample_texts
from core.data.browsing.token_process import open_limited
from core.data.browsing.tokens import tokenizer_for
from core.data.dataset import Column, Prepared, Progress, ignore
from core.data.inspecting import label_check, language, vocabulary_fit
from core.data.inspecting.statistics import (
    ColumnStatistics,
    LabelRows,
    Languages,
    Lengths,
    Profile,
    SplitStatistics,
    TextStatistics,
    TokenLengths,
    Value,
)
from core.data.notes import Note
from core.data.prepare import find_prepared, prepare
from core.data.reading.aligning import types
from core.data.reading.tables import bounded, parquet
from core.hub import download as hub
from core.messages import Message
from core.models import names as models
from core.settings import Settings
from core.spec.run import ProfileSpec
from core.wording import sentence

if TYPE_CHECKING:
    import numpy as np

VERSION = 3  # raise it when the computation changes
TOKEN_SAMPLE, LANGUAGE_SAMPLE = 100_000, 2_000
LENGTHS = (32, 64, 128, 256, 384, 512, 1024)
MOST_CUT = 0.05  # of the texts, at the recommended length
TOP = 10
BATCH = 2_000
COLUMNS_AT_ONCE, EXACT_MEDIAN_ROWS = 50, 1_000_000
SCRIPTS = {
    "Latin": r"\p{Latin}", "Han": r"\p{Han}", "Kana": r"[\p{Hiragana}\p{Katakana}]", "Hangul": r"\p{Hangul}",
    "Cyrillic": r"\p{Cyrillic}", "Greek": r"\p{Greek}", "Arabic": r"\p{Arabic}", "Hebrew": r"\p{Hebrew}",
    "Devanagari": r"\p{Devanagari}", "Thai": r"\p{Thai}", "Emoji": r"[\x{1F300}-\x{1FAFF}\x{2600}-\x{27BF}]",
}  # fmt: skip
QUANTILES = {"median": 0.5, "p95": 0.95, "p99": 0.99}


def profile_of(spec: ProfileSpec, settings: Settings, progress: Progress = ignore) -> Profile:
    """Profiles the dataset of a spec for its model. Columns that the spec leaves open are guessed.

    Raises DataError, HubError, ModelError, PathError.
    """
    prepared = prepare(spec.data, settings, progress)
    texts, label, tokenizer = _choices(spec, prepared, settings)
    if tokenizer is None and texts and models.kind_of(spec.model.name, settings) == "hub":
        progress("Fetching the tokenizer", None)
        tokenizer = hub.fetch_tokenizer_json(spec.model.name, spec.model.revision)
    most = models.known_limit(spec.model, settings)
    return profile(prepared, texts, label, tokenizer, most, spec.exact, progress, spec.model.name)


def kept_profile(spec: ProfileSpec, settings: Settings) -> Profile | None:
    """What `profile_of` kept for this spec; None if that or its dataset is gone. Downloads nothing.

    Raises DataError, ModelError, PathError.
    """
    prepared = find_prepared(spec.data, settings)
    return None if prepared is None else find_profile(prepared, *_choices(spec, prepared, settings))


def _choices(
    spec: ProfileSpec, prepared: Prepared, settings: Settings
) -> tuple[Sequence[str], str | None, Path | None]:
    """The text columns, the label column and the tokenizer of a spec; the tokenizer is None if it is not here yet."""
    texts = spec.data.text_columns or prepared.text_guess
    label = spec.data.label_column or (prepared.label_guess if prepared.label_guess not in texts else None)
    split = next(name for name, part in prepared.splits.items() if part.rows)
    return texts, label, tokenizer_for(spec.model, prepared, split, texts, settings) if texts else None


def profile(
    prepared: Prepared,
    texts: Sequence[str],
    label: str | None,
    tokenizer: Path | None,
    most_positions: int | None = None,
    exact: bool = False,
    progress: Progress = ignore,
    model: str = "",
) -> Profile:
    """Profiles a dataset, and keeps the profile for `find_profile`.

    tokenizer: a tokenizer.json, or None to count no tokens; most_positions: the model's limit of tokens
    exact: whether to count the tokens of all rows; model: the tokenizer's model, to warn if it cannot read the texts
    """
    splits: dict[str, SplitStatistics] = {}
    names = [name for name, part in prepared.splits.items() if part.rows]
    for number, split in enumerate(names):

        def tick(text: str, share: float | None, number: int = number, split: str = split) -> None:
            progress(f"{text} of {split}", None if share is None else (number + share) / len(names))

        splits[split] = _split(prepared, split, texts, label, tokenizer, exact, tick)
    notes = [*prepared.notes, *_doubts(prepared, names[0], label, texts)]
    if tokenizer is not None and model not in ("", "scratch"):
        notes += _unread(prepared, names[0], texts, tokenizer, model, splits[names[0]])
    profile = Profile(
        version=VERSION,
        title=prepared.title,
        notes=tuple(notes),
        rows={name: part.rows for name, part in prepared.splits.items()},
        text_columns=tuple(texts),
        label_column=label,
        splits=splits,
        recommended_max_length=_recommended(splits.values(), most_positions),
    )
    seals.write_text(_path(prepared, texts, label, tokenizer, exact), json.dumps(profile.tree(), ensure_ascii=True))
    return profile


def _doubts(prepared: Prepared, split: str, label: str | None, texts: Sequence[str]) -> Iterator[Note]:
    """Yields a warning if the label column does not look like one class per text."""
    if label is not None and (doubt := label_check.doubt(prepared, split, label, texts)) is not None:
        yield _warning(doubt.message)


def _warning(message: Message) -> Note:
    return Note(sentence(message.text), "warning", message.id, message.arguments)


def _unread(
    prepared: Prepared, split: str, texts: Sequence[str], tokenizer: Path, model: str, statistics: SplitStatistics
) -> Iterator[Note]:
    """Yields a warning if the model's tokenizer cannot read the texts. statistics: the profile of the split"""
    reading = vocabulary_fit.read_split(prepared, split, texts, tokenizer)
    counts = statistics.languages.counts if statistics.languages is not None else {}
    common = next((code for code in counts if code != language.NONE), "")
    known = common if counts.get(common, 0) * 2 > sum(counts.values()) else ""
    if message := vocabulary_fit.warning(reading, model, known):
        yield _warning(message)


def find_profile(prepared: Prepared, texts: Sequence[str], label: str | None, tokenizer: Path | None) -> Profile | None:
    """Returns the kept profile, preferring one with the tokens of all rows; None if there is none."""
    for exact in (True, False):
        try:
            text = seals.read_text(_path(prepared, texts, label, tokenizer, exact))
            if text is not None:
                return Profile.model_validate(json.loads(text))
        except (OSError, ValueError):
            continue
    return None


def _path(prepared: Prepared, texts: Sequence[str], label: str | None, tokenizer: Path | None, exact: bool) -> Path:
    stamp = f"{tokenizer}:{tokenizer.stat().st_mtime_ns}" if tokenizer else ""
    key = json.dumps([VERSION, list(texts), label, stamp, exact])
    return prepared.folder / f"profile-{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"


def _split(
    prepared: Prepared,
    split: str,
    texts: Sequence[str],
    label: str | None,
    tokenizer: Path | None,
    exact: bool,
    progress: Progress,
) -> SplitStatistics:
    with parquet.open_file(prepared.splits[split].path) as file:
        kinds = {field.name: field.type for field in file.schema_arrow}
    here = [column for column in prepared.columns if column.name in kinds]
    read = [name for name in texts if name in kinds]
    columns: dict[str, ColumnStatistics] = {}
    for start in range(0, len(here), COLUMNS_AT_ONCE):
        progress("Looking at the columns", 0.4 * start / len(here))
        columns |= _columns(prepared, split, here[start : start + COLUMNS_AT_ONCE], kinds)
    measured: dict[str, TextStatistics] = {}
    for name in read:
        progress("Measuring the texts", 0.45)
        measured[name] = _text(prepared, split, name)
    more: dict[str, Any] = {}  # what a split without such columns does not have
    if label in kinds:
        counts = label_counts(prepared, split, str(label))
        pairs = zip(counts["label"], counts["count"], strict=True)
        more["labels"] = tuple(LabelRows(label=str(name), rows=int(n)) for name, n in pairs)
    if read:
        progress("Detecting the languages", 0.5)
        more["languages"] = _languages(prepared, split, read)
    if read and len(read) == len(texts) and tokenizer is not None:
        more["tokens"] = _tokens(prepared, split, read, tokenizer, exact, progress)
    return SplitStatistics(rows=prepared.splits[split].rows, columns=columns, texts=measured, **more)


def _columns(
    prepared: Prepared, split: str, columns: Sequence[Column], kinds: dict[str, Any]
) -> dict[str, ColumnStatistics]:
    """Counts missing and different values of columns, the range of numbers, and the commonest values of the others."""
    exact = prepared.splits[split].rows <= EXACT_MEDIAN_ROWS
    measures = {column.name: _measures(column, exact) for column in columns}
    values = iter(_row(prepared, split, measures))
    result = {}
    for column in columns:
        numbers = {name: next(values) for name in measures[column.name]}
        missing, distinct = int(numbers.pop("missing")), numbers.pop("distinct", None)
        entry: dict[str, Any] = {"kind": column.kind, "type": str(kinds[column.name]), "missing": missing, **numbers}
        if distinct is not None:
            entry["distinct"] = int(distinct)
        if column.kind in types.PLAIN and column.kind not in ("integer", "float") and entry["distinct"] <= MAX_LABELS:
            counts = label_counts(prepared, split, column.name).sort_values("count", ascending=False)[:TOP]
            pairs = zip(counts["label"], counts["count"], strict=True)
            entry["top"] = tuple(Value(value=str(value), rows=int(n)) for value, n in pairs)
        result[column.name] = ColumnStatistics(**entry, holds=_media(entry["type"]))
    return result


def _measures(column: Column, exact: bool) -> dict[str, str]:
    """Returns the statistics of a column as name → SQL, in which `{}` is the column.

    exact: compute an exact median, which holds all values in memory
    """
    measures = {"missing": "count(*) FILTER (WHERE {} IS NULL)"}
    if column.kind in types.PLAIN:
        measures["distinct"] = "approx_count_distinct({})"
    if column.kind in ("integer", "float"):
        measures |= {"min": "min({})", "max": "max({})", "mean": "avg({})"}
        measures["median"] = "median({})" if exact else "approx_quantile({}, 0.5)"
    return measures


def _media(arrow: str) -> str:
    """Describes the probable content of a column of structures or bytes; empty for other columns."""
    if "bytes" in arrow and "path" in arrow:
        return "images or sounds, as files in the cells"
    if arrow in ("binary", "large_binary"):
        return "bytes"
    return ""


def _row(prepared: Prepared, split: str, measures: Mapping[str, Mapping[str, str]]) -> list[Any]:
    """Computes statistics of columns in one pass. measures: column → name → SQL, in which `{}` is the column"""

    def sql(names: dict[str, str]) -> tuple[str, list[Any]]:
        parts = [part.replace("{}", names[column]) for column, inner in measures.items() for part in inner.values()]
        return f"SELECT {', '.join(parts)} FROM data", []

    (values,) = database.query(prepared, split, sql)
    return [_number(value[0]) for value in values]


def _number(value: Any) -> Any:
    """Converts a number, or a list of numbers, to plain Python for JSON; NaN becomes None."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    return None if isinstance(value, float) and value != value else value


def _text(prepared: Prepared, split: str, name: str) -> TextStatistics:
    """Measures the lengths of texts in characters and words, and counts the texts in which each script occurs."""
    text = "CAST({} AS VARCHAR)"
    words = f"len(string_split_regex(trim({text}), '\\s+'))"
    blank = f"trim(coalesce({text}, ''), ' \t\r\n\u3000') = ''"
    shares = ", ".join(map(str, QUANTILES.values()))
    measures = [f"count(*) FILTER (WHERE {blank})"]
    for unit in (f"length({text})::INTEGER", f"{words}::INTEGER"):
        measures += [f"min({unit})", f"avg({unit})", f"max({unit})", f"quantile_cont({unit}, [{shares}])"]
    empty, *numbers = _row(prepared, split, {name: dict(zip(measures, measures, strict=True))})
    lengths = {unit: _lengths(*numbers[start : start + 4]) for unit, start in (("characters", 0), ("words", 4))}
    sample = f"(SELECT {{}} AS t FROM data USING SAMPLE reservoir({TOKEN_SAMPLE} ROWS) REPEATABLE (42))"
    occurs = [f"count(*) FILTER (WHERE regexp_matches(t, '{pattern}'))" for pattern in SCRIPTS.values()]
    (row,) = database.query(
        prepared,
        split,
        lambda columns: (
            f"SELECT count(*), {', '.join(occurs)} FROM {sample.replace('{}', text.replace('{}', columns[name]))}",
            [],
        ),
    )
    sampled, *counts = (int(value[0]) for value in row)
    return TextStatistics(
        empty=int(empty or 0),
        **lengths,
        scripts={script: n for script, n in zip(SCRIPTS, counts, strict=True) if n},
        scripts_of_rows=sampled,
    )


def _lengths(least: Any, mean: Any, most: Any, quantiles: Any) -> Lengths:
    return Lengths(min=least, mean=mean, max=most, **dict(zip(QUANTILES, quantiles or [None] * 3, strict=True)))


def _languages(prepared: Prepared, split: str, texts: Sequence[str]) -> Languages:
    """Counts the languages of a sample, the commonest first."""
    counts = language.sampled(prepared, split, texts, LANGUAGE_SAMPLE)
    return Languages(rows=sum(counts.values()), counts=counts)


def _tokens(
    prepared: Prepared, split: str, texts: Sequence[str], path: Path, exact: bool, progress: Progress
) -> TokenLengths:
    """Measures lengths in tokens, the share of texts that each maximum length cuts, and the fit of the vocabulary."""
    import numpy as np

    tokenizer = open_limited(path)
    total = prepared.splits[split].rows
    wanted = total if exact else min(total, TOKEN_SAMPLE)
    lengths: list[np.ndarray] = []
    used: set[int] = set()
    unknown = done = 0
    for rows in _batches(prepared, split, texts, wanted):
        encoded = tokenizer.ids(rows)
        lengths.append(np.array([len(row) for row in encoded], dtype=np.int64))
        ids = np.concatenate([np.asarray(row, dtype=np.int64) for row in encoded]) if encoded else np.empty(0, np.int64)
        unknown += int(np.isin(ids, tokenizer.unknown).sum())
        used.update(np.unique(ids).tolist())
        done += len(rows)
        progress("Counting tokens", 0.55 + 0.45 * min(1.0, done / wanted))
    values = np.concatenate(lengths) if lengths else np.zeros(1, np.int64)
    return TokenLengths(
        rows=done,
        of=total,
        min=int(values.min()),
        mean=float(values.mean()),
        max=int(values.max()),
        **{name: float(np.quantile(values, share)) for name, share in QUANTILES.items()},
        cut={str(length): float((values > length).mean()) for length in LENGTHS},
        fits_95=int(np.quantile(values, 1 - MOST_CUT)),
        unknown=unknown / max(1, int(values.sum())),
        vocabulary_used=len(used),
        vocabulary=tokenizer.vocabulary,
    )


def _batches(prepared: Prepared, split: str, texts: Sequence[str], wanted: int) -> Any:
    """Yields the texts of all rows, or of a sample of `wanted` rows, in batches."""
    total = prepared.splits[split].rows
    if wanted < total:
        rows, _ = sample_texts(prepared, split, texts, wanted, 42)
        for start in range(0, len(rows), BATCH):
            yield rows[start : start + BATCH]
        return
    for batch in bounded.batches(prepared.splits[split].path, BATCH, list(texts)):
        columns = [types.plain(batch.column(name)).to_pylist() for name in texts]
        yield [["" if v is None else str(v) for v in row] for row in zip(*columns, strict=True)]


def _recommended(splits: Iterable[SplitStatistics], most_positions: int | None) -> int | None:
    """Returns the smallest of LENGTHS, within the model's limit, that cuts at most MOST_CUT of each split's texts."""
    counted = [split.tokens for split in splits if split.tokens is not None]
    if not counted:
        return None
    allowed = [n for n in LENGTHS if most_positions is None or n <= most_positions] or [LENGTHS[0]]
    fits = [n for n in allowed if all(tokens.cut[str(n)] <= MOST_CUT for tokens in counted)]
    return fits[0] if fits else allowed[-1]
