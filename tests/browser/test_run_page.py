"""The Run page while a run works: what a person does to the charts and the log lasts from tick to tick."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.steps import Dashboard, points, settled, status, stop, until
from tests.synthetic import Synthetic

pytestmark = pytest.mark.browser


def chart_state(page: Page) -> Any:
    """Range of the x axis and which lines are shown, and whether it is still the chart that was marked."""
    return page.evaluate(
        "() => { const c = document.querySelector('.st-key-chart_loss .js-plotly-plot');"
        " return [c._fullLayout.xaxis.range, c._fullData.map(t => t.visible), c.marked === true] }"
    )


def drag(page: Page) -> None:
    """Zoom into a part of the loss chart."""
    box = page.locator(".st-key-chart_loss .nsewdrag").first.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.3
    page.mouse.move(x, y)
    page.mouse.down()
    for part in range(1, 11):
        page.mouse.move(x + part * 12, y + part * 8)
        time.sleep(0.03)  # a hand is no quicker, and Plotly does not take it for one
    page.mouse.up()


def test_zoom_hidden_lines_log_and_menus_last_while_points_arrive(dashboard: Dashboard, page: Page) -> None:
    run = Synthetic(dashboard.store, dashboard.settings, "Goes on").working()
    run.train(130, of=400)
    page.goto(dashboard.url(f"run?run={run.id}"))
    until(lambda: points(page) >= 26, 30, "the curve is drawn")
    page.evaluate("document.querySelector('.st-key-chart_loss .js-plotly-plot').marked = true")
    whole = chart_state(page)[0]
    drag(page)
    zoomed = until(lambda: chart_state(page)[0] if chart_state(page)[0] != whole else None, 10, "it is zoomed")
    page.locator(".st-key-chart_loss .legendtoggle").nth(1).click()
    until(lambda: chart_state(page)[1][1] == "legendonly", 10, "evaluation is hidden")
    page.get_by_text("Log", exact=True).click()
    search = page.get_by_placeholder("Search the log")
    search.fill("step 17")

    drawn = points(page)
    run.train(190, of=400)
    until(lambda: points(page) > drawn, 20, "points arrived")
    assert chart_state(page) == [zoomed, chart_state(page)[1], True]
    assert chart_state(page)[1][1] == "legendonly"
    expect(search).to_have_value("step 17")
    expect(page.locator(".st-key-run_log code")).to_contain_text("step 170")

    page.get_by_role("button", name="More").click()
    page.get_by_text("Rename", exact=True).click()
    run.train(230, of=400)
    until(lambda: "step 230" in page.locator("[data-testid=stProgress]").inner_text(), 20, "another tick")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.get_by_role("textbox", name="Name").fill("New *name*")
    page.get_by_role("dialog").get_by_role("button", name="Rename").click()
    expect(page.locator("h1")).to_have_text("New *name*")


def test_polling_ends_with_the_run(dashboard: Dashboard, page: Page) -> None:
    run = Synthetic(dashboard.store, dashboard.settings, "Ends").working()
    run.train(50, of=100)
    page.goto(dashboard.url(f"run?run={run.id}"))
    until(lambda: status(page) == "Running")
    run.train(100, of=100)
    run.finish()
    until(lambda: status(page) == "Finished", 20, "the results are shown")
    page.evaluate(
        "() => { window.changed = performance.now();"
        " new MutationObserver(() => window.changed = performance.now())"
        ".observe(document.querySelector('[data-testid=stMain]'), {subtree: true, childList: true}) }"
    )
    until(lambda: page.evaluate("performance.now() - window.changed > 4000"), 30, "the page lies still")


def test_two_tabs_agree(dashboard: Dashboard, new_page: Callable[[], Page]) -> None:
    run = Synthetic(dashboard.store, dashboard.settings, "Watched twice").working()
    run.train(20, of=100)
    first, second = new_page(), new_page()
    first.goto(dashboard.url(f"run?run={run.id}"))
    second.goto(dashboard.url("runs"))
    until(lambda: status(first) == "Running")
    settled(second)
    stop(first)
    until(lambda: run.stop_requested(), 10, "the worker is told")
    run.finish("stopped")
    until(lambda: status(first) == "Stopped", 20)
    second.get_by_test_id("stElementToolbar").first.wait_for(state="attached")
    until(lambda: cells(second, "Status") == ["Stopped"], 20, "the other tab says so too")


def cells(page: Page, column: str) -> list[str]:
    """A column of the Runs table, read from the table for screen readers that lies under its canvas."""
    return page.evaluate(
        "name => { const table = document.querySelector('[data-testid=stDataFrame] table');"
        " if (!table) return [];"
        " const place = [...table.querySelectorAll('th')].findIndex(th => th.innerText.trim() === name);"
        " return [...table.querySelectorAll('tbody tr')].map(row => row.children[place]?.innerText.trim()) }",
        column,
    )


def test_names_and_labels_are_shown_as_they_are(dashboard: Dashboard, page: Page) -> None:
    hostile = "**bold** :smile: <img src=x onerror=alert(1)> $x^2$ [a](http://b.example) https://c.example"
    run = Synthetic(dashboard.store, dashboard.settings, hostile).working()
    run.train(100, of=100)
    run.finish(labels=["<b>one</b>", "$two$", "[three](http://d.example)"])
    page.goto(dashboard.url(f"run?run={run.id}"))
    until(lambda: status(page) == "Finished")
    assert page.locator("h1").inner_text().replace("\u2060", "") == hostile
    assert page.locator("[data-testid=stMain] a[href*='.example']").count() == 0
    assert page.locator("[data-testid=stMain] img, [data-testid=stMain] .katex").count() == 0
    until(lambda: points(page, "confusion", 2) == 9)
    assert "<b>one</b>" in page.locator(".st-key-chart_confusion").inner_text()


def test_nothing_is_fetched_from_elsewhere(dashboard: Dashboard, page: Page) -> None:
    run = Synthetic(dashboard.store, dashboard.settings, "Stays here").working()
    run.train(100, of=100)
    run.finish()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for path in ("", "datasets", "new_run", "runs", f"run?run={run.id}"):
        page.goto(dashboard.url(path))
        settled(page)
    until(lambda: points(page) > 10, 30, "the charts are drawn")
    assert not [url for url in asked if not url.startswith((dashboard.url(), "data:", "blob:"))]
