"""Checks of what the command line is given, before anything is queued, so that bad input ends at once."""

from __future__ import annotations

import os
from pathlib import Path

from core.cli.input import exists, progress
from core.data.dataset import Prepared
from core.data.prepare import find_prepared, prepare
from core.errors import DataError, SpecError, TunedeckError
from core.evaluation.columns import fitting, trained_on
from core.evaluation.columns.trained_on import Training
from core.evaluation.specs import EvaluateSpec, PredictSpec, Subject
from core.runs import outlook as plan
from core.runs.environment import trained_data
from core.settings import Settings
from core.spec import engines as support
from core.spec.data import DataSpec
from core.spec.run import RunSpec
from core.store import final_tests
from core.store.store import Store


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
    fit = fitting.fit(spec.data, prepared, _training(spec.model, store, settings), labelled=True)
    _check_split(spec.split, opened(fit.applied(spec.data), settings))


def check_prediction(spec: PredictSpec, out: Path, store: Store, settings: Settings) -> None:
    """Raises DataError, ModelError, PathError, SpecError, TunedeckError for what would make the prediction fail."""
    if out.is_dir():
        raise TunedeckError.of(
            "output-is-folder", "{out!r} is a folder; give --out the name of a file in it", out=str(out)
        )
    if not out.parent.is_dir():
        raise TunedeckError.of(
            "output-folder-missing",
            "there is no folder {parent!r} to write {out} to; make it first",
            parent=str(out.parent),
            out=out.name,
        )
    if not os.access(out if out.exists() else out.parent, os.W_OK):
        raise TunedeckError.of(
            "output-not-writable", "{out!r} may not be written; give --out a file in a folder of yours", out=str(out)
        )
    if spec.data.source == "file" and exists(out) and out.samefile(spec.data.path):
        raise TunedeckError.of(
            "output-is-input",
            "{out!r} is the file that is read, which would be lost; give --out another name",
            out=str(out),
        )
    prepared = opened(spec.data, settings)
    if prepared is not None:
        fitting.fit(spec.data, prepared, _training(spec.model, store, settings), labelled=False)
        _check_split(spec.split, prepared)


def _training(subject: Subject, store: Store, settings: Settings) -> Training:
    if subject.run:
        return trained_on.training_of(store.run(subject.run), settings)
    return trained_on.known_training(subject, subject.name, store, settings)


def _check_split(split: str, prepared: Prepared | None) -> None:
    if split and prepared is not None and split not in prepared.splits:
        listed = ", ".join(prepared.splits)
        raise DataError.of(
            "no-such-split-listed",
            "{title} has no split {split!r}; its splits are {listed}",
            "split",
            title=prepared.title,
            split=split,
            listed=listed,
        )
