"""Choosing a dataset and looking at it, with files as people have them."""

from __future__ import annotations

import gc
import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import DeletedFile
from streamlit.testing.v1 import AppTest

from core.data.quick import QUICK_BYTES
from core.settings import Settings, from_environment
from core.spec.data import DataSpec
from core.store.record import Run
from core.store.store import Store

Open = Callable[..., AppTest]
PAGE = "data/datasets"
LABELS = ":material/bar_chart: Labels"
LENGTHS = ":material/straighten: Text lengths"
PROFILE = ":material/analytics: Profile"
READING = ":material/find_in_page: How it was read"
REVIEWS = "text,stars,shop\n" + "".join(f"Review number {i} of this shop,{i % 5 + 1},A\n" for i in range(230))


def store() -> Store:
    return Store(from_environment().store_path)


def keyed(page: AppTest, key: str) -> Any:
    """A widget of a kind that the test's own accessors do not type."""
    return page.get_by_key(key)


def file_page(app: Open) -> AppTest:
    page = app(PAGE)
    keyed(page, "dataset_kind").set_value("file").run()
    assert not page.exception
    return page


def upload(page: AppTest, name: str, content: str | bytes, encoding: str = "utf-8") -> None:
    data = content.encode(encoding) if isinstance(content, str) else content
    page.file_uploader[0].upload(name, data).run()
    assert not page.exception


def tab(page: AppTest, label: str) -> None:
    page.session_state["dataset_tabs"] = label
    page.run()
    assert not page.exception


def said(page: AppTest) -> str:
    texts = [*page.markdown, *page.caption, *page.error, *page.info, *page.text, *page.header]
    return "\n".join(str(text.value) for text in texts).replace("\\", "")


def test_the_sample_is_open_at_once(app: Open) -> None:
    page = app(PAGE)
    assert page.header[0].value == "Sample reviews"
    rows = page.dataframe[0].value
    assert len(rows) == 50 and list(rows.columns) == ["text", "label"]
    assert "5,000 rows" in said(page)


def test_rows_are_reached_at_any_depth(app: Open) -> None:
    page = app(PAGE)
    goto = next(box for box in page.number_input if box.label == "Go to row")
    goto.set_value(3_977).run()
    assert page.dataframe[0].value.index[0] == 3_950
    next(box for box in page.selectbox if box.label == "Rows per page").set_value(100).run()
    assert page.dataframe[0].value.index[0] == 0 and len(page.dataframe[0].value) == 100


def test_an_upload_is_read_kept_on_disk_and_let_go(app: Open, settings: Settings) -> None:
    page = file_page(app)
    upload(page, "shop reviews.csv", REVIEWS)
    assert page.header[0].value == "shop reviews\\.csv"
    assert page.file_uploader[0].value is None
    held = [o for o in gc.get_objects() if isinstance(o, MemoryUploadedFileManager)]
    assert not any(files for manager in held for files in manager.file_storage.values()), "still in memory"
    data: DataSpec = page.session_state["data"]
    assert Path(data.path).is_relative_to(settings.uploads) and Path(data.path).read_text() == REVIEWS
    assert "230 rows" in said(page) and len(page.dataframe[0].value) == 50


def test_an_upload_that_is_told_of_twice_is_taken_once(app: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """A click interrupts the run that took it; Streamlit then calls again, with a file that is gone."""
    page = file_page(app)
    upload(page, "reviews.csv", REVIEWS)
    from ui.datasets.choosing import source as dataset_source
    from ui.session import state

    with monkeypatch.context() as patch:
        patch.setattr(state, "widget", lambda key: DeletedFile("gone"))
        dataset_source._uploaded("dataset_upload_0")
    page.run()
    assert not page.exception and "230 rows" in said(page)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("empty.csv", b"", "is empty"),
        ("x.parquet", b"PAR1 this is none", "cannot be opened"),
        ("x.json", b'{"a": [', "cannot be opened"),
    ],
)
def test_a_file_that_cannot_be_read_has_its_sentence(app: Open, name: str, content: bytes, expected: str) -> None:
    page = file_page(app)
    upload(page, name, content)
    assert page.error and (expected in said(page) or expected in str(page.error[0].proto))
    assert "Traceback" not in said(page)


def test_a_path_that_is_not_there_has_its_sentence(app: Open) -> None:
    page = file_page(app)
    page.text_input(key="path").set_value("/no/such/file.csv")
    next(b for b in page.button if b.label == "Open").click().run()
    assert "/no/such/file.csv" in said(page)


def test_a_path_of_this_computer_is_opened(app: Open, tmp_path: Path) -> None:
    (tmp_path / "ours.tsv").write_text(REVIEWS.replace(",", "\t"))
    page = file_page(app)
    page.text_input(key="path").set_value(f'"{tmp_path / "ours.tsv"}"')
    next(b for b in page.button if b.label == "Open").click().run()
    assert page.header[0].value == "ours\\.tsv" and "230 rows" in said(page)


def test_labels_are_counted_and_judged(app: Open) -> None:
    page = file_page(app)
    upload(page, "reviews.csv", REVIEWS)
    tab(page, LABELS)
    assert "5 classes." in said(page) and "accuracy of 0.20" in said(page)
    assert page.get("plotly_chart")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [([f"id-{i}" for i in range(40_000)], "more likely an id"), (["same"] * 300, "Only one class")],
)
def test_labels_that_are_none_are_pointed_out(app: Open, labels: list[str], expected: str) -> None:
    page = file_page(app)
    upload(page, "labels.csv", "text,id\n" + "".join(f"a few words {i},{label}\n" for i, label in enumerate(labels)))
    next(box for box in page.selectbox if box.label == "Label column").set_value("id").run()
    tab(page, LABELS)
    assert expected in said(page)


def test_lengths_follow_the_longest_text_and_reach_the_run(app: Open) -> None:
    page = app(PAGE)
    tab(page, LENGTHS)
    assert "longer than 128 tokens" in said(page) and "sample of 2,000 of 4,000" in said(page)
    page.slider[0].set_value(16).run()
    assert "are longer than 16 tokens" in said(page) and page.get("plotly_chart")
    page.button(key="train_on_this").click().run()
    assert page.title[0].value == "New run"
    assert page.session_state["form"].values["model.max_length"] == 16


def test_lengths_of_a_model_folder(app: Open, minilm: Path) -> None:
    page = app(PAGE)
    page.session_state["form"] = None
    del page.session_state["form"]
    tab(page, LENGTHS)
    held = page.session_state["form"]
    held.values["model.name"] = str(minilm)
    held.generation += 1
    page.run()
    assert not page.exception and page.get("plotly_chart")
    held.values["model.name"] = "google-bert/bert-base-cased"
    held.generation += 1
    page.run()
    assert "not on this computer yet" in said(page) and not page.get("plotly_chart")


def test_columns_are_listed(app: Open) -> None:
    page = file_page(app)
    upload(page, "reviews.csv", REVIEWS.replace("Review number 7 of this shop", ""))
    tab(page, PROFILE)
    table = page.dataframe[0].value.set_index("Column")
    assert list(table.index) == ["text", "stars", "shop"]
    assert table.loc["text", "Missing"] == 1 and table.loc["stars", "Used as"] == "Label"


def test_reading_can_be_overruled(app: Open) -> None:
    page = file_page(app)
    upload(page, "reviews.csv", REVIEWS)
    tab(page, READING)
    assert "UTF-8" in said(page)
    page.selectbox(key="read_header").set_value(False)
    next(b for b in page.button if b.label == "Read again").click().run()
    assert not page.exception and "231 rows" in said(page)
    assert page.session_state["data"].read.header is False


def test_the_records_of_a_json_file_can_be_chosen(app: Open) -> None:
    page = file_page(app)
    reviews = [{"text": f"a review of some length, number {i}", "stars": i % 5} for i in range(40)]
    notes = [{"text": f"a note {i}", "kind": "ab"[i % 2]} for i in range(7)]
    upload(page, "reviews.json", json.dumps({"notes": notes, "data": {"reviews": reviews}}))
    tab(page, READING)
    assert "40 rows under the key data.reviews" in said(page) and "Left out: notes (7 values)." in said(page)
    page.selectbox(key="read_records_key").set_value("notes")
    next(b for b in page.button if b.label == "Read again").click().run()
    assert not page.exception and "7 rows under the key notes" in said(page)
    assert page.session_state["data"].read.records_key == "notes"


def test_japanese_in_shift_jis_is_found_out(app: Open) -> None:
    page = file_page(app)
    upload(page, "口コミ.csv", "本文,評価\n" + "とても満足しています。,良い\n残念でした。,悪い\n" * 40, "cp932")
    assert "口コミ" in page.header[0].value and "80 rows" in said(page)
    data: DataSpec = page.session_state["data"]
    assert next(box for box in page.selectbox if box.label == "Label column").value == "評価", data


def test_names_and_values_are_shown_as_they_are(app: Open) -> None:
    text, label = "**a** <b>b</b> :smile: $x$ [l](http://x)", "<script>label</script>"
    rows = "".join(
        f'"# h {i} <img src=x onerror=alert(1)>",{random.Random(i).choice(["*a*", "$b$"])}\n' for i in range(90)
    )
    page = file_page(app)
    upload(page, "h*o*stile $x$.csv", f'"{text}","{label}"\n{rows}')
    tab(page, READING)
    page.selectbox(key="read_header").set_value(True)
    next(b for b in page.button if b.label == "Read again").click().run()
    for name in (LABELS, LENGTHS, PROFILE):
        tab(page, name)
    assert not page.exception
    assert list(page.dataframe[0].value["Column"]) == [text, label]
    assert "*o*" not in page.header[0].value.replace("\\*", "")


def test_columns_chosen_here_are_the_run_s(app: Open) -> None:
    page = file_page(app)
    upload(page, "reviews.csv", REVIEWS)
    next(box for box in page.selectbox if box.label == "Label column").set_value("shop").run()
    page.button(key="train_on_this").click().run()
    assert page.title[0].value == "New run" and not page.exception
    values = page.session_state["form"].values
    assert values["data.label_column"] == "shop" and tuple(values["data.text_columns"]) == ("text",)
    assert values["training.learning_rate"] is None, "it is chosen before the start"


def test_the_text_cannot_be_the_label_too(app: Open) -> None:
    page = app(PAGE)
    next(box for box in page.multiselect if box.label == "Text columns").set_value(["text", "label"]).run()
    assert "both text and label" in said(page)


def test_a_large_file_is_opened_by_a_run_that_can_be_cancelled(app: Open, tmp_path: Path) -> None:
    with (tmp_path / "large.csv").open("w") as file:
        file.write("text,label\n")
        file.writelines(f"{'words ' * 400}{i},{i % 3}\n" for i in range(QUICK_BYTES // 2_400 + 1))
    page = file_page(app)
    page.text_input(key="path").set_value(str(tmp_path / "large.csv"))
    next(b for b in page.button if b.label == "Open").click().run()
    (run,) = store().runs()
    assert (
        run.kind == "import" and run.status == "queued" and page.get("progress")[0].proto.text == "Waiting for its turn"
    )
    page.button(key=f"cancel_import_{run.id}").click().run()
    page.run()
    assert store().run(run.id).status == "stopped" and "was cancelled" in said(page)
    page.button(key="retry_import").click().run()
    assert len(store().runs()) == 2


def test_an_import_that_is_deleted_in_another_tab_is_let_go(app: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    page = app(PAGE)
    keyed(page, "dataset_kind").set_value("hub").run()
    page.text_input(key="hub_name").set_value("nyu-mll/glue")
    next(b for b in page.button if b.label == "Open").click().run()
    (run,) = store().runs()
    asked: list[str] = []
    real = Store.run

    def gone(self: Store, run_id: str) -> Run:
        if not asked:  # between the page's list of runs and the look at this one
            asked.append(run_id)
            self.stop(run_id)
            self.delete(run_id)
        return real(self, run_id)

    monkeypatch.setattr(Store, "run", gone)
    page.run()
    assert asked == [run.id] and not page.exception
    assert keyed(page, "start_import").label.endswith("Download")


def test_a_dataset_of_the_hub_is_offered_and_asked_for(app: Open) -> None:
    page = app(PAGE)
    keyed(page, "dataset_kind").set_value("hub").run()
    page.text_input(key="hub_name").set_value("nyu-mll/glue")
    page.text_input(key="hub_config").set_value("cola")
    next(b for b in page.button if b.label == "Open").click().run()
    (run,) = store().runs()
    assert run.kind == "import" and run.spec["path"] == "nyu-mll/glue" and run.spec["config"] == "cola"


def test_datasets_of_the_session_come_back(app: Open) -> None:
    page = file_page(app)
    upload(page, "reviews.csv", REVIEWS)
    keyed(page, "dataset_kind").set_value("sample").run()
    assert page.header[0].value == "Sample reviews"
    keyed(page, "dataset_kind").set_value("file").run()
    assert page.header[0].value == "reviews\\.csv"


def test_recent_datasets_are_offered_and_the_fields_follow(app: Open) -> None:
    page = app(PAGE)
    keyed(page, "dataset_kind").set_value("hub").run()
    page.text_input(key="hub_name").set_value("dair-ai/emotion")
    next(b for b in page.button if b.label == "Open").click().run()
    keyed(page, "dataset_kind").set_value("sample").run()
    assert keyed(page, "recent_dataset").options == ["dair\\-ai/emotion"]
    keyed(page, "dataset_kind").set_value("hub").run()
    assert page.text_input(key="hub_name").value == "dair-ai/emotion"


def linked(app: Open, **parameters: str) -> AppTest:
    """The page as a link opens it."""
    page = app(PAGE)
    page.query_params.clear()
    for name, value in parameters.items():
        page.query_params[name] = value
    page.run()
    assert not page.exception
    return page


def test_a_link_opens_the_dataset_the_split_and_the_view(app: Open) -> None:
    view = '{"where":[{"column":"label","values":["5 stars"]}],"sort":"text"}'
    page = linked(app, source="sample", split="test", view=view)
    rows = page.dataframe[0].value
    assert set(rows["label"]) == {"5 stars"} and "of 1,000" in said(page)
    assert list(rows["text"]) == sorted(rows["text"])
    assert any("label is 5 stars" in b.label.replace("\\", "") for b in page.button)

    steps = '[{"step":"subset","rows":100},{"step":"rename","names":{"text":"review"}}]'
    page = linked(app, source="sample", steps=steps)
    assert "200 rows" in said(page) and "2 steps of preparation" in said(page)
    assert "review" in page.dataframe[0].value.columns


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"source": "sample", "view": "{"}, "not readable"),
        ({"source": "sample", "view": '{"sort":"nobody"}'}, "no column 'nobody' to sort by"),
        ({"source": "sample", "view": '{"where":[{"column":"label","values":["9 stars"]}]}'}, "not a class of 'label'"),
        ({"source": "sample", "steps": '[{"step":"explode"}]'}, "'explode' is not one of"),
        ({"source": "sample", "steps": '[{"step":"columns","keep":["x"]}]'}, "no column 'x'"),
        ({"source": "teapot"}, "'teapot' is not one of"),
        ({"source": "hub"}, "no dataset is named"),
        ({"source": "file", "path": "/nobody/was/here.csv"}, "here.csv"),
        ({"source": "sample", "split": "<script>"}, "5,000 rows"),
    ],
)
def test_a_hostile_link_gets_a_sentence(parameters: dict[str, str], says: str, app: Open) -> None:
    page = linked(app, **parameters)
    text = said(page) + " ".join(str(error.value) for error in page.error)
    assert re.search(says, text), text
