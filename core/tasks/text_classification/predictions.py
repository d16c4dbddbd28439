"""What a model answered, as data: one line per example, in Parquet, never with the texts.

Columns: row (its number in the split), text_id (a hash of its text, the same in every dataset), label (class id, -1
without one), prediction, confidence, logits and probabilities (lists of one number per class).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.files import replace_file
from core.tasks.text_classification.results import ClassAnswer, ClassTables

if TYPE_CHECKING:
    import numpy as np

NAME = "predictions.parquet"
# What every reader relies on, with its type.
COLUMNS = {"row": "int64", "text_id": "uint64", "label": "int64", "prediction": "int64", "confidence": "float"}
GROUP = 100_000


@dataclass(frozen=True)
class Predictions:
    """rows, labels: int64 (examples,); text_ids: uint64 (examples,); logits: float32 (examples, classes)"""

    names: tuple[str, ...]
    rows: np.ndarray
    text_ids: np.ndarray
    labels: np.ndarray
    logits: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def probabilities(self) -> np.ndarray:
        """Softmax of the logits: float32 (examples, classes)."""
        return softmax(self.logits)

    @cached_property
    def predicted(self) -> np.ndarray:
        """Class ids; of equal logits the first, as argmax has it."""
        import numpy as np

        return np.asarray(self.logits.argmax(axis=1), dtype=np.int64)

    @cached_property
    def confidence(self) -> np.ndarray:
        """The probability of the predicted class."""
        import numpy as np

        return np.asarray(self.probabilities[np.arange(len(self)), self.predicted])

    @cached_property
    def right(self) -> np.ndarray:
        return self.predicted == self.labels

    def take(self, places: np.ndarray) -> Predictions:
        return Predictions(
            self.names, self.rows[places], self.text_ids[places], self.labels[places], self.logits[places]
        )


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities over the last axis, float32; computed in place of one array of the logits' size."""
    import numpy as np

    powers = np.asarray(logits, dtype=np.float32) - logits.max(axis=-1, keepdims=True)
    np.exp(powers, out=powers)
    powers /= powers.sum(axis=-1, keepdims=True)
    return powers


def write(path: Path, answers: Predictions) -> None:
    """Complete or not there at all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    def lists(values: np.ndarray) -> Any:
        return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1), pa.float32()), values.shape[1])

    table = pa.table(
        {
            "row": pa.array(answers.rows, pa.int64()),
            "text_id": pa.array(answers.text_ids, pa.uint64()),
            "label": pa.array(answers.labels, pa.int64()),
            "prediction": pa.array(answers.predicted, pa.int64()),
            "confidence": pa.array(answers.confidence, pa.float32()),
            "logits": lists(answers.logits),
            "probabilities": lists(answers.probabilities),
        }
    ).replace_schema_metadata({"labels": json.dumps(answers.names)})
    with replace_file(path) as partial:
        pq.write_table(table, partial, row_group_size=GROUP)


def check(path: Path, result: ClassTables) -> None:
    """Refuse a stranger's file whose classes are not those of the result beside it, or whose confidences are none.

    Raises ValueError, KeyError.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    classes = len(result.labels)
    schema = pq.read_schema(path)
    for kind in (schema.field(column).type for column in ("logits", "probabilities")):
        if not pa.types.is_fixed_size_list(kind) or kind.value_type != pa.float32() or kind.list_size != classes:
            raise ValueError("predictions without the probability of each class")
    table = pq.read_table(path, columns=["label", "prediction", "confidence"])
    for column, least in {"label": -1, "prediction": 0}.items():
        ids = table.column(column)
        if (
            ids.null_count
            or not pc.all(pc.and_(pc.greater_equal(ids, least), pc.less(ids, classes)), min_count=0).as_py()
        ):
            raise ValueError("predictions of classes that do not exist")
    confidence = table.column("confidence")
    if confidence.null_count or not pc.all(pc.is_finite(confidence), min_count=0).as_py():
        raise ValueError("predictions without a confidence")


def read(path: Path) -> Predictions:
    """What `write` wrote. Raises OSError if there is nothing, or nothing of the kind."""
    import numpy as np
    import pyarrow.parquet as pq

    table = pq.read_table(path, columns=["row", "text_id", "label", "logits"], memory_map=False)
    names = json.loads((table.schema.metadata or {}).get(b"labels", b"[]"))
    logits = table.column("logits").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    columns = {name: table.column(name).to_numpy() for name in ("row", "text_id", "label")}
    return Predictions(
        tuple(names),
        columns["row"],
        columns["text_id"],
        columns["label"],
        np.asarray(logits, dtype=np.float32).reshape(len(table), -1),
    )


def values(answers: Predictions) -> tuple[list[int], list[int]]:
    """The labels and the answers, as result files hold them: class ids."""
    return answers.labels.tolist(), answers.predicted.tolist()


def columns(
    names: Sequence[str], outputs: np.ndarray, temperature: float
) -> tuple[list[tuple[str, np.ndarray]], np.ndarray]:
    """What a file with predictions gets: the class, its probability, and that of each class; and which are numbers.

    names: of the classes; outputs: (examples, classes), divided by the temperature first
    """
    import numpy as np

    shares = softmax(outputs / temperature)
    sound = np.isfinite(shares).all(axis=1)
    predicted = np.where(sound, np.nan_to_num(shares).argmax(axis=1), 0) if len(shares) else np.zeros(0, np.int64)
    added = [("prediction", np.array(names, dtype=object)[predicted]), ("confidence", shares.max(axis=1, initial=0))]
    return [*added, *((f"p_{name}", shares[:, i]) for i, name in enumerate(names))], sound


# Some of the answers, for a page: read by what they are and not by where.
MOST = 300
ANSWER = ["row", "label", "prediction", "confidence"]


def answers_to(path: Path, rows: Sequence[int]) -> list[ClassAnswer]:
    """The answers to some rows, in their order."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(path, columns=ANSWER, filters=pc.field("row").isin(rows))
    answers = {entry["row"]: ClassAnswer(**entry) for entry in table.to_pylist()}
    return [answers[row] for row in rows if row in answers]


def outcomes(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of all examples the row numbers, the scores (1 where the answer is right), and whether it is an error."""
    import numpy as np
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(path, columns=["row", "label", "prediction"])
    right = np.asarray(pc.equal(table.column("label"), table.column("prediction")).to_numpy(), dtype=bool)
    return table.column("row").to_numpy(), right.astype(np.float64), ~right


def cell(path: Path, label: int, prediction: int) -> list[ClassAnswer]:
    """The examples of a confusion cell, the most confident first, at most MOST of them."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    wanted = (pc.field("label") == label) & (pc.field("prediction") == prediction)
    table = pq.read_table(path, columns=ANSWER, filters=wanted).sort_by([("confidence", "descending")])
    return [ClassAnswer(**entry) for entry in table.slice(0, MOST).to_pylist()]


def probabilities(path: Path, row: int) -> list[float]:
    """The probability of each class for one row; empty if it was not judged."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(path, columns=["probabilities"], filters=pc.field("row") == row)
    return list(table.column("probabilities")[0].as_py()) if len(table) else []
