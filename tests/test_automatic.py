"""Automatic settings: how a spec says so, what becomes of them, and that a run's record keeps the numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace as replaced
from pathlib import Path

import pytest

from core.access import demo
from core.engines import automatic
from core.engines.automatic import COMPILE, compiling
from core.errors import SpecError
from core.runs import outlook
from core.settings import Demo, Settings
from core.spec.automatic import AUTOMATIC
from core.spec.budget.fitting import TOO_SHORT
from core.spec.budget.pace import Pace
from core.spec.data import DataSpec
from core.spec.model import ModelSpec
from core.spec.recommended import Facts, recommend, settled
from core.spec.run import RunSpec, build, from_yaml, replace, to_yaml
from core.spec.training import TrainingSpec
from tests.hub_server.contents import tiny_bert

BUDGET = "training.budget_minutes"
OWN = "data: {source: file, path: reviews.csv}\nmodel: {name: tiny/bert}\n"
KNOWN = Facts(
    rows=1_500, classes=150, per_class=(10, 10), cut={32: 0.4, 48: 0.01}, limit=512, pretrained=True, width=384
)


def test_what_a_document_leaves_out_is_automatic() -> None:
    spec = from_yaml(OWN + "training: {num_train_epochs: 2}")
    assert set(AUTOMATIC) - set(spec.auto) == {"training.num_train_epochs"}
    assert "learning_rate: auto" in to_yaml(spec) and from_yaml(to_yaml(spec)) == spec
    assert build(spec.model_dump(mode="json")) == spec


def test_auto_can_be_written_and_taken_back() -> None:
    spec = build({"training": {"learning_rate": "auto"}})
    assert spec.auto == ("training.learning_rate",)
    assert replace(spec, {"training.learning_rate": 1e-5}).auto == ()
    assert replace(spec, {"training.seed": 1}).auto == spec.auto
    assert replace(RunSpec(), {"model.max_length": "auto"}).auto == ("model.max_length",)


def test_a_spec_with_every_value_written_out_stays_as_it_is() -> None:
    assert RunSpec().auto == () and from_yaml(to_yaml(RunSpec())) == RunSpec()


@pytest.mark.parametrize(
    "tree",
    [
        {"training": {"seed": "auto"}},
        {"auto": ["training.seed"]},
        {"auto": ["training.learning_rate"], "training": {"learning_rate": 1e-5}},
    ],
)
def test_what_cannot_be_automatic_is_refused(tree: dict[str, object]) -> None:
    with pytest.raises(SpecError):
        build(tree)


def test_each_value_follows_from_what_is_known_and_has_its_reason() -> None:
    choices = recommend(from_yaml(OWN), KNOWN)
    values = {choice.path: choice.value for choice in choices}
    assert values == {
        "model.max_length": 48,
        "model.initial_head": "fitted",
        "training.per_device_train_batch_size": 16,
        "training.learning_rate": 1e-4,
        "training.num_train_epochs": 6.0,
        "training.warmup_steps": 0.1,
        "training.class_weights": "off",
        "evaluation.early_stopping_patience": None,
    }
    assert all(choice.reason.id and choice.reason.text.endswith(".") for choice in choices)
    assert settled(from_yaml(OWN), choices).auto == (COMPILE,), "which only a worker can choose"


def test_the_rate_is_smaller_from_a_fitted_head() -> None:
    path = ["training.learning_rate"]
    for head, width, rate in (("random", 384, 2e-4), ("fitted", 384, 1e-4), ("fitted", 768, 5e-5)):
        spec = replace(from_yaml(OWN), {"model.initial_head": head})
        assert [choice.value for choice in recommend(spec, Facts(width=width), path)] == [rate], head


@pytest.mark.parametrize(
    ("rows", "per_class", "reason"),
    [
        (200, (30, 20), "auto-head-few"),
        (200, None, "auto-head-few"),
        (5_000, None, "auto-head-fitted"),
        (1_000, (500, 100), "auto-head-fitted"),
        (200, (190, 3), "auto-head-fitted"),
        (1_200, (64, 8), "auto-head-fitted"),
    ],
)
def test_few_examples_may_have_a_contrastive_stage(rows: int, per_class: tuple[int, int] | None, reason: str) -> None:
    (choice,) = recommend(from_yaml(OWN), Facts(rows=rows, per_class=per_class), ["model.initial_head"])
    assert choice.value == "fitted" and choice.reason.id == reason


def test_a_value_given_by_hand_is_kept_and_the_others_follow_it() -> None:
    spec = from_yaml(OWN + "training: {per_device_train_batch_size: 50}")
    values = {choice.path: choice.value for choice in recommend(spec, KNOWN)}
    assert values["training.num_train_epochs"] == 17.0, "30 updates in an epoch"
    assert "training.per_device_train_batch_size" not in values


def test_batches_of_tokens_are_counted_by_tokens() -> None:
    spec = from_yaml(OWN + "engine: torch\ntraining: {max_tokens_per_batch: 1000}")
    assert recommend(spec, KNOWN, ["training.num_train_epochs"]) == [], "how many tokens there are is not known"
    (choice,) = recommend(spec, replaced(KNOWN, tokens=100_000), ["training.num_train_epochs"])
    assert choice.value == 10.0 and choice.reason.arguments["updates"] == 1_000, "100 updates in an epoch"


def test_nothing_is_made_up_where_nothing_is_known() -> None:
    paths = {choice.path for choice in recommend(from_yaml(OWN), Facts())}
    assert paths == {"model.initial_head", "training.warmup_steps", "training.class_weights"}


@pytest.mark.parametrize(
    ("facts", "path", "value"),
    [
        (Facts(pretrained=False), "training.learning_rate", 1e-3),
        (Facts(width=768), "training.learning_rate", 5e-5),
        (Facts(width=1024), "training.learning_rate", 2e-5),
        (Facts(rows=40_000), "training.num_train_epochs", 3.0),
        (Facts(rows=20), "training.num_train_epochs", 20.0),
        (Facts(cut=dict.fromkeys((32, 48, 64, 96, 128), 1.0), limit=100), "model.max_length", 96),
        (Facts(cut=dict.fromkeys((32, 48, 64, 96, 128, 192, 256, 384), 0.5)), "model.max_length", 256),
        (
            Facts(cut=dict.fromkeys((32, 48, 64, 96, 128, 192, 256, 384, 512), 0.5), device="cuda"),
            "model.max_length",
            512,
        ),
        (Facts(cut={32: 0.5}, limit=16), "model.max_length", 16),
    ],
)
def test_rules(facts: Facts, path: str, value: float) -> None:
    (choice,) = recommend(from_yaml(OWN), facts, [path])
    assert choice.value == value


@pytest.mark.parametrize("limit", [7, 0, -1])
def test_no_length_is_chosen_for_a_model_that_can_take_none(limit: int) -> None:
    spec = from_yaml(OWN)
    assert settled(spec, recommend(spec, Facts(cut={32: 0.5}, limit=limit), ["model.max_length"])) == spec


def test_a_model_for_short_texts_alone_is_not_said_to_fit_them_all() -> None:
    (choice,) = recommend(from_yaml(OWN), Facts(cut={32: 0.5}, limit=16), ["model.max_length"])
    assert choice.reason.id == "auto-length-limit"
    (choice,) = recommend(from_yaml(OWN), Facts(cut={32: 0.9, 48: 0.8, 64: 0.5}, limit=64), ["model.max_length"])
    assert choice.reason.id == "auto-length-limit-cut", "not: raise it"


def test_a_model_for_short_texts_is_not_refused_for_a_length_that_nobody_chose(
    settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "short"
    folder.mkdir()
    files = tiny_bert()
    files["config.json"] = json.dumps(json.loads(files["config.json"]) | {"max_position_embeddings": 24}).encode()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    spec = replace(from_yaml(OWN), {"model.name": str(folder)})
    assert outlook.problems(spec, None, settings) == []
    (problem,) = outlook.problems(replace(spec, {"model.max_length": 128}), None, settings)
    assert problem.id == "longest-text-above-limit"


def test_a_schedule_without_warm_up_gets_none() -> None:
    spec = from_yaml(OWN + "training: {lr_scheduler_type: constant}")
    (choice,) = recommend(spec, KNOWN, ["training.warmup_steps"])
    assert choice.value == 0 and choice.reason.id == "auto-warm-up-none"
    assert "warm-up-void" not in [problem.id for problem in outlook.advice(spec)]
    assert "warm-up-void" in [p.id for p in outlook.advice(replace(spec, {"training.warmup_steps": 0.1}))]


@pytest.mark.parametrize(
    ("metric", "per_class", "value"),
    [("accuracy", (900, 3), "off"), ("f1_macro", (900, 3), "balanced"), ("f1_macro", (90, 30), "off")],
)
def test_class_weights_follow_the_metric_and_the_balance(metric: str, per_class: tuple[int, int], value: str) -> None:
    spec = from_yaml(OWN + f"evaluation: {{metric_for_best_model: {metric}}}")
    (choice,) = recommend(spec, Facts(per_class=per_class), ["training.class_weights"])
    assert choice.value == value


@pytest.mark.parametrize(
    ("document", "facts", "patience", "code"),
    [
        ("{num_train_epochs: 7}", Facts(), None, "auto-stopping-few"),
        ("{num_train_epochs: 20}", Facts(), 7, "auto-stopping"),
        ("{num_train_epochs: 8}", Facts(), 3, "auto-stopping"),
        ("{num_train_epochs: 20, eval_strategy: 'no'}", Facts(), None, "auto-stopping-not-evaluated"),
        ("{num_train_epochs: 20, load_best_model_at_end: false}", Facts(), None, "auto-stopping-last-kept"),
        (
            "{num_train_epochs: 3, eval_strategy: steps, eval_steps: 20, per_device_train_batch_size: 10}",
            Facts(rows=1_000),
            5,
            "auto-stopping",
        ),
    ],
)
def test_early_stopping_follows_the_number_of_evaluations(
    document: str, facts: Facts, patience: int | None, code: str
) -> None:
    (choice,) = recommend(from_yaml(OWN + f"training: {document}"), facts, ["evaluation.early_stopping_patience"])
    assert (choice.value, choice.reason.id) == (patience, code)


def test_early_stopping_waits_for_the_number_of_epochs() -> None:
    assert recommend(from_yaml(OWN), Facts(rows=None), ["evaluation.early_stopping_patience"]) == []


def test_early_stopping_is_turned_off_by_null_and_zero() -> None:
    path = "evaluation.early_stopping_patience"
    for off in (None, 0):
        spec = build({"evaluation": {"early_stopping_patience": off}})
        assert spec.evaluation.early_stopping_patience is None and path not in spec.auto
    kept = from_yaml(to_yaml(replace(from_yaml(OWN), {path: 0}))).auto
    assert kept == tuple(name for name in AUTOMATIC if name != path)
    with pytest.raises(SpecError):
        build({"evaluation": {"early_stopping_patience": -1}})


def test_compiling_pays_in_long_runs_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = replace(from_yaml(OWN), {"training.num_train_epochs": 3})
    base = {"rows": 2_000_000, "tokens": 400_000_000, "parameters": 86_000_000}

    def chosen(**changes: int) -> tuple[object, str]:
        choice = compiling(spec, **(base | changes))
        return choice.value, choice.reason.id

    monkeypatch.setattr(automatic, "_can_compile", lambda: True)
    assert chosen() == (True, "auto-compile") == chosen(parameters=1)
    assert chosen(rows=20_000, tokens=4_000_000) == (False, "auto-compile-short")
    monkeypatch.setattr(automatic, "_can_compile", lambda: False)
    assert chosen() == (False, "auto-compile-cannot")


def test_compiling_can_be_settled_by_hand() -> None:
    assert COMPILE not in from_yaml(OWN + "execution: {torch_compile: true}").auto
    assert build({"execution": {"torch_compile": "auto"}}).auto == (COMPILE,)


def within(minutes: float, pace: Callable[[int], Pace], document: str = "") -> dict[str, tuple[object, str]]:
    facts = replaced(KNOWN, rows=8_000, classes=2, cut=dict.fromkeys((32, 48, 64, 96, 128, 192, 256), 0.5), pace=pace)
    spec = replace(from_yaml(OWN + document), {"training.budget_minutes": minutes})
    return {choice.path: (choice.value, choice.reason.id) for choice in recommend(spec, facts)}


def by_length(longest: int) -> Pace:
    """An epoch of 8,000 examples takes 160 s at 256 tokens."""
    return Pace(once=20, evaluation=10, example=0.02 * longest / 256, update=0.0)


@pytest.mark.parametrize(
    ("minutes", "length", "epochs"),
    [
        (60, (256, "auto-length-cut"), (3.0, "auto-epochs-enough")),
        (6.1, (256, "auto-length-cut"), (2.0, "auto-epochs-budget")),
        (4, (256, "auto-length-cut"), (1.2, "auto-epochs-budget")),
        (2, (256, "auto-length-cut"), (0.56, "auto-epochs-budget")),
        (1, (96, "auto-length-budget"), (0.5, "auto-epochs-budget")),
        (0.5, (64, "auto-length-budget"), (0.4, "auto-budget-too-few")),
    ],
)
def test_a_budget_takes_epochs_first_and_then_texts(
    minutes: float, length: tuple[int, str], epochs: tuple[float, str]
) -> None:
    values = within(minutes, by_length)
    assert values["model.max_length"] == length
    assert values["training.num_train_epochs"][1] == epochs[1]
    assert values["training.num_train_epochs"][0] == pytest.approx(epochs[0], abs=0.05)
    if epochs[1] == "auto-epochs-budget":
        taken = by_length(length[0]).seconds(epochs[0], 8_000, 500, 1.0)
        assert 0.6 * 60 * minutes < taken < 1.05 * 60 * minutes


def test_a_budget_that_is_too_short_says_what_it_takes() -> None:
    facts = replaced(KNOWN, pace=lambda _: Pace(once=120, evaluation=0, example=0.04, update=0))
    spec = replace(from_yaml(OWN), {"training.budget_minutes": 1})
    (choice,) = recommend(spec, facts, ["training.num_train_epochs"])
    assert choice.reason.id == TOO_SHORT and choice.reason.arguments["needed"] == 3.0


def test_epochs_by_hand_are_kept_whatever_the_budget() -> None:
    values = within(1, by_length, "training: {num_train_epochs: 3}")
    assert "training.num_train_epochs" not in values and values["model.max_length"] == (64, "auto-length-budget")
    by_hand = replace(RunSpec(), {"training.budget_minutes": 1})
    assert "budget-void" in [problem.id for problem in outlook.advice(by_hand)]
    assert "budget-void" not in [problem.id for problem in outlook.advice(replace(from_yaml(OWN), {BUDGET: 1}))]


def test_a_spec_without_a_budget_has_none() -> None:
    tree = RunSpec().model_dump(mode="json")
    del tree["training"]["budget_minutes"]
    assert build(tree) == RunSpec() and RunSpec().training.budget_minutes is None
    with pytest.raises(SpecError):
        replace(RunSpec(), {BUDGET: 0})


@pytest.mark.parametrize("seconds", [5, 30, 31, 60, 100, 1_000, 10_000])
def test_what_fits_a_time_takes_no_longer(seconds: float) -> None:
    pace = Pace(once=10, evaluation=3, example=0.01, update=0.02)
    epochs = pace.epochs_within(seconds, 1_000, 60, 1.0)
    assert epochs == 0 or pace.seconds(epochs, 1_000, 60, 1.0) <= seconds
    assert epochs or pace.seconds(0.1, 1_000, 60, 1.0) > seconds


def test_a_demo_has_no_room_for_what_is_chosen_later() -> None:
    spec = RunSpec(
        data=DataSpec(source="sample"), model=ModelSpec(name="scratch"), training=TrainingSpec(num_train_epochs=1)
    )
    limits = Demo()
    assert not demo.broken(limits, spec)
    fields = [field for field, _ in demo.broken(limits, replace(spec, {"training.num_train_epochs": "auto"}))]
    assert fields == ["training.num_train_epochs"]
