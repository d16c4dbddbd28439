"""The code tab of the Share page, without a browser."""

from __future__ import annotations

import json
from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from core.settings import Settings
from core.store.store import Store
from tests.pages.conftest import app, part_of_share
from tests.synthetic import Synthetic

__all__ = ["app"]

App = Callable[[str], AppTest]
ENVIRONMENT = {
    "packages": {"torch": "2.13.0"},
    "hardware": {"device": "CPU", "precision": "fp32", "threads": 2},
    "dataset": {"title": "Sample <b>reviews</b>", "source_columns": ["text"],
                "train": {"examples": 4000, "content": "x"}, "eval": {"examples": 500, "content": "y"}},
}  # fmt: skip


def a_run(settings: Settings, *, old: bool = False) -> str:
    run = Synthetic(Store(settings.store_path), settings, "A *run*").working()
    run.finish()
    folder = settings.run_dir(run.id)
    (folder / "model" / "config.json").write_text('{"model_type": "bert"}')
    if not old:
        (folder / "environment.json").write_text(json.dumps(ENVIRONMENT))
    return run.id


def test_the_code_is_shown_and_the_zip_is_made_when_asked(app: App, settings: Settings) -> None:
    run = a_run(settings)
    page = part_of_share(app, "code")
    assert "trainer.train()" in page.code[0].value and "class EpochSampler" not in page.code[0].value
    page.segmented_control(key="code_part").set_value("exact.py").run()
    assert "class EpochSampler" in page.code[0].value
    assert not Store(settings.store_path).runs(kind="code")
    page.button(key="start_code_code").click().run()
    (queued,) = Store(settings.store_path).runs(kind="code")
    assert queued.spec == {"run": run, "attempt": 1, "with_texts": True}
    assert not page.exception


def test_a_run_of_an_older_version_says_that_it_has_no_code(app: App, settings: Settings) -> None:
    a_run(settings, old=True)
    page = part_of_share(app, "code")
    assert "older version" in page.error[0].value and not page.exception


def test_runs_of_one_name_and_minute_are_told_apart(app: App, settings: Settings) -> None:
    first, second = a_run(settings), a_run(settings)
    page = part_of_share(app, "code")
    for run in (first, second, first):
        page.selectbox(key="share_run").set_value(run).run()
        assert page.query_params["run"] in (run, [run])
