"""Metrics as `evaluate.Metric`, fed batch by batch as the tutorial's loop does it: offline and in memory.

`evaluate.load` would fetch each metric's code from the Hub and run it; these are the tables of our tasks.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import datasets
import evaluate
import numpy as np

from core.tasks import Metric


class TableMetric(evaluate.Metric):
    """One metric of a task's table. `compute` returns its value under its name.

    dtype: of a prediction and of a reference, as `datasets` calls it
    """

    def __init__(self, name: str, metric: Metric, dtype: str) -> None:
        self.metric, self.dtype = metric, dtype
        super().__init__(keep_in_memory=True, seed=0)
        self.name_in_table = name

    def _build_data_dir(self) -> str:
        return ""  # nothing is written: the base class would make a folder in the user's cache

    def _info(self) -> evaluate.MetricInfo:
        value = datasets.Value(self.dtype)
        return evaluate.MetricInfo(
            description=self.metric.meaning,
            citation="",
            inputs_description="predictions and references",
            features=datasets.Features({"predictions": value, "references": value}),
        )

    def _compute(self, *, predictions: Any = None, references: Any = None, **_: Any) -> dict[str, float]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a class that is never predicted scores 0, which is what we say
            return {self.name_in_table: self.metric(references, predictions)}


class RunningMetrics:
    """`loss` (the mean over examples) and metrics of outputs that come batch by batch.

    loss: the mean of a batch; answers: outputs to what the metrics take as predictions; check: raises for outputs that
    are not numbers; dtype: see `TableMetric`
    """

    def __init__(
        self,
        metrics: Mapping[str, Metric],
        loss: Callable[[np.ndarray, np.ndarray], float],
        answers: Callable[[np.ndarray], np.ndarray],
        check: Callable[[np.ndarray], None],
        dtype: str,
    ) -> None:
        self.metrics = {name: TableMetric(name, metric, dtype) for name, metric in metrics.items()}
        self.loss, self.answers, self.check = loss, answers, check
        self.total_loss, self.examples = 0.0, 0

    def add_batch(self, outputs: np.ndarray, labels: np.ndarray) -> None:
        """outputs: float (examples, ...); labels: (examples, ...). Raises ModelError, see `check`."""
        self.check(outputs)
        self.total_loss += self.loss(outputs, labels) * len(labels)
        self.examples += len(labels)
        predictions = self.answers(outputs)
        for metric in self.metrics.values():
            metric.add_batch(predictions=predictions, references=labels)

    def compute(self) -> dict[str, float]:
        values = {name: metric.compute()[name] for name, metric in self.metrics.items()}
        return {"loss": self.total_loss / self.examples} | values
