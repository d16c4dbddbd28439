"""The model card: what the Hub reads of it is right, what a person changes is checked, nothing private goes out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import EvalResult, ModelCard

from core.data.prepare import prepare
from core.errors import SpecError
from core.evaluation.results import read_evaluation
from core.settings import Settings
from core.sharing.report import card, hub_rules
from core.sharing.report.card import PLACEHOLDER
from core.sharing.report.card_edits import NOTHING, Edits
from core.sharing.report.content import gather_for_card
from core.spec.data import DataSpec
from core.spec.presets import PRESETS
from core.spec.run import replace
from core.store.files import save_temperature
from core.store.store import Store
from core.tasks import metric
from core.wording import metric_title
from tests.sharing.judged_run import JudgedRun
from tests.synthetic import Synthetic

HOSTILE = (
    "a\n---\nlicense: mit\n---\n", "x: y", "- item", "&anchor", "*alias", "!!python/object:os.system", "'\"", "{{ x }}",
    "no", "日本語", "<script>alert(1)</script>", "# heading", "\u202eabc",
)  # fmt: skip


@pytest.fixture
def store(settings: Settings) -> Store:
    return Store(settings.store_path)


def finished(
    store: Store, settings: Settings, name: str = "A run", labels: tuple[str, ...] = ("bad", "good"), **changes: Any
) -> Any:
    """A run on the Hub's data and model, as far as its record says."""
    spec = replace(PRESETS["yelp-trainer"].spec, {k.replace("__", "."): v for k, v in changes.items()})
    run = Synthetic(store, settings, name, spec.model_dump(mode="json")).working()
    run.train(100, of=100)
    run.finish(labels=labels)
    return store.run(run.id)


def made(store: Store, settings: Settings, run: Any, edits: Edits = NOTHING) -> str:
    return card.card(gather_for_card(store, settings, run), edits)


def read(text: str) -> dict[str, Any]:
    """The metadata as the Hub's own library reads it."""
    return dict(ModelCard(text).data.to_dict())


def results_of(text: str) -> list[EvalResult]:
    results: list[EvalResult] = ModelCard(text).data.get("eval_results", [])
    return results


def test_the_hub_reads_the_figures_of_every_evaluation(judged_run: JudgedRun) -> None:
    store, settings, run, validation, test = judged_run
    text = made(store, settings, run)
    assert not card.check_card(text, settings)
    results = {(r.dataset_split, r.metric_name): r for r in results_of(text)}
    for evaluation, split in ((test, "test"), (validation, "validation")):
        evaluated = read_evaluation(settings.run_dir(evaluation))
        assert evaluated is not None
        for name, value in evaluated.metrics.items():
            result, known = results.pop((split, metric_title(name))), metric(name)
            assert known is not None
            assert result.metric_value == value and result.metric_type == known.hub
            assert result.task_type == "text-classification"
            assert (result.dataset_type, result.dataset_name) == ("custom", "reviews")
            assert (result.metric_args or {}) == known.hub_arguments
    assert not results, "a file is no dataset of the Hub, so its results are of a custom one"
    data = read(text)
    assert data["metrics"] == ["accuracy", "f1", "precision", "recall", "matthews_correlation"]
    assert data["pipeline_tag"] == "text-classification" and data["library_name"] == "transformers"
    assert not {"base_model", "datasets", "license", "base_model_relation"} & data.keys()
    assert str(settings.home.parent) not in text and "Jane Roe" not in text


def test_ids_of_the_hub_and_the_base_models_licence(store: Store, settings: Settings) -> None:
    data = read(made(store, settings, finished(store, settings)))
    assert data["base_model"] == "google-bert/bert-base-cased" and data["base_model_relation"] == "finetune"
    assert data["datasets"] == ["Yelp/yelp_review_full"] and data["license"] == "apache-2.0"
    (result,) = data["model-index"][0]["results"]
    assert result["dataset"] == {"name": "yelp_review_full", "type": "Yelp/yelp_review_full", "split": "test"} or (
        result["dataset"]["type"] == "Yelp/yelp_review_full" and result["dataset"]["split"] == "test"
    )
    edited = made(store, settings, finished(store, settings), Edits(licence="mit", languages=("ja", "en")))
    data = read(edited)
    assert data["license"] == "mit" and data["language"] == ["ja", "en"]


@pytest.mark.parametrize("name", ["scratch", "/srv/models/mine", "./mine", "C:\\models\\mine", "minilm"])
def test_a_folder_is_no_model_of_the_hub(store: Store, settings: Settings, name: str) -> None:
    text = made(store, settings, finished(store, settings, model__name=name))
    data = read(text)
    assert "base_model" not in data and "license" not in data and "/srv/models" not in text


def test_languages_are_told_from_the_texts(store: Store, settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "レビュー.csv"
    rows = ["とても美味しい料理でした。また行きたいです,良い", "店員の対応が悪く、二度と行きません,悪い"] * 10
    file.write_text("\n".join(["本文,評価", *rows]), encoding="utf-8")
    data = DataSpec(source="file", path=str(file), text_columns=("本文",), label_column="評価")
    prepare(data, settings)
    spec = PRESETS["sample"].spec.model_copy(update={"data": data}).model_dump(mode="json")
    run = Synthetic(store, settings, "レビューの分類", spec).working()
    run.finish(labels=["良い", "悪い"])
    text = made(store, settings, store.run(run.id))
    assert read(text)["language"] == ["ja"]
    assert "# レビューの分類" in text and "良い, 悪い" in text and "`本文`" in text and str(tmp_path) not in text


def test_nothing_hostile_becomes_metadata(store: Store, settings: Settings) -> None:
    for name in HOSTILE:
        run = finished(store, settings, name, HOSTILE, data__path="owner/data", data__config=None)
        text = made(store, settings, run, Edits(description=name, intended=name))
        parts = hub_rules.divided(text)
        assert parts is not None
        data = yaml.safe_load(parts[0])
        assert set(data) <= {
            "language", "license", "library_name", "metrics", "pipeline_tag", "tags", "base_model",
            "base_model_relation", "datasets", "model-index",
        }  # fmt: skip
        assert data["license"] == "apache-2.0" and data["tags"] == ["text-classification", "tunedeck"]
        assert not card.check_card(text, settings), name
        assert not re.search(r"(?<!\\)<script", parts[1]) and "\u202e" not in text
        headings = [line for line in parts[1].splitlines() if re.match("#+ ", line)]
        assert len(headings) == 7 and headings[0].startswith("# "), "a name or label makes no heading of its own"


def test_metrics_that_are_no_numbers_are_left_out(store: Store, settings: Settings) -> None:
    run = finished(store, settings)
    path = settings.run_dir(run.id) / "report.json"
    report = json.loads(path.read_text())
    report["metrics"] |= {"accuracy": None, "loss": float("nan")}
    path.write_text(json.dumps(report))
    assert {r.metric_name for r in results_of(made(store, settings, run))} == {
        "F1 (macro)",
        "F1 (weighted)",
        "Precision (macro)",
        "Recall (macro)",
        "Matthews correlation",
    }


def test_a_run_without_a_report(store: Store, settings: Settings) -> None:
    run = Synthetic(store, settings).working()
    run.train(50, of=100)
    store.finish(run.id, run.token, "stopped", "Stopped")
    text = made(store, settings, store.run(run.id))
    assert "model-index" not in read(text) and "How good it is was not measured" in text
    assert not card.check_card(text, settings)


def test_many_classes(store: Store, settings: Settings) -> None:
    run = finished(store, settings, labels=tuple(f"class {i}" for i in range(150)))
    text = made(store, settings, run)
    assert "and 138 more" in text and "The 15 weakest of 150 classes" in text and "| class 149 |" in text


def test_a_temperature_is_told_of(store: Store, settings: Settings) -> None:
    run = finished(store, settings)
    save_temperature(settings.run_dir(run.id) / "model", 1.75)
    text = made(store, settings, run)
    (code,) = re.findall(r"```python\n(.*?)```", text, re.S)
    compile(code, "card", "exec")
    assert "/ 1.7500" in code and PLACEHOLDER in code


def test_what_goes_out_is_what_was_saved(store: Store, settings: Settings) -> None:
    run = finished(store, settings)
    folder = settings.run_dir(run.id)
    filled = card.outgoing(store, settings, run)
    assert filled == made(store, settings, run) and card.read_card(folder) is None
    assert "me/my-model" in card.outgoing(store, settings, run, "me/my-model")
    assert PLACEHOLDER not in card.outgoing(store, settings, run, "me/my-model")
    card.write_card(run, filled + "\r\nOne line more.\r\n", settings)
    assert card.outgoing(store, settings, run).endswith("\nOne line more.\n")
    with pytest.raises(SpecError, match="zzz"):
        card.write_card(run, filled.replace("apache-2.0", "zzz"), settings)
    assert "apache-2.0" in (card.read_card(folder) or ""), "the one before it stays"
    card.forget_card(run, settings)
    assert card.outgoing(store, settings, run) == filled


def test_a_card_that_was_broken_on_disk_does_not_go_out(store: Store, settings: Settings) -> None:
    run = finished(store, settings)
    (settings.run_dir(run.id) / card.NAME).write_text("---\nlicense: [\n---\n")
    with pytest.raises(SpecError, match="not YAML"):
        card.outgoing(store, settings, run)


def test_secrets_stay_here(store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_" + "q" * 34)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "correct-horse-battery")
    run = finished(store, settings, f"Run of correct-horse-battery at {settings.home}", ("hf_" + "q" * 34, "good"))
    text = card.outgoing(store, settings, run)
    assert "correct-horse" not in text and "qqqq" not in text and str(settings.home) not in text
    key = "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----"
    for secret, message in (
        ("correct-horse-battery", "token or password"),
        ("hf_" + "z" * 30, "token or password"),
        (f"see {Path.home()}/notes", "folder of this machine"),
        (key, "private key"),
    ):
        problems = card.check_card(f"{text}\n{secret}\n", settings)
        assert any(message in problem.message for problem in problems), secret
        with pytest.raises(SpecError):
            card.write_card(run, f"{text}\n{secret}\n", settings)


@pytest.mark.parametrize(
    ("metadata", "field", "message"),
    [
        ("license: apache 2", "license", "'apache 2' is no licence"),
        ("license: [mit, nonsense]", "license", "'nonsense' is no licence"),
        ("license: other\nlicense_name: My Licence!", "license_name", "small letters"),
        ("language: english", "language", "'english' is no language code"),
        ("language: no", "language", "in quotes"),
        ("language: [en, EN]", "language", "'EN' is no language code"),
        ("base_model: /home/me/model", "base_model", "not the id of a model"),
        ("base_model: a/b/c", "base_model", "not the id of a model"),
        ("datasets: [my data]", "datasets", "not the id of a dataset"),
        ("tags: [1, a]", "tags", "1 is no text"),
        ("model-index: nonsense", "model-index", "cannot be read"),
        ("model-index:\n- name: a\n  results:\n  - task: {}", "model-index", "cannot be read"),
        ("license: mit\nlicense: mit", "", "stands twice"),
        ("a: &x [1]\nb: *x", "", "aliases"),
        ("- a\n- b", "", "no list of names"),
        ("license: 'mit", "", "not YAML"),
        ("x: !!python/object/apply:os.system ['true']", "", "not YAML"),
    ],
)
def test_what_the_hub_would_refuse(settings: Settings, metadata: str, field: str, message: str) -> None:
    problems = card.check_card(f"---\n{metadata}\n---\n# A model\n", settings)
    assert [p.field for p in problems] == [field] and message in problems[0].message


def test_values_of_results_are_numbers(settings: Settings) -> None:
    index = (
        "model-index:\n- name: a\n  results:\n  - task: {type: text-classification}\n    dataset: {type: a, name: a}\n"
        "    metrics: [{type: accuracy, value: %s}]"
    )
    for value, right in ((".nan", False), (".inf", False), ("true", False), ("0.5", True), ("0.5 ± 0.1", True)):
        problems = card.check_card(f"---\n{index % value}\n---\n", settings)
        assert (not problems) == right, value


@pytest.mark.parametrize("text", ["", "# A model\n", "license: mit\n---\n", "x\n---\nlicense: mit\n---\n"])
def test_a_card_without_metadata(settings: Settings, text: str) -> None:
    (problem,) = card.check_card(text, settings)
    assert "has no metadata" in problem.message


def test_a_card_has_its_limits(settings: Settings) -> None:
    (problem,) = card.check_card("x" * 600_000, settings)
    assert "at most 500,000 characters" in problem.message
