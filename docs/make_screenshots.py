"""Photographs every page in light and dark for the documents: `make screenshots`. Trains for real; takes some minutes.

The runs are of the sample data, in a temporary home: one that works, one that waits, and finished ones, good and bad.
`python docs/make_screenshots.py RUN` photographs only the Share page and the report of a run in TUNEDECK_HOME.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Browser, Page, sync_playwright  # noqa: E402

from core import settings as settings_module  # noqa: E402
from core.sharing.report import report  # noqa: E402
from core.sharing.report.content import gather  # noqa: E402
from core.spec.presets import PRESETS, SAMPLE  # noqa: E402
from core.spec.run import replace  # noqa: E402
from tests.browser.steps import ARGUMENTS, Dashboard, chromium, points, settled, until  # noqa: E402

SIZE, REPORT_SIZE = {"width": 1440, "height": 900}, {"width": 1000, "height": 1400}
SCHEMES = ("light", "dark")
HEIGHT = "document.querySelector('[data-testid=stMain]').scrollHeight"


def submit(dashboard: Dashboard, name: str, **changes: object) -> str:
    spec = replace(PRESETS[SAMPLE].spec, {f"training.{field}": value for field, value in changes.items()})
    return dashboard.store.submit("train", name, spec.model_dump(mode="json"))


def ended(dashboard: Dashboard, run: str) -> None:
    until(lambda: dashboard.store.run(run).is_final, 1800, f"run {run} ends")


def photograph(browser: Browser, address: str, name: str, whole: bool = False) -> None:
    """One page in both colour schemes; `whole` for all of its height."""
    for scheme in SCHEMES:
        context = browser.new_context(viewport=SIZE, color_scheme=scheme, locale="en-GB")  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(address)
        complete(page)
        if whole:  # the page scrolls within the window, so the window has to be as high as it
            page.set_viewport_size({"width": SIZE["width"], "height": page.evaluate(HEIGHT)})
            page.wait_for_timeout(1500)
        page.screenshot(path=ROOT / "docs" / f"{name}-{scheme}.png")
        context.close()
        sys.stdout.write(f"docs/{name}-{scheme}.png\n")


def complete(page: Page) -> None:
    """Wait until everything is drawn: the script has run, no placeholder is left, charts have their lines."""
    settled(page)
    until(lambda: not page.locator("[data-testid=stSkeleton]").count(), 30, "placeholders are gone")
    until(lambda: not page.locator(".live-chart:not(.js-plotly-plot)").count(), 30, "charts are drawn")
    page.wait_for_timeout(1500)  # fonts and animations


def shared(browser: Browser, dashboard: Dashboard, run_id: str) -> None:
    """The parts of the Share page for one run, and its report as it opens from a file."""
    for view in ("code", "card", "files", "bundle"):
        photograph(browser, dashboard.url(f"share?run={run_id}&view={view}"), f"share_{view}")
    store, settings = dashboard.store, dashboard.settings
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.html"
        file.write_text(report.html(gather(store, settings, store.run(run_id), True)), encoding="utf-8")
        for scheme in SCHEMES:
            context = browser.new_context(viewport=REPORT_SIZE, color_scheme=scheme)  # type: ignore[arg-type]
            page = context.new_page()
            page.goto(file.as_uri())
            page.wait_for_timeout(2500)
            page.screenshot(path=ROOT / "docs" / f"report-{scheme}.png")
            context.close()
            sys.stdout.write(f"docs/report-{scheme}.png\n")


def evaluate(browser: Browser, dashboard: Dashboard, run: str) -> None:
    """Open the Evaluate page, which evaluates the run, and wait for its figures."""
    page = browser.new_page()
    page.goto(dashboard.url(f"evaluate?run={run}"))
    page.locator(".st-key-evaluate_headline").wait_for(timeout=600_000)
    page.close()


def at_work(browser: Browser, dashboard: Dashboard, run: str) -> None:
    """The Run page while there is something to see and the run is not over."""
    watch = browser.new_page()
    watch.goto(dashboard.url(f"run?run={run}"))
    until(lambda: points(watch, "metrics") >= 3, 1800, "three evaluations")
    photograph(browser, dashboard.url(f"run?run={run}"), "run_live")
    assert not dashboard.store.run(run).is_final, "the run was over before it was photographed"
    watch.close()


def compared(browser: Browser, dashboard: Dashboard) -> str:
    """Have all evaluations compared; returns the address of the comparison."""
    ids = [run.id for run in reversed(dashboard.store.runs(kind="evaluate", statuses=("finished",)))]
    address = dashboard.url(f"compare?evaluations={','.join(ids)}")
    page = browser.new_page()
    page.goto(address)
    page.get_by_test_id("stDataFrame").first.wait_for(timeout=600_000)
    page.close()
    return address


def of_run(run_id: str) -> None:
    dashboard = Dashboard(settings_module.from_environment())
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS))
        try:
            dashboard.start()
            shared(browser, dashboard, run_id)
        finally:
            dashboard.close()
            browser.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        os.environ["TUNEDECK_HOME"] = home
        dashboard = Dashboard(settings_module.from_environment())
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS))
        try:
            dashboard.start()
            photograph(browser, dashboard.url(), "start")
            failing = submit(dashboard, "Far too high a learning rate", learning_rate=1.0, num_train_epochs=1.0)
            short = submit(dashboard, "Sample reviews · one epoch", num_train_epochs=1.0)
            for run in (failing, short):
                ended(dashboard, run)
            finished = submit(dashboard, "Sample reviews · scratch")
            ended(dashboard, finished)
            working = submit(dashboard, "Sample reviews · smaller steps", learning_rate=3e-4, num_train_epochs=6.0)
            submit(dashboard, "Sample reviews · label smoothing", label_smoothing_factor=0.1)
            photograph(browser, dashboard.url(f"run?run={finished}"), "run")
            photograph(
                browser,
                dashboard.url("datasets?source=sample&split=train&view=%7B%22search%22%3A%22burger%22%7D"),
                "datasets",
            )
            photograph(browser, dashboard.url("new_run"), "new_run")
            photograph(browser, dashboard.url("runs"), "runs")
            at_work(browser, dashboard, working)
            for run in (finished, short):
                evaluate(browser, dashboard, run)
            photograph(browser, dashboard.url(f"evaluate?run={finished}"), "evaluate", whole=True)
            photograph(browser, compared(browser, dashboard), "compare", whole=True)
            shared(browser, dashboard, finished)
        finally:
            dashboard.close()
            browser.close()


if __name__ == "__main__":
    of_run(sys.argv[1]) if len(sys.argv) > 1 else main()
