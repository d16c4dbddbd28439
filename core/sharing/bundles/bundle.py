"""The result bundle of a run: all that the result pages read, as a zip that can be imported, checked and published.

What it is made of stands in `bundle_format`. Everything goes through `private`: no secret, no path, no log, and texts
of the dataset only if they were asked for.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from core.data.prepare import find_prepared
from core.errors import ModelError, SpecError
from core.evaluation.results import TYPES, read_evaluation
from core.evaluation.results import read as read_result
from core.files import finite, write_text
from core.runs import kinds
from core.runs.environment import Environment
from core.sharing import redact
from core.sharing.bundles import examples_file, zips
from core.sharing.bundles.bundle_format import FILES, MANIFEST, MOST_ERROR, FileEntry, Manifest, Record
from core.sharing.bundles.bundle_shapes import RESULTS
from core.sharing.bundles.bundle_spec import BundleSpec
from core.sharing.report import card
from core.sharing.report import report as reports
from core.sharing.report.content import gather, gather_for_card, without_values
from core.spec import run as specs
from core.spec.data import DataSpec
from core.spec.run import RunSpec
from core.store.json_models import Result
from core.store.summaries import Bundled
from core.tasks.evaluations import Evaluation, Robustness

if TYPE_CHECKING:
    from core.runs.writer import RunWriter
    from core.settings import Settings
    from core.store.record import Run
    from core.store.store import Store

NAME = "bundle.zip"
TUNEDECK = "0.1.0"
KEPT_EVENTS = ("state", "message", "checkpoint")


def bundle(spec: BundleSpec, run: Run, settings: Settings, report: RunWriter) -> Bundled:
    """Leaves bundle.zip in the run's folder. Raises RunNotFound, ModelError."""
    trained = report.store.run(spec.run)
    with tempfile.TemporaryDirectory(dir=settings.run_dir(run.id)) as temporary:
        folder = Path(temporary)
        contents = build(trained, spec.texts, report.store, settings, folder, report)
        report.phase("Packing")
        path = settings.run_dir(run.id) / NAME
        zips.pack(folder, path, report.check_stop)
    evaluations = sum(r.kind == "evaluate" for r in contents.runs)
    return Bundled(
        file=NAME, bytes=path.stat().st_size, texts=contents.texts, title=trained.name, evaluations=evaluations
    )


def build(trained: Run, texts: bool, store: Store, settings: Settings, folder: Path, report: RunWriter) -> Manifest:
    """Fill `folder` with the bundle of a training run. Raises ModelError if there is nothing to show of it."""
    if trained.kind != "train" or not trained.is_final:
        raise ModelError.of(
            "run-not-shareable", "run {run} is no training run that has ended; share one when it has", run=trained.id
        )
    report.phase("Gathering the run")
    runs = [trained, *related(trained, store)]
    for run in runs:
        place = folder / "runs" / run.id
        place.mkdir(parents=True)
        _copy(run, settings.run_dir(run.id), place, texts, settings)
        report.check_stop()
    _measured(trained, store, settings, folder / "runs" / trained.id)
    _for_people(trained, texts, store, settings, folder)
    if texts:
        report.phase("Adding the texts")
        for run in runs:
            if run.kind == "evaluate" and run.imported is None:
                _with_texts(run, settings, folder / "runs" / run.id, report)
    manifest = Manifest(
        tunedeck=TUNEDECK,
        created=trained.ended or trained.created,
        texts=texts,
        runs=tuple(_record(run, settings) for run in runs),
        files=_checksums(folder),
    )
    write_text(folder / MANIFEST, manifest.model_dump_json(indent=1))
    return manifest


def _for_people(trained: Run, texts: bool, store: Store, settings: Settings, folder: Path) -> None:
    """The report and the card, so that the bundle says what it is wherever it is opened."""
    content = gather(store, settings, trained, texts)
    write_text(folder / "report.html", reports.html(content))
    write_text(folder / "report.md", reports.markdown(content))
    try:
        text = card.outgoing(store, settings, trained)
    except SpecError:  # one that was edited and that the Hub would not take
        text = card.card(gather_for_card(store, settings, trained))
    write_text(folder / "README.md", text)


def related(trained: Run, store: Store) -> list[Run]:
    """The finished evaluations of a run's model as it is now, and the comparisons that such an evaluation is part of.

    Of equal ones the newest.
    """
    runs: dict[str, Run] = {}
    for run in store.runs(kind="evaluate", statuses=("finished",)):
        subject = run.spec.get("model", {})
        if subject.get("run") == trained.id and subject.get("attempt") == trained.attempt:
            runs.setdefault(json.dumps(run.spec, sort_keys=True), run)
    evaluations = {run.id for run in runs.values()}
    for run in store.runs(kind="compare", statuses=("finished",)):
        if evaluations & set(run.spec.get("evaluations", ())):
            runs.setdefault(json.dumps(run.spec, sort_keys=True), run)
    return list(runs.values())


def _record(run: Run, settings: Settings) -> Record:
    shared = {f: getattr(run, f) for f in Record.model_fields}
    public = redact.public(finite(shared), settings)
    return Record.model_validate(public | {"error": public["error"] and public["error"][:MOST_ERROR]})


def _copy(run: Run, source: Path, place: Path, texts: bool, settings: Settings) -> None:
    """The files of one run that are to be read, cleaned."""
    for name in FILES[run.kind]:
        path = source / name
        if not path.is_file():
            continue
        if name.endswith(".parquet"):
            if name == "predictions.parquet" or (name == examples_file.NAME and texts):  # the latter came in a bundle
                shutil.copyfile(path, place / name)
        elif name == "spec.yaml":
            spec = redact.public_spec(cast(RunSpec, specs.build(run.spec)), settings)
            write_text(place / name, specs.to_yaml(spec))
        else:
            result = read_result(source, name) if name in TYPES else RESULTS[name].load(path)
            if result is None:
                raise ModelError.of(
                    "shared-file-damaged",
                    "the {file} of “{run}” is damaged, so it cannot be shared; make it anew first",
                    file=name,
                    run=run.name,
                )
            if isinstance(result, Environment):
                result = _without_way(result)
            public = result if texts else _without_texts(result)
            write_text(place / name, json.dumps(redact.public(public.tree(), settings), ensure_ascii=False))


def _without_way(environment: Environment) -> Environment:
    """The dataset's title without the folders above it."""
    dataset = environment.dataset.model_copy(update={"title": Path(environment.dataset.title).name})
    return environment.model_copy(update={"dataset": dataset})


def _without_texts(result: Result) -> Result:
    """A result without what quotes the dataset: disturbed texts, and groups by the values of other columns."""
    if isinstance(result, Robustness):
        kinds = tuple(kind.model_copy(update={"examples": ()}) for kind in result.kinds)
        return result.model_copy(update={"kinds": kinds})
    return without_values(result) if isinstance(result, Evaluation) else result


def _measured(trained: Run, store: Store, settings: Settings, place: Path) -> None:
    """metrics.parquet and events.json of the training."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    metrics, cursor = [], 0
    while some := store.metrics_since(trained.id, cursor):
        metrics += some
        cursor = some[-1].id
    schema = pa.schema(
        [
            ("name", pa.string()),
            ("step", pa.int64()),
            ("epoch", pa.float64()),
            ("time", pa.float64()),
            ("value", pa.float64()),
        ]
    )
    columns = {name: [getattr(metric, name) for metric in metrics] for name in schema.names}
    pq.write_table(pa.table(columns, schema=schema), place / "metrics.parquet")
    events, cursor = [], 0
    while more := store.events_since(trained.id, cursor):
        events += [e for e in more if e.kind in KEPT_EVENTS]
        cursor = more[-1].id
    entries = [{"time": e.time, "kind": e.kind, "payload": e.payload} for e in events]
    write_text(place / "events.json", json.dumps(redact.clean(entries, settings), ensure_ascii=False))


def _with_texts(run: Run, settings: Settings, place: Path, report: RunWriter) -> None:
    """examples.parquet: the texts of the judged rows, if their dataset is still here as it was."""
    evaluation = read_evaluation(settings.run_dir(run.id))
    assert evaluation is not None, "it was copied a moment ago"
    try:
        prepared = find_prepared(specs.build(evaluation.data, DataSpec), settings)
    except SpecError:
        prepared = None
    if prepared is None or prepared.fingerprint != evaluation.dataset.fingerprint:
        report.message(
            f"The dataset of “{run.name}” is gone or has changed, so the bundle does not include its texts.",
            level="notice",
            code="texts-left-out",
            run=run.name,
        )
        return
    predictions = place / "predictions.parquet"
    examples_file.write(place / examples_file.NAME, predictions, prepared, evaluation.split, evaluation.text_columns)


def _checksums(folder: Path) -> dict[str, FileEntry]:
    checksums = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        checksums[path.relative_to(folder).as_posix()] = FileEntry(sha256=digest, bytes=path.stat().st_size)
    return checksums


def specs_of(records: Sequence[Record]) -> None:
    """Raises SpecError if one of the records has a spec that no run could have."""
    for record in records:
        kinds.check(record.kind, record.spec)


def as_run(record: Record, owner: str, imported: dict[str, Any]) -> Run:
    """A record of a bundle as a run of this home."""
    from core.store.record import Run

    nowhere = {f.name: None for f in dataclasses.fields(Run)}
    counted = {"token": 0, "beats": 0, "phase": ""}
    fields = record.model_dump() | {"summary": record.summary.model_dump(exclude_none=True)}
    return Run(**{**nowhere, **counted, **fields, "owner": owner, "imported": imported})
