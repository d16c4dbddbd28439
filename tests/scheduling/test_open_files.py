"""Open files: a Mac gives a process 256, and a hundred tabs that were open in the last minutes take 300."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.settings import Settings
from tests.scheduling.conftest import PROJECT

resource = pytest.importorskip("resource", reason="Windows has no such limit")

# As `streamlit run` starts the dashboard; then what Streamlit keeps for each tab, and what a page does.
DASHBOARD = """
import asyncio, os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
import streamlit_app
from core.settings import from_environment
from core.store.store import Store
loops = [asyncio.new_event_loop() for tab in range(128)]
print(len(Store(from_environment().store_path).runs()), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def dashboard(code: str, settings: Settings) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"TUNEDECK_HOME": str(settings.home), "PYTHONPATH": str(PROJECT)},
    )


def test_a_hundred_tabs_are_no_trouble(settings: Settings) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < 1000:
        pytest.skip(f"this machine allows no more than {hard} files")
    done = dashboard(DASHBOARD, settings)
    assert done.returncode == 0, done.stderr[-2000:]
    runs, limit = map(int, done.stdout.split())
    assert runs == 0 and limit >= 1000


def test_no_files_left_is_said(settings: Settings) -> None:
    code = """
import resource
from pathlib import Path
from core.errors import StoreTrouble
from core.settings import from_environment
from core.store.store import Store
store = Store(from_environment().store_path)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
kept = []
try:
    while True:
        kept.append(Path("/dev/null").open())
except OSError:
    pass
try:
    store.runs()
except StoreTrouble as error:
    print(error)
"""
    assert "Too many files are open" in dashboard(code, settings).stdout


def test_pages_leave_no_files_open(settings: Settings, tmp_path: Path) -> None:
    """What we open for a page (store, Parquet, views) is closed when it is drawn."""
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("counts in /proc")
    code = """
import os
from core.data.browsing import browse, matches
from core.data.browsing.label_counts import label_counts
from core.data.prepare import prepare
from core.data.browsing.view import View
from core.settings import from_environment
from core.spec.data import DataSpec
from core.store.store import Store
def look():
    settings = from_environment()
    Store(settings.store_path).runs()
    prepared = prepare(DataSpec(), settings)
    label_counts(prepared, "train", "label")
    matches.row_numbers(prepared, "train", View(search="good", sort="text"))
    return len(os.listdir("/proc/self/fd"))
look()
first = look()
assert max(look() for _ in range(30)) <= first, first
"""
    done = dashboard(code, settings)
    assert done.returncode == 0, done.stderr[-2000:]
