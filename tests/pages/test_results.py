"""The pages of results without a browser: what there is to see before anything was trained, judged or asked."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, cast

import pytest
from streamlit.testing.v1 import AppTest

from core.data.prepare import prepare
from core.evaluation.fast import kept
from core.playground.answers import Word
from core.settings import Settings
from core.spec.run import RunSpec, build
from core.store.certificate import Certificate, Loss
from core.store.store import Store
from tests.synthetic import Synthetic

App = Callable[[str], AppTest]


def words(page: AppTest) -> str:
    return "\n".join(str(e.value) for e in [*page.markdown, *page.caption, *page.info, *page.error])


def a_run(settings: Settings, name: str = "A run") -> str:
    run = Synthetic(Store(settings.store_path), settings, name).working()
    run.finish()
    return run.id


@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        ("results/evaluate", "Nothing to evaluate yet"),
        ("results/compare", "Nothing to compare yet"),
        ("results/playground", "No model yet"),
    ],
)
def test_the_first_visit(app: App, page: str, sentence: str) -> None:
    assert sentence in words(app(page))


def test_a_finished_run_is_judged_without_being_asked(app: App, settings: Settings) -> None:
    run = a_run(settings)
    page = app("results/evaluate")
    (queued,) = Store(settings.store_path).runs(kind="evaluate")
    assert queued.spec["model"]["run"] == run and queued.spec["split"] == ""
    assert "Waiting for its turn" in "\n".join([words(page), *(str(p.proto) for p in page.get("progress"))])
    page.run()
    assert len(Store(settings.store_path).runs(kind="evaluate")) == 1, "once is enough"


def test_an_evaluation_older_than_its_model_does_not_count(app: App, settings: Settings) -> None:
    store = Store(settings.store_path)
    run = a_run(settings)
    app("results/evaluate")
    with store.atomic() as db:
        db.execute("UPDATE runs SET attempt=attempt+1 WHERE id=?", (run,))
    app("results/evaluate")
    assert len(store.runs(kind="evaluate")) == 2, "the run was resumed in the meantime: its model is another one"


@pytest.mark.parametrize("query", ["nonsense", "../../etc", "a1b2c3d4e5"])
def test_links_that_lead_nowhere(app: App, settings: Settings, query: str) -> None:
    a_run(settings)
    page = app("results/evaluate")
    page.query_params["evaluation"] = query
    page.query_params["run"] = query
    page.run()
    assert not page.exception


def test_models_of_one_name_are_told_apart(app: App, settings: Settings) -> None:
    """A browser names an option by its text: of two with the same, it would always take the first."""
    runs = [a_run(settings, name) for name in ("Twice", "Twice", "Once")]
    for run in runs:
        (settings.run_dir(run) / "model").mkdir(parents=True, exist_ok=True)
        (settings.run_dir(run) / "model" / "config.json").write_text("{}")
    for page, label in (("playground", "Models"), ("evaluate", "Model"), ("share", "Run")):
        opened = app(f"results/{page}")
        (box,) = [b for b in [*opened.multiselect, *opened.selectbox] if b.label == label]
        assert len(box.options) >= 3 and len(set(box.options)) == len(box.options), page


def test_hostile_texts_stay_texts_when_words_are_highlighted(app: App) -> None:
    app("results/playground")
    explanation: Any = importlib.import_module("ui.evaluate.explanation")
    text = "<script>x</script> **bold** :red[a] $x$ [l](http://e) good"
    spans = [(0, 8), (19, 27), (28, 35), (36, 39), (40, 53), (54, 58)]
    scores = (1, -1, 0.3, 0, 0, 0.5)
    words = [Word(part=0, start=a, end=b, score=score) for (a, b), score in zip(spans, scores, strict=True)]
    marked = explanation._marked(text, words, 1.0)
    assert ":blue-background[**\\<script\\>**]" in marked and ":orange-background[**" in marked
    assert "\\*\\*bold" in marked and "\\:red\\[a\\]" in marked and "\\$x\\$" in marked and "\\[l\\]" in marked


def test_a_link_that_is_followed_again_leads_to_the_same_run(app: App, settings: Settings) -> None:
    older = a_run(settings, "Older")
    newer = a_run(settings, "Newer")
    page = app("results/evaluate")
    for _ in range(2):
        page.switch_page("../pages/train/runs.py").run()
        page.query_params["run"] = older
        page.switch_page("../pages/results/evaluate.py").run()
        assert page.selectbox(key="evaluate_model").value == older
    page.selectbox(key="evaluate_model").set_value(newer).run()
    assert page.selectbox(key="evaluate_model").value == newer, "a choice counts more than the link"
    assert "run" not in page.query_params
    page.selectbox(key="evaluate_model").set_value(older).run()
    page.switch_page("../pages/train/runs.py").run()
    page.switch_page("../pages/results/evaluate.py").run()
    assert page.selectbox(key="evaluate_model").value == older, "without a link the last choice is back"


def measured(settings: Settings, run: str, loss: tuple[float, float, float]) -> None:
    """A model of the run, and the certificate of its fast answers. loss: value, low, high"""
    folder = settings.run_dir(run)
    (folder / "model").mkdir(parents=True, exist_ok=True)
    (folder / "model" / "config.json").write_text("{}")
    (folder / kept.FOLDER).mkdir(exist_ok=True)
    (folder / kept.FOLDER / kept.FILE).write_bytes(b"8 bits")
    value, low, high = loss
    certificate = Certificate(
        recipe=kept.RECIPE, title="A run", metric="accuracy", exact=0.9, fast=0.9 - value,
        loss=Loss(value=value, low=low, high=high), gains=1, losses=2, same=990, examples=1000, dataset="reviews",
        split="test", kind="other", needed=2400, speed=2.5, weights="w", seen=kept.seen(folder / "model"),
    )  # fmt: skip
    certificate.save(folder / kept.FOLDER / kept.CERTIFICATE)


def unescaped(markdown: str) -> str:
    return markdown.replace("\\", "")


def test_fast_answers_show_what_they_cost_before_they_are_used(app: App, settings: Settings) -> None:
    store = Store(settings.store_path)
    run = a_run(settings)
    prepare(cast(RunSpec, build(store.run(run).spec)).data, settings)
    page = app("results/evaluate")
    examples = page.selectbox(key=f"evaluate_split_{run}")
    examples.set_value("train").run()
    answers = page.button_group(key="evaluate_A run_answers")
    assert answers.value == "exact" and page.button(key="start_evaluate_A run")
    answers.set_value("fast").run()
    assert page.button(key="start_certify_evaluate_A run").label == "Measure what they cost"
    assert "start_evaluate_A run" not in {button.key for button in page.button}

    measured(settings, run, (0.02, 0.01, 0.03))
    page.run()
    assert "lose 2.00 points, and 0.5 are allowed: fast answers are refused" in unescaped(page.error[0].value)
    assert "start_evaluate_A run" not in {button.key for button in page.button}
    measured(settings, run, (0.001, -0.002, 0.007))
    page.run()
    assert "1,000 examples cannot prove less, about 2,400 would" in unescaped(page.warning[0].value)
    assert "start_evaluate_A run" not in {button.key for button in page.button}
    page.checkbox(key="evaluate_A run_unproven").check().run()
    assert page.button(key="start_evaluate_A run")
    measured(settings, run, (0.001, -0.002, 0.004))
    page.run()
    assert "2.5 times as many texts per second" in unescaped(page.success[0].value)
    page.button(key="start_evaluate_A run").click().run()
    (queued,) = store.runs(kind="evaluate", limit=1)
    assert queued.spec["answers"] == "fast" and queued.spec["split"] == "train"
