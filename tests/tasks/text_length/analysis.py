from __future__ import annotations

from typing import Any

import numpy as np

from core.tasks.results import Baseline
from tests.tasks.text_length import metrics
from tests.tasks.text_length.results import LengthReport


def summarise(spec: Any, encoded: Any, labels: np.ndarray, logits: np.ndarray) -> LengthReport:
    names = spec.evaluation.metrics
    mean = float(np.mean(encoded.train["labels"]))
    always = np.full((len(labels), 1), mean, dtype=np.float32)
    return LengthReport(
        task=spec.task,
        examples=len(labels),
        eval_examples=len(encoded.eval),
        train_examples=len(encoded.train),
        metrics=metrics.compute(names, logits, labels),
        main_metric=spec.evaluation.metric_for_best_model,
        baseline=Baseline(label=f"{mean:.1f}", metrics=metrics.compute(names, always, labels)),
        truncated=encoded.truncated,
        worst=int(np.abs(logits[:, 0] - labels).argmax()),
    )
