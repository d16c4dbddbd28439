"""An undisturbed run of an engine, and the same run stopped or killed somewhere, resumed until it is done."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow.parquet as pq
import torch

from core.evaluation.after_training import evaluate_run
from core.messages import Message
from core.runs import checkpoints
from core.spec.engines import ENGINES

Points = dict[tuple[int, str], float]


class Killed(BaseException):
    """What a kill is to the code that runs: the end, here and now."""


@dataclass(frozen=True)
class Stop:
    """Where an attempt ends.

    moment: of the attempt, counted from 1: the steps done, the evaluations begun or the files synced
    batches: of the evaluation that are still done; kill: whether it ends there and then, or is asked to stop
    """

    where: Literal["load", "training", "evaluation", "save"]
    moment: int = 1
    kill: bool = False
    batches: int = 0


@dataclass(frozen=True)
class Outcome:
    """What a run has come to. points: (step, name) → value, without what is measured of time"""

    points: Points
    best_step: int | None
    steps: int
    logits: np.ndarray

    def assert_same(self, other: Outcome, tolerance: float) -> None:
        assert self.points.keys() == other.points.keys(), self.points.keys() ^ other.points.keys()
        assert (self.best_step, self.steps) == (other.best_step, other.steps)
        for place, value in self.points.items():
            np.testing.assert_allclose(other.points[place], value, tolerance, tolerance, err_msg=str(place))
        np.testing.assert_allclose(other.logits, self.logits, tolerance, 10 * tolerance)


class Interrupted:
    """A reporter's wrapper that ends an attempt at a stop, by asking for it or by a kill."""

    def __init__(self, report: Any, stop: Stop | None) -> None:
        self.report, self.stop = report, stop
        self.evaluations = self.steps = self.asked = 0
        self.struck = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.report, name)

    def _strike(self) -> None:
        assert self.stop is not None
        self.struck = True
        if self.stop.kill:
            raise Killed
        self.report.stop_requested = True

    @property
    def stop_requested(self) -> bool:
        if self.stop is not None and self.stop.where == "evaluation" and self.evaluations == self.stop.moment:
            self.asked += 1
            if self.asked > self.stop.batches:
                self._strike()
        return bool(self.report.stop_requested)

    def phase(self, text: str | Message) -> None:
        self.report.phase(text)
        if str(text) == "Evaluating":
            self.evaluations += 1
            self.asked = 0
            stop = self.stop or Stop("load")
            if (stop.where, stop.moment, stop.batches) == ("evaluation", self.evaluations, 0):
                self._strike()

    def progress(self, step: int, total: int, epoch: float | None = None) -> None:
        self.report.progress(step, total, epoch)
        self.steps += 1
        if self.stop is not None and self.stop.where == "training" and self.steps == self.stop.moment + 1:
            self._strike()  # the first call says where the attempt begins


def run_with(stops: Iterable[Stop], prepare: Callable[[str], Any], monkeypatch: Any) -> Outcome:
    """A run whose first attempts end at `stops`, and whose last one is left in peace; all of one folder.

    prepare: makes what an engine's `train` is given, with a recorder, for the number of an attempt
    """
    points: Points = {}
    run_dir: Path | None = None
    for number, stop in enumerate([*stops, None]):
        setup = prepare(str(number))
        run_dir = run_dir or setup.run_dir
        begins = checkpoints.latest(run_dir)
        at = int(begins.name.rpartition("-")[2]) if begins else 0
        points = {place: value for place, value in points.items() if place[0] <= at}  # as Store.resume does
        for place, value in _logged(begins).items():  # as RunWriter.restore does
            points.setdefault(place, value)
        if stop is not None and stop.where == "load":
            continue  # nothing was begun
        report = Interrupted(setup.report, stop)
        with monkeypatch.context() as patch:
            if stop is not None and stop.where == "save":
                _strike_in_save(patch, stop, report)
            engine = importlib.import_module(ENGINES[setup.spec.engine])
            try:
                engine.train(setup.spec, setup.encoded, setup.model, run_dir, report, begins)
            except Killed:
                assert stop is not None and stop.kill
            assert report.struck == (stop is not None), stop
        for step, values in setup.report.points:
            points |= {(step, name): value for name, value in values.items() if not name.endswith("_per_second")}
    assert run_dir is not None
    evaluate_run(setup.spec, setup.encoded, setup.model, run_dir, setup.report)
    history = json.loads((run_dir / "history.json").read_text(encoding="utf-8"))
    logits = np.stack(pq.read_table(run_dir / "predictions.parquet").to_pandas()["logits"])
    return Outcome(points, history["best_step"], history["steps"], logits)


def _logged(checkpoint: Path | None) -> Points:
    if checkpoint is None:
        return {}
    log = json.loads((checkpoint / checkpoints.RECORD).read_text(encoding="utf-8"))["log"]
    values = {(entry["step"], name): value for entry in log for name, value in entry.items()}
    return {place: v for place, v in values.items() if place[1] not in ("step", "epoch") and "_per_s" not in place[1]}


def _strike_in_save(patch: Any, stop: Stop, report: Interrupted) -> None:
    """At the n-th file that is synced: in the middle of a checkpoint, where a kill leaves a half-made one."""
    from core import files

    sync, count = files.sync, 0

    def strike(path: Path) -> None:
        nonlocal count
        count += 1
        if count == stop.moment:
            report._strike()
        sync(path)

    patch.setattr(files, "sync", strike)


def draw_something() -> None:
    """What happens between two attempts must not matter."""
    torch.rand(7)
    np.random.rand(7)
