"""Pushes a run's model with its card, or a dataset, to the Hub. Only a worker imports this module.

spec ── outgoing files (outgoing, outgoing_data) ──► upload: repository, large files, one commit
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import ModelError
from core.hub.errors import token
from core.runs.environment import trained_data
from core.settings import Settings
from core.sharing import redact
from core.sharing.hub import outgoing, outgoing_data
from core.sharing.hub.hub_account import whoami
from core.sharing.hub.outgoing import Outgoing
from core.sharing.hub.push_errors import no_token, read_only
from core.sharing.hub.push_spec import PushSpec
from core.sharing.hub.upload import Target, upload
from core.sharing.report import card
from core.spec.data import DataSpec
from core.store import files as results
from core.store import final_tests
from core.store.summaries import Pushed
from core.tasks.contract import task_of_record

if TYPE_CHECKING:
    from core.runs.writer import RunWriter
    from core.store.record import Run


def push(spec: PushSpec, run: Run, settings: Settings, report: RunWriter) -> Pushed:
    """Push and return a summary. The token appears in no message, file or event.

    Raises DataError, HubError, ModelError, RunNotFound, SpecError.
    """
    if token() is None:
        raise no_token()
    report.phase("Asking the Hub who you are")
    account = whoami()
    if not account.may_write:
        raise read_only(account.name)
    folder = settings.run_dir(run.id) / "outgoing"
    try:
        if spec.what == "model":
            files = _model(spec, settings, report)
        else:
            files = _dataset(spec, folder, settings, report)
        message = redact.clean(spec.message, settings)
        target = Target(spec.what, spec.repo_id, spec.private, spec.branch, message, spec.update)
        return upload(target, files, account, report)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _model(spec: PushSpec, settings: Settings, report: RunWriter) -> list[Outgoing]:
    trained = report.store.run(spec.run)
    if spec.attempt and trained.attempt != spec.attempt:
        raise ModelError.of(
            "pushed-model-is-new", "the run was resumed and has a new model; check it and its card, then push again"
        )
    folder = results.model_folder(settings.run_dir(trained.id))
    if folder is None:
        raise ModelError.of(
            "no-model-to-push", "run {run} has no model to push; wait until it has finished", run=trained.id
        )
    text = spec.card or card.outgoing(report.store, settings, trained, spec.repo_id)
    return outgoing.of_model(folder, text, settings)


def _dataset(spec: PushSpec, folder: Path, settings: Settings, report: RunWriter) -> list[Outgoing]:
    from core.data.loading.eval_split import set_aside
    from core.data.prepare import prepare

    data = data_of(spec, settings, report)
    report.phase("Opening the dataset")
    prepared = prepare(data, settings, report.fraction)
    texts = tuple(data.text_columns or prepared.text_guess)
    report.phase("Looking for final tests")
    aside = set_aside(prepared, texts, final_tests.holdouts(report.store))
    splits = outgoing_data.choose_splits(prepared, spec.splits, aside, final_tests=spec.final_tests)
    for name in sorted(aside - set(splits)):
        report.message(
            f"The split {name} is set aside as a final test and is not pushed.",
            code="final-test-not-pushed",
            split=name,
        )
    columns = outgoing_data.choose_columns(prepared, spec.columns, texts, data.label_column or prepared.label_guess)
    task = task_of_record(report.store.run(spec.run).spec if spec.run else {}).facts
    return outgoing_data.dataset_files(
        prepared, splits, columns, spec, folder, settings, task.PIPELINE, report.fraction
    )


def data_of(spec: PushSpec, settings: Settings, report: RunWriter) -> DataSpec:
    return spec.data if spec.data is not None else trained_data(report.store.run(spec.run), settings)
