"""The final word on a run: predictions for every evaluation example, and the numbers drawn from them.

`predictions.parquet`: see the task's `predictions`; `report.json`: `core.evaluation.results`.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.evaluation.advice import advise
from core.evaluation.results import REPORT
from core.events import Reporter
from core.models.folder import position_limit
from core.runs.device import Device, choose_for
from core.runs.history import History, read_history
from core.spec.run import RunSpec
from core.tasks.batches import evaluation_batches
from core.tasks.contract import task_of
from core.tasks.results import Report, Rivals
from core.tasks.texts import Encoded

PREDICTIONS, RIVALS = "predictions.parquet", "rivals.json"

logger = logging.getLogger(__name__)

# After a stop, evaluation may take this long yet; what it has by then counts.
SECONDS_AFTER_STOP = 15.0


def evaluate_run(
    spec: RunSpec,
    encoded: Encoded,
    model: Any,
    run_dir: Path,
    report: Reporter,
    text_ids: np.ndarray | None = None,
    language: str = "",
) -> Report:
    """Judge `model` on the evaluation examples; writes predictions.parquet and report.json and returns the latter.

    text_ids: of the evaluation examples, in their order; without them the row numbers stand for the texts
    language: of most training texts, for advice

    A run asked to stop is judged on the examples that a few seconds allow, chosen at random; `examples` says how many.
    Raises ModelError if the model's answers are no numbers.
    """
    device = choose_for(spec)
    task = task_of(spec)
    indices, logits = predict(model, encoded, spec.training.per_device_eval_batch_size, device, report)
    labels = np.asarray(encoded.eval["labels"])[indices]
    summary = task.analysis.summarise(spec, encoded, labels, logits)
    summary = summary.model_copy(update={"rivals": Rivals.load(run_dir / RIVALS) or Rivals()})
    rows = np.asarray(encoded.eval["row"])[indices]
    ids = rows.astype(np.uint64) if text_ids is None else text_ids[indices]
    answers = task.predictions.Predictions(encoded.label_names, rows, ids, labels, logits)
    task.predictions.write(run_dir / PREDICTIONS, answers)
    limit = position_limit(model.config.to_dict())
    advice = advise(spec, summary, read_history(run_dir) or History(), language, limit)
    result = summary.model_copy(update={"device": device.title, "precision": device.precision, "advice": tuple(advice)})
    result.save(run_dir / REPORT, indent=1)
    logger.info("final evaluation of %d examples: %s", len(labels), result.metrics)
    return result


def predict(
    model: Any, encoded: Encoded, batch_size: int, device: Device, report: Reporter
) -> tuple[np.ndarray, np.ndarray]:
    """The logits of the evaluation examples: their indices, ascending, and (examples, ...) as float32."""
    model.to(device.kind).eval()
    done: list[np.ndarray] = []
    logits: list[np.ndarray] = []
    deadline = reported = None
    batches = evaluation_batches(encoded.eval["length"], batch_size)
    for number, indices in enumerate(batches):
        now = time.monotonic()
        deadline = deadline or (now + SECONDS_AFTER_STOP if report.stop_requested else None)
        if deadline is not None and now > deadline and number:
            break
        if reported is None or now - reported > 1:
            reported = now
            report.phase(f"Evaluating: {number / len(batches):.0%}")
        batch = encoded.pad(encoded.eval.__getitems__(indices.tolist()), device.pad_to_multiple_of)
        batch.pop("labels")
        inputs = {name: torch.from_numpy(values).to(device.kind) for name, values in batch.items()}
        with torch.inference_mode(), device.autocast():
            logits.append(model(**inputs).logits.float().cpu().numpy())
        done.append(indices)
    order = np.concatenate(done)
    back = np.argsort(order)
    return order[back], np.concatenate(logits)[back]
