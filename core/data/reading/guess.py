"""Which columns are the text and the label, guessed from their names and from some of their values."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

PAIRS = [
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("question", "sentence"),
    ("question", "passage"),
    ("question", "context"),
    ("query", "passage"),
    ("query", "document"),
    ("text1", "text2"),
    ("text_1", "text_2"),
    ("text_a", "text_b"),
    ("sentence_1", "sentence_2"),
    ("sentence_a", "sentence_b"),
    ("sentence_A", "sentence_B"),
    ("文1", "文2"),
]
LABEL_WORDS = [
    "label",
    "labels",
    "class",
    "target",
    "category",
    "sentiment",
    "stars",
    "star",
    "rating",
    "ratings",
    "score",
    "topic",
    "intent",
    "emotion",
    "polarity",
    "toxicity",
    "grade",
    "classification",
    "tag",
    "y",
    "ラベル",
    "分類",
    "カテゴリ",
    "カテゴリー",
    "クラス",
    "感情",
    "評価",
    "星",
    "極性",
    "ジャンル",
]
TEXT_WORDS = [
    "text",
    "sentence",
    "review",
    "content",
    "body",
    "comment",
    "tweet",
    "message",
    "document",
    "question",
    "premise",
    "utterance",
    "headline",
    "テキスト",
    "本文",
    "文章",
    "文",
    "内容",
    "レビュー",
    "コメント",
    "口コミ",
    "質問",
    "発話",
]
MAX_CLASSES = 200


def guess(table: pa.Table, kinds: dict[str, str]) -> tuple[tuple[str, ...], str | None]:
    """The text columns and the label column, from some rows. `kinds`: the kind of each column (see Column)."""
    label = label_column(table, kinds)
    return text_columns(table, kinds, label), label


def label_column(table: pa.Table, kinds: dict[str, str]) -> str | None:
    """The column that most looks like a class: by kind, by name, else the one with the fewest distinct values."""
    distinct = {name: _distinct(table.column(name)) for name, kind in kinds.items() if kind not in ("list", "other")}
    fit = {
        name: count
        for name, count in distinct.items()
        if kinds[name] == "class"
        or (1 < count <= max(2, min(MAX_CLASSES, len(table) // 2)) and not _fractions(table, name, kinds))
    }
    classes = [name for name in fit if kinds[name] == "class"]
    ranked = sorted((rank, name) for name in classes or fit if (rank := _rank(name, LABEL_WORDS)) is not None)
    if ranked:
        return ranked[0][1]
    if classes:
        return classes[0]
    filled = {
        n: c for n, c in fit.items() if table.column(n).null_count * 20 <= len(table) and _mean_length(table, n) <= 40
    }
    by_kind = {"boolean": 0, "integer": 1, "text": 2, "float": 3}
    return min(filled, key=lambda n: (filled[n] > 20, by_kind.get(kinds[n], 4), filled[n]), default=None)


def text_columns(table: pa.Table, kinds: dict[str, str], label: str | None) -> tuple[str, ...]:
    """A pair with well-known names, else the column with the longest natural text; empty if there is none."""
    texts = [n for n, kind in kinds.items() if kind == "text" and n != label and not n.startswith("__index_level")]
    by_name = {n.casefold(): n for n in texts}
    for pair in PAIRS:
        if all(part.casefold() in by_name for part in pair):
            return tuple(by_name[part.casefold()] for part in pair)
    scores = {n: _text_score(table, n) for n in texts}
    best = max(scores, key=lambda n: scores[n], default=None)
    return (best,) if best is not None and scores[best] > 0 else ()


def _rank(name: str, words: Sequence[str]) -> float | None:
    """How early in `words` a name comes: the whole name, else one of its parts (`star_rating`); None if not at all."""
    plain = name.strip().casefold()
    if plain in words:
        return float(words.index(plain))
    parts = re.split(r"[^\w]|_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).casefold())
    found = [words.index(part) for part in parts if part in words and len(part) > 1]
    return 100 + min(found) if found else None


def _text_score(table: pa.Table, name: str) -> float:
    column = table.column(name).drop_null()
    if not len(column):
        return 0.0
    score = min(400.0, _mean_length(table, name)) * len(column) / len(table)
    sample = [str(v) for v in column.slice(0, 200).to_pylist()]
    natural = sum(" " in v.strip() or any(c >= "\u3040" for c in v) for v in sample) / len(sample)
    if any(v.startswith(("http://", "https://", "/")) for v in sample[:5]):
        return score * 0.01
    rank = _rank(name, TEXT_WORDS)
    named = 1.0 if rank is None else 3.0 if rank < 100 else 1.5
    return score * named * (0.05 + natural) * min(1.0, 0.05 + _distinct(table.column(name)) / len(column))


def _distinct(column: pa.ChunkedArray) -> int:
    return int(pc.count_distinct(_valued(column), mode="only_valid").as_py())


def _valued(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Without what is empty; NaN is."""
    column = column.drop_null()
    return column.filter(pc.invert(pc.is_nan(column))) if pa.types.is_floating(column.type) else column


def _mean_length(table: pa.Table, name: str) -> float:
    column = table.column(name)
    return float(pc.mean(pc.utf8_length(column.cast(pa.string()))).as_py() or 0)


def _fractions(table: pa.Table, name: str, kinds: dict[str, str]) -> bool:
    """Whether a column of floats has values that are no whole numbers: something measured, not a class."""
    if kinds[name] != "float":
        return False
    column = _valued(table.column(name))
    return not pc.all(pc.equal(column, pc.floor(column))).as_py()
