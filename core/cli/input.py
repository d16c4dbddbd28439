"""What the command line is given: read, and checked before anything is queued, so that bad input ends at once."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from core.cli.work import say
from core.data.dataset import Prepared
from core.data.prepare import find_prepared, prepare
from core.data.reading.files import DATA_SUFFIXES, base_suffix
from core.errors import DataError, HubError, ModelError, RunNotFound, SpecError, TunedeckError
from core.evaluation import columns
from core.evaluation.columns import Training
from core.evaluation.specs import EvaluateSpec, PredictSpec, Subject
from core.models import folder as model_folder
from core.models import names as models
from core.runs import outlook as plan
from core.runs.environment import trained_data
from core.settings import Settings, allowed_path
from core.spec import engines as support
from core.spec import run as specs
from core.spec.data import DataSpec
from core.spec.run import RunSpec
from core.store import files as results
from core.store import final_tests
from core.store.store import Store

PACKED = {".gz", ".zip", ".bz2", ".xz", ".tar", ".tgz", ".xlsx", ".arrow", ".feather"}


def read_spec(path: str, settings: Settings) -> specs.RunSpec:
    """A training's spec from a YAML file, or from standard input. Raises SpecError, TunedeckError."""
    if path == "-":
        return specs.from_yaml(sys.stdin.read(specs.MAX_SPEC_CHARACTERS + 1))
    file = allowed_path(settings, path)
    try:
        with file.open(encoding="utf-8-sig") as stream:
            return specs.from_yaml(stream.read(specs.MAX_SPEC_CHARACTERS + 1))
    except FileNotFoundError:
        raise TunedeckError(f"There is no file {path!r}; give the path of a YAML spec.") from None
    except (OSError, UnicodeDecodeError) as error:
        why = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise TunedeckError(f"{path!r} cannot be read as a spec: {why}.") from None


def read_card(path: str | None, settings: Settings) -> str:
    """The text of a card. Raises TunedeckError."""
    if path is None:
        return ""
    try:
        return allowed_path(settings, path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise TunedeckError(f"{path!r} cannot be read as a card: {why}; give a Markdown file") from None


def subject(model: str, store: Store, settings: Settings) -> dict[str, Any]:
    """What a person means by a model: a run's id, else a folder, else a Hub id. Raises ModelError, PathError."""
    try:
        run = store.run(model)
    except RunNotFound:
        pass
    else:
        if results.model_folder(settings.run_dir(run.id)) is None:
            raise ModelError(f"the run {run.name!r} left no model; choose one that has finished")
        return {"run": run.id, "attempt": run.attempt}
    if _is_path(model) or models.kind_of(model) == "folder":
        model_folder.check_folder(models.folder_of(model, settings), name=model)
        return {"name": str(Path(model).expanduser().absolute())}
    if models.kind_of(model) == "hub":
        say(f"There is no run {model!r} and no such folder, so it is taken for a model of the Hub.")
    return {"name": model}


def dataset(path: str, config: str | None, texts: list[str], label: str | None) -> dict[str, Any]:
    """What a person means by a dataset: the sample, a file or folder, else a Hub id. Raises DataError for a path to
    nothing.
    """
    place = Path(path).expanduser()
    if path == "sample":
        source, path = "sample", ""
    elif _exists(place):
        source, path = "file", str(place.absolute())
    elif _is_path(path):
        raise DataError(f"there is no file or folder {path!r}; check the spelling", "data.path")
    else:
        source = "hub"
        say(f"There is no file or folder {path!r}, so it is taken for a dataset of the Hub.")
    return {"source": source, "path": path, "config": config, "text_columns": texts, "label_column": label}


def _exists(place: Path) -> bool:
    try:
        return place.exists()
    except (OSError, ValueError):  # too long, or with a character that no path has
        return False


def _is_path(text: str) -> bool:
    """Whether what is not there can only be meant as a path: a Hub id has one slash at most, no data suffix, and no
    folder here by the name of its owner.
    """
    first, slash, _ = text.partition("/")
    return bool(
        models.PATH_START.match(text)
        or text.count("/") > 1
        or "\\" in text
        or base_suffix(Path(text)) in DATA_SUFFIXES
        or Path(text).suffix.lower() in PACKED
        or (slash and _exists(Path(first)))
    )


def progress() -> Any:
    """A progress callback that says each new phase."""
    shown = ""

    def told(text: str, share: float | None) -> None:
        nonlocal shown
        if text != shown:
            shown = text
            say(text)

    return told


def opened(data: DataSpec, settings: Settings) -> Prepared | None:
    """A dataset as its run will read it; None for one of the Hub that is not here yet, which the run fetches.

    Raises DataError, PathError.
    """
    return find_prepared(data, settings) if data.source == "hub" else prepare(data, settings, progress())


def check_training(spec: RunSpec, store: Store, settings: Settings) -> Prepared | None:
    """The dataset, as `opened` has it. Raises DataError, PathError, SpecError for what would make the run fail."""
    if problems := support.problems(spec, None):
        raise SpecError(problems)
    prepared = opened(spec.data, settings)
    if problems := plan.problems(spec, prepared, settings, final_tests.holdouts(store)):
        raise SpecError(problems)
    return prepared


def check_evaluation(spec: EvaluateSpec, store: Store, settings: Settings) -> None:
    """Raises DataError, ModelError, PathError, SpecError for what would make the evaluation fail."""
    if spec.data is None:
        trained = store.run(spec.model.run)
        data = trained_data(trained, settings)
        prepared = opened(data, settings.on_behalf_of(trained.owner))
        _check_split(spec.split, prepared)
        return
    prepared = opened(spec.data, settings)
    if prepared is None:
        return
    fit = columns.fit(spec.data, prepared, _training(spec.model, store, settings), labelled=True)
    _check_split(spec.split, opened(fit.applied(spec.data), settings))


def check_prediction(spec: PredictSpec, out: Path, store: Store, settings: Settings) -> None:
    """Raises DataError, ModelError, PathError, SpecError, TunedeckError for what would make the prediction fail."""
    if out.is_dir():
        raise TunedeckError(f"{str(out)!r} is a folder; give --out the name of a file in it")
    if not out.parent.is_dir():
        raise TunedeckError(f"there is no folder {str(out.parent)!r} to write {out.name} to; make it first")
    if not os.access(out if out.exists() else out.parent, os.W_OK):
        raise TunedeckError(f"{str(out)!r} may not be written; give --out a file in a folder of yours")
    if spec.data.source == "file" and _exists(out) and out.samefile(spec.data.path):
        raise TunedeckError(f"{str(out)!r} is the file that is read, which would be lost; give --out another name")
    prepared = opened(spec.data, settings)
    if prepared is not None:
        columns.fit(spec.data, prepared, _training(spec.model, store, settings), labelled=False)
        _check_split(spec.split, prepared)


def _training(subject: Subject, store: Store, settings: Settings) -> Training:
    if subject.run:
        return columns.training_of(store.run(subject.run), settings)
    return columns.known_training(subject, subject.name, store, settings)


def _check_split(split: str, prepared: Prepared | None) -> None:
    if split and prepared is not None and split not in prepared.splits:
        listed = ", ".join(prepared.splits)
        raise DataError(f"{prepared.title} has no split {split!r}; its splits are {listed}", "split")


def with_path(error: HubError, path: str) -> str:
    """What the Hub said of a dataset that may have been meant as a path."""
    return f"{str(error).rstrip('.')}; nor is there a file or folder {path!r} here"
