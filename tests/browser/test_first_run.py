"""From the first page to a trained model, as a person would: everything by what is written on the page."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from core.store.files import model_folder
from tests.browser.steps import TRAINING_S, Dashboard, button, main_score, points, settled, status, step, stop, until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1500)]


def test_from_the_first_page_to_a_finished_run(dashboard: Dashboard, new_page: Callable[[], Page]) -> None:
    page = new_page()
    page.goto(dashboard.url())
    button(page, "Train on the sample reviews").click()
    page.wait_for_url(re.compile(r"/run\?run=\w+"))
    address = page.url

    steps = sorted({until(lambda: step(page), 120, "the first step is shown")})
    drawn = [until(lambda: points(page), 60, "the loss curve has points")]
    for _ in range(2):
        steps.append(until(lambda: step(page) if step(page) > steps[-1] else 0, 120, "the step goes up"))
        drawn.append(until(lambda: points(page) if points(page) > drawn[-1] else 0, 120, "the curve grows"))
    assert status(page) == "Running"
    assert dashboard.only_run().status == "running"

    until(lambda: status(page) == "Finished", TRAINING_S, "the run finishes")
    accuracy, baseline = main_score(page)
    print(f"steps seen {steps}, points drawn {drawn}, accuracy {accuracy}, baseline {baseline}")
    assert accuracy > baseline + 0.15
    expect(page.locator("[data-testid=stProgress]")).to_have_count(0)

    cold = new_page()
    cold.goto(address)
    assert main_score(settled(cold)) == (accuracy, baseline)
    until(lambda: points(cold) > 20, 30, "the loss curve is drawn again")
    until(lambda: points(cold, "confusion", 2) == 25, 30, "the confusion matrix is drawn")
    expect(cold.get_by_text("AutoModelForSequenceClassification").first).to_be_visible()


def test_a_stop_in_the_middle_keeps_a_model_that_loads(dashboard: Dashboard, page: Page) -> None:
    page.goto(dashboard.url())
    button(page, "Train on the sample reviews").click()
    until(lambda: step(page) >= 3, 120, "training is on its way")
    stop(page)
    until(lambda: status(page) == "Stopped", 120, "the run stops")
    expect(page.get_by_text("the model so far was kept")).to_be_visible()
    run = dashboard.only_run()
    assert run.status == "stopped" and 0 < run.step < run.total

    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(model_folder(dashboard.settings.run_dir(run.id)))
    assert set(model.config.id2label.values()) == {"1 star", "2 stars", "3 stars", "4 stars", "5 stars"}


def test_a_killed_dashboard_finds_its_run_again(dashboard: Dashboard, new_page: Callable[[], Page]) -> None:
    page = new_page()
    page.goto(dashboard.url())
    button(page, "Train on the sample reviews").click()
    until(lambda: step(page) >= 3, 120, "training is on its way")
    run = dashboard.only_run()
    dashboard.kill()
    before = run.beats
    until(lambda: dashboard.only_run().beats > before + 3, 30, "the worker works on")

    dashboard.start()
    again = new_page()
    again.goto(dashboard.url(f"run?run={run.id}"))
    until(lambda: step(again) > run.step, 60, "the new dashboard shows the run going on")
    assert dashboard.only_run().token == run.token, "the same attempt goes on"
    stop(again)
    until(lambda: status(again) == "Stopped", 120, "the new dashboard's scheduler sees it end")
