"""The real dashboard in a subprocess and a real Chromium before it. Every test has a home folder of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from core.settings import Settings
from tests.browser.steps import ARGUMENTS, PROJECT, Dashboard, chromium

REPORTS = pytest.StashKey[dict[str, pytest.TestReport]]()


@pytest.fixture
def dashboard(settings: Settings) -> Iterator[Dashboard]:
    running = Dashboard(settings)
    try:
        running.start()
        yield running
    finally:
        running.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS))
        yield started
        started.close()


@pytest.fixture
def new_page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Callable[[], Page]]:
    """Makes pages, each in a browser context of its own; of a test that failed a picture is kept in build/browser."""
    contexts: list[BrowserContext] = []

    def make() -> Page:
        context = browser.new_context(viewport={"width": 1440, "height": 1000}, locale="en-GB")
        context.set_default_timeout(30_000)
        contexts.append(context)
        return context.new_page()

    yield make
    report: dict[str, pytest.TestReport] = request.node.stash.get(REPORTS, {})
    failed = "call" in report and report["call"].failed
    for number, context in enumerate(contexts):
        if failed and context.pages:
            name = re.sub(r"\W+", "-", request.node.name)
            context.pages[0].screenshot(path=PROJECT / "build" / "browser" / f"{name}-{number}.png", full_page=True)
        context.close()


@pytest.fixture
def page(new_page: Callable[[], Page]) -> Page:
    return new_page()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    item.stash.setdefault(REPORTS, {})[report.when] = report
    return report
