"""Some predictions of an evaluation, for a page: read from Parquet, by what they are and not by where."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.tasks.text_classification.results import ClassAnswer

if TYPE_CHECKING:
    import numpy as np

MOST = 300
COLUMNS = ["row", "label", "prediction", "confidence"]


def cell(path: Path, label: int, prediction: int) -> list[ClassAnswer]:
    """The examples of a confusion cell, the most confident first, at most MOST of them."""
    wanted = (pc.field("label") == label) & (pc.field("prediction") == prediction)
    table = pq.read_table(path, columns=COLUMNS, filters=wanted).sort_by([("confidence", "descending")])
    return [ClassAnswer(**entry) for entry in table.slice(0, MOST).to_pylist()]


def of_rows(path: Path, rows: list[int]) -> list[ClassAnswer]:
    """The answers to some rows, in their order."""
    table = pq.read_table(path, columns=COLUMNS, filters=pc.field("row").isin(rows))
    answers = {entry["row"]: ClassAnswer(**entry) for entry in table.to_pylist()}
    return [answers[row] for row in rows if row in answers]


def outcomes(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers and whether the answer was right, of all examples."""
    table = pq.read_table(path, columns=["row", "label", "prediction"])
    return table.column("row").to_numpy(), pc.equal(table.column("label"), table.column("prediction")).to_numpy()


def probabilities(path: Path, row: int) -> list[float]:
    """The probability of each class for one row; empty if it was not judged."""
    table = pq.read_table(path, columns=["probabilities"], filters=pc.field("row") == row)
    return list(table.column("probabilities")[0].as_py()) if len(table) else []


def chance(errors: int, count: int, all_errors: int, total: int) -> float:
    """How likely at least `errors` of `all_errors` fall among `count` of `total` examples by luck (hypergeometric).

    As scipy.stats.hypergeom.sf(errors - 1, ...), without the second that a page would wait for scipy.
    """

    def log_choose(n: int, k: int) -> float:
        return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)

    least, most = max(errors, count - (total - all_errors), 0), min(count, all_errors)
    if errors <= max(0, count - (total - all_errors)):
        return 1.0
    if least > most:
        return 0.0
    whole = log_choose(total, count)
    terms = [
        log_choose(all_errors, k) + log_choose(total - all_errors, count - k) - whole for k in range(least, most + 1)
    ]
    highest = max(terms)
    return min(1.0, math.exp(highest) * math.fsum(math.exp(term - highest) for term in terms))
