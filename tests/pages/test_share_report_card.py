"""Report and model card on the Share page, without a browser: what a person fills in, edits, saves and takes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streamlit.testing.v1 import AppTest

from core.settings import Settings
from core.sharing.report import card
from core.store.store import Store
from tests.synthetic import Synthetic

App = Callable[[str], AppTest]
REPORT, CARD = ":material/article: Report", ":material/badge: Model card"


def a_run(settings: Settings, spec: dict[str, Any] | None = None) -> str:
    run = Synthetic(Store(settings.store_path), settings, "To share", spec).working()
    run.finish(labels=["<b>bad</b>", "good"])
    return run.id


def opened(app: App, tab: str) -> AppTest:
    page = app("results/share")
    page.session_state["share_tabs"] = tab
    page.run()
    assert not page.exception
    return page


def test_texts_are_off_for_a_file_of_ones_own(app: App, settings: Settings) -> None:
    run = a_run(settings)
    page = opened(app, REPORT)
    assert page.toggle(key=f"share_report_texts_{run}").value is True
    assert page.button(key="share_report_evaluate").label == "Evaluate it"
    spec = Store(settings.store_path).run(run).spec
    own = a_run(settings, {**spec, "data": {**spec["data"], "source": "file", "path": "/srv/mine.csv"}})
    page = opened(app, REPORT)
    assert page.toggle(key=f"share_report_texts_{own}").value is False


def test_a_card_is_filled_edited_saved_and_taken_back(app: App, settings: Settings) -> None:
    run = a_run(settings)
    folder = settings.run_dir(run)
    page = opened(app, CARD)
    text = page.text_area(key=f"share_card_text_{run}")
    filled = str(text.value)
    assert "# To share" in filled and "license" not in filled
    assert any("names no licence" in c.value for c in page.caption)

    page.selectbox(key=f"share_card_licence_{run}").set_value("mit")
    page.text_input(key=f"share_card_description_{run}").set_value("Sorts <i>reviews</i>")
    next(b for b in page.button if b.label == "Fill in the card").click().run()
    text = page.text_area(key=f"share_card_text_{run}")
    assert "license: mit" in str(text.value) and "Sorts \\<i\\>reviews" in str(text.value)
    assert card.read_card(folder) is None, "nothing is saved unasked"

    text.set_value(str(text.value).replace("license: mit", "license: mine")).run()
    assert (
        "'mine' is no licence" in page.error[0].value.replace("\\", "") and page.button(key="share_card_save").disabled
    )
    text = page.text_area(key=f"share_card_text_{run}")
    text.set_value(str(text.value).replace("license: mine", "license: mit") + "\nWritten by hand.\n").run()
    page.button(key="share_card_save").click().run()
    saved = card.read_card(folder)
    assert saved is not None and saved.endswith("Written by hand.\n")
    assert card.outgoing(Store(settings.store_path), settings, Store(settings.store_path).run(run)) == saved

    page = opened(app, CARD)
    assert page.text_area(key=f"share_card_text_{run}").value == saved, "it is there again in another session"
    page.button(key="share_card_reset").click().run()
    assert card.read_card(folder) is None and page.text_area(key=f"share_card_text_{run}").value == filled
