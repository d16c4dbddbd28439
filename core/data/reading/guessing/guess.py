"""Guesses the text columns and the label column from their names and from some of their values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from core.data.reading.aligning import types
from core.data.reading.guessing import pairs, split_words, values
from core.messages import Message

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
    "gold",
    "truth",
    "judgment",
    "judgement",
    "entailment",
    "verdict",
    "stance",
    "quality",
    "duplicate",
    "spam",
    "y",
    "ラベル",
    "正解",
    "分類",
    "カテゴリ",
    "カテゴリー",
    "クラス",
    "感情",
    "評価",
    "星",
    "極性",
    "ジャンル",
    "判定",
    "評点",
    "点数",
    "スコア",
    "種別",
    "区分",
    "意図",
    "目的変数",
    "満足度",
    "标签",
    "类别",
]
NO_LABEL = [
    "filename",
    "file",
    "path",
    "url",
    "uri",
    "link",
    "id",
    "ids",
    "idx",
    "index",
    "uuid",
    "guid",
    "hash",
    "split",
    "fold",
    "date",
    "time",
    "timestamp",
    "ファイル",
    "ファイル名",
    "番号",
    "日付",
    "日時",
    "タイムスタンプ",
]
SELDOM_LABEL = [
    "genre",
    "source",
    "name",
    "title",
    "author",
    "user",
    "annotator",
    "worker",
    "language",
    "lang",
    "year",
    "month",
    "day",
    "version",
    "country",
    "city",
    "domain",
    "length",
    "gender",
    "sex",
    "age",
    "出典",
    "言語",
    "年",
    "月",
    "作者",
    "性別",
    "年齢",
    "年代",
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
    "文本",
    "句子",
]
MAX_CLASSES = 200


@dataclass(frozen=True)
class Guess:
    """Guessed columns. texts: one column, a pair, or none; label: or None; notes: reasons, as sentences for people"""

    texts: tuple[str, ...]
    label: str | None
    notes: tuple[Message, ...] = ()


def guess(table: pa.Table, kinds: dict[str, str]) -> Guess:
    """Guesses the text columns and the label column from some rows. kinds: column → kind (see Column)"""
    label = label_column(table, kinds)
    texts = [n for n, kind in kinds.items() if kind == "text" and n != label and not n.startswith("__index_level")]
    scores = {name: _text_score(table, name) for name in texts}
    if (pair := pairs.find(table, texts, scores)) is not None:
        return Guess((pair.first, pair.second), label, (pair.reason,))
    best = max(scores, key=lambda n: scores[n], default=None)
    return Guess((best,) if best is not None and scores[best] > 0 else (), label)


def label_column(table: pa.Table, kinds: dict[str, str]) -> str | None:
    """Returns the column that looks most like a label: by kind and name, else by name, else by its few distinct values.

    A column with the name of a label is chosen even if its values are not classes; a warning says so before a run.
    """
    names = [n for n, kind in kinds.items() if kind in types.PLAIN and _may_be_label(table, n, kinds)]
    distinct = {name: _distinct(table.column(name)) for name in names}
    fit = {
        name: count
        for name, count in distinct.items()
        if kinds[name] == "class"
        or (1 < count <= max(2, min(MAX_CLASSES, len(table) // 2)) and not _fractions(table, name, kinds))
    }
    classes = [name for name in fit if kinds[name] == "class"]
    if ranked := sorted((rank, name) for name in classes or fit if (rank := _rank(name, LABEL_WORDS)) is not None):
        return ranked[0][1]
    if classes:
        return min(classes, key=_is_seldom_label)
    named = [n for n in names if _rank(n, LABEL_WORDS) is not None and distinct[n] > 1 and _mean_length(table, n) <= 40]
    if measured := sorted((rank, n) for n in named if (rank := _rank(n, LABEL_WORDS)) is not None and rank < 100):
        return measured[0][1]
    filled = {
        n: c for n, c in fit.items() if table.column(n).null_count * 20 <= len(table) and _mean_length(table, n) <= 40
    }
    by_kind = {"boolean": 0, "integer": 1, "text": 2, "float": 3}
    return min(
        filled,
        key=lambda n: (_is_seldom_label(n), filled[n] > 20, by_kind.get(kinds[n], 4), filled[n]),
        default=min(named, key=lambda n: _rank(n, LABEL_WORDS) or 0, default=None),
    )


def _may_be_label(table: pa.Table, name: str, kinds: dict[str, str]) -> bool:
    """Whether a column may be a label: it is not an id, a date, a file name or the name of a split."""
    rank = _rank(name, NO_LABEL)
    if kinds[name] == "class":
        return True
    if rank is not None and _rank(name, LABEL_WORDS) is None:
        return False
    sample = values.sample(table.column(name)) if kinds[name] == "text" else []
    return not (values.is_machine_made(sample) or split_words.are_splits(sample))


def split_columns(table: pa.Table, kinds: dict[str, str]) -> list[str]:
    """Returns the text columns whose values name splits, including a training split."""
    return [n for n, kind in kinds.items() if kind == "text" and split_words.are_splits(values.sample(table.column(n)))]


def _is_seldom_label(name: str) -> bool:
    return _rank(name, SELDOM_LABEL) is not None


def _rank(name: str, words: Sequence[str]) -> float | None:
    """Returns the place of a name in `words`, or 100 more for a part of it (`star_rating`); None if not in `words`."""
    plain = name.strip().casefold()
    if plain in words:
        return float(words.index(plain))
    parts = re.split(r"[^\w]|_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).casefold())
    places = [words.index(part) for part in parts if part in words and len(part) > 1]
    places += [i for i, word in enumerate(words) if not word.isascii() and len(word) > 1 and word in plain]
    return 100 + min(places) if places else None


def _text_score(table: pa.Table, name: str) -> float:
    column = table.column(name).drop_null()
    if not len(column):
        return 0.0
    score = min(400.0, _mean_length(table, name)) * len(column) / len(table)
    sample = values.sample(column)
    if values.is_machine_made(sample):
        return 0.0
    natural = values.natural(sample)
    rank = _rank(name, TEXT_WORDS)
    named = 1.0 if rank is None else 3.0 if rank < 100 else 1.5
    return score * named * (0.05 + natural) * min(1.0, 0.05 + _distinct(table.column(name)) / len(column))


def _distinct(column: pa.ChunkedArray) -> int:
    return int(pc.count_distinct(_valued(column), mode="only_valid").as_py())


def _valued(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Removes nulls and NaN."""
    column = column.drop_null()
    return column.filter(pc.invert(pc.is_nan(column))) if pa.types.is_floating(column.type) else column


def _mean_length(table: pa.Table, name: str) -> float:
    column = table.column(name)
    return float(pc.mean(pc.utf8_length(types.as_text(column))).as_py() or 0)


def _fractions(table: pa.Table, name: str, kinds: dict[str, str]) -> bool:
    """Whether a column of floats has fractions, which are measurements and not classes."""
    if kinds[name] != "float":
        return False
    column = _valued(table.column(name))
    return not pc.all(pc.equal(column, pc.floor(column))).as_py()
