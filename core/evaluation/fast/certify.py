"""Measures what fast answers cost a model, and keeps the 8-bit file with its certificate.

model ── examples ── exact answers ── ONNX ── 8 bits ── fast answers ── loss, paired, with its interval
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import ModelError
from core.evaluation import evaluate
from core.evaluation import examples as examples_of
from core.evaluation.examples import Examples
from core.evaluation.fast import kept, onnx_file
from core.evaluation.fast.int8_model import Int8Model
from core.evaluation.specs import CertifySpec, EvaluateSpec, task_of_subject
from core.evaluation.text_model import TextModel
from core.evaluation.trained_model import TrainedModel, find_subject, trained_in
from core.files import replace_folder
from core.runs.environment import hardware
from core.settings import Settings
from core.store import final_tests
from core.store.certificate import LIMIT, Certificate, Loss
from core.store.summaries import Certified
from core.tasks import sureness
from core.tasks.contract import Task
from core.tasks.contract.judging import Answers

if TYPE_CHECKING:
    from core.runs.writer import RunWriter
    from core.store.record import Run

TIMED_TEXTS, ROUNDS, TIMED_S = 256, 3, 30.0


def certify(spec: CertifySpec, run: Run, settings: Settings, report: RunWriter) -> Certified:
    """Writes the folder that `core.evaluation.fast.kept` names: the 8-bit file and certificate.json.

    Raises DataError, HubError, ModelError, PathError, RunNotFound.
    """
    kept.check_packages()
    task = task_of_subject(spec.model, report.store)
    judged = EvaluateSpec(model=spec.model, data=spec.data, split=spec.split)
    trained = report.store.run(spec.model.run) if spec.model.run else None
    report.phase("Loading the data")
    holdouts = final_tests.holdouts(report.store)
    examples = examples_of.choose(judged, task, trained, settings, report, holdouts)
    report.check_stop()
    answers, _, title, _ = evaluate.answers_of(judged, task, trained, examples, settings, report)
    report.phase("Loading the model")
    folder, max_length, _ = find_subject(spec.model, settings, report.fraction)
    model = TrainedModel(folder, max_length, title, device="cpu", task=task.name)
    _check_offered(task, model)
    report.check_stop()
    target = settings.run_dir(spec.model.run or run.id) / kept.FOLDER
    with replace_folder(target) as partial:
        report.phase("Converting to 8 bits; this takes half a minute or more")
        _convert(model, partial)
        report.check_stop()
        report.phase("Answering fast")
        fast = Int8Model(folder, partial / kept.FILE, max_length, title, task.name)
        texts = _texts(answers, examples)
        logits = fast.logits(texts, report.fraction)
        report.check_stop()
        report.phase("Measuring speed")
        exact = TrainedModel(folder, max_length, title, task=task.name, trained_in=trained_in(spec.model, settings))
        speed = _speed(exact, fast, texts, report)
        prepared = examples.part.prepared
        certificate = Certificate.model_validate(
            {
                "recipe": kept.RECIPE,
                "title": title,
                **_loss(task, answers, logits, title),
                "dataset": prepared.title,
                "split": examples.split,
                "kind": examples.kind,
                "speed": speed,
                "processor": hardware().processor,
                "bytes": onnx_file.bytes_of(partial),
                "exact_bytes": sum(path.stat().st_size for path in folder.glob("*.safetensors")),
                "longest": spec.model.max_length,
                "weights": kept.weights(folder),
                "seen": kept.seen(folder),
                "data": prepared.fingerprint,
                "file": kept.contents(onnx_file.files(partial)),
            }
        )
        certificate.save(partial / kept.CERTIFICATE, indent=1)
        del fast  # Windows renames no file that is open
    return Certified(
        main_metric=certificate.metric,
        value=certificate.fast,
        examples=certificate.examples,
        title=title,
        split=examples.split,
        kind=examples.kind,
        dataset=prepared.title,
        certificate=certificate,
    )


def _check_offered(task: Task, model: TrainedModel) -> None:
    kind = model.model.config.model_type
    if "onnx" not in task.facts.OFFERS or not task.evaluation.RIGHT_OR_WRONG:
        raise ModelError.of(
            "task-without-fast",
            "a model of the task {task!r} cannot answer fast; use exact answers",
            task=task.facts.TITLE,
        )
    if kind in onnx_file.NOT_EXPORTED:
        raise ModelError.of(
            "kind-without-fast",
            "{model} is a model of type {kind}, which cannot be converted to 8 bits; use exact answers",
            model=model.title,
            kind=kind,
        )


def _convert(model: TrainedModel, folder: Path) -> None:
    try:
        onnx_file.write_int8(model, folder)
    except onnx_file.NotConvertedError as error:
        raise ModelError.of(
            "fast-failed",
            "{model} could not be converted to 8 bits ({reason}); use exact answers",
            model=model.title,
            reason=str(error),
        ) from error


def _texts(answers: Answers, examples: Examples) -> list[tuple[str, ...]]:
    """The texts of the answers, in their order."""
    part = examples.part
    place = {row: i for i, row in enumerate(part.examples["row"])}
    rows = part.examples.select([place[row] for row in answers.rows.tolist()])
    return list(zip(*(rows[column] for column in part.text_columns), strict=True))


def _loss(task: Task, answers: Answers, logits: np.ndarray, title: str) -> dict[str, Any]:
    """The fields of a Certificate on right and wrong. logits: of the fast answers, (examples, outputs)"""
    if not np.isfinite(logits).all():
        raise ModelError.of(
            "fast-no-numbers",
            "in 8 bits {model} answers with values that are no numbers; use exact answers",
            model=title,
        )
    fast = task.predictions.Predictions(answers.names, answers.rows, answers.text_ids, answers.labels, logits)
    before, after = task.evaluation.scores(answers), task.evaluation.scores(fast)
    gains, losses, count = int((after > before).sum()), int((before > after).sum()), len(answers)
    change = sureness.share_difference(gains, losses, count)
    return {
        "metric": task.evaluation.SCORE,
        "exact": float(before.mean()),
        "fast": float(after.mean()),
        "loss": Loss(value=-change.value, low=-change.high, high=-change.low),
        "gains": gains,
        "losses": losses,
        "same": count - int(task.evaluation.changed(answers, fast).sum()),
        "examples": count,
        "needed": sureness.examples_needed(gains, losses, count, LIMIT),
    }


def _speed(exact: TextModel, fast: TextModel, texts: list[tuple[str, ...]], report: RunWriter) -> float:
    """Texts per second of the fast answers relative to the exact ones: the median of paired rounds."""
    chosen = np.random.default_rng(0).permutation(len(texts))[:TIMED_TEXTS]
    some = [texts[i] for i in chosen]
    for model in (exact, fast):
        model.logits(some[: max(1, len(some) // 8)])  # what comes first takes longer
    ratios, began = [], time.monotonic()
    for number in range(ROUNDS):
        started = time.perf_counter()
        exact.logits(some)
        middle = time.perf_counter()
        fast.logits(some)
        ratios.append((middle - started) / (time.perf_counter() - middle))
        report.fraction("Measuring speed", (number + 1) / ROUNDS)
        report.check_stop()
        if time.monotonic() - began > TIMED_S:
            break
    return round(statistics.median(ratios), 2)
