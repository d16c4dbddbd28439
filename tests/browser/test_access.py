"""The dashboard in team, viewer and demo mode: who comes in, what they see, and what they can press."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from joserfc.jwk import RSAKey
from playwright.sync_api import Page, TimeoutError, expect

from core.settings import Settings
from core.store.lease import lease_holder
from tests.access.oidc import Provider
from tests.browser.steps import TRAINING_S, Dashboard, button, settled, status, stop, until
from tests.synthetic import Synthetic

pytestmark = pytest.mark.browser

PEOPLE = {
    "Vic": {"email": "vic@example.org", "name": "Vic <b>Viewer</b>", "email_verified": True},
    "Tom": {"email": "Tom@Example.org", "name": "Tom", "email_verified": True},
    "Ada": {"email": "ada@example.org", "name": "Ada", "email_verified": True},
    "Stranger": {"email": "stranger@elsewhere.net", "name": "Stranger", "email_verified": True},
    "Unverified": {"email": "ada@example.org", "name": "Not Ada", "email_verified": False},
}
TEAM = {
    "TUNEDECK_MODE": "team",
    "TUNEDECK_ADMINS": "ada@example.org",
    "TUNEDECK_TRAINERS": "tom@example.org",
    "TUNEDECK_VIEWERS": "*@example.org",
    "TUNEDECK_HUNG_AFTER_S": "900",  # the one that works here has no worker that gives signs of life
}
OWN = "ann@example.org"


@pytest.fixture
def provider() -> Iterator[Provider]:
    running = Provider(PEOPLE)
    yield running
    running.close()


@pytest.fixture
def start(settings: Settings, tmp_path: Path) -> Iterator[Callable[..., Dashboard]]:
    """Starts a dashboard with some variables, and with some secrets that lie outside of the project."""
    started: list[Dashboard] = []

    def run(environment: dict[str, str], secrets: str = "") -> Dashboard:
        file = tmp_path / "secrets.toml"
        file.write_text(secrets)
        served = Dashboard(settings, environment, [f"--secrets.files={file}"])
        started.append(served)
        served.start()
        return served

    yield run
    for dashboard in started:
        dashboard.close()


def come_in(page: Page, dashboard: Dashboard, name: str, path: str = "") -> Page:
    page.goto(dashboard.url(path))
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name=name, exact=True).click()
    page.wait_for_url(f"{dashboard.url()}**")
    page.locator(".st-key-who, .st-key-come_in").first.wait_for()
    return page


def navigation(page: Page) -> list[str]:
    page.get_by_test_id("stSidebarNav").wait_for()
    return [name.strip().split("\n")[-1] for name in page.get_by_test_id("stSidebarNavLink").all_inner_texts()]


def ended(dashboard: Dashboard, owner: str, name: str) -> Synthetic:
    run = Synthetic(dashboard.store, dashboard.settings, name, owner=owner).working()
    run.train(20, of=20)
    run.finish()
    return run


def test_a_team(start: Callable[..., Dashboard], new_page: Callable[[], Page], provider: Provider) -> None:
    dashboard = start(TEAM, provider.secrets_toml())
    anns = Synthetic(dashboard.store, dashboard.settings, "Run of Ann", owner=OWN).working()
    anns.train(10, of=100)
    toms = ended(dashboard, "tom@example.org", "Run of Tom")

    # Nobody: nothing but the way in, whatever the address.
    page = new_page()
    for path in ("", f"run?run={anns.id}", "audit", "new_run"):
        page.goto(dashboard.url(path))
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
        assert "Run of Ann" not in page.content() and not page.get_by_test_id("stSidebarNavLink").count()

    # A stranger, and somebody whose address is not verified.
    for name, why in (("Stranger", "has no role here"), ("Unverified", "is not verified")):
        page = come_in(new_page(), dashboard, name)
        expect(page.get_by_text(re.compile(why))).to_be_visible()
        assert not page.get_by_test_id("stSidebarNavLink").count()
        page.goto(dashboard.url(f"run?run={anns.id}"))
        expect(page.get_by_text(re.compile(why))).to_be_visible()
        assert "Run of Ann" not in page.content()

    # A viewer looks.
    page = come_in(new_page(), dashboard, "Vic")
    expect(page.get_by_text(re.compile("example.org · viewer"))).to_be_visible()
    assert page.locator(".st-key-who b").count() == 0  # the name is text
    assert navigation(page) == ["Start", "Runs", "Evaluate", "Compare", "Share"]
    page.goto(dashboard.url(f"run?run={anns.id}"))
    expect(page.get_by_text(re.compile("Read-only: run of ann@"))).to_be_visible()
    for key in ("run_stop", "run_more", "run_again"):
        expect(page.locator(f".st-key-{key}")).to_have_count(0)
    page.goto(dashboard.url(f"share?run={toms.id}"))
    expect(page.get_by_role("button", name="Download HTML")).to_be_visible()
    expect(page.get_by_role("button", name="Evaluate it")).to_have_count(0)

    # A trainer works, on what is theirs.
    page = come_in(new_page(), dashboard, "Tom")
    assert navigation(page) == ["Start", "Datasets", "New run", "Runs", "Evaluate", "Compare", "Playground", "Share"]
    page.goto(dashboard.url(f"run?run={anns.id}"))
    expect(page.get_by_text(re.compile("Read-only: run of ann@"))).to_be_visible()
    expect(page.locator(".st-key-run_again button").first).to_be_visible()
    for key in ("run_stop", "run_more"):
        expect(page.locator(f".st-key-{key}")).to_have_count(0)
    page.goto(dashboard.url(f"run?run={toms.id}"))
    page.locator(".st-key-run_more button").click()
    page.get_by_text("Delete", exact=True).click()
    page.get_by_role("button", name="Delete 1 run").click()
    until(lambda: [run.id for run in dashboard.store.runs()] == [anns.id], 20, "it is gone")
    page.goto(dashboard.url("audit"))
    settled(page)
    assert "Who did what" not in page.content() and page.get_by_role("heading", name="Audit").count() == 0

    # An admin may do everything, and sees who did what.
    page = come_in(new_page(), dashboard, "Ada")
    assert navigation(page)[-1] == "Audit"
    page.goto(dashboard.url(f"run?run={anns.id}"))
    stop(page)
    until(lambda: dashboard.store.run(anns.id).status == "stopping", 20, "it is told to stop")
    page.goto(dashboard.url("audit"))
    settled(page)
    page.locator("[data-testid=stDataFrame] canvas").first.wait_for()
    with page.expect_download() as download:
        page.locator(".st-key-audit_csv button").click()
    csv_text = download.value.path().read_text(encoding="utf-8-sig")
    assert csv_text.count("ada@example.org,sign in") == 1
    assert (
        "ada@example.org,stop" in csv_text
        and "tom@example.org,delete" in csv_text
        and "vic@example.org,sign in" in csv_text
    )
    assert not provider.refused

    # What Streamlit's tables would write themselves is not offered: their cells could be formulas.
    page.locator("[data-testid=stDataFrame]").hover()
    expect(page.get_by_role("button", name=re.compile("Download as CSV"))).to_have_count(0)
    page.locator(".st-key-log_out button").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible(timeout=30_000)


def test_a_forged_sign_in_is_none(
    start: Callable[..., Dashboard], new_page: Callable[[], Page], provider: Provider
) -> None:
    dashboard = start(TEAM, provider.secrets_toml())
    provider.signs_with = RSAKey.generate_key(2048, parameters={"kid": "k1"})  # not the key that it publishes
    page = new_page()
    page.goto(dashboard.url())
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Ada", exact=True).click()
    page.wait_for_load_state()
    page.goto(dashboard.url())
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    page.context.add_cookies(
        [{"name": "_streamlit_user", "value": "2|1:0|10:1|15:_streamlit_user|4:e30=|0", "url": dashboard.url()}]
    )
    page.goto(dashboard.url())
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()


def test_a_team_without_a_sign_in_lets_nobody_in(start: Callable[..., Dashboard], page: Page) -> None:
    dashboard = start(TEAM)
    run = ended(dashboard, OWN, "Run of Ann")
    for path in ("", f"run?run={run.id}"):
        page.goto(dashboard.url(path))
        expect(page.get_by_text("Not set up yet")).to_be_visible()
        assert "Run of Ann" not in page.content() and not page.get_by_test_id("stSidebarNavLink").count()


def test_a_mode_that_is_none_is_refused(start: Callable[..., Dashboard], page: Page) -> None:
    page.goto(start({"TUNEDECK_MODE": "public"}).url())
    expect(page.get_by_text("must be one of local, team, viewer, demo")).to_be_visible()


def test_viewer_mode_is_for_looking(start: Callable[..., Dashboard], page: Page) -> None:
    dashboard = start({}, 'TUNEDECK_MODE = "viewer"\n')  # as on Community Cloud, where there are only secrets
    run = ended(dashboard, "local", "A published run")
    queued = dashboard.store.submit("train", "Never starts", run.spec)
    page.goto(dashboard.url())
    expect(page.get_by_role("link", name="A published run")).to_be_visible()
    assert navigation(page) == ["Start", "Runs", "Evaluate", "Compare", "Share"]
    page.goto(dashboard.url(f"run?run={run.id}"))
    expect(page.get_by_text("Read-only: shown to everybody")).to_be_visible()
    expect(page.locator(".st-key-run_scores")).to_be_visible()
    for key in ("run_stop", "run_more", "run_again", "run_play"):
        expect(page.locator(f".st-key-{key}")).to_have_count(0)
    page.goto(dashboard.url("runs"))
    settled(page)
    expect(page.locator(".st-key-runs_open")).to_be_visible()
    expect(page.locator(".st-key-runs_delete")).to_have_count(0)
    page.goto(dashboard.url("evaluate"))
    settled(page)
    for path in ("new_run", "datasets", "playground", "audit"):
        page.goto(dashboard.url(path))
        expect(page.get_by_role("heading", name="What was trained")).to_be_visible()
    assert dashboard.store.run(queued).status == "queued" and lease_holder(dashboard.store) is None
    assert len(dashboard.store.runs()) == 2  # looking started nothing


def test_a_demo_trains_for_visitors_one_by_one(start: Callable[..., Dashboard], new_page: Callable[[], Page]) -> None:
    dashboard = start({"TUNEDECK_MODE": "demo", "TUNEDECK_RUN_HOURS": "0.3"})
    first, second = new_page(), new_page()
    first.goto(dashboard.url("new_run"))
    settled(first)
    for field, value in (("Epochs", "50"), ("Epochs", "1"), ("Training examples", "1000")):
        box = first.get_by_label(field, exact=True).first
        box.fill(value)
        box.press("Tab")
        if value == "50":  # more than a visitor may
            expect(first.get_by_text(re.compile("more than this demo has room for")).first).to_be_visible()
            expect(first.locator(".st-key-start button")).to_be_disabled()
    expect(first.locator(".st-key-start button")).to_be_enabled()
    first.locator(".st-key-start button").click()
    first.wait_for_url(re.compile("/run.run="))
    link = first.url
    first.goto(dashboard.url())
    button(first, "Train on the sample reviews").click()
    expect(first.get_by_text(re.compile("the limit here is 1"))).to_be_visible()
    assert len(dashboard.store.runs()) == 1

    second.goto(link)
    expect(second.get_by_text("This run does not exist")).to_be_visible()
    second.goto(dashboard.url("runs"))
    expect(second.get_by_text("No runs yet")).to_be_visible()
    second.goto(dashboard.url())
    button(second, "Train on the sample reviews").click()
    second.wait_for_url(re.compile("/run.run="))
    expect(second.get_by_text("1 run of other people is at work.")).to_be_visible()

    def stopped() -> bool:
        if status(second) in ("Queued", "Starting", "Running"):  # a click in the moment of a change goes nowhere
            with suppress(TimeoutError):
                second.locator(".st-key-run_stop button").first.click(timeout=3_000)
        return status(second) == "Stopped"

    until(stopped, 90, "the one that waits, or has just begun, is stopped")

    first.goto(link)  # the browser is known again
    until(lambda: status(first) == "Finished", TRAINING_S, "the sample is trained")
    expect(first.locator(".st-key-run_scores")).to_be_visible()
    assert str(dashboard.settings.home) not in first.content()
    owners = {run.owner for run in dashboard.store.runs()}
    assert len(owners) == 2 and all(owner.startswith("visitor:") for owner in owners)
