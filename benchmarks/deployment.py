"""Runs a published folder as a host such as Streamlit Community Cloud does: alone, in its own environment.

Makes a virtual environment from the folder's requirements (or takes --python), starts the app without anything of this
checkout, visits every page in Chromium, trains on the sample if the folder is a demo, and measures the seconds until
the app answers and until the first page is drawn, and the peak memory of all its processes. The limit is 690 MB, the
least that Community Cloud documents for an app. With a writable memory cgroup (as root on Linux) it is enforced;
elsewhere only the peak is reported. A fresh container has none of the app's files in memory, but a cgroup is not
charged for pages that another process has loaded, so the page cache is emptied first where permitted (`cold_files`).

    python -m benchmarks.deployment --site FOLDER [--python VENV/bin/python] [--limit-mb 690]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from playwright.sync_api import Page, sync_playwright

from tests.browser.steps import ARGUMENTS, button, chromium, settled, status, until

CGROUP = Path("/sys/fs/cgroup/memory")
TARGETS_MB = {"viewer": 400.0, "demo": 690.0}
VISITED = (
    "",
    "runs",
    "run?run={run}",
    "evaluate?run={run}",
    "evaluate?run={run}&view=mistakes",
    "compare",
    "share?run={run}",
    "run?run={run}&embed=true",
)


class Watch:
    """The memory of a process and all that it starts, in MB, measured ten times a second."""

    def __init__(self, pid: int) -> None:
        self.pid, self.peak, self._over = pid, 0.0, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(0.1):
            self.peak = max(self.peak, self.now())

    def now(self) -> float:
        """Memory in MB. Shared pages count once, by proportional set sizes, where the system reports these."""
        total = 0.0
        try:
            root = psutil.Process(self.pid)
            for process in [root, *root.children(recursive=True)]:
                try:
                    memory = process.memory_full_info()
                    total += getattr(memory, "pss", memory.rss) / 1e6
                except psutil.Error:
                    continue
        except psutil.Error:
            pass
        return total

    def close(self) -> None:
        self._over.set()
        self._thread.join()


@contextmanager
def limited(limit_mb: float) -> Iterator[Path | None]:
    """A memory cgroup with this limit; None where the system does not allow one."""
    group = CGROUP / f"tunedeck-{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(int(limit_mb * 1e6)))
    except OSError:
        yield None
        return
    try:
        yield group
    finally:
        until(lambda: not (group / "cgroup.procs").read_text().strip(), 30, "its processes have ended")
        group.rmdir()


def forget_files() -> bool:
    """Empty the system's page cache; returns whether that was allowed."""
    if not hasattr(os, "sync"):  # Windows
        return False
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3")
    except OSError:
        return False
    return True


def environment_of(site: Path, folder: Path) -> Path:
    """Make a virtual environment with only the site's requirements; returns its python."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    subprocess.run([python, "-m", "pip", "install", "-q", "-r", str(site / "requirements.txt")], check=True)
    return python


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--site", type=Path, required=True, help="the folder that `publish` made")
    parser.add_argument("--python", type=Path, help="the python of an environment with only its requirements")
    parser.add_argument("--limit-mb", type=float, default=690.0)
    options = parser.parse_args(arguments)
    mode = (options.site / "tunedeck.toml").read_text().partition('mode = "')[2].partition('"')[0]
    with tempfile.TemporaryDirectory() as temporary, limited(options.limit_mb) as group:
        python = options.python or environment_of(options.site, Path(temporary) / "venv")
        cold = forget_files()
        figures = measured(options.site.resolve(), python.absolute(), Path(temporary) / "home", group, mode)
        enforced = group is not None
        failures = int((group / "memory.failcnt").read_text()) if group else None
    peak = figures["peak_mb"]
    result = {
        "benchmark": "deployment",
        "value": round(peak),
        "unit": "MB at most",
        "target": TARGETS_MB[mode],
        "met": peak <= TARGETS_MB[mode],
        "mode": mode,
        "limit_mb": options.limit_mb,
        "limit_enforced": enforced,
        "cold_files": cold,
        "times_at_the_limit": failures,
        **{k: v for k, v in figures.items() if k != "peak_mb"},
    }
    print(json.dumps(result))
    return 0


def measured(site: Path, python: Path, home: Path, group: Path | None, mode: str) -> dict[str, float]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("TUNEDECK_", "PYTHON", "HF_"))}
    environment |= {"TUNEDECK_HOME": str(home), "HF_HUB_OFFLINE": "1"}
    enter = f"echo $$ > {group / 'cgroup.procs'}; " if group else ""
    command = f"{enter}exec {python} -m streamlit run streamlit_app.py --server.headless=true --server.port={port}"
    started = time.perf_counter()
    server = subprocess.Popen(["sh", "-c", command], cwd=site, env=environment, stdout=subprocess.DEVNULL)
    watch = Watch(server.pid)
    try:
        address = f"http://localhost:{port}"
        until(lambda: _answers(address), 120, "the app answers")
        answers = time.perf_counter() - started
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS))
            page = browser.new_page()
            page.set_default_timeout(120_000)
            page.goto(address)
            settled(page)
            first = time.perf_counter() - started
            _visit(page, address, site)
            looked = watch.peak
            trained = _train(page, address) if mode == "demo" else 0.0
            browser.close()
    finally:
        for child in psutil.Process(server.pid).children(recursive=True):
            child.kill()
        server.kill()
        server.wait()
        watch.close()
    times = {"answers_s": answers, "first_page_s": first, "training_s": trained, "looking_mb": looked}
    return {"peak_mb": watch.peak} | {name: round(value, 1) for name, value in times.items()}


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _visit(page: Page, address: str, site: Path) -> None:
    run = next((site / "results").glob("*.zip")).stem
    for path in VISITED:
        page.goto(f"{address}/{path.format(run=run)}")
        settled(page)
        assert not page.locator("[data-testid=stException]").count(), (path, page.inner_text("body"))


def _train(page: Page, address: str) -> float:
    """Train on the sample as a visitor; returns the seconds from the click to the end."""
    page.goto(address)
    settled(page)
    begun = time.perf_counter()
    button(page, "Train on the sample").click()
    page.wait_for_url(re.compile(r"/run\?run="))
    settled(page)
    until(lambda: status(page) in ("Finished", "Stopped", "Failed", "Lost"), 600, "it has ended")
    assert status(page) == "Finished", page.inner_text("[data-testid=stMain]")[:1500]
    return time.perf_counter() - begun


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
