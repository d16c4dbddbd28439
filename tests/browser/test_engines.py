"""Each engine from the New run page to a judged model, with the same panels; and a run that is stopped and resumed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.store.files import model_folder
from core.store.record import Run
from tests.browser.steps import (
    TRAINING_S,
    Dashboard,
    button,
    choose,
    main_score,
    points,
    settled,
    status,
    step,
    stop,
    until,
    write_cell,
)

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1500)]

TITLES = {"trainer": "Trainer", "torch": "PyTorch loop", "keras": "Keras"}
CHARTS = "found => found.map(e => [...e.classList].find(c => c.startsWith('st-key-chart_')).slice(13))"
DRAWN = {"loss", "metrics", "rate", "norm", "confusion"}
VITALS = ["Training loss", "Accuracy", "Speed", "CPU", "Memory"]


def new_run(page: Page, dashboard: Dashboard, kind: str, examples: int) -> None:
    """The New run page with an engine chosen, on a part of the sample."""
    engine, _, keras_input = kind.partition("-")
    page.goto(dashboard.url("new_run"))
    settled(page)
    page.get_by_role("radio", name=TITLES[engine]).click()
    if keras_input == "numpy":
        choose(page, "Keras input", "NumPy")
        expect(page.get_by_text("for whole arrays")).to_be_visible()
    page.get_by_role("spinbutton", name="Training examples").fill(str(examples))
    page.keyboard.press("Tab")
    expect(page.get_by_text(f"{examples:,} examples for training")).to_be_visible()


def start(page: Page, dashboard: Dashboard) -> Run:
    button(page, "Start training").click()
    page.wait_for_url(re.compile(r"/run\?run=\w+"))
    return dashboard.only_run()


@pytest.mark.parametrize("kind", ["trainer", "torch", "keras-tf_data", "keras-numpy"])
def test_each_engine_shows_the_same_panels(kind: str, dashboard: Dashboard, page: Page) -> None:
    new_run(page, dashboard, kind, 1_200)
    run = start(page, dashboard)
    until(lambda: step(page) > 3, 180, "training is on its way")
    until(lambda: points(page) > 1, 60, "the loss curve has points")
    expect(page.locator(".st-key-run_vitals [data-testid=stMetricLabel]")).to_have_text(VITALS)

    until(lambda: status(page) == "Finished", TRAINING_S, "the run finishes")
    settled(page)
    accuracy, baseline = main_score(page)
    assert accuracy > baseline, "it has learned something"
    until(lambda: points(page) > 10, 30, "the loss curve is whole")
    until(lambda: points(page, "confusion", 2) == 25, 30, "the confusion matrix is drawn")
    charts = page.locator("[class*=st-key-chart_]")
    until(lambda: set(charts.evaluate_all(CHARTS)) == DRAWN, 30, f"the charts are {DRAWN}")
    title = TITLES[run.spec["engine"]]
    expect(page.locator(".st-key-run_status")).to_contain_text(
        title + {"keras-tf_data": " (tf.data)", "keras-numpy": " (NumPy)"}.get(kind, "")
    )
    folder = model_folder(dashboard.settings.run_dir(run.id))
    assert folder is not None and loads(folder)


def loads(folder: Path) -> bool:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(folder)
    tokens = AutoTokenizer.from_pretrained(folder)("lovely food", return_tensors="pt")
    return tuple(model(**tokens).logits.shape) == (1, 5)


def test_a_stopped_run_goes_on_where_it_was(dashboard: Dashboard, page: Page) -> None:
    new_run(page, dashboard, "torch", 2_000)
    run = start(page, dashboard)
    until(lambda: step(page) >= 5, 180, "training is on its way")
    stop(page)
    until(lambda: status(page) == "Stopped", 120, "the run stops")
    stopped = dashboard.only_run()
    drawn = until(lambda: points(page), 30, "the curve so far is drawn")

    page.locator(".st-key-run_resume").get_by_role("button").click()
    until(lambda: status(page) in ("Queued", "Starting", "Running"), 30, "it is taken up again")
    until(lambda: step(page) > stopped.step, 180, "it goes on after the last step")
    until(lambda: points(page) > drawn, 60, "the curve grows on")
    until(lambda: status(page) == "Finished", TRAINING_S, "the run finishes")
    again = dashboard.only_run()
    assert (again.id, again.attempt, again.step) == (run.id, 2, again.total)
    steps = [m.step for m in dashboard.store.metrics_since(run.id) if m.name == "loss"]
    assert len(steps) == len(set(steps)) and steps == sorted(steps)
    expect(page.locator(".st-key-run_resume")).to_have_count(0)  # a finished run has nothing to resume


def test_class_weights_are_typed_into_a_table(dashboard: Dashboard, page: Page) -> None:
    new_run(page, dashboard, "trainer", 200)
    page.get_by_text("Advanced").first.click()
    page.get_by_role("tab", name="Training").click()
    choose(page, "Class weights", "custom")
    expect(page.get_by_text("none is given").first).to_be_visible()
    write_cell(page, page.get_by_test_id("stDataFrame"), (380, 35 * 5 + 17), "3")  # the fifth row's weight
    expect(page.get_by_text("none is given")).to_have_count(0)
    run = start(page, dashboard)
    assert run.spec["training"]["custom_class_weights"] == {"5 stars": 3.0}
