"""Times a start in a real browser, from the click to the first committed step, without and with a spare worker.

    python -m benchmarks.first_step [--quick] [--engines trainer torch keras]

A real dashboard has a home of its own; a preset fills the form, and a new seed makes the spec new. Cold: the
dashboard has just started and no spare worker is ready. Warm: one is ready. The clock runs from the click on "Start
training" until the store records step 1.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from core.settings import Settings
from core.store.record import ACTIVE
from core.store.store import Store
from tests.browser.steps import ARGUMENTS, Dashboard, button, chromium, settled, until

TARGETS = {"trainer": 2.5, "torch": 2.5, "keras": 6.0}
TITLES = {"trainer": "Trainer", "torch": "PyTorch", "keras": "Keras"}
WARM, QUICK_WARM = 5, 2


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_WARM} warm starts each instead of {WARM}")
    parser.add_argument("--engines", nargs="*", default=list(TARGETS), choices=list(TARGETS))
    options = parser.parse_args(arguments)
    times = {engine: measure(engine, QUICK_WARM if options.quick else WARM) for engine in options.engines}
    rows = {
        engine: {
            "cold": round(seconds[0], 2),
            "warm": round(statistics.median(seconds[1:]), 2),
            "all": [round(s, 2) for s in seconds],
            "target": TARGETS[engine],
            "met": statistics.median(seconds[1:]) <= TARGETS[engine],
        }
        for engine, seconds in times.items()
    }
    first = next(iter(rows.values()))
    print(
        json.dumps(
            {
                "benchmark": "first_step",
                "value": first["warm"],
                "unit": "seconds from click to first step, warm",
                "target": first["target"],
                "met": all(row["met"] for row in rows.values()),
                "engines": rows,
            }
        )
    )
    return 0


def measure(engine: str, warm: int) -> list[float]:
    """The seconds of one cold start, then of `warm` warm ones."""
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        os.environ["TUNEDECK_SPARE_WORKER"] = "on"
        dashboard = Dashboard(Settings(home=Path(home)))
        dashboard.start()
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS))
        try:
            page = browser.new_page(viewport={"width": 1440, "height": 1000})
            seconds = []
            for number in range(warm + 1):
                if number:
                    wait_for_spare(dashboard)
                seconds.append(start_a_run(page, dashboard, engine, seed=1000 + number))
                print(f"{engine} {'warm' if number else 'cold'}: {seconds[-1]:.2f} s", file=sys.stderr)
            return seconds
        finally:
            browser.close()
            dashboard.close()


def start_a_run(page: Page, dashboard: Dashboard, engine: str, seed: int) -> float:
    """Fill the form, click, and wait for the first step; the run is stopped and deleted afterwards."""
    page.goto(dashboard.url("new_run"))
    settled(page)
    page.get_by_role("radio", name=TITLES[engine]).or_(page.get_by_role("button", name=TITLES[engine])).first.click()
    settled(page)
    seed_field = page.get_by_label("Seed", exact=True).last  # the previous form may be about to disappear
    if not seed_field.is_visible():
        page.get_by_text("Advanced").first.click()
        page.get_by_role("tab", name="Training").click()
    seed_field.fill(str(seed))
    seed_field.press("Tab")
    settled(page)
    start = button(page, "Start training")
    since = time.time()
    start.click()
    store = dashboard.store
    run = until(lambda: store.runs(kind="train", statuses=ACTIVE), 60)[0]
    until(lambda: store.run(run.id).step >= 1 or store.run(run.id).is_final, 300)
    seconds = time.time() - since
    assert store.run(run.id).spec["engine"] == engine and store.run(run.id).spec["training"]["seed"] == seed
    end(store, run.id)
    return seconds


def end(store: Store, run_id: str) -> None:
    if not store.run(run_id).is_final:
        store.stop(run_id)
    until(lambda: store.run(run_id).is_final, 120)
    store.delete(run_id)


def wait_for_spare(dashboard: Dashboard) -> None:
    """Wait until the dashboard has a spare worker whose imports are done: it then waits and computes nothing."""
    import psutil

    assert dashboard.server is not None
    server = psutil.Process(dashboard.server.pid)

    def idle() -> bool:
        try:
            children = [c for c in server.children(recursive=True) if "--spare" in c.cmdline()]
            return bool(children) and children[0].cpu_percent(interval=1.0) < 1 and children[0].memory_info().rss > 3e8
        except psutil.NoSuchProcess:  # it ended while it was examined
            return False

    until(idle, 180, "a spare worker is ready")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
