"""A model judged, doubted, asked, compared and put to work, as a person does it in a browser."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from core.spec.presets import PRESETS, SAMPLE
from core.spec.run import replace
from core.store.record import Run
from tests.browser.steps import (
    FIRST_BOX,
    TRAINING_S,
    Dashboard,
    button,
    choose,
    clicked,
    in_table,
    settled,
    until,
    write_cell,
)

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1500)]
WAIT_S = 240.0


def train(dashboard: Dashboard, name: str, **changes: Any) -> Run:
    """A run of the sample, submitted as the New run page does; the dashboard's own thread starts it."""
    small = {"data.max_train_examples": 600, "data.max_eval_examples": 200, "training.num_train_epochs": 2.0}
    spec = replace(PRESETS[SAMPLE].spec, small | {k.replace("__", "."): v for k, v in changes.items()})
    run = dashboard.store.submit("train", name, spec.model_dump(mode="json"))
    until(lambda: dashboard.store.run(run).is_final, TRAINING_S, f"{name} has ended")
    ended = dashboard.store.run(run)
    assert ended.status == "finished", ended.error
    return ended


def tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()
    settled(page)


def main(page: Page) -> Locator:
    return page.locator("[data-testid=stMain]")


def said(page: Page, pattern: str, timeout_s: float = 60) -> re.Match[str]:
    match = until(lambda: re.search(pattern, main(page).inner_text()), timeout_s, pattern)
    assert match is not None
    return match


def evaluation(dashboard: Dashboard, run: Run) -> dict[str, Any]:
    runs = [r for r in dashboard.store.runs(kind="evaluate") if r.spec["model"]["run"] == run.id]
    folder = dashboard.settings.run_dir(runs[0].id)
    tree: dict[str, Any] = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    return tree


def test_judge_a_run_and_ask_why(dashboard: Dashboard, page: Page) -> None:
    page.goto(dashboard.url("evaluate"))
    settled(page)
    expect(main(page)).to_contain_text("Nothing to evaluate yet")
    run = train(dashboard, "first")

    page.goto(dashboard.url(f"run?run={run.id}"))
    settled(page)
    button(page, "Evaluate it").click()
    page.locator(".st-key-evaluate_headline").wait_for(timeout=WAIT_S * 1000)
    judged = evaluation(dashboard, run)
    expect(page.locator(".st-key-evaluate_headline")).to_contain_text(f"{judged['metrics']['accuracy']:.3f}")
    said(page, r"A bag of words, trained in (under )?\d+ s, reaches 0\.\d+")

    tab(page, "Confusion")
    chart = page.locator("[class*=st-key-evaluate_cell] .js-plotly-plot").first
    chart.wait_for()
    labels, confusion = judged["labels"], judged["confusion"]
    true, taken = max(
        ((i, k) for i in range(len(labels)) for k in range(len(labels)) if i != k), key=lambda p: confusion[p[0]][p[1]]
    )

    def click_cell() -> None:
        x, y = chart.evaluate(
            "(e, [x, y]) => { const l = e._fullLayout, r = e.getBoundingClientRect();"
            " return [r.x + l.xaxis._offset + l.xaxis.c2p(x), r.y + l.yaxis._offset + l.yaxis.c2p(y)] }",
            [taken, true],
        )
        page.mouse.move(x - 30, y + 8)
        page.mouse.click(x - 30, y + 8)

    of = rf"{confusion[true][taken]} examples? of “{labels[true]}” taken for “{labels[taken]}”"
    clicked(click_cell, page.get_by_text(re.compile(of)))

    tab(page, "Curves")
    said(page, "highest at")
    slider = page.get_by_role("slider")
    before = page.locator(".st-key-evaluate_at_threshold").inner_text()
    slider.focus()
    for _ in range(150):  # to where the least sure model calls nothing so
        slider.press("ArrowRight")
    until(lambda: page.locator(".st-key-evaluate_at_threshold").inner_text() != before, 30, "the figures follow")

    tab(page, "Calibration")
    button(page, "Save with the model").click()
    said(page, r"is saved with the model")
    tab(page, "Groups")
    said(page, r"groups and pairs of groups were tried")

    tab(page, "Mistakes")
    said(page, "the most confident first")
    example = page.locator(".st-key-evaluate_mistakes_example")
    in_table(page, *FIRST_BOX, example)
    expect(example).to_contain_text("Blue speaks for", timeout=WAIT_S * 1000)
    page.keyboard.press("n")
    expect(example).to_contain_text("Example 2 of", timeout=WAIT_S * 1000)
    button(page, "Previous").click()
    expect(example).to_contain_text("Example 1 of", timeout=WAIT_S * 1000)
    expect(example).to_contain_text("Blue speaks for", timeout=WAIT_S * 1000)
    example.locator("span[style*=background], [class*=background]").first.wait_for()  # words are highlighted
    button(page, "Find the nearest training examples").click()
    expect(example).to_contain_text("by the model's own last layer", timeout=WAIT_S * 1000)

    tab(page, "Robustness")
    button(page, "Check it").click()
    page.locator(".st-key-evaluate_robust").wait_for(timeout=WAIT_S * 1000)


def test_ask_correct_and_predict_a_file(dashboard: Dashboard, page: Page, tmp_path: Path) -> None:
    run = train(dashboard, "asked")
    page.goto(dashboard.url(f"playground?run={run.id}"))
    settled(page)
    text = page.get_by_label("Text", exact=True)
    text.fill("The soup was wonderful and the waiter was kind.")
    text.press("Control+Enter")
    answer = page.locator(".st-key-play_answer_0")
    expect(answer).to_contain_text(" ms", timeout=WAIT_S * 1000)
    expect(answer).to_contain_text(re.compile(r"stars? \d+\.\d%"))
    text.fill("kjq zzv xqj " * 60)
    text.press("Control+Enter")
    expect(answer).to_contain_text(re.compile(r"The model reads the first \d+ of [\d,]+ tokens"), timeout=WAIT_S * 1000)
    text.fill("The soup was wonderful and the waiter was kind.")
    text.press("Control+Enter")
    expect(answer).not_to_contain_text("The model reads the first")
    answer.get_by_text("Wrong?").click()
    choose(page, "The right class", "5 stars")
    button(page, "Add to the correction set").click()
    expect(answer).to_contain_text("1 correction so far")

    page.get_by_text("Many, one per line").click()
    lines = page.get_by_label("Texts, one per line")
    lines.fill("terrible food\nlovely place\n\nfine")
    lines.press("Control+Enter")
    page.locator(".st-key-play_answer_0 [data-testid=stDataFrame]").wait_for(timeout=WAIT_S * 1000)

    path = tmp_path / "texts.csv"
    path.write_text('id,comment\n1,"Great, really great"\n2,\n3,まずい\n', encoding="utf-8")
    tab(page, "A whole file")
    page.locator("input[type=file]").set_input_files(str(path))
    said(page, "texts.csv has no column 'text', which is the text that the run asked was trained on")
    choose(page, "Text column", "comment")
    page.keyboard.press("Escape")
    button(page, "Predict all").click()
    page.locator(".st-key-play_batch_result").wait_for(timeout=WAIT_S * 1000)
    expect(page.locator(".st-key-play_batch_result")).to_contain_text("1 row without text")
    with page.expect_download() as download:
        page.locator(".st-key-play_batch_download button").click()
    with Path(download.value.path()).open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ["1", "2", "3"] and rows[2]["comment"] == "まずい"
    assert rows[0]["prediction"].endswith(("star", "stars")) and rows[1]["prediction"] == ""


def test_a_final_test_and_two_models_on_it(dashboard: Dashboard, page: Page) -> None:
    divided = [{"step": "split", "parts": {"train": 0.7, "validation": 0.15, "test": 0.15}, "column": "label"}]
    one = train(dashboard, "one epoch", data__steps=divided, training__num_train_epochs=1.0)
    two = train(dashboard, "three epochs", data__steps=divided, training__num_train_epochs=3.0)
    for run in (one, two):
        page.goto(dashboard.url(f"evaluate?run={run.id}&split=test"))
        settled(page)
        said(page, "It becomes the final test" if run is one else "has been looked at 1 time")
        page.locator("[class*=st-key-start_evaluate] button").click()
        page.locator(".st-key-evaluate_headline").wait_for(timeout=WAIT_S * 1000)
    said(page, "It has been looked at 2 times")
    tab(page, "Curves")
    said(page, "was tuned on the validation examples")

    page.goto(dashboard.url("compare"))
    settled(page)
    for name in ("one epoch", "three epochs"):
        choose(page, "Evaluations", f"^{name} on test")
        page.keyboard.press("Escape")
    said(page, r"(is better than|is worse than|cannot be told apart)", WAIT_S)
    (rows,) = {run.summary["examples"] for run in dashboard.store.runs(kind="evaluate")}
    shared = int(said(page, r"([\d,]+) examples that all were evaluated on")[1].replace(",", ""))
    assert 0.9 * rows < shared <= rows, "all of them, but for texts that occur twice"
    expect(main(page)).to_contain_text("McNemar")

    page.goto(dashboard.url("new_run"))
    settled(page)
    train_again = dashboard.store.submit(
        "train", "tries to train on it", {**two.spec, "data": {**two.spec["data"], "train_split": "test"}}
    )
    until(lambda: dashboard.store.run(train_again).is_final, TRAINING_S, "it is refused")
    assert "set aside as the final test" in str(dashboard.store.run(train_again).error)


def test_a_doubtful_label_becomes_a_new_version(dashboard: Dashboard, page: Page) -> None:
    ends = [{"step": "filter", "where": [{"column": "label", "values": ["1 star", "5 stars"]}]}]  # easy to tell apart
    run = train(
        dashboard,
        "doubting",
        data__steps=ends,
        data__max_train_examples=1000,
        data__max_eval_examples=400,
        training__num_train_epochs=3.0,
    )
    page.goto(dashboard.url(f"evaluate?run={run.id}"))
    page.locator(".st-key-evaluate_headline").wait_for(timeout=WAIT_S * 1000)
    tab(page, "Label errors")
    said(page, r"\d+ labels? of [\d,]+ may be wrong")
    write_cell(page, page.get_by_test_id("stDataFrame").first, (40, 52), "Drop", opens="Enter")
    button(page, "Make a new version with 1 change").click()
    page.get_by_text("Leave out 1 by text").wait_for()
    said(page, "2 steps of preparation")
    until(lambda: "steps=" in page.url, 30, "the address says what the page shows")
