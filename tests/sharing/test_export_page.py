"""The tab with the model's files: what it offers, what it starts, and what it says of what was made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.settings import Settings
from core.store.store import Store
from tests.pages.conftest import part_of_share
from tests.synthetic import Synthetic

App = Callable[[str], AppTest]


def words(page: AppTest) -> str:
    return "\n".join(str(e.value) for e in [*page.markdown, *page.caption, *page.info, *page.error, *page.warning])


def finish(store: Store, settings: Settings, spec: dict[str, Any], **summary: Any) -> None:
    run = Synthetic(store, settings, "made", spec, kind="export").working()
    settings.run_dir(run.id).mkdir(parents=True)
    (settings.run_dir(run.id) / "made.zip").write_bytes(b"0" * 5000)
    store.finish(run.id, run.token, "finished", summary={"file": "made.zip", "temperature": 1.0, **summary})


@pytest.fixture
def trained(settings: Settings, store: Store) -> str:
    run = Synthetic(store, settings, "A run").working()
    run.finish()
    return run.id


def test_forms_are_made_when_asked_and_side_by_side(app: App, trained: str, store: Store) -> None:
    page = part_of_share(app, "files")
    assert "##### :material/deployed_code: ONNX" in words(page) and "Keras" not in words(page)
    assert not store.runs(kind="export"), "nothing heavy without being asked"
    page.button(key="start_export_safetensors_False").click().run()
    page.button(key="start_export_onnx_False").click().run()
    assert not page.exception
    subject = {"run": trained, "attempt": 1, "name": "", "revision": None, "max_length": None}
    assert [run.spec for run in store.runs(kind="export")] == [
        {"model": subject, "form": "onnx", "int8": False}, {"model": subject, "form": "safetensors", "int8": False},
    ]  # fmt: skip
    page.toggle(key="share_export_int8").set_value(True).run()
    assert page.button(key="start_export_onnx_True"), "another file, with its own button"


def test_the_keras_file_is_offered_where_there_is_one(app: App, trained: str, settings: Settings) -> None:
    (settings.run_dir(trained) / "model.keras").write_bytes(b"0")
    assert part_of_share(app, "files").button(key="start_export_keras_False")


def test_what_was_found_is_told(app: App, trained: str, settings: Settings, store: Store) -> None:
    subject = {"run": trained, "attempt": 1, "name": "", "revision": None, "max_length": None}
    against_torch = {"texts": 500, "same_class": 499, "max_difference": 2.34e-6, "of": "evaluation examples of the run"}
    gap = {"value": -0.004, "low": -0.012, "high": 0.0041, "p": 0.3}
    finish(
        store,
        settings,
        {"model": subject, "form": "onnx", "int8": True},
        against_torch=against_torch,
        int8=against_torch | {"bytes": 25, "fp32_bytes": 100, "metrics": {"accuracy": {"difference": gap}}},
        speed={"onnx": 1.43, "int8": 2.42, "batch": 8},
    )
    page = part_of_share(app, "files")
    page.toggle(key="share_export_int8").set_value(True).run()
    text = words(page)
    assert "agrees with torch** on 499 of 500 texts" in text and "more than 2e-6" in text
    assert "25% of the size" in text and "Accuracy −0.4 points (−1.2 to +0.4)" in text
    assert "ONNX about 1.4 times, ONNX with 8-bit weights about 2.4 times" in text
    assert "temperature has changed" not in text
    (settings.run_dir(trained) / "model" / "calibration.json").write_text('{"temperature": 2.0}')
    page.run()
    assert "temperature has changed" in words(page)


def test_a_file_that_is_gone_can_be_made_again(app: App, trained: str, settings: Settings, store: Store) -> None:
    subject = {"run": trained, "attempt": 1, "name": "", "revision": None, "max_length": None}
    finish(store, settings, {"model": subject, "form": "safetensors", "int8": False})
    (run,) = store.runs(kind="export")
    assert "Make again" in [b.label for b in part_of_share(app, "files").button]
    (settings.run_dir(run.id) / "made.zip").unlink()
    assert "Make again" not in [b.label for b in part_of_share(app, "files").button]
