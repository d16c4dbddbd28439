"""Where a model's 8-bit file and its certificate are kept, and whether they are still of this model.

Of a run: in its folder, so that they go with it. Of a model made elsewhere: in the folder of the run that measured it.
Light to import: pages ask here what a model's fast answers cost.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterable
from pathlib import Path

from core import seals
from core.data.prepare import find_prepared
from core.errors import ModelError
from core.evaluation.specs import Answers, CertifySpec, EvaluateSpec, Subject
from core.models import names as models
from core.runs.environment import trained_data
from core.settings import Settings
from core.spec.data import DataSpec
from core.spec.run import build
from core.store.certificate import LIMIT, Certificate
from core.store.files import CALIBRATION
from core.store.record import Run
from core.store.store import Store
from core.wording import metric_words

KIND, FOLDER, CERTIFICATE, FILE = "certify", "fast", "certificate.json", "model.onnx"
RECIPE = 1  # of the 8-bit file: raised when it comes to be made in another way
PACKAGES = ("onnx", "onnxscript", "onnxruntime")
SEARCHED = 500  # runs that measured a model
SUFFIXES = (".safetensors", ".json", ".txt", ".model")


def find(subject: Subject, settings: Settings, store: Store) -> tuple[Path, Certificate] | None:
    """The folder of a model's 8-bit file, and what its answers cost.

    It is this model as far as names, sizes and times of its files tell. None where nothing was measured, or another
    model, or on other data. Raises ModelError, PathError, RunNotFound.
    """
    if subject.run:
        trained = store.run(subject.run)
        place, data = settings.run_dir(trained.id) / FOLDER, trained_data(trained, settings)
        model: Path | None = settings.run_dir(trained.id) / "model"
        theirs = settings.on_behalf_of(trained.owner)
    else:
        run = _measuring(subject, settings, store)
        if run is None:
            return None
        place, data = settings.run_dir(run.id) / FOLDER, build(run.spec["data"], DataSpec)
        model = models.known_folder(subject.name, subject.revision, settings)
        theirs = settings.on_behalf_of(run.owner)
    certificate = Certificate.load(place / CERTIFICATE)
    if certificate is None or certificate.recipe != RECIPE or not (place / FILE).is_file():
        return None
    if model is None or not model.is_dir():
        return None
    if certificate.seen != seen(model) or certificate.longest != subject.max_length:
        return None
    prepared = find_prepared(data, theirs)
    if prepared is not None and certificate.kind == "validation" and prepared.fingerprint != certificate.data:
        return None
    return place, certificate


def _measuring(subject: Subject, settings: Settings, store: Store) -> Run | None:
    """The newest run in which this person measured a model made elsewhere; the examples are nobody else's."""
    runs = store.runs(kind=KIND, statuses=("finished",), limit=SEARCHED)
    own = (run for run in runs if settings.mode == "local" or run.owner == settings.person.id)
    return next((run for run in own if build(run.spec, CertifySpec).model == subject), None)


def measuring(subject: Subject, title: str, store: Store) -> CertifySpec:
    """The work that measures a model: a run's on its own examples, any other on those that it was last evaluated on.

    Raises ModelError where there are none.
    """
    if subject.run:
        return CertifySpec(model=subject)
    for run in store.runs(kind="evaluate", statuses=("finished",), limit=SEARCHED):
        judged: EvaluateSpec = build(run.spec, EvaluateSpec)
        if judged.model == subject and judged.data is not None:
            return CertifySpec(model=subject, data=judged.data, split=judged.split)
    raise ModelError.of(
        "fast-needs-examples",
        "what fast answers cost is measured on labelled examples, and {model} was not trained here; evaluate it once, "
        "then ask again",
        model=title,
    )


def check(kept: Certificate | None, answers: Answers, title: str) -> None:
    """Raise ModelError unless a model may answer in this way. title: what the model is called"""
    if answers == "exact":
        return
    if kept is None:
        raise ModelError.of(
            "fast-not-measured",
            "what fast answers cost {model} has not been measured, or the model or its examples have changed since; "
            "measure it first, or use exact answers",
            model=title,
        )
    if kept.grant == "refused":
        raise ModelError.of(
            "fast-refused",
            "fast answers of {model} lose {lost:.2f} points of {metric}, and at most {most:g} are allowed; use exact "
            "answers",
            model=title,
            lost=100 * kept.loss.value,
            metric=metric_words(kept.metric),
            most=100 * LIMIT,
        )
    if kept.grant == "unproven" and answers != "fast_unproven":
        raise ModelError.of(
            "fast-unproven",
            "fast answers of {model} may lose up to {lost:.2f} points of {metric}, and at most {most:g} are allowed: "
            "{examples:example is|examples are} too few to tell; use exact answers, or agree to fast_unproven",
            model=title,
            lost=100 * kept.loss.high,
            metric=metric_words(kept.metric),
            most=100 * LIMIT,
            examples=kept.examples,
        )


def missing_packages() -> list[str]:
    """The packages that fast answers need and that are not installed."""
    return [name for name in PACKAGES if importlib.util.find_spec(name) is None]


def check_packages() -> None:
    """Raise ModelError unless all packages are there that fast answers need."""
    if missing := missing_packages():
        raise ModelError.of(
            "fast-packages-missing",
            "fast answers need packages that are not installed: {packages}; run `make setup`, or use exact answers",
            packages=missing,
        )


def seen(model: Path) -> str:
    """A digest of the names, sizes and times of a model's files."""
    states = ((path.name, path.stat()) for path in _files(model))
    return _digest(f"{name}:{state.st_size}:{state.st_mtime_ns}" for name, state in states)


def weights(model: Path) -> str:
    """A digest of a model's files: what they hold."""
    return contents(_files(model))


def contents(paths: Iterable[Path]) -> str:
    """A digest of what files hold, and of their names."""
    return _digest(f"{path.name}:{seals.checksum(path)}" for path in paths)


def _digest(lines: Iterable[str]) -> str:
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()


def _files(model: Path) -> list[Path]:
    """What an answer depends on: weights, config and tokenizer. Not the temperature, which comes after."""
    return sorted(path for path in model.iterdir() if path.suffix in SUFFIXES and path.name != CALIBRATION)
