from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

COLUMNS = {"row": "int64", "text_id": "uint64", "label": "float", "prediction": "float"}


@dataclass(frozen=True)
class Predictions:
    names: tuple[str, ...]
    rows: np.ndarray
    text_ids: np.ndarray
    labels: np.ndarray
    logits: np.ndarray


def write(path: Path, answers: Predictions) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        "row": pa.array(answers.rows, pa.int64()), "text_id": pa.array(answers.text_ids, pa.uint64()),
        "label": pa.array(answers.labels, pa.float32()), "prediction": pa.array(answers.logits[:, 0], pa.float32()),
    }  # fmt: skip
    pq.write_table(pa.table(columns), path)


def check(path: Path, result: Any) -> None:
    answers = read(path)
    if not np.isfinite(answers.labels).all():
        raise ValueError("predictions of texts without a number")


def read(path: Path) -> Predictions:
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    values = {name: table.column(name).to_numpy() for name in COLUMNS}
    logits = values["prediction"].reshape(-1, 1)
    return Predictions((), values["row"], values["text_id"], values["label"], logits)
