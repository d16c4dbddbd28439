"""Recognises words that name a split, in any spelling: train, Dev, TEST_2, 学習, 検証, テスト."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Literal

SplitKind = Literal["train", "validation", "test"]
WORDS: dict[SplitKind, frozenset[str]] = {
    "train": frozenset({"train", "training", "trn", "tr", "learn", "learning", "学習", "学習用", "訓練", "訓練用",
                        "学習データ", "訓練データ", "训练", "训练集", "トレーニング"}),
    "validation": frozenset({"validation", "valid", "val", "dev", "development", "devel", "eval", "evaluation", "検証",
                             "検証用", "検証データ", "開発", "開発用", "开发集", "验证", "验证集", "バリデーション"}),
    "test": frozenset({"test", "testing", "tst", "holdout", "heldout", "テスト", "テスト用", "テストデータ", "試験",
                       "测试", "测试集", "評価", "評価用"}),
}  # fmt: skip


def kind_of(value: str) -> SplitKind | None:
    """Returns the split that a value names, as a word that may be followed by a number or a word such as "set"."""
    plain = unicodedata.normalize("NFKC", value).strip().casefold()
    plain = (
        re.sub(r"[\s_.-]*(?:\d+|set|split|data|dataset)$", "", plain).strip("_-. ").replace("-", "").replace(" ", "")
    )
    return next((kind for kind, words in WORDS.items() if plain in words), None)


def are_splits(values: Iterable[str]) -> bool:
    """Whether all values name splits, of at least two kinds, one of them training."""
    kinds = {kind_of(value) for value in set(values)}
    return None not in kinds and "train" in kinds and len(kinds) > 1
