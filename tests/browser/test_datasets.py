"""The dataset browser as a person uses it: a bar, a search, an order, a row, SQL, a remedy, and a run on the result."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from core.data.loading.load import load
from core.spec.data import DataSpec
from core.spec.run import build
from tests.browser.steps import FIRST_BOX, Dashboard, button, clicked, in_table, settled, until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]


def tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()
    settled(page)


def said(page: Page, pattern: str) -> re.Match[str]:
    """Waits until the page says something like it."""
    match = until(lambda: re.search(pattern, page.locator("[data-testid=stMain]").inner_text()), 30, pattern)
    assert match is not None
    return match


def open_row(page: Page) -> None:
    in_table(page, *FIRST_BOX, page.locator(".st-key-whole_row"))


def click_bar(page: Page, place: int, filters: str) -> None:
    """Click a bar of a chart until its rows are what is looked at."""
    bar = page.locator(".js-plotly-plot .bars path").nth(place)
    clicked(lambda: bar.click(force=True), page.get_by_role("button", name=re.compile(filters)))


def test_browse_the_sample(dashboard: Dashboard, page: Page) -> None:
    page.goto(dashboard.url("datasets"))
    settled(page)
    tab(page, "Labels")
    click_bar(page, 3, "label is 4 stars")
    of_class = int(said(page, r"([\d,]+) matching rows of 4,000")[1].replace(",", ""))
    assert 900 < of_class < 1_100

    search = page.get_by_role("searchbox", name="Search")
    search.fill("BURGER")
    search.press("Enter")
    matching = int(
        until(lambda: (m := said(page, r"([\d,]+) matching rows of 4,000")) and m[1] != f"{of_class:,}" and m[1], 30)
    )
    assert 0 < matching < of_class
    assert "view=" in page.url and "BURGER" in page.url

    open_row(page)
    row = page.locator(".st-key-whole_row")
    expect(row.locator("span", has_text=re.compile("^burger$", re.IGNORECASE)).first).to_be_visible()
    expect(row).to_contain_text("4 stars")
    row.get_by_text("As the model sees it").click()
    expect(row).to_contain_text("[CLS]")
    expect(row).to_contain_text(re.compile(r"\d+ tokens for a new vocabulary"))

    linked = page.context.new_page()
    linked.goto(page.url)
    settled(linked)
    assert said(linked, r"([\d,]+) matching rows? of 4,000")[1] == str(matching), "the address is a link to the view"
    linked.close()

    page.get_by_role("button", name="label is 4 stars").click()
    until(lambda: not page.get_by_role("button", name="label is 4 stars").count(), 30, "the filter is taken away")
    page.get_by_role("combobox", name="Sort by").click()
    page.get_by_role("option", name="label").click()
    said(page, r"here 1 to 50")
    open_row(page)
    expect(page.locator(".st-key-whole_row")).to_contain_text("1 star")


def test_a_bar_of_lengths_is_a_filter(dashboard: Dashboard, page: Page) -> None:
    page.goto(dashboard.url("datasets"))
    settled(page)
    tab(page, "Text lengths")
    page.get_by_text("Characters", exact=True).click()
    said(page, r"Click a bar to see its rows")
    click_bar(page, 5, r"text has from \d+ to \d+ characters")
    low, high = map(int, said(page, r"text has from (\d+) to (\d+) characters").groups())
    said(page, r"[\d,]+ matching rows? of 4,000")
    assert low < high
    open_row(page)
    text = page.locator(".st-key-whole_row [data-testid=stText]").first.inner_text()
    assert low <= len(text) <= high


def test_sql_over_the_sample(dashboard: Dashboard, page: Page) -> None:
    page.goto(dashboard.url("datasets"))
    settled(page)
    tab(page, "SQL")
    query = page.get_by_role("textbox", name="Query")
    query.fill("SELECT label, count(*) AS n FROM train GROUP BY label")
    query.press("Control+Enter")
    said(page, r"5 rows in [\d.]+ s")
    query.fill("SELECT * FROM read_csv('/etc/passwd')")
    query.press("Control+Enter")
    said(page, r"That is closed here")
    page.get_by_text("How often each label").click()
    until(lambda: "percent" in query.input_value(), 30, "the example is taken")
    page.get_by_role("button", name="Run").last.click()
    said(page, r"5 rows in [\d.]+ s")


def test_a_remedy_is_applied_and_a_run_uses_it(dashboard: Dashboard, page: Page) -> None:
    page.goto(dashboard.url("datasets"))
    settled(page)
    tab(page, "Problems")
    button(page, "Drop them from train").click()
    said_in = page.get_by_role("dialog")
    expect(said_in).to_contain_text("nearly (85%) the same in another split")
    said_in.get_by_role("button", name="Apply").click()
    said(page, r"4,999 rows · 2 columns · 1 step of preparation")
    tab(page, "Problems")
    said(page, r"There is nothing here that would hurt")
    tab(page, "Prepare")
    said(page, r"Drop rows of train whose text is nearly")

    button(page, "Train on this dataset").click()
    page.wait_for_url(re.compile("new_run"))
    settled(page)
    said(page, r"Prepared in 1 step")
    page.get_by_role("spinbutton", name="Epochs").fill("0.1")
    page.keyboard.press("Tab")
    settled(page)
    button(page, "Start training").click()
    page.wait_for_url(re.compile(r"/run\?run=\w+"))
    run = dashboard.only_run()
    data: DataSpec = build(run.spec["data"], DataSpec)
    assert [step.step for step in data.steps] == ["drop_leaks"]
    until(lambda: dashboard.store.run(run.id).is_final, 300, "the run ends")
    ended = dashboard.store.run(run.id)
    assert (ended.status, ended.summary["train_examples"]) == ("finished", 3_999)
    assert len(load(data, dashboard.settings).dataset["train"]) == 3_999

    page.goto(dashboard.url("datasets"))
    settled(page)
    tab(page, "Prepare")
    button(page, "Remove").click()
    said(page, r"5,000 rows · 2 columns\n")
