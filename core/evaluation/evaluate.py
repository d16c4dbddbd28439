"""An evaluation, from its spec to predictions.parquet and evaluation.json, which is all that a page reads.

    model ── examples ── predictions (those of the training run, or made now) ── analysis

What is tuned comes from the examples that a run was evaluated on while it trained; on any other split it is applied,
never fitted.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from core.data.loading import holdout
from core.data.loading.text_ids import text_ids
from core.data.reading.files import split_of
from core.errors import DataError
from core.evaluation import examples as examples_of
from core.evaluation import slices
from core.evaluation.after_training import PREDICTIONS
from core.evaluation.examples import Examples
from core.evaluation.fast import words
from core.evaluation.fast.opening import open_model
from core.evaluation.results import EVALUATION
from core.evaluation.specs import EvaluateSpec, task_of_subject
from core.settings import Settings
from core.spec import run as specs
from core.spec.run import RunSpec
from core.store import final_tests
from core.store.certificate import Certificate
from core.store.json_models import Metrics
from core.store.record import Holdout, Run
from core.store.summaries import Summary
from core.tasks.contract import Task
from core.tasks.contract.judging import Answers, Material
from core.tasks.evaluations import DatasetIdentity, Evaluation, FinalTest
from core.tasks.results import Overlap

if TYPE_CHECKING:
    from core.data.loading.load import Part
    from core.runs.writer import RunWriter

OVERLAP_ROWS = 300


def evaluate(spec: EvaluateSpec, run: Run, settings: Settings, report: RunWriter) -> Summary:
    """Writes predictions.parquet and evaluation.json; returns the run's summary.

    Raises DataError, HubError, ModelError, PathError, RunNotFound.
    """
    trained = report.store.run(spec.model.run) if spec.model.run else None
    task = task_of_subject(spec.model, report.store)
    folder = settings.run_dir(run.id)
    holdouts = final_tests.holdouts(report.store)
    report.phase("Loading the data")
    examples = examples_of.choose(spec, task, trained, settings, report, holdouts)
    report.check_stop()
    answers, notes, title, fast = answers_of(spec, task, trained, examples, settings, report)
    task.predictions.write(folder / PREDICTIONS, answers)
    report.check_stop()
    title = words.fast_title(title) if fast is not None else title  # wherever it stands beside others

    final_test = _final_test(examples, holdouts, run, report)
    prepared = examples.part.prepared
    evaluation: Evaluation = task.results.EVALUATION.model_validate(
        {
            "version": 1,
            "task": task.name,
            "title": title,
            "kind": examples.kind,
            "notes": [*notes, *(note.text for note in examples.notes)],
            "split": examples.split,
            "held_out": examples.held_out,
            "dataset": DatasetIdentity(title=prepared.title, fingerprint=prepared.fingerprint),
            "data": examples.data.model_dump(mode="json"),
            "final_test": final_test,
            "text_columns": list(examples.part.source_columns),
            "label_column": examples.part.label_column,
            **({} if fast is None else {"fast": fast}),
            **_analysed(task, answers, examples, trained, settings, report),
        }
    )
    evaluation.save(folder / EVALUATION)
    main = evaluation.main_metric
    return Summary(
        main_metric=main,
        value=evaluation.metrics[main],
        metrics=evaluation.metrics,
        examples=evaluation.examples,
        title=title,
        split=examples.split,
        kind=examples.kind,
        dataset=prepared.title,
    )


def answers_of(
    spec: EvaluateSpec, task: Task, trained: Run | None, examples: Examples, settings: Settings, report: RunWriter
) -> tuple[Answers, list[str], str, Certificate | None]:
    """Those that the training run left if they are of these examples, else new ones; with notes, the model's title, and
    what it costs that they are fast.
    """
    part = examples.part
    texts = list(zip(*(part.examples[column] for column in part.text_columns), strict=True))
    rows = np.asarray(part.examples["row"], dtype=np.int64)
    ids = text_ids(texts)
    whole = spec.max_examples is None and spec.model.max_length is None
    if trained is not None and examples.kind == "validation" and whole and spec.answers == "exact":
        kept = _read(task, settings.run_dir(trained.id) / PREDICTIONS)
        if kept is not None and kept.names == part.label_names and _are_of(kept, rows, ids, part):
            return kept, [], trained.name, None
    if spec.answers != "exact" and examples.kind == "validation":
        raise DataError.of(
            "fast-on-validation",
            "{run} answered its validation examples exactly while it trained; evaluate them without fast, or choose "
            "another split",
            run=trained.name if trained is not None else spec.model.name,
        )
    report.phase("Loading the model")
    model, fast = open_model(spec.model, spec.answers, settings, report.fraction)
    title = model.title
    labels, usable, notes = task.evaluation.labels(model.names, part, title)
    report.phase("Predicting")
    logits = model.logits([texts[i] for i in usable], report.fraction)
    task.metrics.check_finite(logits)
    for note in notes:
        report.message(note)
    answers = task.predictions.Predictions(model.names, rows[usable], ids[usable], labels[usable], logits)
    return answers, notes, title, fast


def _read(task: Task, path: Path) -> Answers | None:
    try:
        return cast(Answers, task.predictions.read(path))
    except (OSError, ValueError, KeyError):
        return None


def _are_of(answers: Answers, rows: np.ndarray, ids: np.ndarray, part: Part) -> bool:
    """Whether these are answers to these texts with these labels, at these rows, or to some of them."""
    place = dict(zip(rows.tolist(), range(len(rows)), strict=True))
    places = np.array([place.get(row, -1) for row in answers.rows.tolist()], dtype=np.int64)
    if (places < 0).any() or not np.array_equal(answers.text_ids, ids[places]):
        return False
    labels = np.asarray(part.examples["label"])[places].astype(answers.labels.dtype)
    return np.array_equal(answers.labels, labels)


def _final_test(examples: Examples, holdouts: list[Holdout], run: Run, report: RunWriter) -> FinalTest | None:
    """Count a look at a final test. A test split of the run's dataset that nothing has seen becomes one."""
    if examples.kind not in ("test", "other"):
        return None
    prepared, split, texts = examples.part.prepared, examples.split, examples.part.source_columns
    test = holdout.find(prepared, split, texts, holdouts)
    if test is None and examples.kind == "test" and split_of(split) == "test":
        final_tests.set_aside(report.store, *holdout.describe(prepared, split, texts))
        report.message(
            f"The split {split} is set aside as the final test from now on: no run trains or chooses by it.",
            level="notice",
            code="set-aside",
            split=split,
        )
        test = holdout.find(prepared, split, texts, final_tests.holdouts(report.store))
    if test is None:
        return None
    final_tests.count_look(report.store, test.content, run.id)
    looks = next(h.looks for h in final_tests.holdouts(report.store) if h.content == test.content)
    return FinalTest(content=test.content, looks=looks, title=test.title, split=test.split)


def _analysed(
    task: Task, answers: Answers, examples: Examples, trained: Run | None, settings: Settings, report: RunWriter
) -> dict[str, Any]:
    """The fields of an Evaluation that are drawn from the predictions."""
    names, main = tuple(task.metrics.METRICS), task.metrics.MAIN
    tuning = None
    if trained is not None:
        settled = cast(RunSpec, specs.build(trained.spec)).evaluation
        names, main = settled.metrics, settled.metric_for_best_model
        if examples.kind != "validation":
            tuning = _read(task, settings.run_dir(trained.id) / PREDICTIONS)
    report.phase("Measuring")
    part = examples.part
    place = {row: i for i, row in enumerate(part.examples["row"])}
    whole = examples_of.joined(part.examples, part.text_columns)
    texts = [whole[place[row]] for row in answers.rows.tolist()]
    fields: dict[str, Any] = {"examples": len(answers), "metric_names": list(names), "main_metric": main}
    report.fraction("Looking for texts that were in training", 0.1)
    learned = examples.train
    seen = np.zeros(len(answers), dtype=bool)
    if learned is not None and examples.kind != "training":
        known = set(map(_normal, learned[0]))
        seen = np.fromiter((_normal(text) in known for text in texts), dtype=bool, count=len(texts))
        fields["overlap"] = overlap(task, answers, seen, names).model_dump()
    report.fraction("Looking for groups that it finds hard", 0.2)
    groups = slices.groups_of(
        texts,
        task.evaluation.groups(answers),
        answers.rows,
        part.prepared,
        examples.split,
        (*part.source_columns, part.label_column),
        report.phase,
    )
    hard = slices.find(groups, task.evaluation.errors(answers), task.evaluation.scores(answers), answers.rows)
    fields["slices"] = hard.model_dump(exclude_unset=True)
    material = Material(answers, names, examples.kind, texts, seen, learned, tuning)
    return fields | task.evaluation.analyse(material, report.fraction)


def overlap(task: Task, answers: Answers, seen: np.ndarray, names: tuple[str, ...]) -> Overlap:
    """Examples whose text was in training, and the metrics without them. seen: bool (examples,)"""
    fresh = answers.take(np.flatnonzero(~seen))
    return Overlap(
        count=int(seen.sum()),
        of=len(answers),
        rows=answers.rows[seen][:OVERLAP_ROWS].tolist(),
        metrics_without=measured(task, fresh, names) if seen.any() and len(fresh) else {},
        score_of_seen=float(task.evaluation.scores(answers)[seen].mean()) if seen.any() else None,
    )


def measured(task: Task, answers: Answers, names: tuple[str, ...]) -> Metrics:
    """The named metrics."""
    values = task.metrics.compute(names, answers.logits, answers.labels)
    return {name: values[name] for name in names}


def _normal(text: str) -> bytes:
    """The same for texts that match when case and whitespace are ignored."""
    return hashlib.blake2b(" ".join(text.lower().split()).encode("utf-8", "replace"), digest_size=8).digest()
