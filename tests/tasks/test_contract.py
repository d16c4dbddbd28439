"""Every task keeps the contract with every engine that it claims: a training run's whole path, as the worker takes it.

The second task lives in `text_length` beside this file: nothing in core knows it.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from core.errors import DataError, SpecError
from core.evaluation.results import REPORT, read_report
from core.runs import device
from core.settings import Settings
from core.sharing.bundles import bundle
from core.sharing.bundles.importing import import_bundle
from core.sharing.code import exact, script_torch, script_trainer
from core.sharing.code.facts import facts_of
from core.sharing.report.chapters import table as chapters
from core.spec import engines
from core.spec.run import build, from_yaml, main_metric_of, replace, to_yaml
from core.store.store import Store
from core.tasks import TASKS, metrics_of
from core.tasks.contract import Task, judging, learning, offers, task_of
from core.wording import metric_meaning, metric_title
from tests.evaluation.conftest import worker_of
from tests.sharing.code_runs import run_scripts
from tests.sharing.test_script import some_facts
from ui.evaluate import parts, views

SECOND = "text-length"
PARTS = {
    "facts": learning.Facts,
    "metrics": learning.Metrics,
    "columns": learning.Columns,
    "encode": learning.Encode,
    "model": learning.Model,
    "predictions": judging.PredictionsFile,
    "results": judging.Results,
    "analysis": judging.Analysis,
    "evaluation": judging.Evaluating,
    "advice": judging.Advice,
    "script": offers.Script,
    "answers": offers.Shares,
    "rivals": offers.Rivals,
}
# Parts that a room has if it offers one of these.
OPTIONAL = {"script": {"script"}, "answers": {"playground", "onnx"}, "rivals": {"rivals"}}
CASES = [
    pytest.param(task, engine, id=f"{task}-{engine}")
    for task in (*TASKS, SECOND)
    for engine in ("trainer", "torch", "keras")
]


@pytest.fixture(autouse=True)
def second_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TASKS, SECOND, "tests.tasks.text_length")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    device.set_threads(1)


@pytest.fixture
def store(settings: Settings) -> Store:
    return Store(settings.store_path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return numbers(tmp_path)


def numbers(folder: Path) -> Path:
    """Texts of one to twelve words; the number is how many, the class whether they are more than six."""
    draw = np.random.default_rng(0)
    counts = draw.integers(1, 13, 120)
    texts = [" ".join(f"word{draw.integers(20)}" for _ in range(count)) for count in counts]
    path = folder / "texts.csv"
    label = np.where(counts > 6, "long", "short")
    pd.DataFrame({"text": texts, "number": counts / 6, "label": label}).to_csv(path, index=False)
    return path


def spec_for(task: str, engine: str, data: Path, **training: Any) -> dict[str, Any]:
    columns = {"text_columns": ["text"], "label_column": "number" if task == SECOND else "label"}
    tree = {
        "task": task, "engine": engine, "data": {"source": "file", "path": str(data), **columns},
        "model": {"name": "scratch", "max_length": 32},
        "training": {"num_train_epochs": 3, "learning_rate": 2e-3, **training}, "execution": {"device": "cpu"},
    }  # fmt: skip
    return dict(build(tree).model_dump(mode="json"))


def required(protocol: Any) -> Iterator[tuple[str, Any]]:
    for name in vars(protocol).get("__annotations__", {}):
        yield name, None
    for name, value in vars(protocol).items():
        if inspect.isfunction(value) and not name.startswith("_"):
            yield name, value


@pytest.mark.parametrize("name", [*TASKS, SECOND])
def test_a_room_has_all_that_the_contract_names(name: str) -> None:
    room = Task(name)
    offered = set(room.facts.OFFERS)
    assert offered <= offers.OFFERS.keys()
    absent = {part for part, needed_by in OPTIONAL.items() if not offered & needed_by}
    for part in absent:
        assert importlib.util.find_spec(f"{TASKS[name]}.{part}") is None, (
            f"{name}: {part} is for what it does not offer"
        )
    for part, protocol in PARTS.items():
        if part in absent:
            continue
        module = getattr(room, part)
        for wanted, function in required(protocol):
            assert hasattr(module, wanted), f"{name}: {part} has no {wanted}"
            if function is not None:
                ours = list(inspect.signature(getattr(module, wanted)).parameters)
                assert ours == list(inspect.signature(function).parameters)[1:], f"{name}: {part}.{wanted}"
    assert set(room.facts.ENGINES) <= set(engines.ENGINES)
    assert room.metrics.MAIN in room.metrics.METRICS
    assert tuple(views.of(name)) == room.facts.VIEWS, "in this order, and each is drawn by somebody"
    assert set(room.facts.PARTS) <= parts.PARTS.keys()
    assert set(room.facts.CHAPTERS) <= chapters.CHAPTERS.keys()


def test_the_evaluate_page_shows_the_views_that_a_task_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.tasks.text_length.VIEWS", ("groups", "verdict"))
    assert list(views.of(SECOND)) == ["groups", "verdict"] and len(views.of("text-classification")) == len(views.VIEWS)


def test_every_part_of_a_room_is_in_the_contract() -> None:
    properties = {name for name, value in vars(Task).items() if isinstance(value, property)}
    assert properties == set(PARTS)


@pytest.mark.parametrize(("task", "engine"), CASES)
def test_a_run_from_spec_to_report_and_to_another_home(
    task: str,
    engine: str,
    data: Path,
    store: Store,
    settings: Settings,
    tmp_path: Path,
) -> None:
    work = worker_of(store, settings)
    spec = spec_for(task, engine, data)
    run_id, summary = work("train", spec)
    folder, room = settings.run_dir(run_id), Task(task)
    main = room.metrics.MAIN
    assert summary["main_metric"] == main and set(summary["metrics"]) == {"loss", *metrics_of(task)}
    report = read_report(folder)
    assert type(report) is room.results.REPORT and report.task == task
    assert report.metrics[main] == summary["value"] and report.baseline.metrics[main] == summary["baseline"]
    answers = room.predictions.read(folder / "predictions.parquet")
    again = room.metrics.compute(list(metrics_of(task)), answers.logits, answers.labels)
    assert again == pytest.approx(dict(report.metrics), rel=1e-5), "predictions say what the report says"
    assert (folder / "model" / "model.safetensors").is_file()
    losses = [point["value"] for point in points(store, run_id, "loss")]
    assert losses[-1] < losses[0], "it learned something"
    assert from_yaml((folder / "spec.yaml").read_text()) == build(spec)
    bundled, _ = work("bundle", {"run": run_id, "attempt": 1, "texts": False})
    other = Settings(home=tmp_path / "another home")
    other.home.mkdir()
    import_bundle(settings.run_dir(bundled) / bundle.NAME, Store(other.store_path), other)
    there = other.run_dir(run_id)
    assert read_report(there) == report and Store(other.store_path).run(run_id).spec["task"] == task
    assert np.array_equal(room.predictions.read(there / "predictions.parquet").logits, answers.logits)
    if task == SECOND:  # the first one's scripts have tests of their own
        code, _ = work("code", {"run": run_id, "attempt": 1, "with_texts": True})
        metrics = script_metrics(settings.run_dir(code) / "code.zip", tmp_path / "code")
        assert metrics == pytest.approx(summary["metrics"], abs=1e-5 if engine != "keras" else 1e-2)


def script_metrics(path: Path, folder: Path) -> dict[str, float]:
    """What the script in a zip comes to, in a process of its own: it sets TensorFlow's threads before all else."""
    with zipfile.ZipFile(path) as zipped:
        zipped.extractall(folder)
    run_scripts([folder], folder.parent / "cache")
    return dict(json.loads((folder / "out.txt").read_text(encoding="utf-8").strip().splitlines()[-1]))


@pytest.mark.parametrize("engine", ["trainer", "torch", "keras"])
def test_the_best_checkpoint_has_the_least_error(engine: str, data: Path, store: Store, settings: Settings) -> None:
    spec = spec_for(SECOND, engine, data, num_train_epochs=4)
    run_id, summary = worker_of(store, settings)("train", spec)
    errors = {row["step"]: row["value"] for row in points(store, run_id, "eval_mae")}
    assert len(errors) == 4 and summary["value"] == pytest.approx(min(errors.values()), rel=1e-4)
    best = [event.payload["step"] for event in store.events_since(run_id) if event.payload.get("best")]
    assert best[-1] == min(errors, key=lambda step: errors[step])


def points(store: Store, run_id: str, name: str) -> list[dict[str, Any]]:
    return [{"step": point.step, "value": point.value} for point in store.metrics_since(run_id) if point.name == name]


def test_a_spec_of_the_second_task(data: Path) -> None:
    spec = build(spec_for(SECOND, "torch", data))
    assert spec.evaluation.metrics == ("mae", "r2") and spec.evaluation.metric_for_best_model == "mae"
    assert from_yaml(to_yaml(spec)) == spec and task_of(spec).name == SECOND
    with pytest.raises(SpecError, match="'accuracy' is no metric of the task text-length; choose of mae, r2"):
        build({"task": SECOND, "evaluation": {"metrics": ["accuracy"], "metric_for_best_model": "accuracy"}})
    with pytest.raises(SpecError, match="'nothing' is not one of 'text-classification' or 'text-length'"):
        build({"task": "nothing"})


def test_words_of_the_second_task_s_metrics() -> None:
    assert metric_title("eval_mae") == "Mean absolute error"
    assert metric_meaning("mae") == "How far an answer is off, on average."


def test_a_script_keeps_the_least_error(data: Path) -> None:
    early = {"evaluation.early_stopping_patience": 2, "evaluation.early_stopping_threshold": 0.1}
    facts = some_facts(spec=replace(build(spec_for(SECOND, "trainer", data)), early))
    code = "\n".join(section.code for section in script_trainer.sections(facts))
    assert "greater_is_better=False" in code
    stopping = exact.sections(facts)[-1].code
    assert "metric_value < best - self.early_stopping_threshold" in stopping and "best = np.inf if" in stopping
    lines = ["best, waited, kept = None, 0, []", "for error in errors:", *script_torch.judge(facts, "    ", "error")]
    space: dict[str, Any] = {"errors": [0.9, 0.5, 0.45, 0.7]}
    exec("\n".join(["def evaluate():", '    return {"mae": error}', *lines]), space)
    assert space["best_weights"] == 0.45 and space["waited"] == 2, "0.45 is better, but not by a tenth"


def test_a_task_without_a_script_says_so(
    data: Path, store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = store.submit("train", "a run", spec_for(SECOND, "torch", data))
    monkeypatch.setattr("tests.tasks.text_length.OFFERS", ())
    with pytest.raises(DataError, match="a run of the task 'Length of a text' has no script; take its report"):
        facts_of(store.run(run_id), settings)


def test_the_main_metric_of_a_recorded_spec() -> None:
    assert main_metric_of({"task": SECOND}) == "mae" and main_metric_of({}) == "accuracy"
    assert main_metric_of({"task": SECOND, "evaluation": {"metric_for_best_model": "r2"}}) == "r2"


def test_an_engine_that_a_task_does_not_claim(monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    monkeypatch.setattr("tests.tasks.text_length.ENGINES", ("torch",))
    (problem,) = engines.problems(build(spec_for(SECOND, "keras", data)), None)
    assert problem.field == "engine" and "PyTorch loop" in problem.message


def test_the_report_of_a_task_that_is_not_known_reads_as_none(tmp_path: Path) -> None:
    (tmp_path / REPORT).write_text('{"task": "nothing"}')
    assert read_report(tmp_path) is None


def test_core_names_no_room_of_the_tests() -> None:
    for path in Path("core").rglob("*.py"):
        names = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
        assert SECOND not in names
