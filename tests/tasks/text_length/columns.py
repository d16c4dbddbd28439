"""One column of texts and one of numbers; a fifth of the rows is held out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.data.dataset import Progress, ignore
from core.data.loading.load import Loaded, Part
from core.data.prepare import prepare
from core.settings import Settings
from core.spec.data import DataSpec

TEXT, NUMBER = "text", "number"


def load(data: DataSpec, settings: Settings, progress: Progress = ignore, holdouts: Sequence[Any] = ()) -> Loaded:
    from datasets import DatasetDict

    prepared = prepare(data, settings, progress)
    rows = _rows(prepared, next(iter(prepared.splits)))
    held_out = len(rows) // 5
    parts = {"train": rows.select(range(held_out, len(rows))), "eval": rows.select(range(held_out))}
    name = next(iter(prepared.splits))
    return Loaded(DatasetDict(parts), (TEXT,), (TEXT,), NUMBER, [], prepared, (), name, name)


def load_split(
    data: DataSpec, split: str, settings: Settings, progress: Progress = ignore, like: str | None = None
) -> Part:
    prepared = prepare(data, settings, progress)
    return Part(_rows(prepared, split), (TEXT,), (TEXT,), NUMBER, (), prepared, ())


def _rows(prepared: Any, split: str) -> Any:
    import pyarrow.parquet as pq
    from datasets import Dataset

    table = pq.read_table(prepared.splits[split].path, columns=[TEXT, NUMBER])
    numbers = [float(value) for value in table.column(NUMBER).to_pylist()]
    texts = [str(value) for value in table.column(TEXT).to_pylist()]
    return Dataset.from_dict({TEXT: texts, "label": numbers, "row": list(range(len(texts)))})
