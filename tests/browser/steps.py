"""What browser tests share: the dashboard as a process, waiting, and reading what a page says."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import psutil
from playwright.sync_api import Locator, Page, TimeoutError

from core.runs import process
from core.settings import Settings
from core.store.record import ACTIVE, Run
from core.store.store import Store
from tools import browser

PROJECT = Path(__file__).resolve().parents[2]
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
T = TypeVar("T")

FIRST_BOX = (15, 52)  # in a table: the box that selects its first row
TRAINING_S = 1200.0  # for a run of the sample, on a slow machine that does other things too


def until(look: Callable[[], T], timeout_s: float = 30.0, what: str = "") -> T:
    """Look again and again until there is something true to see, and return it."""
    end = time.monotonic() + timeout_s
    while True:
        seen = look()
        if seen:
            return seen
        assert time.monotonic() < end, f"not within {timeout_s:.0f} s: {what or look}"
        time.sleep(0.1)


def stop(page: Page) -> None:
    """Stop the run of the Run page, and say yes when it asks."""
    page.locator(".st-key-run_stop button").first.click()
    page.locator(".st-key-run_stop_no").wait_for()
    page.locator(".st-key-run_stop button").first.click()


def chromium() -> str:
    """The browser's program."""
    program = browser.find()
    assert program is not None, f"there is no Chromium; bring one with: {browser.hint()}"
    return program


class Dashboard:
    """One dashboard over one home; `store` is what it and its workers write to."""

    def __init__(
        self, settings: Settings, environment: Mapping[str, str] | None = None, arguments: Sequence[str] = ()
    ) -> None:
        """environment: variables beside those of the test; arguments: of `streamlit run`"""
        self.settings, self.store = settings, Store(settings.store_path)
        self._environment, self._arguments = dict(environment or {}), list(arguments)
        self.port = 0
        self.server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it on a free port and wait until it answers."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        environment = os.environ | {
            "TUNEDECK_HOME": str(self.settings.home),
            "HF_HUB_OFFLINE": "1",
            "PYTHONDONTWRITEBYTECODE": "",
            **self._environment,
        }
        with (self.settings.home / "dashboard.log").open("ab") as log:
            self.server = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "streamlit",
                    "run",
                    "streamlit_app.py",
                    "--server.headless=true",
                    "--server.port",
                    str(self.port),
                    *self._arguments,
                ],
                cwd=PROJECT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        until(self._answers, 60, "the dashboard answers")

    def _answers(self) -> bool:
        assert self.server is not None and self.server.poll() is None, self.log()
        try:
            with urllib.request.urlopen(f"http://localhost:{self.port}/_stcore/health", timeout=2) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def url(self, path: str = "") -> str:
        return f"http://localhost:{self.port}/{path}"

    def log(self) -> str:
        return (self.settings.home / "dashboard.log").read_text(errors="replace")[-3000:]

    def kill(self) -> None:
        """Kill the dashboard alone, as a crash would; its workers work on."""
        if self.server is not None:
            self.server.kill()
            self.server.wait()
            self.server = None

    def close(self) -> None:
        """End the dashboard and every worker of its home."""
        if self.server is not None:
            children = psutil.Process(self.server.pid).children(recursive=True)
            os.killpg(self.server.pid, signal.SIGKILL)
            self.server.wait()
            self.server = None
            for child in children:
                if child.is_running():
                    child.kill()
        for run in self.store.runs(statuses=ACTIVE):
            if run.process is not None:
                process.signal_group(run.process, force=True)

    def only_run(self) -> Run:
        (run,) = self.store.runs(kind="train")
        return run


def settled(page: Page) -> Page:
    """The page once its script has run."""
    page.locator("[data-testid=stMain] h1, .st-key-empty_state").first.wait_for()
    page.locator("[data-test-script-state=notRunning]").first.wait_for(state="attached")
    return page


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=False).first


def choose(page: Page, field: str, option: str) -> None:
    """Take an option of a select box; a script run that ends meanwhile may close its list, so it is opened again."""
    wanted = page.get_by_role("option", name=re.compile(option))

    def listed() -> bool:
        page.get_by_role("combobox", name=re.compile(field)).click()
        try:
            wanted.click(timeout=3_000)
        except TimeoutError:
            return False
        return True

    until(listed, 60, f"{field} offers {option}")


def write_cell(page: Page, table: Locator, place: tuple[int, int], value: str, opens: str = "") -> None:
    """Write into the cell at a place of a table.

    opens: the key that opens the cell's editor; by default the first key of the value does, which only cells of
    text and numbers understand
    """
    editor = page.locator("#portal input")

    def opened() -> bool:
        table.click(position={"x": place[0], "y": place[1]})
        page.keyboard.press(opens or value[0])
        try:
            editor.wait_for(timeout=3_000)
        except TimeoutError:  # not drawn yet when it was clicked
            page.keyboard.press("Escape")
            return False
        return True

    until(opened, 60, "the cell can be written into")
    page.keyboard.type(value if opens else value[1:])
    page.keyboard.press("Enter")


def clicked(click: Callable[[], None], shows: Locator) -> None:
    """Click until the page shows what the click is for: a table or chart just being drawn takes no notice of it."""

    def shown() -> bool:
        try:
            click()
            shows.first.wait_for(timeout=10_000)
        except TimeoutError:
            return False
        return True

    until(shown, 60, f"a click shows {shows}")


def in_table(page: Page, x: int, y: int, shows: Locator) -> None:
    """Click at a place of the page's first table until the page shows what that is for."""
    table = page.get_by_test_id("stDataFrame").first
    clicked(lambda: table.click(position={"x": x, "y": y}), shows)


def status(page: Page) -> str:
    """What the Run page's badge says, such as "Running"."""
    badge = page.locator(".st-key-run_status [data-testid=stMarkdownContainer]").first
    words = badge.inner_text().split() if badge.count() else []
    return words[-1] if words else ""


def step(page: Page) -> int:
    """The step that the progress bar says; 0 while there is none."""
    bar = page.locator("[data-testid=stProgress]")
    match = re.search(r"step ([\d,]+) of", bar.inner_text()) if bar.count() else None
    return int(match[1].replace(",", "")) if match else 0


def points(page: Page, chart: str = "loss", trace: int = 0) -> int:
    """How many points the browser has drawn in one line of a chart."""
    return int(
        page.evaluate(
            "([chart, trace]) => document.querySelector(`.st-key-chart_${chart} .js-plotly-plot`)"
            "?.data?.[trace]?.x?.length ?? 0",
            [chart, trace],
        )
    )


def main_card(page: Page, group: str) -> Locator:
    """The main metric's card in a group of them: its title is bold. Which one the browser draws first is chance."""
    return page.locator(f".st-key-{group} [data-testid=stMetric]:has([data-testid=stMetricLabel] strong)")


def main_score(page: Page) -> tuple[float, float]:
    """The main metric on a finished run's page, and its baseline."""
    card = main_card(page, "run_scores")
    card.wait_for()
    value, baseline = (
        card.get_by_test_id("stMetricValue").inner_text(),
        re.search(r"against ([\d.]+)", card.inner_text()),
    )
    assert baseline is not None, card.inner_text()
    return float(value), float(baseline[1])
