"""The report: its figures are those of the run, nothing hostile gets through, nothing private goes out."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from core.evaluation.results import read_report
from core.settings import Settings
from core.sharing.report import report
from core.sharing.report.content import Content, gather
from core.sharing.report.document import visible
from core.store import final_tests
from core.store.store import Store
from core.wording import score
from tests.browser.steps import ARGUMENTS, chromium
from tests.evaluation.conftest import read_classes
from tests.sharing.judged_run import JudgedRun
from tests.synthetic import Synthetic

HOSTILE = (
    "<script>window.bad = 1</script>", "</script><img src=http://evil.example/x onerror='window.bad = 1'>",
    "<!--<script>", "a\u202egnp.exe\x00", "$x^2$ **b** [l](http://evil.example) `c` | d", "日本語のラベル", "長" * 300,
    '" onmouseover="window.bad = 1', "&lt;b&gt;",
)  # fmt: skip
VOID = {"meta", "link", "br", "img", "input", "hr"}


class Read(HTMLParser):
    """What a file has: its tags in balance, its scripts, its words outside of them."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute of {tag} stands twice"
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"{tag} ends within {self.open}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[-1] = (self.scripts[-1][0], self.scripts[-1][1] + data)
        elif self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def figures(self) -> list[dict]:
        return [json.loads(text) for attrs, text in self.scripts if attrs.get("type") == "application/json"]


@pytest.fixture
def store(settings: Settings) -> Store:
    return Store(settings.store_path)


def synthetic(store: Store, settings: Settings, name: str = "A run") -> Synthetic:
    run = Synthetic(store, settings, name).working()
    run.train(100, of=100)
    return run


def told(store: Store, settings: Settings, run: Synthetic, with_texts: bool | None = None) -> Content:
    return gather(store, settings, store.run(run.id), with_texts)


def test_figures_are_those_of_the_evaluation(judged_run: JudgedRun) -> None:
    store, settings, run, validation, test = judged_run
    evaluation = read_classes(settings.run_dir(test))
    assert evaluation is not None
    content = gather(store, settings, run)
    assert [e.id for e in content.evaluations] == [test, validation], "the one that nothing has seen comes first"
    page, text = Read(report.html(content)), report.markdown(content)
    bag = evaluation.baselines.bag_of_words
    assert bag is not None
    for name in evaluation.metric_names:
        low, high = evaluation.intervals[name]
        row = f"{score(evaluation.metrics[name])} {score(low)} to {score(high)} {score(bag.metrics[name])}"
        assert row in page.text and row.replace(" to ", "-to-").replace(" ", " | ").replace("-to-", " to ") in text
    for entry in evaluation.per_class:
        cells = [score(value) for value in (entry.f1, entry.precision, entry.recall)]
        assert " ".join([entry.label, *cells, f"{entry.support:,}"]) in page.text
    assert f"{evaluation.calibration.ece:.3f}" in page.text
    assert "Final test." in page.text and "looked at 1 time" in page.text
    confusion = next(f for f in page.figures() if any(t.get("type") == "heatmap" for t in f["data"]))
    cells = next(t["customdata"] for t in confusion["data"] if t.get("hovertemplate"))
    assert [c[2] for c in cells] == [n for row in evaluation.confusion for n in row]
    assert "How sure that figure is" not in page.text
    environment = json.loads((settings.run_dir(run.id) / "environment.json").read_text())
    assert environment["dataset"]["train"]["content"] in page.text and environment["packages"]["torch"] in page.text


def test_texts_and_values_of_a_file_stay_out_unless_asked_for(judged_run: JudgedRun) -> None:
    store, settings, run, _, test = judged_run
    evaluation = read_classes(settings.run_dir(test))
    assert evaluation is not None and any("author Jane Roe" in g.name for g in evaluation.slices.worst)
    secret = ("Jane Roe", "word1")
    quiet = gather(store, settings, run)
    for text in (report.html(quiet), report.markdown(quiet)):
        assert not any(word in text for word in secret) and "a group by author" in text and "texts are left out" in text
    loud = report.markdown(gather(store, settings, run, True))
    first = evaluation.mistakes[0]
    rows = (settings.home.parent / "reviews" / "test.csv").read_text().splitlines()
    assert rows[1 + first.row].split(",")[0] in loud and "Jane Roe" in loud
    for text in (report.html(quiet), loud):
        assert str(settings.home.parent) not in text and "reviews" in text, "the name without the way to it"


def test_the_same_run_gives_the_same_bytes(judged_run: JudgedRun) -> None:
    import plotly.io

    store, settings, run, *_ = judged_run
    before, kept = report.html(gather(store, settings, run)), plotly.io.templates.default
    plotly.io.templates.default = "plotly_dark"  # as another page of the process may have it
    try:
        assert report.html(gather(store, settings, run)) == before
    finally:
        plotly.io.templates.default = kept


def test_hostile_names_and_labels_are_shown_as_they_are(store: Store, settings: Settings) -> None:
    run = synthetic(store, settings, HOSTILE[0])
    run.finish(labels=HOSTILE)
    html = report.html(told(store, settings, run))
    page = Read(html)
    for label in HOSTILE:
        assert visible(label) in page.text
    assert not [tag for tag, _ in page.tags if tag in ("img", "b", "link", "iframe", "object", "base")]
    assert not [a for _, attrs in page.tags for a in attrs if a.startswith("on")]
    own = [text for attrs, text in page.scripts if not attrs]
    assert len(own) == 2 and "window.bad" not in "".join(own)
    data = [text for attrs, text in page.scripts if attrs.get("type") == "application/json"]
    assert data and not any("<" in text for text in data) and len(page.scripts) == len(own) + len(data)
    assert not re.search("[\x00\u202e]", html)


def test_the_policy_lets_only_its_own_scripts_run(store: Store, settings: Settings) -> None:
    run = synthetic(store, settings)
    run.finish()
    page = Read(report.html(told(store, settings, run)))
    (policy,) = [attrs["content"] or "" for tag, attrs in page.tags if "Content-Security-Policy" in attrs.values()]
    hashes = re.findall(r"'sha256-([^']+)'", policy)
    own = [text for attrs, text in page.scripts if not attrs]
    assert hashes == [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in own]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'" and "unsafe" not in rules["script-src"]
    assert not {"connect-src", "frame-src", "font-src", "object-src"} & rules.keys()
    assert not [v for tag, attrs in page.tags for k, v in attrs.items() if k in ("src", "href") and v and v[0] != "#"]


def test_it_can_be_read_without_seeing_it(judged_run: JudgedRun) -> None:
    store, settings, run, *_ = judged_run
    page = Read(report.html(gather(store, settings, run)))
    assert ("html", {"lang": "en"}) in page.tags
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and set(levels[1:]) == {2}
    charts = [attrs for _, attrs in page.tags if attrs.get("class") == "chart"]
    assert len(charts) >= 6 and all(a["role"] == "img" and a["aria-label"] for a in charts)
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    links = [(attrs["href"] or "")[1:] for tag, attrs in page.tags if tag == "a"]
    assert links and set(links) <= set(ids)
    assert sum(tag == "caption" for tag, _ in page.tags) == sum(tag == "table" for tag, _ in page.tags) > 4


def test_a_run_without_an_evaluation(store: Store, settings: Settings) -> None:
    run = synthetic(store, settings)
    finished = run.finish()
    content = told(store, settings, run)
    assert content.report is not None and content.report == read_report(settings.run_dir(run.id))
    assert content.report.tree() | {"advice": finished["advice"]} == finished
    assert [tip.text for tip in content.report.advice] == finished["advice"] != []
    page = Read(report.html(content))
    assert f"Accuracy {score(finished['metrics']['accuracy'])}" in page.text and "an evaluation would tell" in page.text
    assert "Can its confidence be believed" not in page.text


def test_a_stopped_run_that_left_nothing(store: Store, settings: Settings) -> None:
    run = synthetic(store, settings)
    store.finish(run.id, run.token, "stopped", "Stopped before <b>training</b> ended")
    content = told(store, settings, run)
    page, text = Read(report.html(content)), report.markdown(content)
    assert "This run was stopped after 100 of 100 steps" in page.text and "How to load it" not in page.text
    assert "How good it is" not in page.text and "\\<b\\>" in text


def test_a_run_that_never_began(store: Store, settings: Settings) -> None:
    run = store.submit("train", "Waiting", Synthetic(store, settings).spec)
    page = Read(report.html(gather(store, settings, store.run(run))))
    assert "has not ended" in page.text and len(page.scripts) == 0, "no figure needs no Plotly"


def test_metrics_that_are_no_numbers(store: Store, settings: Settings) -> None:
    run = Synthetic(store, settings).working()
    run.train(100, of=100, broken_from=40)
    run.finish()
    path = settings.run_dir(run.id) / "report.json"
    tree = json.loads(path.read_text())
    tree["metrics"] |= {"accuracy": None, "loss": None}
    path.write_text(json.dumps(tree))
    page = Read(report.html(told(store, settings, run)))
    assert "The Accuracy is not a number" in page.text
    assert "NaN" not in "".join(text for attrs, text in page.scripts if attrs)


def test_many_classes(store: Store, settings: Settings) -> None:
    run = synthetic(store, settings)
    run.finish(labels=[f"class {i}" for i in range(150)])
    page, text = Read(report.html(told(store, settings, run))), report.markdown(told(store, settings, run))
    assert "The 15 weakest of 150 classes" in page.text and "All 150 classes" in page.text
    assert not any(t.get("type") == "heatmap" for f in page.figures() for t in f["data"])
    assert all(f"| class {i} |" in text for i in range(150))


def test_secrets_and_paths_stay_here(store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_" + "q" * 34)
    monkeypatch.setenv("MY_DB_PASSWORD", "correct-horse-battery")
    labels = ["correct-horse-battery", f"hf_{'q' * 34}", str(settings.home / "x"), str(Path.home() / "notes")]
    run = synthetic(store, settings, f"Run of correct-horse-battery in {settings.home}")
    run.finish(labels=labels)
    content = told(store, settings, run)
    for text in (report.html(content), report.markdown(content)):
        assert "correct-horse" not in text and "qqqq" not in text and str(settings.home) not in text
        assert f"{Path.home()}/notes" not in text and "[hidden]" in text.replace("\\", "")


def test_what_is_told_of_robustness_and_a_final_test_often_looked_at(judged_run: JudgedRun) -> None:
    store, settings, run, _, test = judged_run
    kinds = [
        {
            "name": "typos",
            "title": "Typos <b>here</b>",
            "accuracy": 0.5,
            "change": -0.25,
            "low": -0.3,
            "high": -0.2,
            "turned": 15,
            "mcnemar": {"gains": 0, "losses": 15, "p": 0.001},
            "examples": [],
        }
    ]
    path = settings.run_dir(test) / "robustness.json"
    path.write_text(json.dumps({"examples": 60, "accuracy": 0.75, "labels": [], "kinds": kinds}))
    (content,) = [holdout.content for holdout in final_tests.holdouts(store)]
    for number in range(4):
        final_tests.count_look(store, content, store.submit("evaluate", f"look {number}", {}))
    page = Read(report.html(gather(store, settings, run)))
    assert "Typos <b>here</b> 0.500 -0.250" in page.text and not any(tag == "b" for tag, _ in page.tags)
    assert "It has been looked at 5 times: choosing between models by it makes its figures too good." in page.text
    path.unlink()
    for other in store.runs(kind="evaluate", statuses=("queued",)):
        store.delete(other.id)


@pytest.mark.parametrize("name", ["A run: 50% / better?", "日本語", "../../etc/passwd", "x" * 300, ""])
def test_file_names_fit_every_system(name: str) -> None:
    assert re.fullmatch(r"report-[a-z0-9-]{4,60}\.html", report.file_name(name, "a1b2c3", ".html"))


def test_markdown_shows_what_is_hostile_as_text(store: Store, settings: Settings) -> None:
    run = synthetic(store, settings, "- not a list <b>")
    run.finish(labels=HOSTILE)
    text = report.markdown(told(store, settings, run))
    assert not re.search(r"(?<!\\)<(?!/?(details|summary)>)", re.sub(r"```.*?```", "", text, flags=re.S))
    assert "](http://evil" not in text and not re.search(r"(?<!\\)\$", text)
    rows = [line.replace("\\|", "") for line in text.splitlines() if line.startswith("|") and "evil.example" in line]
    widths = {row.count("|") for row in rows}
    assert widths <= {4, 5, 6}, "a bar in a label is no cell of its own"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS))
        yield started
        started.close()


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_opens_from_a_file_without_a_network(
    browser: Browser, store: Store, settings: Settings, tmp_path: Path, theme: str
) -> None:
    run = synthetic(store, settings, HOSTILE[0])
    run.finish(labels=HOSTILE)
    file = tmp_path / "report.html"
    file.write_text(report.html(told(store, settings, run)), encoding="utf-8")
    context = browser.new_context(viewport={"width": 420, "height": 900}, color_scheme=theme)  # type: ignore[arg-type]
    page, asked, errors = context.new_page(), list[str](), list[str]()
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(file.as_uri())
    page.wait_for_function("document.querySelectorAll('.chart:not(.drawn)').length == 0")
    assert page.locator(".chart .main-svg").count() >= 8
    assert page.evaluate("document.querySelector('.chart').data[0].x.length") == 20
    assert page.evaluate("window.bad") is None and not errors
    assert page.locator("h1").inner_text() == HOSTILE[0]
    assert page.evaluate("document.documentElement.scrollWidth") <= 420
    ink = page.locator(".chart .legendtext").first.evaluate("e => getComputedStyle(e).fill")
    assert ink == {"light": "rgb(31, 36, 51)", "dark": "rgb(232, 233, 241)"}[theme]
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.bad = 1\">')")
    page.evaluate(
        "const s = document.createElement('script'); s.textContent = 'window.bad = 1'; document.body.append(s)"
    )
    page.wait_for_timeout(200)
    assert page.evaluate("window.bad") is None, "even markup that gets in cannot run"
    printed = page.pdf(prefer_css_page_size=True, print_background=True)
    assert printed.startswith(b"%PDF") and len(re.findall(rb"/Type\s*/Page\b", printed)) >= 3
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    context.close()
