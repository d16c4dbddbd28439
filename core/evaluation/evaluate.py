"""An evaluation, from its spec to predictions.parquet and evaluation.json, which is all that a page reads.

    model ── examples ── predictions (those of the training run, or made now) ── analysis

What is tuned (temperature, thresholds) comes from the examples that a run was evaluated on while it trained; on any
other split it is applied, never fitted.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from core.data.dataset import Prepared
from core.data.loading import holdout, load
from core.data.loading.text_ids import text_ids
from core.data.notes import Note
from core.data.prepare import prepare
from core.data.reading.files import split_of
from core.errors import DataError
from core.evaluation import columns, slices
from core.evaluation.classifier import Classifier, find_subject
from core.evaluation.results import EVALUATION
from core.evaluation.specs import EvaluateSpec, Subject
from core.models import label_names
from core.runs.environment import trained_data
from core.settings import Settings
from core.spec import run as specs
from core.spec.data import DataSpec
from core.spec.run import RunSpec
from core.store import final_tests
from core.store.record import Holdout, Run
from core.tasks.evaluations import DatasetIdentity, FinalTest, Kind
from core.tasks.text_classification import analysis, baselines, label_errors, predictions, statistics
from core.tasks.text_classification import metrics as task_metrics
from core.tasks.text_classification.metrics import check_finite
from core.tasks.text_classification.predictions import Predictions
from core.tasks.text_classification.results import ClassEvaluation, ClassSlices, Tuned
from core.wording import counted

if TYPE_CHECKING:
    from datasets import Dataset

    from core.runs.writer import RunWriter

CLASS_NUMBER = "LABEL_"


@dataclass(frozen=True)
class Examples:
    """What a model is judged on, and what it learned from.

    kind: validation (the run chose its best by them), test, training, or other
    data: where they come from, with the columns and the preparation that were used; notes: what is to be said of that
    train: texts and class ids of the training examples; None for a model made elsewhere
    held_out: whether they are a part of the training split that was kept out of training
    """

    part: load.Part
    data: DataSpec
    notes: tuple[Note, ...]
    split: str
    kind: Kind
    train: tuple[list[str], np.ndarray] | None
    held_out: bool = False


def evaluate(spec: EvaluateSpec, run: Run, settings: Settings, report: RunWriter) -> dict[str, Any]:
    """Writes predictions.parquet and evaluation.json; returns the run's summary.

    Raises DataError, HubError, ModelError, PathError, RunNotFound.
    """
    trained = report.store.run(spec.model.run) if spec.model.run else None
    folder = settings.run_dir(run.id)
    holdouts = final_tests.holdouts(report.store)
    report.phase("Loading the data")
    examples = _examples(spec, trained, settings, report, holdouts)
    report.check_stop()
    answers, notes, title = _predictions(spec, trained, examples, settings, report)
    predictions.write(folder / predictions.NAME, answers)
    report.check_stop()

    final_test = _final_test(examples, holdouts, run, report)
    prepared = examples.part.prepared
    evaluation = ClassEvaluation(
        version=1,
        title=title,
        kind=examples.kind,
        notes=[*notes, *(note.text for note in examples.notes)],
        split=examples.split,
        held_out=examples.held_out,
        dataset=DatasetIdentity(title=prepared.title, fingerprint=prepared.fingerprint),
        data=examples.data.model_dump(mode="json"),
        final_test=final_test,
        text_columns=list(examples.part.source_columns),
        label_column=examples.part.label_column,
        **_analysed(answers, examples, trained, settings, report),
    )
    evaluation.save(folder / EVALUATION)
    main = evaluation.main_metric
    return {
        "main_metric": main, "value": evaluation.metrics[main], "metrics": evaluation.metrics,
        "examples": evaluation.examples, "title": title, "split": examples.split, "kind": examples.kind,
        "dataset": prepared.title,
    }  # fmt: skip


def _examples(
    spec: EvaluateSpec, trained: Run | None, settings: Settings, report: RunWriter, holdouts: list[Holdout]
) -> Examples:
    """Those of the run's own data, or of another dataset, read as the model was trained."""
    like, learned, loaded = None, None, None
    notes: tuple[Note, ...] = ()
    if trained is not None:
        of_run = trained_data(trained, settings)
        theirs = settings.on_behalf_of(trained.owner)  # who sees a run may have it judged on the data it was made from
        loaded = load.load(of_run, theirs, report.fraction, final_tests.holdouts(report.store, before=trained.created))
        learned = _joined(loaded.dataset["train"], loaded.text_columns), _labels(loaded.dataset["train"])
        if spec.data is None and (not spec.split or spec.split == loaded.eval_split != loaded.train_split):
            part = load.Part(
                loaded.dataset["eval"], loaded.text_columns, loaded.source_columns, loaded.label_column,
                tuple(loaded.label_names), loaded.prepared, (),
            )  # fmt: skip
            held_out = loaded.eval_split == loaded.train_split
            return Examples(_some(part, spec, of_run), of_run, (), loaded.eval_split, "validation", learned, held_out)
    if spec.data is None:
        assert loaded is not None, "the spec was validated"
        data, settings, like = of_run, theirs, loaded.train_split
    else:
        data, notes = _fitted(spec.data, spec.model, settings, report)
    split = spec.split or usual_split(prepare(data, settings, report.fraction))
    part = load.load_split(data, split, settings, report.fraction, like)
    for note in (*part.notes, *notes):
        report.message(note.text, note.level, note.id, **note.arguments)
    part = _some(part, spec, data)
    kind: Kind = "other"
    if loaded is not None and part.prepared.fingerprint == loaded.prepared.fingerprint:
        kind = "training" if split == loaded.train_split else "test"
    elif holdout.find(part.prepared, split, part.source_columns, holdouts):
        kind = "test"
    return Examples(part, data, notes, split, kind, learned)


def _fitted(
    data: DataSpec, subject: Subject, settings: Settings, report: RunWriter
) -> tuple[DataSpec, tuple[Note, ...]]:
    """Another dataset, with the columns and the preparation that suit the model, and what is to be said of them."""
    prepared = prepare(data, settings, report.fraction)
    folder, _, title = find_subject(subject, settings, report.fraction)
    training = columns.training_for(subject, folder, title, report.store, settings)
    fit = columns.fit(data, prepared, training, labelled=True)
    return fit.applied(data), fit.notes


def usual_split(prepared: Prepared) -> str:
    """The split that a person means who names none: the only one, else test, else validation. Raises DataError."""
    names = list(prepared.splits)
    if len(names) == 1:
        return names[0]
    for meant in ("test", "validation"):
        if split := next((name for name in names if split_of(name) == meant), None):
            return split
    raise DataError(f"{prepared.title} has the splits {', '.join(names)}; name the one to judge on", "split")


def _some(part: load.Part, spec: EvaluateSpec, data: DataSpec) -> load.Part:
    """A random part of the examples, if the spec limits their number."""
    if spec.max_examples is None or spec.max_examples >= len(part.examples):
        return part
    return dataclasses.replace(part, examples=part.examples.shuffle(seed=data.seed).select(range(spec.max_examples)))


def _joined(rows: Dataset, columns: Sequence[str]) -> list[str]:
    """One text per example: of a pair, both."""
    return ["\n".join(texts) for texts in zip(*(rows[column] for column in columns), strict=True)]


def _labels(rows: Dataset) -> np.ndarray:
    return np.asarray(rows["label"], dtype=np.int64)


def _predictions(
    spec: EvaluateSpec, trained: Run | None, examples: Examples, settings: Settings, report: RunWriter
) -> tuple[Predictions, list[str], str]:
    """Those that the training run left if they are of these examples, else new ones."""
    part, names = examples.part, examples.part.label_names
    texts = list(zip(*(part.examples[column] for column in part.text_columns), strict=True))
    rows = np.asarray(part.examples["row"], dtype=np.int64)
    ids = text_ids(texts)
    whole = spec.max_examples is None and spec.model.max_length is None
    if trained is not None and examples.kind == "validation" and whole:
        kept = _kept(settings.run_dir(trained.id) / predictions.NAME, names, rows, ids)
        if kept is not None:
            return kept, [], trained.name
    report.phase("Loading the model")
    folder, max_length, title = find_subject(spec.model, settings, report.fraction)
    model = Classifier(folder, max_length, title)
    known, notes = matched(model.names, names, title)
    labels = np.array(known)[_labels(part.examples)]
    usable = np.flatnonzero(labels >= 0)
    if not len(usable):
        raise DataError(
            f"{title} knows the classes {', '.join(model.names[:10])}, of which {part.prepared.title} has none "
            f"({', '.join(names[:10])}); rename the labels under Prepare",
            "data.label_column",
        )
    if len(usable) < len(labels):
        notes.append(f"{counted(len(labels) - len(usable), 'example')} with a class it does not know were left out.")
    report.phase("Predicting")
    logits = model.logits([texts[i] for i in usable], report.fraction)
    check_finite(logits)
    for note in notes:
        report.message(note)
    return Predictions(model.names, rows[usable], ids[usable], labels[usable], logits), notes, title


def _kept(path: Path, names: tuple[str, ...], rows: np.ndarray, ids: np.ndarray) -> Predictions | None:
    try:
        kept = predictions.read(path)
    except (OSError, ValueError, KeyError):
        return None
    known = dict(zip(rows.tolist(), ids.tolist(), strict=True))
    same = all(known.get(row) == number for row, number in zip(kept.rows.tolist(), kept.text_ids.tolist(), strict=True))
    return kept if same and kept.names == names else None


def matched(model: tuple[str, ...], data: tuple[str, ...], title: str) -> tuple[list[int], list[str]]:
    """The model's class id for each class of the data, or -1; and notes on it.

    By name (see `label_names`); by number where the model has no names (LABEL_0 …) and both have as many classes.
    """
    places = label_names.places(data, model)
    if max(places) >= 0:
        return places, []
    nameless = all(name == f"{CLASS_NUMBER}{i}" for i, name in enumerate(model))
    plain = all(name.lstrip("-").isdigit() for name in (*model, *data))
    if len(model) == len(data) and (nameless or plain):
        pairs = ", ".join(f"{a} is {b}" for a, b in zip(model[:5], data[:5], strict=False))
        return list(range(len(data))), [f"{title} has no names for its classes; they are taken in order: {pairs}."]
    return places, []


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
    answers: Predictions, examples: Examples, trained: Run | None, settings: Settings, report: RunWriter
) -> dict[str, Any]:
    """The fields of an Evaluation that are drawn from the predictions."""
    names: tuple[str, ...] = tuple(task_metrics.METRICS)
    main = task_metrics.MAIN
    if trained is not None:
        settled = cast(RunSpec, specs.build(trained.spec)).evaluation
        names, main = settled.metrics, settled.metric_for_best_model
    report.phase("Measuring")
    part = examples.part
    place = {row: i for i, row in enumerate(part.examples["row"])}
    whole = _joined(part.examples, part.text_columns)
    texts = [whole[place[row]] for row in answers.rows.tolist()]
    fields: dict[str, Any] = {
        "examples": len(answers),
        "labels": list(answers.names),
        "metric_names": list(names),
        "main_metric": main,
        **analysis.headline(names, answers),
    }
    report.fraction("Drawing curves", 0.1)
    fields["curves"] = analysis.curves(answers)
    tuned = _tuned(trained, examples, settings)
    fields["tuned"] = tuned
    fields["calibration"] = analysis.calibration(answers, tuned.temperature if tuned else None)
    fields["confidence"] = analysis.confidence(answers)
    fields["mistakes"] = analysis.mistakes(answers)
    report.fraction("Looking for texts that were in training", 0.3)
    learned = examples.train
    seen = np.zeros(len(answers), dtype=bool)
    if learned is not None and examples.kind != "training":
        known = set(map(_normal, learned[0]))
        seen = np.fromiter((_normal(text) in known for text in texts), dtype=bool, count=len(texts))
        fields["overlap"] = analysis.overlap(answers, seen, names)
    if examples.kind != "training":
        report.fraction("Looking for labels that may be wrong", 0.4)
        fields["label_errors"] = label_errors.suspected(answers, ~seen)
    report.fraction("Looking for groups that it finds hard", 0.5)
    groups = slices.groups_of(
        texts, answers.labels, answers.names, answers.rows, part.prepared, examples.split,
        (*part.source_columns, part.label_column), report.phase,
    )  # fmt: skip
    fields["slices"] = ClassSlices.model_validate(slices.find(groups, ~answers.right, answers.rows).model_dump())
    report.fraction("Comparing with simple models", 0.7)
    fields["baselines"] = baselines.baselines(
        names, learned, texts, answers.labels, answers.predicted, len(answers.names), report.phase
    )
    return fields


def _normal(text: str) -> bytes:
    """The same for texts that match when case and whitespace are ignored."""
    return hashlib.blake2b(" ".join(text.lower().split()).encode("utf-8", "replace"), digest_size=8).digest()


def _tuned(trained: Run | None, examples: Examples, settings: Settings) -> Tuned | None:
    """Temperature and thresholds of the run's own evaluation examples; None when judging those same examples."""
    if trained is None or examples.kind == "validation":
        return None
    try:
        answers = predictions.read(settings.run_dir(trained.id) / predictions.NAME)
    except (OSError, ValueError, KeyError):
        return None
    return Tuned(
        temperature=statistics.fit_temperature(answers.logits, answers.labels),
        thresholds={str(curve.label): analysis.best_threshold(curve) for curve in analysis.curves(answers)},
        examples=len(answers),
    )
