"""A budget of time: measured on the run's own batches, which teach nothing, and settled as a plain number of epochs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from core.engines import automatic, calibration
from core.runs.device import choose
from core.spec import run as specs
from core.spec.budget.fitting import TOO_SHORT
from core.spec.budget.pace import Pace

BUDGET, EPOCHS = "training.budget_minutes", "training.num_train_epochs"


def settled(setup: Any) -> Any:
    device = choose(setup.spec.execution)
    return automatic.settle_rest(setup.spec, setup.encoded, setup.model, device, setup.report)


@pytest.mark.parametrize("layers", [None, 0])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_measuring_teaches_nothing(prepare: Callable[..., Any], precision: str, layers: int | None) -> None:
    setup = prepare(training__budget_minutes=1, training__trainable_layers=layers, execution__precision=precision)
    before = {name: tensor.clone() for name, tensor in setup.model.state_dict().items()}
    pace = calibration.measure(setup.spec, setup.encoded, setup.model, choose(setup.spec.execution), setup.report, 7.0)
    after = setup.model.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert all(parameter.grad is None for parameter in setup.model.parameters())
    assert pace.once > 7 and min(pace.example, pace.update, pace.evaluation) > 0


def test_a_stop_is_heard_while_measuring(prepare: Callable[..., Any], recorder: Any) -> None:
    setup = prepare(training__budget_minutes=1)
    recorder.stop_requested = True
    with pytest.raises(InterruptedError):
        calibration.measure(setup.spec, setup.encoded, setup.model, choose(setup.spec.execution), recorder)


@pytest.mark.parametrize(
    ("minutes", "epochs", "code"), [(60, 20.0, ""), (2, 4.0, "auto-epochs-budget"), (0.4, 1.0, TOO_SHORT)]
)
def test_a_budget_becomes_a_number_of_epochs_and_says_why(
    prepare: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    recorder: Any,
    minutes: float,
    epochs: float,
    code: str,
) -> None:
    setup = prepare(training__budget_minutes=minutes, training__num_train_epochs="auto")
    per_epoch = 20 / len(setup.encoded.train)
    measured: list[str] = []

    def measure(*arguments: Any) -> Pace:
        measured.append("once")
        return Pace(once=20, evaluation=2, example=per_epoch, update=0)

    monkeypatch.setattr(calibration, "measure", measure)
    spec = settled(setup)
    assert spec.auto == () and spec.training.num_train_epochs == epochs
    assert spec.training.budget_minutes == minutes, "what was asked for stays in the record"
    assert not code or code in recorder.codes
    assert [level for _, level, known in recorder.messages if known == code][:1] == (
        ["warning"] if code == TOO_SHORT else ["info"] if code else []
    )
    setup.spec = specs.build(spec.model_dump(mode="json"))
    assert settled(setup) == spec and measured == ["once"], "an attempt that goes on keeps the number"


def test_a_run_without_a_budget_measures_nothing(prepare: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    setup = prepare(training__num_train_epochs="auto")
    monkeypatch.setattr(calibration, "measure", lambda *_: pytest.fail("there is no budget"))
    assert settled(setup).auto == ()
