"""The Runs page: what its table says, and finding runs in it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.runs.kinds import KINDS
from core.settings import Settings
from core.spec.data import DataSpec
from core.spec.presets import PRESETS, SAMPLE
from core.store.store import Store
from tests.synthetic import Synthetic

Open = Callable[..., AppTest]
PAGE = "train/runs"


@pytest.fixture
def store(settings: Settings) -> Store:
    return Store(settings.store_path)


@pytest.fixture
def filled(store: Store, settings: Settings) -> Store:
    done = Synthetic(store, settings, "Done").working()
    done.train(20, of=20)
    done.finish()
    failed = Synthetic(store, settings, "Broken").working()
    failed.fail("The disk is full.")
    Synthetic(store, settings, "Going on").working().train(10, of=100)
    data = DataSpec(source="hub", path="ag_news").model_dump(mode="json")
    store.submit("import", "ag_news", data)
    return store


def names(page: AppTest) -> list[str]:
    return list(page.dataframe[0].value["name"]) if page.dataframe else []


def test_without_runs_it_says_what_to_do(app: Open) -> None:
    page = app(PAGE)
    assert "Start the first run" in [button.label for button in page.button]
    assert not page.dataframe


def test_newest_first_with_the_main_metric_and_no_imports(app: Open, filled: Store) -> None:
    page = app(PAGE)
    assert names(page) == ["Going on", "Broken", "Done"]
    table = page.dataframe[0].value.set_index("name")
    assert table.loc["Done", "result"] == pytest.approx(0.62)
    assert table.loc["Done", "metric"] == "Accuracy"
    assert list(table["status"].str[0]) == ["Running", "Failed", "Finished"]
    assert set(table["dataset"]) == {"Sample reviews"}
    page.toggle(key="runs_imports").set_value(True).run()
    assert names(page)[0] == "ag_news"


def test_every_kind_of_work_has_a_title(app: Open, store: Store, settings: Settings) -> None:
    for kind in KINDS:
        store.submit(kind, kind, {} if kind != "train" else PRESETS[SAMPLE].spec.model_dump(mode="json"))
    page = app(PAGE)
    page.toggle(key="runs_imports").set_value(True).run()
    titles = page.dataframe[0].value.set_index("name")["engine"]
    assert titles["bundle"] == "Bundle" and titles["publish"] == "Publication" and titles["export"] == "Model files"
    assert titles["train"] == "Trainer" and not set(titles) & set(KINDS)


def test_search_and_status_narrow_it_down(app: Open, filled: Store) -> None:
    page = app(PAGE)
    page.text_input(key="runs_search").set_value("SAMPLE going").run()
    assert names(page) == ["Going on"]
    page.text_input(key="runs_search").set_value("nothing is called this").run()
    assert names(page) == [] and "None of 3 runs" in page.caption[0].value
    page.text_input(key="runs_search").set_value("").run()
    page.button_group(key="runs_group").set_value("Failed").run()
    assert names(page) == ["Broken"]


def test_what_is_not_possible_cannot_be_pressed(app: Open, filled: Store) -> None:
    page = app(PAGE)
    keys = ("runs_open", "runs_stop", "runs_again", "runs_rename", "runs_delete")
    assert [page.button(key=key).disabled for key in keys] == [True] * 5
