"""A run made into a bundle in the browser, and shown by another dashboard to somebody who only looks."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.settings import Settings
from tests.browser.steps import Dashboard, button, main_card, main_score, settled
from tests.browser.test_results import train

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1500)]
WAIT_MS = 240_000


def test_from_a_run_to_a_link(
    dashboard: Dashboard, new_page: Callable[[], Page], tmp_path: Path, settings: Settings
) -> None:
    page = new_page()
    page.goto(dashboard.url("share"))
    settled(page)
    expect(page.locator("[data-testid=stMain]")).to_contain_text("Nothing to share yet")
    run = train(dashboard, "To be shared")
    page.goto(dashboard.url(f"evaluate?run={run.id}"))
    page.locator(".st-key-evaluate_headline").wait_for(timeout=WAIT_MS)
    accuracy = main_card(page, "evaluate_headline").get_by_test_id("stMetricValue").inner_text()

    page.goto(dashboard.url(f"run?run={run.id}"))
    settled(page)
    score = main_score(page)
    button(page, "Show me the code").click()
    expect(page.locator("[data-testid=stCode]").first).to_contain_text("load_dataset", timeout=60_000)
    page.get_by_role("tab", name="Report").click()
    with page.expect_download() as report:
        button(page, "Download HTML").click()
    html = Path(report.value.path()).read_text(encoding="utf-8")
    assert "To be shared" in html and f"{score[0]:.3f}" in html

    page.get_by_role("tab", name="Bundle").click()
    button(page, "Make the bundle").click()
    page.locator(".st-key-bundle_download").wait_for(timeout=WAIT_MS)
    results = tmp_path / "results"
    results.mkdir()
    with page.expect_download() as bundle:
        page.locator(".st-key-bundle_download button").click()
    bundle.value.save_as(results / f"{run.id}.zip")

    home = tmp_path / "elsewhere"
    home.mkdir()
    site = Dashboard(Settings(home=home), {"TUNEDECK_MODE": "viewer", "TUNEDECK_RESULTS": str(results)})
    try:
        site.start()
        visitor = new_page()
        visitor.goto(site.url(f"run?run={run.id}"))
        settled(visitor)
        assert main_score(visitor) == score
        expect(visitor.locator(".st-key-run_title")).to_contain_text("read-only")
        button(visitor, "Look at its evaluation").click()
        headline = main_card(visitor, "evaluate_headline").get_by_test_id("stMetricValue")
        expect(headline).to_have_text(accuracy, timeout=60_000)
        visitor.goto(site.url(f"evaluate?run={run.id}&view=mistakes"))
        expect(visitor.get_by_role("tab", name="Mistakes")).to_have_attribute("aria-selected", "true", timeout=60_000)
        visitor.goto(site.url(f"run?run={run.id}&embed=true"))
        settled(visitor)
        expect(visitor.get_by_test_id("stSidebarNavLink")).to_have_count(0)
        assert not re.search("Stop|Delete|Rename", visitor.locator("[data-testid=stMain]").inner_text())
    finally:
        site.close()
