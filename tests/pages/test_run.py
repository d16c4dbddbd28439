"""The Run page in each state of a run, without a browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.runs.kinds import KINDS
from core.settings import Settings
from core.spec.data import DataSpec
from core.spec.names import run_name
from core.spec.presets import PRESETS, SAMPLE
from core.store.store import Store
from tests.synthetic import STARS, Synthetic, a_report

Open = Callable[..., AppTest]


def open_run(app: Open, run_id: str) -> AppTest:
    page = app()
    page.query_params["run"] = run_id
    page.switch_page("../pages/train/run.py").run()
    assert not page.exception, page.exception
    return page


def words(page: AppTest) -> str:
    """All text on the page, without the marks that keep it plain."""
    kinds = ("title", "subheader", "markdown", "caption", "success", "info", "error", "warning", "code")
    parts = [getattr(element, "value", "") for kind in kinds for element in page.get(kind)]
    return "\n".join(str(part) for part in parts).replace("\\", "").replace("\u2060", "")


def buttons(page: AppTest) -> set[str]:
    return {button.label for button in page.button}


@pytest.fixture
def store(settings: Settings) -> Store:
    return Store(settings.store_path)


@pytest.mark.parametrize("run_id", ["", "abc123", "../../etc", "x" * 500])
def test_no_run_or_an_unknown_one_leads_to_the_list(app: Open, run_id: str) -> None:
    page = open_run(app, run_id)
    assert "See all runs" in buttons(page)
    assert ("does not exist" if run_id else "No run chosen") in words(page)


def test_a_waiting_run_says_where_it_stands(app: Open, store: Store, settings: Settings) -> None:
    spec = PRESETS[SAMPLE].spec.model_dump(mode="json")
    Synthetic(store, settings, "Has the device").working()
    store.submit("train", "Before", spec)
    page = open_run(app, store.submit("train", "Mine", spec))
    assert "1 run is before this one" in words(page)
    assert page.button(key="run_stop").label == "Stop"
    page.button(key="run_stop").click().run()
    assert store.runs()[0].status == "queued", "it asks first"
    page.button(key="run_stop_no").click().run()
    assert store.runs()[0].status == "queued"
    page.button(key="run_stop").click().run()
    page.button(key="run_stop").click().run()
    assert store.runs()[0].status == "stopped"


def test_a_working_run_shows_its_progress(app: Open, store: Store, settings: Settings) -> None:
    run = Synthetic(store, settings).working()
    run.train(100, of=400)
    run.say("the head is new and starts from random weights", "notice")
    run.say("3 % of the texts are cut", "warning")
    page = open_run(app, run.id)
    vitals = {metric.label: metric.value for metric in page.metric}
    assert vitals["Accuracy"] == "0.350"
    assert vitals["Speed"] == "210 /s"
    assert vitals["CPU"] == "1.9 cores"
    assert "The head is new and starts from random weights." in words(page)
    assert [w.value.replace("\\", "") for w in page.warning] == ["3 % of the texts are cut."]
    store.stop(run.id)
    page.run()
    assert not page.exception
    assert "run_stop" not in {button.key for button in page.button}


def test_a_finished_run_is_judged_against_the_most_common_class(app: Open, store: Store, settings: Settings) -> None:
    run = Synthetic(store, settings, run_name(PRESETS[SAMPLE].spec)).working()
    run.train(400, of=400)
    run.finish()
    page = open_run(app, run.id)
    scores = {metric.label.strip("*"): (metric.value, metric.delta) for metric in page.metric}
    assert scores["Accuracy"] == ("0.620", "+0.420")
    assert "always predicting “1 star”" in words(page)
    assert "try two more epochs" in words(page)
    assert str(settings.run_dir(run.id) / "model") in words(page)
    (table,) = page.dataframe
    assert list(table.value["label"]) == list(STARS)


def test_seventy_classes_get_a_list_of_mistakes(app: Open, store: Store, settings: Settings) -> None:
    run = Synthetic(store, settings).working()
    run.train(20, of=20)
    run.finish(labels=[f"intent_{number}" for number in range(70)])
    page = open_run(app, run.id)
    assert "Most frequent mistakes" in words(page)
    mistakes, classes = page.dataframe
    assert len(mistakes.value) == 15 and len(classes.value) == 70


def test_a_worse_model_than_guessing_is_shown_as_that(app: Open, store: Store, settings: Settings) -> None:
    run = Synthetic(store, settings).working()
    run.train(20, of=20)
    run.finish(right=0.1)
    accuracy = open_run(app, run.id).metric[0]
    assert accuracy.delta == "-0.100"


def test_a_failure_says_why_and_leads_on(app: Open, store: Store, settings: Settings) -> None:
    run = Synthetic(store, settings).working()
    run.train(40, of=400, broken_from=20)
    run.fail("memory ran out. Halve the batch size, and start again", "Traceback: MemoryError")
    page = open_run(app, run.id)
    (error,) = page.error
    assert "Memory ran out" in error.value
    assert "Traceback: MemoryError" in words(page)
    page.button(key="run_again").click().run()
    assert not page.exception
    assert any(title.value == "New run" for title in page.title)


def test_a_gap_in_the_loss_is_explained(app: Open, store: Store, settings: Settings) -> None:
    run = Synthetic(store, settings).working()
    run.train(100, of=400, broken_from=50)
    page = open_run(app, run.id)
    assert ["not a number from step 50" in w.value for w in page.warning] == [True]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"metrics": 3}'])
def test_a_damaged_report_does_not_break_the_page(app: Open, store: Store, settings: Settings, text: str) -> None:
    run = Synthetic(store, settings).working()
    run.train(20, of=20)
    run.finish()
    (settings.run_dir(run.id) / "report.json").write_text(text)
    page = open_run(app, run.id)
    assert not page.metric
    assert str(settings.run_dir(run.id) / "model") in words(page)


def test_an_import_leads_to_its_dataset(app: Open, store: Store, settings: Settings) -> None:
    data = DataSpec(source="hub", path="yelp_review_full").model_dump(mode="json")
    run = Synthetic(store, settings, "yelp_review_full", data, kind="import").working()
    page = open_run(app, run.id)
    assert not page.exception
    store.finish(run.id, run.token, "finished", summary={"rows": {"train": 650_000}})
    page = open_run(app, run.id)
    assert "train 650,000 rows" in page.success[0].value.replace("\\", "")
    assert "Browse it" in buttons(page)


# A spec of each kind of background work, and where its result shows: page, query.
RESULTS: dict[str, tuple[dict[str, Any], str, dict[str, str]]] = {
    "import": ({"source": "sample"}, "Datasets", {}),
    "inspect": ({"source": "sample"}, "Datasets", {}),
    "profile": ({"data": {"source": "sample"}}, "Datasets", {}),
    "evaluate": ({"model": {"run": "abc"}}, "Evaluate", {"evaluation": "ID"}),
    "predict": ({"model": {"run": "abc"}}, "Playground", {}),
    "certify": ({"model": {"run": "abc"}}, "Playground", {"run": "abc"}),
    "compare": ({"evaluations": ["abc", "def"]}, "Compare", {"comparison": "ID"}),
    "robustness": ({"evaluation": "abc"}, "Evaluate", {"evaluation": "abc", "view": "robustness"}),
    "neighbours": ({"run": "abc"}, "Evaluate", {"run": "abc", "view": "mistakes"}),
    "bundle": ({"run": "abc"}, "Share", {"run": "abc", "view": "bundle"}),
    "publish": ({"runs": ["abc"]}, "Share", {"run": "abc", "view": "publish"}),
    "code": ({"run": "abc"}, "Share", {"run": "abc", "view": "code"}),
    "export": ({"model": {"run": "abc"}}, "Share", {"run": "abc", "view": "files"}),
    "push": ({"run": "abc"}, "", {}),
}


def test_all_work_says_that_it_is_done_and_leads_to_its_result(app: Open, store: Store, settings: Settings) -> None:
    assert set(RESULTS) == {name for name, kind in KINDS.items() if kind.result is not None}
    page = app()
    page.switch_page("../pages/train/run.py")
    for kind, (spec, title, query) in RESULTS.items():
        run = Synthetic(store, settings, kind, spec, kind=kind).working()
        store.finish(run.id, run.token, "finished", summary={"url": "https://huggingface.co/ann/x"})
        page.query_params["run"] = run.id
        page.run()
        assert not page.exception, (kind, page.exception)
        result = KINDS[kind].result
        assert result is not None and [s.value for s in page.success] == [result.sentence], kind
        if kind != "push":
            assert page.button(key="result_of_run").label == result.label, kind
            from ui import pages

            name, values = result.address(run.id, spec)
            assert pages.OF_RESULTS[name].title == title, kind
            assert values == {name: value.replace("ID", run.id) for name, value in query.items()}, kind


def test_work_on_a_model_that_no_run_left_has_no_page_to_share_it(app: Open, store: Store, settings: Settings) -> None:
    run = Synthetic(store, settings, "x", {"model": {"name": "ann/x"}}, kind="export").working()
    store.finish(run.id, run.token, "finished", summary={})
    page = open_run(app, run.id)
    assert "model files are ready" in page.success[0].value
    assert "To the files" not in buttons(page)


def test_a_button_of_finished_work_opens_the_page_of_its_result(app: Open, store: Store, settings: Settings) -> None:
    trained = Synthetic(store, settings, "Trained").working()
    trained.finish()
    run = Synthetic(store, settings, "x", {"run": trained.id}, kind="bundle").working()
    store.finish(run.id, run.token, "finished", summary={})
    page = open_run(app, run.id)
    page.button(key="result_of_run").click().run()
    assert not page.exception and page.title[0].value == "Share"
    assert (page.query_params["view"], page.query_params["run"]) == ("bundle", trained.id)


def test_a_report_for_the_tests_looks_like_a_real_one(home: Path) -> None:
    report = a_report(STARS)
    assert sum(map(sum, report["confusion"])) == report["examples"] == 500
