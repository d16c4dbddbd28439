"""A training run: the main path, from a spec to a model and its report. Only a worker imports this."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.data.inspecting.language import main_language
from core.data.loading.text_ids import ids_of
from core.engines import automatic, rivals
from core.engines.start import begin
from core.errors import SpecError
from core.evaluation.after_training import evaluate_run
from core.files import write_text
from core.machine import physical_cores
from core.messages import Message
from core.models import folder as model_folder
from core.models import loading as model_loading
from core.models import names as models
from core.runs import checkpoints, device, environment
from core.runs.environment import trained_data
from core.settings import Settings
from core.spec import engines as support
from core.spec import run as specs
from core.spec.recommended import any_length
from core.spec.run import RunSpec, to_yaml
from core.store import final_tests
from core.store.summaries import Summary
from core.tasks.contract import task_of
from core.tasks.texts import warn_unread

if TYPE_CHECKING:
    from core.runs.writer import RunWriter
    from core.store.record import Run


def train(spec: RunSpec, run: Run, settings: Settings, report: RunWriter) -> Summary:
    """Load, encode, train, evaluate; the summary has the main metric and how many examples there were.

    Raises DataError, HubError, ModelError, PathError, SpecError.
    """
    folder = settings.run_dir(run.id)
    write_text(folder / "spec.yaml", to_yaml(spec))
    task = task_of(spec)
    engine = importlib.import_module(support.ENGINES[spec.engine])
    chosen = device.choose_for(spec)  # refuses what this machine lacks before anything else is done
    device.set_threads(spec.execution.threads or physical_cores())

    report.phase(Message("Loading the data", "loading-data"))
    data = trained_data(run, settings)  # of a run that goes on: what it guessed at first
    loaded = task.columns.load(data, settings, report.fraction, final_tests.holdouts(report.store, before=run.created))
    for note in loaded.notes:
        report.message(note.text, note.level, note.id, **note.arguments)
    ids = {part: ids_of(rows, loaded.text_columns) for part, rows in loaded.dataset.items()}
    padded = _was_padded(folder)
    environment.write(folder, spec, loaded, ids, chosen)
    report.check_stop()

    report.phase(Message("Loading the model", "loading-model"))
    source = models.fetch(
        any_length(spec),
        settings,
        report.fraction,
        lambda note: report.message(note.text, "info", note.id, **note.arguments),
    )
    if problems := support.problems(spec, model_folder.model_type(source)):
        raise SpecError(problems)
    texts = (text for column in loaded.text_columns for text in loaded.dataset["train"][column])
    tokenizer = model_loading.load_tokenizer(spec.model, source, task.model.KIND, texts, report)
    spec = automatic.settle_length(spec, loaded, tokenizer, source, chosen, report)
    changes: dict[str, Any] = {}
    model = model_loading.load_model(
        spec.model,
        source,
        task.model.head(loaded.label_names),
        tokenizer,
        spec.training.seed,
        report,
        changes.__setitem__,
    )
    new_head = changes.pop("new_head", False)
    for change, value in changes.items():
        environment.add(folder, change, value)
    report.check_stop()

    report.phase(Message("Tokenising", "tokenising"))
    encoded = task.encode.encode(loaded, spec, tokenizer, report, settings.encoded)
    warn_unread(loaded, spec, tokenizer, report)
    report.check_stop()

    report.phase(Message("Preparing to train", "preparing-to-train"))
    automatic_before = spec.auto
    spec = automatic.settle_class_weights(spec, encoded, model, chosen, report)
    spec = begin.begin(spec, encoded, model, new_head, folder, chosen, report)
    if settings.mode != "demo":  # which has no memory to spare
        rivals.judge_frozen_model(spec, encoded, model, folder, chosen, report)
    if automatic_before:  # after all else that takes time, which a budget of it counts
        spec = automatic.settle_rest(spec, encoded, model, chosen, report, begun=run.claimed or run.started)
        report.settle(spec)
        write_text(folder / "spec.yaml", to_yaml(spec))
    plan = specs.replace(spec, {"execution.padding_free": "off"}) if padded else spec
    if _is_padding_free(plan, model, tokenizer, chosen):
        environment.add(folder, "padding_free", True)
    with rivals.bag_of_words_beside(spec, loaded, folder, report):
        engine.train(plan, encoded, model, folder, report, checkpoints.latest(folder))

    report.phase(Message("Evaluating", "evaluating"))
    language = main_language(spec.data, loaded.prepared, loaded.train_split, loaded.source_columns)
    result = evaluate_run(spec, encoded, model, folder, report, ids["eval"], language)
    main = result.main_metric
    return Summary(
        main_metric=main,
        value=result.metrics.get(main),
        baseline=result.baseline.metrics.get(main),
        metrics=result.metrics,
        train_examples=result.train_examples,
        eval_examples=result.examples,
    )


def _was_padded(folder: Path) -> bool:
    """Whether an earlier attempt, from which this one goes on, padded its batches: the rest of them are alike."""
    if checkpoints.latest(folder) is None:
        return False
    earlier = environment.read_environment(folder)
    return earlier is not None and not earlier.padding_free


def _is_padding_free(spec: RunSpec, model: Any, tokenizer: Any, chosen: device.Device) -> bool:
    from core.engines.padding_free import use  # which needs torch

    return spec.engine != "keras" and use.chosen(spec, model, tokenizer, chosen)
