"""What is in a dataset, in numbers: per split, so that splits can be compared. Each number says how many rows it is of.

Counts, nulls, characters and words are of all rows; languages and tokens of a sample, tokens of all rows on request.
Counts of different values, and medians of very long columns, are estimates. Kept with the dataset, by the columns and
the tokenizer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import seals
from core.data.browsing import browse
from core.data.browsing.token_process import open_limited
from core.data.browsing.tokens import tokenizer_for
from core.data.dataset import Column, Prepared, Progress, ignore
from core.data.inspecting import label_check, language, vocabulary_fit
from core.data.notes import Note
from core.data.prepare import prepare
from core.data.reading.aligning import types
from core.data.reading.tables import bounded, parquet
from core.hub import download as hub
from core.models import names as models
from core.settings import Settings
from core.spec.run import ProfileSpec
from core.wording import sentence

if TYPE_CHECKING:
    import numpy as np

VERSION = 3  # raise it when something else is computed than before
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


def profile_of(spec: ProfileSpec, settings: Settings, progress: Progress = ignore) -> dict[str, Any]:
    """The profile of a dataset for a model; the dataset is opened and its columns guessed if need be.

    Raises DataError, HubError, ModelError, PathError.
    """
    prepared = prepare(spec.data, settings, progress)
    texts = spec.data.text_columns or prepared.text_guess
    label = spec.data.label_column or (prepared.label_guess if prepared.label_guess not in texts else None)
    split = next(name for name, part in prepared.splits.items() if part.rows)
    tokenizer = tokenizer_for(spec.model, prepared, split, texts, settings) if texts else None
    if tokenizer is None and texts and models.kind_of(spec.model.name) == "hub":
        progress("Fetching the tokenizer", None)
        tokenizer = hub.fetch_tokenizer_json(spec.model.name, spec.model.revision)
    most = models.known_limit(spec.model, settings)
    return profile(prepared, texts, label, tokenizer, most, spec.exact, progress, spec.model.name)


def profile(
    prepared: Prepared,
    texts: Sequence[str],
    label: str | None,
    tokenizer: Path | None,
    most_positions: int | None = None,
    exact: bool = False,
    progress: Progress = ignore,
    model: str = "",
) -> dict[str, Any]:
    """The profile as plain data; kept for `find_profile`.

    model: whose tokenizer it is, for a warning if it cannot read the texts

    tokenizer: a tokenizer.json, or None for no tokens; most_positions: of the model; exact: tokens of all rows
    """
    splits: dict[str, Any] = {}
    names = [name for name, part in prepared.splits.items() if part.rows]
    for number, split in enumerate(names):

        def tick(text: str, share: float | None, number: int = number, split: str = split) -> None:
            progress(f"{text} of {split}", None if share is None else (number + share) / len(names))

        splits[split] = _split(prepared, split, texts, label, tokenizer, exact, tick)
    notes = [*prepared.notes, *_doubts(prepared, names[0], label, texts)]
    if tokenizer is not None and model not in ("", "scratch"):
        notes += _unread(prepared, names[0], texts, tokenizer, model, splits[names[0]])
    made = {
        "version": VERSION, "title": prepared.title,
        "notes": [asdict(note) for note in notes],
        "rows": {name: part.rows for name, part in prepared.splits.items()},
        "text_columns": list(texts), "label_column": label, "splits": splits,
        "recommended_max_length": _recommended(splits, most_positions),
    }  # fmt: skip
    seals.write_text(_path(prepared, texts, label, tokenizer, exact), json.dumps(made, ensure_ascii=True))
    return made


def _doubts(prepared: Prepared, split: str, label: str | None, texts: Sequence[str]) -> Iterator[Note]:
    """What is to be known of the label column before it is learned."""
    if label is not None and (doubt := label_check.doubt(prepared, split, label, texts)) is not None:
        yield Note(sentence(doubt.message), "warning")


def _unread(
    prepared: Prepared, split: str, texts: Sequence[str], tokenizer: Path, model: str, found: dict[str, Any]
) -> Iterator[Note]:
    """What is to be known of a model whose tokenizer cannot read the texts. found: the profile of the split"""
    reading = vocabulary_fit.read_split(prepared, split, texts, tokenizer)
    counts = found.get("languages", {}).get("counts", {})
    common = next((code for code in counts if code != language.NONE), "")
    known = common if counts.get(common, 0) * 2 > sum(counts.values()) else ""
    if message := vocabulary_fit.warning(reading, model, known):
        yield Note(sentence(message), "warning")


def find_profile(
    prepared: Prepared, texts: Sequence[str], label: str | None, tokenizer: Path | None
) -> dict[str, Any] | None:
    """What `profile` computed before, of all rows if it did that; None if it did not."""
    for exact in (True, False):
        try:
            text = seals.read_text(_path(prepared, texts, label, tokenizer, exact))
            if text is not None:
                found: dict[str, Any] = json.loads(text)
                return found
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
) -> dict[str, Any]:
    with parquet.open_file(prepared.splits[split].path) as file:
        kinds = {field.name: field.type for field in file.schema_arrow}
    here = [column for column in prepared.columns if column.name in kinds]
    read = [name for name in texts if name in kinds]
    columns: dict[str, Any] = {}
    for start in range(0, len(here), COLUMNS_AT_ONCE):
        progress("Looking at the columns", 0.4 * start / len(here))
        columns |= _columns(prepared, split, here[start : start + COLUMNS_AT_ONCE], kinds)
    made: dict[str, Any] = {"rows": prepared.splits[split].rows, "columns": columns, "texts": {}}
    for name in read:
        progress("Measuring the texts", 0.45)
        made["texts"][name] = _text(prepared, split, name)
    if label in kinds:
        counts = browse.label_counts(prepared, split, str(label))
        made["labels"] = [
            {"label": str(name), "rows": int(n)} for name, n in zip(counts["label"], counts["count"], strict=True)
        ]
    if read:
        progress("Telling the languages", 0.5)
        made["languages"] = _languages(prepared, split, read)
    if read and len(read) == len(texts) and tokenizer is not None:
        made["tokens"] = _tokens(prepared, split, read, tokenizer, exact, progress)
    return made


def _columns(prepared: Prepared, split: str, columns: Sequence[Column], kinds: dict[str, Any]) -> dict[str, Any]:
    """Missing and different values of any column, the range of numbers, the commonest values of the rest."""
    exact = prepared.splits[split].rows <= EXACT_MEDIAN_ROWS
    measures = {column.name: _measures(column, exact) for column in columns}
    values = iter(_row(prepared, split, measures))
    result = {}
    for column in columns:
        found = {name: next(values) for name in measures[column.name]}
        missing, distinct = int(found.pop("missing")), found.pop("distinct", None)
        made: dict[str, Any] = {"kind": column.kind, "type": str(kinds[column.name]), "missing": missing, **found}
        if distinct is not None:
            made["distinct"] = int(distinct)
        if (
            column.kind in types.PLAIN
            and column.kind not in ("integer", "float")
            and made["distinct"] <= browse.MAX_LABELS
        ):
            counts = browse.label_counts(prepared, split, column.name).sort_values("count", ascending=False)
            made["top"] = [
                {"value": str(value), "rows": int(n)} for value, n in zip(counts["label"], counts["count"], strict=True)
            ][:TOP]
        result[column.name] = made | {"holds": _media(made["type"])}
    return result


def _measures(column: Column, exact: bool) -> dict[str, str]:
    """What is measured of a column, by name; `{}` is the column. An exact median holds all values in memory."""
    made = {"missing": "count(*) FILTER (WHERE {} IS NULL)"}
    if column.kind in types.PLAIN:
        made["distinct"] = "approx_count_distinct({})"
    if column.kind in ("integer", "float"):
        made |= {"min": "min({})", "max": "max({})", "mean": "avg({})"}
        made["median"] = "median({})" if exact else "approx_quantile({}, 0.5)"
    return made


def _media(arrow: str) -> str:
    """What a column of structures or bytes probably holds."""
    if "bytes" in arrow and "path" in arrow:
        return "images or sounds, as files in the cells"
    if arrow in ("binary", "large_binary"):
        return "bytes"
    return ""


def _row(prepared: Prepared, split: str, measures: Mapping[str, Mapping[str, str]]) -> list[Any]:
    """Numbers about columns from one pass over them. measures: column → name → SQL, in which `{}` is the column."""

    def sql(names: dict[str, str]) -> tuple[str, list[Any]]:
        parts = [part.replace("{}", names[column]) for column, inner in measures.items() for part in inner.values()]
        return f"SELECT {', '.join(parts)} FROM data", []

    (values,) = browse.query(prepared, split, sql)
    return [_number(value[0]) for value in values]


def _number(value: Any) -> Any:
    """A number or a list of them, as JSON has it."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    return None if isinstance(value, float) and value != value else value


def _text(prepared: Prepared, split: str, name: str) -> dict[str, Any]:
    """Lengths in characters and words, and in how many texts each script occurs."""
    text = "CAST({} AS VARCHAR)"
    words = f"len(string_split_regex(trim({text}), '\\s+'))"
    blank = f"trim(coalesce({text}, ''), ' \t\r\n\u3000') = ''"
    shares = ", ".join(map(str, QUANTILES.values()))
    measures = [f"count(*) FILTER (WHERE {blank})"]
    for unit in (f"length({text})::INTEGER", f"{words}::INTEGER"):
        measures += [f"min({unit})", f"avg({unit})", f"max({unit})", f"quantile_cont({unit}, [{shares}])"]
    empty, *found = _row(prepared, split, {name: dict(zip(measures, measures, strict=True))})
    lengths = {unit: _lengths(*found[at : at + 4]) for unit, at in (("characters", 0), ("words", 4))}
    sample = f"(SELECT {{}} AS t FROM data USING SAMPLE reservoir({TOKEN_SAMPLE} ROWS) REPEATABLE (42))"
    occurs = [f"count(*) FILTER (WHERE regexp_matches(t, '{pattern}'))" for pattern in SCRIPTS.values()]
    (row,) = browse.query(
        prepared, split,
        lambda columns: (
            f"SELECT count(*), {', '.join(occurs)} FROM {sample.replace('{}', text.replace('{}', columns[name]))}", [],
        ),
    )  # fmt: skip
    looked, *counts = (int(value[0]) for value in row)
    return {
        "empty": int(empty or 0),
        **lengths,
        "scripts": {script: n for script, n in zip(SCRIPTS, counts, strict=True) if n},
        "scripts_of_rows": looked,
    }


def _lengths(least: Any, mean: Any, most: Any, quantiles: Any) -> dict[str, Any]:
    return {"min": least, "mean": mean, "max": most} | dict(zip(QUANTILES, quantiles or [None] * 3, strict=True))


def _languages(prepared: Prepared, split: str, texts: Sequence[str]) -> dict[str, Any]:
    """The languages of a sample, the commonest first; texts without letters have none."""
    counts = language.sampled(prepared, split, texts, LANGUAGE_SAMPLE)
    return {"rows": sum(counts.values()), "counts": counts}


def _tokens(
    prepared: Prepared, split: str, texts: Sequence[str], path: Path, exact: bool, progress: Progress
) -> dict[str, Any]:
    """Lengths in tokens, what each longest length would cut, and how well the vocabulary fits."""
    import numpy as np

    tokenizer = open_limited(path)
    total = prepared.splits[split].rows
    wanted = total if exact else min(total, TOKEN_SAMPLE)
    lengths: list[np.ndarray] = []
    used: set[int] = set()
    strange = done = 0
    for rows in _batches(prepared, split, texts, wanted):
        encoded = tokenizer.ids(rows)
        lengths.append(np.array([len(row) for row in encoded], dtype=np.int64))
        ids = np.concatenate([np.asarray(row, dtype=np.int64) for row in encoded]) if encoded else np.empty(0, np.int64)
        strange += int(np.isin(ids, tokenizer.unknown).sum())
        used.update(np.unique(ids).tolist())
        done += len(rows)
        progress("Counting tokens", 0.55 + 0.45 * min(1.0, done / wanted))
    values = np.concatenate(lengths) if lengths else np.zeros(1, np.int64)
    return {
        "rows": done, "of": total, "min": int(values.min()), "mean": float(values.mean()), "max": int(values.max()),
        **{name: float(np.quantile(values, share)) for name, share in QUANTILES.items()},
        "cut": {str(length): float((values > length).mean()) for length in LENGTHS},
        "fits_95": int(np.quantile(values, 1 - MOST_CUT)),
        "unknown": strange / max(1, int(values.sum())),
        "vocabulary_used": len(used), "vocabulary": tokenizer.vocabulary,
    }  # fmt: skip


def _batches(prepared: Prepared, split: str, texts: Sequence[str], wanted: int) -> Any:
    """Texts of all rows one batch after the other, or of a sample."""
    total = prepared.splits[split].rows
    if wanted < total:
        rows, _ = browse.sample_texts(prepared, split, texts, wanted, 42)
        for start in range(0, len(rows), BATCH):
            yield rows[start : start + BATCH]
        return
    for batch in bounded.batches(prepared.splits[split].path, BATCH, list(texts)):
        columns = [types.plain(batch.column(name)).to_pylist() for name in texts]
        yield [["" if v is None else str(v) for v in row] for row in zip(*columns, strict=True)]


def _recommended(splits: dict[str, Any], most_positions: int | None) -> int | None:
    """The least of LENGTHS that cuts at most MOST_CUT of the texts of any split, or the most that a model has."""
    counted = [split["tokens"] for split in splits.values() if "tokens" in split]
    if not counted:
        return None
    allowed = [n for n in LENGTHS if most_positions is None or n <= most_positions] or [LENGTHS[0]]
    fits = [n for n in allowed if all(tokens["cut"][str(n)] <= MOST_CUT for tokens in counted)]
    return fits[0] if fits else allowed[-1]
