"""Texts that a model misclassified in the playground, with their right labels: a dataset to train on later."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path

from core.access.rules import check
from core.settings import Settings
from core.spec.data import DataSpec
from core.store import quotas
from core.store.store import Store

FOLDER = "corrections"


def path_of(settings: Settings, names: Sequence[str], pair: bool) -> Path:
    """The corrections file for models with these classes. pair: whether an example is a pair of texts"""
    key = hashlib.sha256(json.dumps([list(names), pair]).encode()).hexdigest()[:10]
    return settings.own_uploads / FOLDER / f"corrections-{key}.jsonl"


def add(settings: Settings, names: Sequence[str], texts: Sequence[str], label: str, predicted: str, model: str) -> int:
    """Append a correction and return the number of corrections. Raises OSError, AccessDenied."""
    check(settings, "correct")
    quotas.check_disk(settings, Store(settings.store_path), sum(map(len, texts)))
    path = path_of(settings, names, len(texts) > 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {"text": texts[0]} if len(texts) == 1 else {"text_1": texts[0], "text_2": texts[1]}
    line = {**columns, "label": label, "predicted": predicted, "model": model, "added": time.strftime("%Y-%m-%d %H:%M")}
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")
    return count(settings, names, len(texts) > 1)


def count(settings: Settings, names: Sequence[str], pair: bool) -> int:
    """The number of corrections for models with these classes."""
    try:
        with path_of(settings, names, pair).open("rb") as file:
            return sum(1 for _ in file)
    except OSError:
        return 0


def dataset(settings: Settings, names: Sequence[str], pair: bool) -> DataSpec:
    """The corrections as a dataset to browse and train on."""
    texts = ("text_1", "text_2") if pair else ("text",)
    path = str(path_of(settings, names, pair))
    return DataSpec(source="file", path=path, text_columns=texts, label_column="label")
