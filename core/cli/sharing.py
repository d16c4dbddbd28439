"""The commands that share a run: `export`, `import`, `publish`."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from core.cli.group import Command, Result
from core.cli.work import say, work_on
from core.errors import TunedeckError
from core.files import replace_folder
from core.settings import Settings
from core.sharing.bundles import zips
from core.sharing.bundles.bundle_format import MOST_FILES
from core.sharing.bundles.bundle_spec import BundleSpec, PublishSpec
from core.sharing.bundles.importing import import_bundle
from core.sharing.code.code_spec import CodeSpec
from core.sharing.model.export_spec import ExportSpec
from core.sharing.report.content import texts_are_public
from core.spec import run as specs
from core.spec.section import Section
from core.store.record import Run
from core.store.store import Store
from core.store.summaries import Packed
from core.wording import counted

FORMS = ("bundle", "code", "safetensors", "onnx", "onnx-int8", "keras")


def add(command: Command) -> None:
    """Give the command line these commands."""

    def texts(sub: argparse.ArgumentParser) -> None:
        group = sub.add_mutually_exclusive_group()
        group.add_argument("--texts", action="store_true", default=None, help="with the texts of the judged examples")
        group.add_argument("--no-texts", dest="texts", action="store_false", help="without them, as for files of yours")

    export = command("export", _export, "Write a run's bundle, code or model.")
    export.add_argument("run", metavar="RUN", help="the id of the run")
    export.add_argument("--to", required=True, metavar="DIR", help="the folder to write, or a file ending in .zip")
    export.add_argument("--form", choices=FORMS, default="bundle", help="what is written; bundle if not given")
    texts(export)
    bring = command("import", _import, "Take in a result bundle, read-only.")
    bring.add_argument("bundle", metavar="BUNDLE", help="a bundle: the zip, or its folder")
    publish = command("publish", _publish, "Make a folder to deploy that shows these runs.")
    publish.add_argument("runs", nargs="+", metavar="RUN", help="ids of runs")
    publish.add_argument("--to", required=True, metavar="DIR", help="the folder to write, or a file ending in .zip")
    publish.add_argument("--mode", choices=("viewer", "demo"), default="viewer", help="what visitors may do")
    texts(publish)


def _export(options: argparse.Namespace, store: Store, settings: Settings) -> Result:
    target = _target(options.to)
    run = store.run(options.run)
    with_texts = texts_are_public(_spec(run)) if options.texts is None else options.texts
    kind, spec = _asked(options.form, run, with_texts)
    run_id = store.submit(kind, f"Export of {run.name}", spec.model_dump(mode="json"))
    result, status = work_on(run_id, False, store, settings)
    summary = store.run(run_id).summary
    if status == 0:
        _deliver(settings.run_dir(run_id) / Packed.of(summary).file, target)
        summary_line = (
            f", {'with' if with_texts else 'without'} the texts of its examples" if kind in ("bundle", "code") else ""
        )
        say(f"{run.name} is in {target} as {options.form}{summary_line}.")
    return result | {"to": str(target), **summary}, status


def _asked(form: str, run: Run, with_texts: bool) -> tuple[str, Section]:
    """The kind of work that makes a form of a run, and its spec."""
    if form == "bundle":
        return "bundle", BundleSpec(run=run.id, attempt=run.attempt, texts=with_texts)
    if form == "code":
        return "code", CodeSpec(run=run.id, attempt=run.attempt, with_texts=with_texts)
    tree = {"model": {"run": run.id, "attempt": run.attempt}, "form": form.partition("-")[0], "int8": "-" in form}
    spec: ExportSpec = specs.build(tree, ExportSpec)
    return "export", spec


def _publish(options: argparse.Namespace, store: Store, settings: Settings) -> Result:
    target = _target(options.to)
    runs = [store.run(run_id) for run_id in options.runs]
    chosen = all(texts_are_public(_spec(run)) for run in runs) if options.texts is None else options.texts
    spec: PublishSpec = specs.build(
        {"runs": tuple(run.id for run in runs), "texts": chosen, "mode": options.mode}, PublishSpec
    )
    run_id = store.submit("publish", f"Publishing {counted(len(runs), 'run')}", spec.model_dump(mode="json"))
    result, status = work_on(run_id, False, store, settings)
    summary = store.run(run_id).summary
    if status == 0:
        _deliver(settings.run_dir(run_id) / Packed.of(summary).file, target)
        say(f"{target} is ready to be deployed; its README.md says how.")
    return result | {"to": str(target), **summary}, status


def _import(options: argparse.Namespace, store: Store, settings: Settings) -> Result:
    run = import_bundle(Path(options.bundle).expanduser(), store, settings)
    say(f"{run.name} is here as run {run.id}, read-only.")
    return {"run": run.id, "name": run.name, "status": run.status, "metrics": run.summary.get("metrics", {})}, 0


def _spec(run: Run) -> specs.RunSpec:
    if run.kind != "train":
        raise TunedeckError.of(
            "run-not-training",
            "run {id} is not a training but of the kind {kind!r}; give the id of a training run",
            id=run.id,
            kind=run.kind,
        )
    trained: specs.RunSpec = specs.build(run.spec)
    return trained


def _target(text: str) -> Path:
    """Where to write. Raises TunedeckError if something is there, or there is no folder to hold it."""
    target = Path(text).expanduser()
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise TunedeckError.of(
            "target-exists",
            "{target!r} is there already, and nothing is overwritten; give --to a new name",
            target=str(target),
        )
    if not target.parent.is_dir():
        raise TunedeckError.of(
            "target-folder-missing",
            "there is no folder {parent!r} to write {file} to; make it first",
            parent=str(target.parent),
            file=target.name,
        )
    return target


def _deliver(source: Path, target: Path) -> None:
    """A zip as it is, or what is in it."""
    if target.suffix == ".zip":
        with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as partial:
            pass
        shutil.copyfile(source, partial.name)
        Path(partial.name).replace(target)
        return
    with replace_folder(target) as partial_folder:
        zips.extract(source, zips.members(source, MOST_FILES * 10), partial_folder, 2**50)
