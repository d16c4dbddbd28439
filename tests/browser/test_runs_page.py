"""The Runs page: several at once are deleted with their files, a dialog outlives the table's ticks, and keys press
the main buttons."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.steps import Dashboard, in_table, settled, status, until
from tests.synthetic import Synthetic

pytestmark = pytest.mark.browser

ROW, HEADER = 36, 36


def select(page: Page, place: int, says: str) -> None:
    """Tick the box of a row of the table."""
    in_table(page, 16, HEADER + ROW * place + ROW // 2, page.get_by_text(says))


def test_two_runs_are_deleted_with_their_files_while_another_works(dashboard: Dashboard, page: Page) -> None:
    kept, first, second = (Synthetic(dashboard.store, dashboard.settings, name).working() for name in "KAB")
    for run in (first, second):
        run.train(20, of=20)
        run.finish()
    kept.train(10, of=100)
    page.goto(dashboard.url("runs"))
    settled(page)
    select(page, 0, "1 run selected")
    select(page, 1, "2 runs selected")
    page.locator(".st-key-runs_delete button").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text(re.compile(r"This frees .* kB"))).to_be_visible()
    kept.train(20, of=100)
    page.wait_for_timeout(2500)  # a tick of the table
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Delete 2 runs").click()
    until(lambda: [run.id for run in dashboard.store.runs()] == [kept.id], 20, "both are gone")
    assert not dashboard.settings.run_dir(first.id).exists()
    assert not dashboard.settings.run_dir(second.id).exists()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_selection_stays_with_its_run_when_another_comes_in(dashboard: Dashboard, page: Page) -> None:
    chosen = Synthetic(dashboard.store, dashboard.settings, "Chosen").working()
    chosen.train(20, of=100)
    page.goto(dashboard.url("runs"))
    settled(page)
    select(page, 0, "1 run selected")
    Synthetic(dashboard.store, dashboard.settings, "Newer")
    page.wait_for_timeout(3000)  # a tick of the table
    expect(page.get_by_text("1 run selected")).to_be_visible()
    page.locator(".st-key-runs_rename button").click()
    expect(page.get_by_role("textbox", name="Name")).to_have_value("Chosen")


def test_a_run_opens_from_its_row(dashboard: Dashboard, page: Page) -> None:
    run = Synthetic(dashboard.store, dashboard.settings, "To open").working()
    run.train(20, of=20)
    run.finish()
    page.goto(dashboard.url("runs"))
    settled(page)
    in_table(page, 60, HEADER + ROW // 2, page.locator(".st-key-run_status"))
    assert f"/run?run={run.id}" in page.url
    until(lambda: status(page) == "Finished")


def test_without_runs_the_page_says_what_to_do(dashboard: Dashboard, page: Page) -> None:
    page.goto(dashboard.url("runs"))
    page.get_by_role("button", name="Start the first run").click()
    page.wait_for_url(re.compile("/new_run"))
    page.goto(dashboard.url("run?run=doesnotexist"))
    expect(page.get_by_text("This run does not exist")).to_be_visible()


def test_keys_press_the_main_buttons_but_not_while_somebody_types(dashboard: Dashboard, page: Page) -> None:
    working = Synthetic(dashboard.store, dashboard.settings, "At work").working()
    working.train(10, of=100)
    page.goto(dashboard.url("runs"))
    settled(page)
    page.get_by_placeholder("Search names").press_sequentially("Nn")
    expect(page.get_by_placeholder("Search names")).to_have_value("Nn")
    page.get_by_role("heading", name="Runs").click()
    page.keyboard.press("n")
    page.wait_for_url(re.compile("/new_run"))
    settled(page)
    name = page.get_by_role("textbox", name="Run name")
    name.press_sequentially("By ")
    name.press("Shift+S")
    expect(name).to_have_value("By S")
    page.get_by_role("heading", name="New run").click()
    settled(page)
    assert len(dashboard.store.runs(kind="train")) == 1
    page.keyboard.press("Shift+S")
    page.wait_for_url(re.compile(r"/run\?run="))
    assert [run.name for run in dashboard.store.runs(kind="train")] == ["By S", "At work"]

    page.goto(dashboard.url(f"run?run={working.id}"))
    page.locator(".st-key-run_stop button").first.wait_for()
    page.keyboard.press("x")
    page.wait_for_timeout(1500)
    assert dashboard.store.run(working.id).status == "running"
    page.keyboard.press("Shift+X")
    keep = page.locator(".st-key-run_stop_no")
    keep.wait_for()
    page.keyboard.press("n")
    keep.wait_for(state="detached")

    def asked_again() -> bool:  # the button that comes back gets its key a moment after it is drawn
        page.keyboard.press("Shift+X")
        page.wait_for_timeout(500)
        return keep.is_visible()

    until(asked_again, 30, "Shift+X asks again")
    assert dashboard.store.run(working.id).status == "running", "the key alone only asks"
    page.keyboard.press("y")
    until(lambda: dashboard.store.run(working.id).status == "stopping", 20, "it is asked to stop")
