"""The first page: one click to a run, two other ways, and what was done last."""

from collections.abc import Callable
from typing import Any

from streamlit.navigation.page import StreamlitPage
from streamlit.testing.v1 import AppTest

from core.settings import from_environment
from core.spec.presets import PRESETS, SAMPLE
from core.spec.run import build
from core.store.store import Store

Open = Callable[..., AppTest]


def store() -> Store:
    return Store(from_environment().store_path)


def test_first_visit_says_what_to_do(app: Open) -> None:
    page = app()
    assert page.button(key="train_sample").label == "Train on the sample reviews"
    assert any("How it goes" in heading.value for heading in page.subheader)
    assert not page.warning and not page.error


def test_one_click_queues_the_sample(app: Open) -> None:
    page = app()
    page.button(key="train_sample").click().run()
    assert not page.exception
    (run,) = store().runs()
    assert run.kind == "train" and run.status == "queued"
    assert build(run.spec) == PRESETS[SAMPLE].spec


def test_other_ways_lead_on(app: Open) -> None:
    page = app()
    page.button(key="open_dataset").click().run()
    assert page.title[0].value == "Datasets" and page.file_uploader
    page = app()
    page.button(key="use_tutorial").click().run()
    assert page.title[0].value == "New run"
    assert any("google-bert/bert-base-cased" in str(box.value) for box in page.selectbox)
    assert any("650 MB" in caption.value for caption in page.caption)


def test_latest_runs_are_listed(app: Open) -> None:
    app()
    for number in range(7):
        store().submit("train", f"Run *{number}*", PRESETS[SAMPLE].spec.model_dump(mode="json"))
    page = app()
    page_links: list[Any] = list(page.get("page_link"))
    links = [link.label for link in page_links]
    assert [label for label in links if "Run" in label and "\\*6\\*" in label]
    assert sum("\\*" in label for label in links) == 5
    assert not any("How it goes" in heading.value for heading in page.subheader)


def test_every_page_keeps_its_address(app: Open) -> None:
    """Links in mails, bookmarks and other people's pages lead here."""
    app()
    from ui import pages

    assert {page.url_path: page.title for page in vars(pages).values() if isinstance(page, StreamlitPage)} == {
        "": "Start",
        "datasets": "Datasets",
        "new_run": "New run",
        "runs": "Runs",
        "run": "Run",
        "evaluate": "Evaluate",
        "compare": "Compare",
        "playground": "Playground",
        "share": "Share",
        "audit": "Audit",
    }
