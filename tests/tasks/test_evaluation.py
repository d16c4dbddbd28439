"""The second task is evaluated, asked about a file, disturbed and compared; its pages show it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.cli.lines import comparison_lines, evaluation_lines
from core.errors import DataError
from core.evaluation.results import read_comparison, read_evaluation, read_robustness
from core.runs import device
from core.settings import Settings
from core.store.store import Store
from core.tasks import TASKS
from tests.evaluation.conftest import worker_of
from tests.pages.conftest import app
from tests.tasks.test_contract import SECOND, spec_for
from tests.tasks.text_length import predictions

__all__ = ["app"]

BATCHES = {"per_device_train_batch_size": 16}
WORDS_OF_CLASSES = ("accuracy", "class", "right", "confidence", "calibration")


class Judged(NamedTuple):
    """Two runs of the second task, the better one first, an evaluation of each, and what was made of them."""

    settings: Settings
    store: Store
    data: Path
    runs: tuple[str, str]
    evaluations: tuple[str, str]
    comparison: str
    work: Callable[..., tuple[str, dict[str, Any]]]


@pytest.fixture(autouse=True)
def second_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TASKS, SECOND, "tests.tasks.text_length")


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judged]:
    folder = tmp_path_factory.mktemp("second")
    settings = Settings(home=folder / "home")
    settings.home.mkdir()
    store = Store(settings.store_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TASKS, SECOND, "tests.tasks.text_length")
        device.set_threads(1)
        work, data = worker_of(store, settings), numbered(folder)
        runs = tuple(
            work(
                "train",
                spec_for(SECOND, "torch", data, num_train_epochs=epochs, per_device_train_batch_size=16),
                f"Lengths, {epochs} epochs",
            )[0]
            for epochs in (8, 1)
        )
        evaluations = tuple(work("evaluate", {"model": {"run": run, "attempt": 1}})[0] for run in runs)
        work("robustness", {"evaluation": evaluations[0], "examples": 60})
        comparison, _ = work("compare", {"evaluations": list(evaluations)})
    yield Judged(settings, store, data, (runs[0], runs[1]), (evaluations[0], evaluations[1]), comparison, work)


def numbered(folder: Path) -> Path:
    """200 texts of one to twelve words, and how many they are; of one source the numbers are too large."""
    draw = np.random.default_rng(1)
    counts = draw.integers(1, 13, 200)
    sources = np.where(draw.random(200) < 0.15, "careless", "careful")
    numbers = counts / 6 + np.where(sources == "careless", 1.0, 0.0)
    texts = [" ".join(f"word{draw.integers(20)}" for _ in range(count)) for count in counts]
    pd.DataFrame({"text": texts, "number": numbers, "source": sources}).to_csv(folder / "texts.csv", index=False)
    return folder / "texts.csv"


def test_an_evaluation_tells_the_error_and_how_sure_it_is(judged: Judged) -> None:
    folder = judged.settings.run_dir(judged.evaluations[0])
    evaluation, answers = read_evaluation(folder), predictions.read(folder / "predictions.parquet")
    assert evaluation is not None and evaluation.task == SECOND and evaluation.kind == "validation"
    assert evaluation.examples == len(answers) == 40 and evaluation.main_metric == "mae"
    off = np.abs(answers.predicted - answers.labels)
    assert evaluation.metrics["mae"] == pytest.approx(off.mean(), rel=1e-5)
    for name in ("mae", "r2"):
        low, high = evaluation.interval(name)
        assert low is not None and high is not None and low < (evaluation.metrics[name] or 0) < high
    worst = evaluation.mistakes[0]
    assert worst.score == pytest.approx(off.max(), rel=1e-5) and worst.row == answers.rows[off.argmax()]
    assert evaluation.overlap is not None and evaluation.overlap.of == 40
    assert evaluation.baseline_label == evaluation.words(evaluation.baselines.constant.label)


def test_groups_are_told_by_the_error_of_their_examples(judged: Judged) -> None:
    evaluation = read_evaluation(judged.settings.run_dir(judged.evaluations[0]))
    assert evaluation is not None
    groups = {group.name: group for group in evaluation.slices.groups}
    answers = predictions.read(judged.settings.run_dir(judged.evaluations[0]) / "predictions.parquet")
    off = np.abs(answers.predicted - answers.labels)
    middle = np.median(answers.labels)
    lower = next(group for name, group in groups.items() if name.startswith("label up to"))
    inside = answers.labels <= middle
    assert lower.count == inside.sum() and lower.score == pytest.approx(off[inside].mean(), rel=1e-5)
    assert lower.errors == (off[inside] > predictions.ERROR_FROM).sum()


def test_lines_for_a_terminal(judged: Judged) -> None:
    evaluation = read_evaluation(judged.settings.run_dir(judged.evaluations[0]))
    comparison = read_comparison(judged.settings.run_dir(judged.comparison))
    assert evaluation is not None and comparison is not None
    text = "\n".join(evaluation_lines(evaluation))
    assert "Mean absolute error" in text and "mean " in text and "the worst answer is off by" in text
    said = "\n".join(comparison_lines(comparison))
    assert "Lengths, 1 epochs is worse than Lengths, 8 epochs: Mean absolute error +" in said
    assert "its answer is better" in said


def test_two_models_are_compared_by_the_error(judged: Judged) -> None:
    comparison = read_comparison(judged.settings.run_dir(judged.comparison))
    assert comparison is not None and comparison.task == SECOND and comparison.examples > 30
    first, second = (model.metrics["mae"] or 0 for model in comparison.models)
    (pair,) = comparison.pairs
    assert pair.difference["mae"].value == pytest.approx(second - first, rel=1e-4) and second > first
    assert pair.mcnemar.losses > pair.mcnemar.gains, "on most examples the first is nearer"
    assert abs(float(pair.wins[0].other) - float(pair.wins[0].label)) < abs(
        float(pair.wins[0].first) - float(pair.wins[0].label)
    )
    assert comparison.agreement[0][0] == 1 > comparison.agreement[0][1]


def test_models_of_two_tasks_are_not_compared(judged: Judged) -> None:
    folder = judged.settings.run_dir(judged.evaluations[1])
    kept = (folder / "evaluation.json").read_text()
    other = Path("tests/evaluation/kept/evaluation.json").read_text()
    (folder / "evaluation.json").write_text(other)
    try:
        with pytest.raises(DataError, match="trained for text-classification and text-length; compare models of one"):
            judged.work("compare", {"evaluations": [*reversed(judged.evaluations)]})
    finally:
        (folder / "evaluation.json").write_text(kept)


def test_disturbed_texts_cost_error(judged: Judged) -> None:
    robustness = read_robustness(judged.settings.run_dir(judged.evaluations[0]))
    assert robustness is not None and robustness.metric == "mae" and robustness.task == SECOND
    half = next(kind for kind in robustness.kinds if kind.name == "half")
    assert half.change == pytest.approx(half.score - robustness.score, rel=1e-4) and half.change > 0
    assert half.turned > 10 and half.mcnemar.losses > half.mcnemar.gains
    assert robustness.words(half.examples[0].label) == f"{half.examples[0].label:.4g}"


def test_another_file_is_predicted(judged: Judged, tmp_path: Path) -> None:
    texts = ["word1", "word1 word2 word3 word4 word5 word6 word7 word8 word9 word10", " "]
    pd.DataFrame({"text": texts, "id": [1, 2, 3]}).to_csv(tmp_path / "new.csv", index=False)
    data = {"source": "file", "path": str(tmp_path / "new.csv")}
    run, summary = judged.work("predict", {"model": {"run": judged.runs[0], "attempt": 1}, "data": data})
    frame = pd.read_csv(judged.settings.run_dir(run) / summary["file"])
    assert list(frame) == ["text", "id", "prediction"] and summary["rows"] == 3 and summary["empty"] == 1
    assert frame["prediction"].isna().tolist() == [False, False, True] and summary["counts"] == {}
    assert frame["prediction"][0] != frame["prediction"][1]


def test_it_is_judged_on_another_dataset(judged: Judged, tmp_path: Path) -> None:
    pd.DataFrame({"text": ["word1 word2"] * 30, "number": [1 / 3] * 30}).to_csv(tmp_path / "other.csv", index=False)
    data = {"source": "file", "path": str(tmp_path / "other.csv")}
    run, summary = judged.work("evaluate", {"model": {"run": judged.runs[0], "attempt": 1}, "data": data})
    evaluation = read_evaluation(judged.settings.run_dir(run))
    assert evaluation is not None and evaluation.kind == "other" and summary["examples"] == 30
    assert summary["value"] == evaluation.metrics["mae"]


@pytest.fixture
def dashboard(judged: Judged, app: Callable[[str], AppTest], settings: Settings) -> Callable[[str], AppTest]:
    shutil.copytree(judged.settings.home, settings.home, dirs_exist_ok=True)
    return app


def words(page: AppTest) -> str:
    kinds = (page.markdown, page.caption, page.info, page.success, page.subheader)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


VIEWS = {
    "verdict": "Always answering",
    "mistakes": "the worst first",
    "groups": "How to read it",
    "robustness": "costs most",
}


@pytest.mark.parametrize("view", VIEWS)
def test_the_evaluate_page_shows_each_view(dashboard: Callable[[str], AppTest], judged: Judged, view: str) -> None:
    page = dashboard("results/evaluate")
    page.query_params["evaluation"], page.query_params["view"] = judged.evaluations[0], view
    page.run()
    assert not page.exception and VIEWS[view] in words(page)
    if view == "verdict":
        assert "**Mean absolute error**" in [metric.label for metric in page.metric]
    if view == "mistakes":
        (table,) = [frame.value for frame in page.dataframe]
        assert list(table) == ["text", "True", "Predicted", "Mean absolute error"] and len(table) == 20
    found = [word for word in WORDS_OF_CLASSES if word in words(page).lower()]
    assert not found, words(page)


def test_a_link_to_a_view_that_the_task_does_not_have(dashboard: Callable[[str], AppTest], judged: Judged) -> None:
    page = dashboard("results/evaluate")
    page.query_params["evaluation"], page.query_params["view"] = judged.evaluations[0], "curves"
    page.run()
    (sentence,) = [info.value for info in page.info]
    assert sentence == (
        "A model of the task “Length of a text” has no view “curves”; it has verdict, mistakes, groups and robustness."
    )
    assert not page.exception


def test_the_run_and_compare_pages_show_it(dashboard: Callable[[str], AppTest], judged: Judged) -> None:
    page = dashboard("results/compare")
    page.query_params["evaluations"] = ",".join(judged.evaluations)
    page.run()
    assert not page.exception and "is worse than" in words(page) and "sign test" in words(page)
    page = dashboard("train/run")
    page.query_params["run"] = judged.runs[0]
    page.run()
    assert not page.exception and "the mean" in words(page)
