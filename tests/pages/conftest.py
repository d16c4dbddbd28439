"""The dashboard in one process, without a browser.

Import `ui` inside the tests, after `app` has opened a page: page objects made outside a script run are of no use.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.runtime.scriptrunner import script_runner
from streamlit.testing.v1 import AppTest

from core.hub import reach
from core.runs.scheduler import Scheduler

ROOT = Path(__file__).parents[2]
COMPONENTS = functools.cache(manifest_scanner.scan_component_manifests)


def quicken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spares each AppTest what has nothing to do with the page.

    That is reading what every installed package says of itself, and after each run of the script, where another test
    has imported Keras (which the dashboard never does), Keras's collection of all garbage.
    """
    monkeypatch.setattr(manifest_scanner, "scan_component_manifests", COMPONENTS)
    monkeypatch.setattr(script_runner, "_clean_problem_modules", lambda: None)


@pytest.fixture
def app(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], AppTest]]:
    """Opens a page of the dashboard over the test's home; runs wait in the queue, nothing starts them."""
    for name in [n for n in sys.modules if n == "ui" or n.startswith("ui.")]:
        del sys.modules[name]
    st.cache_resource.clear()
    st.cache_data.clear()
    monkeypatch.setattr(Scheduler, "start", lambda self: None)
    monkeypatch.setattr(reach, "may_be_asked", lambda: False)  # a test that has a Hub says so
    quicken(monkeypatch)

    def opened(page: str = "") -> AppTest:
        test = AppTest.from_file(str(ROOT / "ui/app.py"), default_timeout=30).run()
        if page:
            test.switch_page(f"../pages/{page}.py").run()
        assert not test.exception
        return test

    yield opened
    st.cache_resource.clear()


def part_of_share(app: Callable[[str], AppTest], view: str) -> AppTest:
    """The Share page with this part open, as a link opens it."""
    page = app("results/share")
    page.query_params["view"] = view
    return page.run()
