from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.tasks.evaluations import Answer

COLUMNS = {"row": "int64", "text_id": "uint64", "label": "float", "prediction": "float"}
ERROR_FROM = 0.2


@dataclass(frozen=True)
class Predictions:
    names: tuple[str, ...]
    rows: np.ndarray
    text_ids: np.ndarray
    labels: np.ndarray
    logits: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def predicted(self) -> np.ndarray:
        return self.logits[:, 0].astype(np.float64)

    def take(self, places: np.ndarray) -> Predictions:
        return Predictions(
            self.names, self.rows[places], self.text_ids[places], self.labels[places], self.logits[places]
        )


def write(path: Path, answers: Predictions) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        "row": pa.array(answers.rows, pa.int64()),
        "text_id": pa.array(answers.text_ids, pa.uint64()),
        "label": pa.array(answers.labels, pa.float32()),
        "prediction": pa.array(answers.logits[:, 0], pa.float32()),
    }
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


def values(answers: Predictions) -> tuple[list[float], list[float]]:
    return answers.labels.tolist(), answers.predicted.tolist()


def columns(
    names: Sequence[str], outputs: np.ndarray, temperature: float
) -> tuple[list[tuple[str, np.ndarray]], np.ndarray]:
    return [("prediction", outputs[:, 0])], np.isfinite(outputs[:, 0])


def answers_to(path: Path, rows: Sequence[int]) -> list[Answer]:
    answers = read(path)
    place = {row: i for i, row in enumerate(answers.rows.tolist())}
    off = np.abs(answers.predicted - answers.labels)
    return [
        Answer(row=row, label=float(answers.labels[i]), prediction=float(answers.predicted[i]), score=float(off[i]))
        for row in rows
        if (i := place.get(row)) is not None
    ]


def outcomes(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    answers = read(path)
    off = np.abs(answers.predicted - answers.labels)
    return answers.rows, off, np.asarray(off > ERROR_FROM)
