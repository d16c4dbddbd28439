"""Stopped or killed anywhere and resumed, a run comes to what it would have come to in peace.

The same curve, the same best model, the same answers; `python -m benchmarks.stops` tries random places of real runs.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.runs import checkpoints
from core.spec.engines import ENGINES
from tests.learning.stops import Outcome, Stop, draw_something, run_with

KINDS = ("trainer", "torch", "keras-tf_data")
# With dropout, accumulated batches, and a checkpoint where neither a point of the curve nor an evaluation falls.
SETTINGS: dict[str, Any] = {
    "training__gradient_accumulation_steps": 2, "training__logging_steps": 3, "training__save_strategy": "steps",
    "training__save_steps": 4, "training__eval_strategy": "steps", "training__eval_steps": 5,
    "training__num_train_epochs": 2, "training__weight_decay": 0.01, "training__learning_rate": 1e-2,
    "training__per_device_eval_batch_size": 4, "evaluation__metric_for_best_model": "accuracy",
}  # fmt: skip


@pytest.fixture
def attempts(prepare: Any, new_recorder: Any, make_loaded: Any) -> Callable[..., Callable[[str], Any]]:
    """For an engine: what prepares each attempt of one run."""

    def of(kind: str, folder: str = "run", **changes: Any) -> Callable[[str], Any]:
        engine, _, keras_input = kind.partition("-")
        settings = SETTINGS | {"engine": engine} | ({"keras_input": keras_input} if keras_input else {}) | changes

        def make(attempt: str) -> Any:
            draw_something()
            return prepare(loaded=make_loaded(96, 24), report=new_recorder(), folder=f"{folder}-{attempt}", **settings)

        return make

    return of


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, Outcome]:
    """Filled by the first test of each engine."""
    return {}


PLACES: dict[str, list[Stop]] = {
    "while the first evaluation runs": [Stop("evaluation", 1, batches=2)],
    "at the step of an evaluation": [Stop("training", 5)],
    "before the first checkpoint, in load, and in the evaluation that is made up": [
        Stop("training", 2, kill=True),
        Stop("training", 5),
        Stop("load"),
        Stop("evaluation", 1, batches=1),
        Stop("training", 1),
    ],
    "between two points of the curve, then killed in an evaluation and in a checkpoint": [
        Stop("training", 7),
        Stop("evaluation", 1, kill=True),
        Stop("save", 2, kill=True),
    ],
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_resumed_run_comes_to_the_same(
    kind: str, place: str, attempts: Any, undisturbed: dict[str, Outcome], monkeypatch: Any
) -> None:
    if kind not in undisturbed:
        undisturbed[kind] = run_with([], attempts(kind, "whole"), monkeypatch)
    whole = undisturbed[kind]
    assert {5, 10} <= {step for step, name in whole.points if name == "eval_loss"}
    resumed = run_with(PLACES[place], attempts(kind), monkeypatch)
    whole.assert_same(resumed, 1e-3 if kind.startswith("keras") else 1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_an_evaluation_that_is_made_up_can_end_the_run(kind: str, attempts: Any, monkeypatch: Any) -> None:
    """Early stopping: nothing more is learned once the evaluation that was cut off says that it is enough."""
    changes = {"training__learning_rate": 1e-9, "evaluation__early_stopping_patience": 1}
    whole = run_with([], attempts(kind, "whole", **changes), monkeypatch)
    assert whole.steps == 10
    resumed = run_with([Stop("evaluation", 2, batches=1)], attempts(kind, **changes), monkeypatch)
    whole.assert_same(resumed, 1e-3 if kind.startswith("keras") else 1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_checkpoint_is_passed_over(kind: str, attempts: Any, monkeypatch: Any) -> None:
    """A power cut can leave one with files of the wrong size: the one before it is gone on from."""
    prepare = attempts(kind, training__save_total_limit=3)
    first = prepare("0")
    first.report.stop_at = 9
    engine = importlib.import_module(ENGINES[first.spec.engine])
    engine.train(first.spec, first.encoded, first.model, first.run_dir, first.report)
    steps = checkpoints.steps(first.run_dir)
    assert steps[-1] == 9 and len(steps) == 3
    for file in checkpoints.path_of(first.run_dir, 9).iterdir():
        if file.suffix in (".safetensors", ".npz"):
            _cut(file)
    assert checkpoints.latest(first.run_dir) == checkpoints.path_of(first.run_dir, steps[1])
    (checkpoints.path_of(first.run_dir, steps[1]) / checkpoints.RECORD).write_bytes(b"\0" * 100)
    assert checkpoints.latest(first.run_dir) == checkpoints.path_of(first.run_dir, steps[0])


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:100])
