"""Exports a model as one zip: for Transformers (safetensors), for onnxruntime (ONNX), or for Keras.

    model ── convert ── compare with torch on real texts ── pack with tokenizer, labels and instructions

A converted file whose predictions differ from the model's is deleted. The zip lies in the folder of the export's run.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import ModelError
from core.evaluation.specs import Subject, task_of_subject
from core.files import finite
from core.runs.environment import versions
from core.settings import Settings, allowed_path
from core.sharing.bundles import zips
from core.sharing.model import model_files, usage
from core.sharing.model.export_spec import ExportSpec
from core.sharing.redact import clean
from core.store.summaries import Exported
from core.tasks.contract import Task

if TYPE_CHECKING:
    from core.evaluation.trained_model import TrainedModel
    from core.runs.writer import RunWriter
    from core.store.record import Run
    from core.store.store import Store

KIND, CHECK, KERAS_FILE = "export", "check.json", "model.keras"
CHECKED, MEASURED = 500, 2000
SCRATCH = "making-"
Files = dict[str, Path | str]  # name -> the file itself, or its text
PACKAGES = ("torch", "transformers", "tokenizers", "onnx", "onnxruntime", "keras", "keras-hub")
TITLES = {"safetensors": "Safetensors", "onnx": "ONNX", "keras": "Keras"}


def export(spec: ExportSpec, run: Run, settings: Settings, report: RunWriter) -> Exported:
    """Write the zip into the run's folder and delete those of earlier runs with the same spec.

    Returns the summary: the zip's name and size, and the results of the comparison. Raises HubError, ModelError,
    PathError, RunNotFound.
    """
    from core.evaluation.trained_model import find_subject

    task = task_of_subject(spec.model, report.store)
    if spec.form != "safetensors" and "onnx" not in task.facts.OFFERS:
        raise ModelError.of(
            "task-without-form",
            "a model of the task {task!r} has no {form} form; choose safetensors",
            task=task.facts.TITLE,
            form=TITLES[spec.form],
        )
    source, max_length, title = find_subject(spec.model, settings, report.fraction)
    _check_inside(source, spec.model, settings)
    files = model_files.model_files(source, settings, foreign=not spec.model.run)
    public_title = str(clean(title if spec.model.run else model_files.folder_name(Path(title).name), settings))
    name = f"{model_files.folder_name(public_title)}-{spec.form}{'-int8' if spec.int8 else ''}"
    target = settings.run_dir(run.id) / f"{name}.zip"
    with tempfile.TemporaryDirectory(dir=settings.run_dir(run.id), prefix=SCRATCH) as held:
        folder = Path(held) / name
        folder.mkdir()
        if spec.form == "safetensors":
            contents, results = _safetensors(source, files, folder.name, public_title, settings, task)
        else:
            from core.evaluation.trained_model import TrainedModel

            report.phase("Loading the model")
            model = TrainedModel(source, max_length, title, device="cpu", task=task.name)
            make = _onnx if spec.form == "onnx" else _keras
            contents, results = make(spec, model, folder, public_title, settings, report)
        report.phase("Packing")
        inside = {f"{name}/{file}": content for file, content in contents.items()}
        zips.write(inside, target, lambda share: report.fraction("Packing", share))
    forget_older(spec, run, settings, report.store)
    return Exported.model_validate(results | {"file": target.name, "bytes": target.stat().st_size})


def _check_inside(source: Path, subject: Subject, settings: Settings) -> None:
    """Raise PathError for a link in a model folder that leads to files that this mode may not read."""
    from core.models.names import kind_of

    if subject.name and kind_of(subject.name) == "folder":
        for path in source.iterdir():
            allowed_path(settings, str(path))


def _safetensors(
    source: Path, files: Files, name: str, title: str, settings: Settings, task: Task
) -> tuple[Files, dict[str, Any]]:
    from core.store.files import read_temperature

    temperature = read_temperature(source)
    labels = _labels(json.loads(str(files["config.json"]))) if task.facts.PIPELINE else []
    return files | _card(source, settings) | {
        usage.README: usage.safetensors_readme(title, name, labels, temperature, task)
    }, {"temperature": temperature}


def _card(source: Path, settings: Settings) -> Files:
    """The model's own card as a file, if it has one."""
    path = source / model_files.CARD
    if path.is_symlink() or not path.is_file():
        return {}
    return {path.name: str(clean(path.read_text("utf-8", "replace"), settings))}


def _labels(config: dict[str, Any]) -> list[str]:
    named = config.get("id2label")
    return [str(named[key]) for key in sorted(named, key=int)] if isinstance(named, dict) else []


def _onnx(
    spec: ExportSpec, model: TrainedModel, folder: Path, title: str, settings: Settings, report: RunWriter
) -> tuple[Files, dict[str, Any]]:
    from core.evaluation.fast import onnx_file
    from core.sharing.model import inputs, onnx_model

    onnx_model.check_kind(model)
    report.phase("Loading the data")
    texts = inputs.gather(spec.model, model.names, MEASURED if spec.int8 else CHECKED, settings, report)
    report.check_stop()
    onnx_model.write_tokenizer(model, folder / onnx_model.TOKENIZER)
    report.phase("Asking the model")
    reference = onnx_model.reference(model, texts, CHECKED, report.fraction)
    report.phase("Converting; this takes half a minute or more")
    onnx_model.write(model, folder)
    report.check_stop()
    report.phase("Comparing with torch")
    results: dict[str, Any] = {"against_torch": onnx_model.check(model, folder, texts, reference, report.fraction)}
    whole = onnx_model.Runtime(folder)
    runtimes = {"onnx": whole}
    if spec.int8:
        weights = onnx_file.bytes_of(folder)
        batches = onnx_model.like_batches(texts.texts)
        before = whole.probabilities(texts.texts, batches, report.fraction)
        report.phase("Making weights of 8 bits")
        onnx_model.quantise(folder, title)
        runtimes["int8"] = small = onnx_model.Runtime(folder)
        after = small.probabilities(texts.texts, batches, report.fraction)
        results["int8"] = onnx_model.cost(before, after, texts) | {
            "bytes": onnx_file.bytes_of(folder),
            "fp32_bytes": weights,
        }
    results["speed"] = onnx_model.speed(model, runtimes, texts, report.fraction)
    names = clean(list(model.names), settings)
    return _files(folder) | {
        usage.PREDICT: usage.ONNX_PROGRAM,
        usage.LABELS: json.dumps(names, ensure_ascii=False, indent=1),
        usage.README: usage.onnx_readme(title, names, model.temperature, spec.int8),
        CHECK: _check_text(results, {"opset": onnx_file.OPSET, "temperature": model.temperature}),
    }, results | {"temperature": model.temperature}


def _keras(
    spec: ExportSpec, model: TrainedModel, folder: Path, title: str, settings: Settings, report: RunWriter
) -> tuple[Files, dict[str, Any]]:
    file = keras_file(settings.run_dir(spec.model.run))
    if file is None:
        raise ModelError.of(
            "no-keras-file",
            "{model} has no Keras file, because Keras did not train it; choose safetensors or ONNX",
            model=title,
        )
    report.phase("Loading the data")
    from core.sharing.model import inputs, keras_model, onnx_model

    texts = inputs.gather(spec.model, model.names, CHECKED, settings, report)
    tokenizer = folder / onnx_model.TOKENIZER
    onnx_model.write_tokenizer(model, tokenizer)
    report.phase("Comparing with torch")
    results = {"against_torch": keras_model.check(model, file, tokenizer, texts, CHECKED, report.fraction)}
    names = clean(list(model.names), settings)
    labels_file = {"labels": names, "temperature": model.temperature}
    return model_files.tokenizer_files(model.folder, settings) | _files(folder) | {
        KERAS_FILE: file,
        usage.PREDICT: usage.KERAS_PROGRAM,
        usage.LABELS: json.dumps(labels_file, ensure_ascii=False, indent=1),
        usage.README: usage.keras_readme(title, names, versions()),
        CHECK: _check_text(results, {"temperature": model.temperature}),
    }, results | {"temperature": model.temperature}


def keras_file(folder: Path) -> Path | None:
    """The Keras file in a training run's folder; None unless Keras trained the run."""
    path = folder / KERAS_FILE
    return path if path.is_file() else None


def _files(folder: Path) -> Files:
    return {path.name: path for path in folder.iterdir() if path.is_file()}


def _check_text(results: dict[str, Any], more: dict[str, Any]) -> str:
    used = {name: metadata.version(name) for name in PACKAGES}
    return json.dumps(finite(results | more | {"versions": used}), ensure_ascii=False, indent=1)


def zip_of(run: Run, settings: Settings) -> Path | None:
    """The zip of a finished export; None if it no longer exists."""
    path = settings.run_dir(run.id) / Path(Exported.of(run.summary).file).name
    return path if path.is_file() else None


def forget_older(spec: ExportSpec, run: Run, settings: Settings, store: Store) -> None:
    """Delete the zips of earlier runs with the same spec, and temporary folders of killed workers."""
    tree = spec.model_dump(mode="json")
    for old in store.runs(kind=KIND, limit=500):
        if old.id == run.id or old.spec != tree or not old.is_final:
            continue
        for path in settings.run_dir(old.id).glob("*"):
            if path.suffix == ".zip":
                path.unlink(missing_ok=True)
            elif path.name.startswith(SCRATCH):
                shutil.rmtree(path, ignore_errors=True)
