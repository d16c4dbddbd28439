"""Links from outside, frames of foreign pages, and the way back, in a real browser."""

from __future__ import annotations

import http.server
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from tests.browser.steps import Dashboard, settled
from tests.synthetic import Synthetic

pytestmark = pytest.mark.browser


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "reviews of mine.csv"
    path.write_text("text,label\n" + "A fine day,good\nA long night,bad\n" * 20)
    return path


@pytest.fixture
def foreign() -> Iterator[Callable[[str], str]]:
    """Serves a page of somebody else's; returns its address."""
    content = ""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(content.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def serve(html: str) -> str:
        nonlocal content
        content = html
        return f"http://127.0.0.1:{server.server_address[1]}/"

    yield serve
    server.shutdown()
    server.server_close()


def test_a_link_from_outside_asks_and_one_of_ours_goes_on(
    new_page: Callable[[], Page], dashboard: Dashboard, table: Path
) -> None:
    link = dashboard.url(f"datasets?source=file&path={quote(str(table))}")
    page = new_page()
    page.goto(link)
    asks = page.locator(".st-key-link_asks")
    expect(asks).to_contain_text(str(table))
    expect(page.get_by_test_id("stDataFrame")).to_have_count(0)
    page.locator(".st-key-link_open button").click()
    expect(page.get_by_text("40 rows")).to_be_visible()
    expect(asks).to_have_count(0)
    page.wait_for_url("**opened=**")
    page.reload()  # a new session
    expect(page.get_by_text("40 rows")).to_be_visible()
    expect(asks).to_have_count(0)

    other = new_page()
    other.goto(link + "&opened=" + "0" * 32)
    expect(other.locator(".st-key-link_asks")).to_be_visible()
    other.locator(".st-key-link_leave button").click()
    expect(other.get_by_text("Sample reviews").first).to_be_visible()
    assert "source=file" not in other.url


def test_a_foreign_page_cannot_hold_ours_in_a_frame(
    page: Page, dashboard: Dashboard, foreign: Callable[[str], str]
) -> None:
    refusals: list[str] = []
    page.on("console", lambda message: refusals.append(message.text) if "frame-ancestors" in message.text else None)
    page.goto(foreign(f'<iframe src="{dashboard.url("?embed=true")}" width=900 height=600></iframe>'))
    page.wait_for_timeout(3_000)
    assert refusals, "the browser has not refused the frame"
    assert not any(frame.query_selector("[data-testid=stApp]") for frame in page.frames)


def test_a_page_that_the_operator_names_can(page: Page, dashboard: Dashboard, foreign: Callable[[str], str]) -> None:
    dashboard.close()
    origin = foreign("").rstrip("/")
    named = Dashboard(dashboard.settings, {"TUNEDECK_EMBED_ORIGINS": origin})
    try:
        named.start()
        page.goto(foreign(f'<iframe src="{named.url("?embed=true")}" width=900 height=600></iframe>'))
        expect(page.frame_locator("iframe").get_by_test_id("stMain").locator("h1").first).to_be_visible()
    finally:
        named.close()


def test_one_press_of_back_leaves_a_page_that_sets_its_address(page: Page, dashboard: Dashboard, table: Path) -> None:
    run = Synthetic(dashboard.store, dashboard.settings, "Of mine").working()
    run.train(20, of=20)
    run.finish()
    page.goto(dashboard.url("datasets"))
    settled(page)
    page.get_by_text("Your own file").click()
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(table)
    expect(page.get_by_text("40 rows")).to_be_visible()
    for name, path, query in (("Datasets", "datasets", "source=file"), ("Share", "share", "run=")):
        to(page, "Runs", "runs")
        to(page, name, path)
        page.wait_for_url(re.compile(f"/{path}\\?.*{query}"))  # the address says it, by the same step
        settled(page)
        page.go_back()
        page.wait_for_url(dashboard.url("runs"))
        expect(page.get_by_role("heading", name="Runs")).to_be_visible()
        page.go_forward()
        page.wait_for_url(re.compile(f"/{path}\\?.*{query}"))
        settled(page)
        page.go_back()
        page.wait_for_url(dashboard.url("runs"))

    page.goto(dashboard.url("datasets?source=sample"))  # a link that says less than the page's address does
    page.wait_for_url(re.compile("split=train"))
    to(page, "Runs", "runs")
    page.go_back()
    page.wait_for_url(re.compile("split=train"))
    expect(page.get_by_text("Sample reviews").first).to_be_visible()  # the address is there before its page
    expect(page.get_by_test_id("stDataFrame").first).to_be_visible()
    settled(page)
    page.get_by_label("Search", exact=True).first.fill("noodles")  # a step on the page: Back takes it back
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("noodles"))
    settled(page)
    page.go_back()
    page.wait_for_url(re.compile(r"split=train(?!.*noodles)"))
    page.reload()
    expect(page.get_by_text("Sample reviews").first).to_be_visible()


def test_an_address_is_set_by_a_browser_that_is_busy(page: Page, dashboard: Dashboard) -> None:
    page.add_init_script(
        "const push = history.pushState.bind(history);"
        "history.pushState = (...entry) => setTimeout(() => push(...entry), 5000);"
    )  # it draws the page before the address names it
    page.goto(dashboard.url("runs"))
    to(page, "Datasets", "datasets")
    page.wait_for_url(re.compile(r"/datasets\?.*source=sample"))


def to(page: Page, name: str, path: str) -> None:
    page.get_by_test_id("stSidebarNavLink").get_by_text(name, exact=True).click()
    page.wait_for_url(re.compile(f"/{path}(\\?|$)"))
    settled(page)
