"""A person's own file: uploaded, looked at, trained on; and a form that says what is wrong where it is wrong."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
from playwright.sync_api import FilePayload, Page, expect

from tests.browser.steps import TRAINING_S, Dashboard, button, main_score, settled, status, until
from tests.data.test_workbook import book, rows

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1500)]

SHOWS_PLACEHOLDER = """input => {
    const style = getComputedStyle(input), brush = document.createElement("canvas").getContext("2d");
    brush.font = style.font;
    const room = input.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    return brush.measureText(input.placeholder).width <= room;
}"""
GOOD, BAD = "lovely warm tasty friendly quick", "cold rude slow stale dirty"


def reviews(count: int) -> bytes:
    """A CSV with quoted commas and line breaks, from which anything learns."""
    rng = random.Random(3)
    lines = ["review,verdict"]
    for number in range(count):
        good = number % 2 == 0
        words = rng.choices((GOOD if good else BAD).split(), k=6)
        lines.append(f'"{", ".join(words[:3])}\n{" ".join(words[3:])}",{"good" if good else "bad"}')
    return "\n".join(lines).encode()


def test_a_bad_value_is_explained_beside_its_field(dashboard: Dashboard, page: Page) -> None:
    page.goto(dashboard.url("new_run"))
    settled(page)
    rate = page.get_by_label("Learning rate", exact=True)
    rate.fill("7")
    rate.press("Enter")
    problem = page.get_by_text("the most is 1").first
    expect(problem).to_be_visible()
    field, words = rate.bounding_box(), problem.bounding_box()
    assert field is not None and words is not None
    assert 0 < words["y"] - field["y"] < 100 and abs(words["x"] - field["x"]) < 120, "it stands under the field"
    expect(page.get_by_role("button", name="Start training")).to_be_disabled()
    rate.fill("0.001")
    rate.press("Enter")
    expect(page.get_by_role("button", name="Start training")).to_be_enabled()
    assert not dashboard.store.runs()


def test_an_uploaded_file_is_trained_on(dashboard: Dashboard, page: Page) -> None:
    page.goto(dashboard.url("datasets"))
    settled(page)
    page.get_by_text("Your own file").click()
    file: FilePayload = {"name": "reviews.csv", "mimeType": "text/csv", "buffer": reviews(400)}
    page.locator("input[type=file]").set_input_files(file)
    expect(page.get_by_role("heading", name="reviews.csv")).to_be_visible()
    expect(page.get_by_text("400 rows")).to_be_visible()
    button(page, "Train on this dataset").click()
    page.wait_for_url(re.compile("/new_run"))
    start = page.get_by_role("button", name="Start training")
    expect(start).to_be_enabled()
    page.set_viewport_size({"width": 1280, "height": 1000})
    length = page.get_by_label("Longest text in tokens", exact=True)
    expect(length).to_have_attribute("placeholder", re.compile(r"auto: ~\d+"))
    until(lambda: length.evaluate(SHOWS_PLACEHOLDER), 10, "what the length will be is not cut off")
    start.click()
    page.wait_for_url(re.compile(r"/run\?run="))
    until(lambda: status(page) == "Finished", TRAINING_S, "the run finishes")
    run = dashboard.only_run()
    assert run.spec["data"]["text_columns"] == ["review"] and run.spec["data"]["label_column"] == "verdict"
    accuracy, baseline = main_score(page)
    print(f"accuracy {accuracy}, baseline {baseline}")
    assert accuracy > baseline + 0.2


def test_a_workbook_is_uploaded_and_another_sheet_chosen(dashboard: Dashboard, page: Page) -> None:
    def fill(sheet: Any) -> None:
        rows(["text", "label"], *[[f"from {sheet.title}, {i}", "ab"[i % 2]] for i in range(len(sheet.title))])(sheet)

    content = book(fill, "First", "Reviews 2026")
    page.goto(dashboard.url("datasets"))
    settled(page)
    page.get_by_text("Your own file").click()
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    page.locator("input[type=file]").set_input_files({"name": "book.xlsx", "mimeType": kind, "buffer": content})
    expect(page.get_by_text("5 rows")).to_be_visible()
    page.get_by_role("tab", name=re.compile("How it was read")).click()
    sheet = page.get_by_role("combobox", name=re.compile("^Sheet|Sheet$"))
    expect(page.get_by_text("the sheet 'First' is read, of several")).to_be_visible()
    sheet.click()
    page.get_by_role("option", name="Reviews 2026").click()
    button(page, "Read again").click()
    expect(page.get_by_text("12 rows")).to_be_visible()


def test_any_file_reaches_the_sentence_that_says_what_it_is(dashboard: Dashboard, page: Page) -> None:
    page.goto(dashboard.url("datasets"))
    settled(page)
    page.get_by_text("Your own file").click()
    for name, content, says in (
        ("old.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(900), "an old Excel or Office file"),
        ("all.7z", b"7z\xbc\xaf\x27\x1c" + bytes(90), "a 7-Zip archive; unpack it"),
        ("train.csv", b"version https://git-lfs.github.com/spec/v1\nsize 9\n", "run git lfs pull"),
    ):
        file: FilePayload = {"name": name, "mimeType": "application/octet-stream", "buffer": content}
        page.locator("input[type=file]").set_input_files(file)
        expect(page.get_by_text(says).first).to_be_visible()
        settled(page)
        expect(page.locator("input[type=file]")).to_have_count(1)
