"""A run that was shared shows the same figures on every result page, in an empty home, to somebody who only looks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.runs.scheduler import Scheduler
from core.settings import Settings
from core.sharing.bundles.bundle import NAME
from core.sharing.bundles.importing import import_bundle
from core.sharing.bundles.shown import take_in
from core.store.store import Store
from tests.hub_server.server import LoopbackHub
from tests.pages.conftest import quicken
from tests.sharing.test_bundle import Shared, in_json, rewritten, shared

__all__ = ["shared"]
ROOT = Path(__file__).parents[2]
VIEWS = ("verdict", "confusion", "mistakes", "curves", "calibration", "groups", "labels", "robustness")


@dataclass
class Seen:
    """What a page shows: numbers, tables, and charts as their figures."""

    metrics: list[tuple[str, str, str]] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    charts: list[Any] = field(default_factory=list)
    words: str = ""


def seen(page: AppTest) -> Seen:
    assert not page.exception, page.exception
    charts = [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]
    return Seen(
        [(m.label, m.value, m.delta) for m in page.metric],
        [frame.value.drop(columns=["Row", "Decision"], errors="ignore").to_csv() for frame in page.dataframe],
        [*charts, *(component.proto.json for component in page.get("bidi_component"))],
        "\n".join(str(e.value) for e in [*page.markdown, *page.caption, *page.info, *page.warning, *page.error]),
    )


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """`opened(home, page, **query)`: the page over a home; nothing starts a run."""
    monkeypatch.setattr(Scheduler, "start", lambda self: None)
    quicken(monkeypatch)

    def fresh() -> None:
        for name in [n for n in sys.modules if n == "ui" or n.startswith("ui.")]:
            del sys.modules[name]
        st.cache_resource.clear()
        st.cache_data.clear()

    def at(home: Path, page: str, mode: str = "local", **query: str) -> AppTest:
        fresh()
        monkeypatch.setenv("TUNEDECK_HOME", str(home))
        monkeypatch.setenv("TUNEDECK_MODE", mode)
        test = AppTest.from_file(str(ROOT / "ui/app.py"), default_timeout=60).run()
        for name, value in query.items():
            test.query_params[name] = value
        return test.switch_page(f"../pages/{page}.py").run()

    yield at
    fresh()


@pytest.fixture(scope="module")
def results(shared: Shared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as Publish makes it: a bundle for each of two runs, with texts."""
    place = tmp_path_factory.mktemp("results")
    for name in ("one", "two"):
        run_id, _ = shared.work("bundle", {"run": shared.ids[name], "attempt": 1, "texts": True})
        (place / f"{shared.ids[name]}.zip").write_bytes((shared.settings.run_dir(run_id) / NAME).read_bytes())
    return place


@pytest.fixture
def there(results: Path, tmp_path: Path) -> Path:
    """An empty home that takes in what lies in `results`."""
    settings = Settings(home=tmp_path / "there", results=results)
    settings.home.mkdir()
    assert take_in(Store(settings.store_path), settings) == []
    return settings.home


def test_the_run_page(shared: Shared, there: Path, opened: Any) -> None:
    one, other = (seen(opened(home, "train/run", run=shared.ids["one"])) for home in (shared.settings.home, there))
    assert len(one.metrics) >= 6 and one.metrics == other.metrics
    assert one.tables == other.tables and one.tables
    assert "read-only" not in one.words and "read-only" in other.words


@pytest.mark.parametrize("view", VIEWS)
def test_the_evaluate_page(shared: Shared, there: Path, opened: Any, view: str) -> None:
    one, other = (
        seen(opened(home, "results/evaluate", run=shared.ids["one"], view=view))
        for home in (shared.settings.home, there)
    )
    assert one.metrics == other.metrics and one.charts == other.charts
    assert one.tables == other.tables
    weak = view == "labels" and "Labels are doubted from 80%" in one.words  # a model too weak to doubt says why
    assert one.metrics or one.tables or one.charts or weak
    assert not weak or "Labels are doubted from 80%" in other.words


def test_mistakes_are_read_one_after_the_other(shared: Shared, there: Path, opened: Any) -> None:
    page = opened(there, "results/evaluate", run=shared.ids["one"], view="mistakes")
    count, key = len(page.dataframe[0].value), "evaluate_mistakes"

    def selected(place: int) -> str:
        page.session_state[key] = {"selection": {"rows": [place]}}
        page.run()
        assert not page.exception
        return seen(page).words

    assert f"Example 1 of {count}" in selected(0) and page.button(key=f"{key}_previous").disabled
    page.button(key=f"{key}_next").click().run()
    assert f"Example 2 of {count}" in seen(page).words
    page.button(key=f"{key}_previous").click().run()
    assert f"Example 1 of {count}" in seen(page).words
    assert f"Example {count} of {count}" in selected(count - 1) and page.button(key=f"{key}_next").disabled
    assert "Select a row" in selected(count), "it was selected in a longer list, of another model"


def test_a_text_column_that_is_called_like_a_column_of_the_page(
    shared: Shared, results: Path, tmp_path: Path, opened: Any
) -> None:
    path = tmp_path / "bundle.zip"
    shutil.copy(results / f"{shared.ids['one']}.zip", path)

    def change(content: dict[str, bytes]) -> None:
        for name in ("evaluation.json", "comparison.json"):
            in_json(name, text_columns=["True"])(content)

    settings = Settings(home=tmp_path / "home")
    settings.home.mkdir()
    import_bundle(rewritten(path, change), Store(settings.store_path), settings)
    page = opened(settings.home, "results/evaluate", run=shared.ids["one"], view="mistakes")
    assert not page.exception and list(page.dataframe[0].value)[:2] == ["True (text)", "True"]
    assert page.dataframe[0].value["True (text)"].str.len().min() > 10


def test_the_compare_page(shared: Shared, there: Path, opened: Any) -> None:
    pages = []
    for home in (shared.settings.home, there):
        page = opened(home, "results/compare")
        page.multiselect(key="compare_chosen").set_value([shared.ids["one judged"], shared.ids["two judged"]]).run()
        pages.append(seen(page))
        chosen = ",".join((shared.ids["one judged"], shared.ids["two judged"]))
        linked = opened(home, "results/compare", evaluations=f"{chosen},gone")
        assert "not here any more" in seen(linked).words and seen(linked).tables == pages[-1].tables
        linked.multiselect(key="compare_chosen").set_value([]).run()
        assert not linked.multiselect(key="compare_chosen").value, "the link does not come back after a choice"
        linked.switch_page("../pages/results/evaluate.py").run().query_params["evaluations"] = chosen
        again = linked.switch_page("../pages/results/compare.py").run()
        assert again.multiselect(key="compare_chosen").value == chosen.split(",")
        run = Store(Settings(home=home).store_path).runs(kind="compare")[0]
        linked = opened(home, "results/compare", comparison=run.id)
        assert linked.multiselect(key="compare_chosen").value == run.spec["evaluations"]
        for nonsense in ({"comparison": "../../etc"}, {"evaluations": ",,../x," * 1000}):
            assert not opened(home, "results/compare", **nonsense).exception
    one, other = pages
    assert one.tables == other.tables and len(one.tables) >= 2 and one.charts == other.charts and one.charts
    assert "cannot be told apart" in other.words or "than" in other.words


def test_what_is_no_longer_published_is_forgotten(shared: Shared, results: Path, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "there", results=tmp_path / "results")
    settings.home.mkdir()
    store, folder = Store(settings.store_path), settings.results
    shutil.copytree(results, folder)
    (folder / "broken.zip").write_bytes(b"PK")
    (folder / "notes.txt").write_text("no bundle")
    (problem,) = take_in(store, settings)
    assert "broken.zip" in problem and len(store.runs(kind="train")) == 2, "one that is broken hides no other"
    (folder / "broken.zip").unlink()
    (folder / f"{shared.ids['two']}.zip").unlink()
    assert take_in(store, settings) == []
    assert [run.id for run in store.runs(kind="train")] == [shared.ids["one"]]
    assert not settings.run_dir(shared.ids["two"]).exists()


TAKEN = """
from core.settings import from_environment
from core.sharing.bundles.shown import take_in
from core.store.store import Store
settings = from_environment()
store = Store(settings.store_path)
print(take_in(store, settings), sorted(run.id for run in store.runs(kind="train")))
"""


def test_results_of_a_repository_on_the_hub(
    shared: Shared, results: Path, tmp_path: Path, shared_hub: LoopbackHub
) -> None:
    """In a process of its own: the Hub's library reads where the Hub is when it is imported."""
    files = {f"results/{path.name}": path for path in results.iterdir()}
    shared_hub.dataset("acme/our-results", files | {"notes.md": "not for the page"})
    runs = sorted([shared.ids["one"], shared.ids["two"]])

    def taken(repo: str) -> str:
        environment = os.environ | {
            "HF_ENDPOINT": shared_hub.endpoint,
            "HF_HUB_OFFLINE": "0",
            "HF_HOME": str(tmp_path / "hf"),
            "HF_TOKEN": "",
            "TUNEDECK_HOME": str(tmp_path / "there"),
            "TUNEDECK_MODE": "viewer",
            "TUNEDECK_RESULTS_REPO": repo,
            "TUNEDECK_RESULTS": str(tmp_path / "none"),
        }
        done = subprocess.run([sys.executable, "-c", TAKEN], cwd=ROOT, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout.strip()

    assert taken("acme/our-results") == f"[] {runs}"
    problems = taken("acme/nothing-there")
    assert "nothing-there" in problems and problems.endswith(f"{runs}"), "while the Hub says no, what is here stays"
