"""Makes small files of every kind and reads them back through the whole path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from core.data.dataset import Prepared
from core.data.prepare import prepare
from core.settings import Settings
from core.spec.data import DataSpec, ReadSpec


@pytest.fixture
def opened(tmp_path: Path, settings: Settings) -> Callable[..., Prepared]:
    """Returns `opened(content, name, **reading)`, which prepares a file with these bytes or a folder of these files."""

    def open_it(content: bytes | dict[str, bytes], name: str = "data.csv", **reading: Any) -> Prepared:
        path = tmp_path / name
        if isinstance(content, dict):
            for inner, part in content.items():
                (path / inner).parent.mkdir(parents=True, exist_ok=True)
                (path / inner).write_bytes(part)
        else:
            path.write_bytes(content)
        return prepare(DataSpec(source="file", path=str(path), read=ReadSpec(**reading)), settings)

    return open_it


def rows_of(prepared: Prepared, split: str = "train") -> list[dict[str, Any]]:
    return pq.read_table(prepared.splits[split].path).to_pylist()


def values_of(prepared: Prepared, split: str = "train") -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in rows_of(prepared, split)]


def kinds_of(prepared: Prepared) -> dict[str, str]:
    return {c.name: c.kind for c in prepared.columns}
