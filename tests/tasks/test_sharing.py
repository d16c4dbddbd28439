"""What leaves this machine of a run of the second task: it says what the task knows, and nothing of classes."""

from __future__ import annotations

import dataclasses
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.errors import DataError, ModelError
from core.evaluation.results import EVALUATION, read_evaluation, read_report
from core.evaluation.specs import EvaluateSpec, Subject
from core.playground.server import Models
from core.runs import device
from core.settings import Settings
from core.sharing.bundles import bundle
from core.sharing.bundles.importing import import_bundle
from core.sharing.report import card, hub_rules, report
from core.sharing.report.content import gather, gather_for_card
from core.spec.run import build
from core.store.record import Run
from core.store.store import Store
from core.tasks import TASKS
from core.tasks.evaluations import Answer, Baselines, DatasetIdentity, Evaluation, Group, Slices
from tests.evaluation.conftest import worker_of
from tests.pages.conftest import app, part_of_share
from tests.sharing.test_report import Read
from tests.tasks.test_contract import SECOND, numbers, spec_for
from tests.tasks.text_length import predictions

__all__ = ["app"]

OF_CLASSES = re.compile(r"\bclass|classif|accurac|confus|calibrat", re.IGNORECASE)


class Measured(NamedTuple):
    """A run of the second task with an evaluation."""

    store: Store
    settings: Settings
    run: Run
    work: Callable[..., tuple[str, dict[str, Any]]]


@pytest.fixture(autouse=True)
def second_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TASKS, SECOND, "tests.tasks.text_length")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Measured]:
    folder = tmp_path_factory.mktemp("second")
    settings = Settings(home=folder / "home")
    settings.home.mkdir()
    store = Store(settings.store_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TASKS, SECOND, "tests.tasks.text_length")
        device.set_threads(1)
        work = worker_of(store, settings)
        run_id, _ = work("train", spec_for(SECOND, "torch", numbers(folder)), "Lengths")
        _evaluated(store, settings, run_id)
    yield Measured(store, settings, store.run(run_id), work)


def _evaluated(store: Store, settings: Settings, run_id: str) -> None:
    """An evaluation of the run by its own predictions."""
    trained = read_report(settings.run_dir(run_id))
    assert trained is not None
    answers = predictions.read(settings.run_dir(run_id) / "predictions.parquet")
    errors = np.abs(answers.logits[:, 0] - answers.labels)
    names = ["mae", "r2"]
    group = Group(
        name="text of 1 to 10 characters", kind="length", count=5, errors=4, score=0.7, coverage=0.2, p=0.01, q=0.02
    )
    evaluation = Evaluation(
        version=1,
        task=SECOND,
        title="Lengths",
        kind="validation",
        notes=[],
        split="train",
        held_out=True,
        dataset=DatasetIdentity(title="texts", fingerprint="f"),
        data=build(store.run(run_id).spec).data.model_dump(mode="json"),
        final_test=None,
        text_columns=["text"],
        label_column="number",
        examples=len(answers.labels),
        metric_names=names,
        main_metric="mae",
        metrics=trained.metrics,
        intervals=dict.fromkeys(names, (0.1, 0.2)),
        slices=Slices(tried=3, groups=(group,), worst=(group,)),
        baselines=Baselines(constant=trained.baseline),
        mistakes=tuple(
            Answer(
                row=int(answers.rows[i]),
                label=float(answers.labels[i]),
                prediction=float(answers.logits[i, 0]),
                score=float(errors[i]),
            )
            for i in np.argsort(-errors)[:3]
        ),
    )
    spec = EvaluateSpec(model=Subject(run=run_id, attempt=1)).model_dump(mode="json")
    judged = store.submit("evaluate", "Lengths", spec)
    folder = settings.run_dir(judged)
    folder.mkdir(parents=True)
    evaluation.save(folder / EVALUATION)
    predictions.write(folder / "predictions.parquet", answers)
    with store.atomic() as db:
        db.execute("UPDATE runs SET status='finished', attempt=1, ended=1700000000 WHERE id=?", (judged,))


def test_a_report_of_metrics_data_settings_and_examples(measured: Measured) -> None:
    store, settings, run, _ = measured
    content = gather(store, settings, run)
    (evaluated,) = content.evaluations
    text = report.markdown(content)
    page = Read(report.html(content))
    row = next(line for line in text.splitlines() if line.startswith("| Mean absolute error |"))
    assert f"{evaluated.evaluation.metrics['mae']:.3f}" in row and "| Metric | Value | 95% interval | Mean |" in text
    assert "Loss (squared error)" in page.text and "A model that measures texts, trained on" in page.text
    assert "The answers to look at first; texts are left out:" in text and "text of 1 to 10 characters" in text
    worst = evaluated.evaluation.mistakes[0]
    assert f"| {evaluated.evaluation.words(worst.label)} | {evaluated.evaluation.words(worst.prediction)} |" in text
    assert "print(model(**inputs).logits)" in text
    text_before = text.partition("## How to load it")[0]
    assert not [line for line in text_before.splitlines() if OF_CLASSES.search(line)]
    differing = text_before.partition("What differs from the defaults:")[2].partition("Each evaluation")[0]
    assert "learning_rate" in differing and "evaluation.metrics" not in differing, "these are the task's own defaults"


def test_a_card_that_the_hub_takes(measured: Measured) -> None:
    store, settings, run, _ = measured
    text = card.card(gather_for_card(store, settings, run))
    assert not card.check_card(text, settings)
    tree = hub_rules.metadata(text)
    assert "pipeline_tag" not in tree and tree["metrics"] == ["mae"]
    (result,) = tree["model-index"][0]["results"]
    assert result["task"] == {"type": SECOND, "name": "Length of a text"}
    body = text.split("---", 2)[2].partition("## Training procedure")[0]
    assert not OF_CLASSES.search(body) and "A model that measures texts, trained from a small new BERT" in body


def test_a_bundle_shows_the_same_elsewhere(measured: Measured, tmp_path: Path) -> None:
    _, settings, run, work = measured
    bundled, _ = work("bundle", {"run": run.id, "attempt": 1, "texts": True})
    path = settings.run_dir(bundled) / bundle.NAME
    other = Settings(home=tmp_path / "another home")
    other.home.mkdir()
    there = Store(other.store_path)
    assert import_bundle(path, there, other).spec["task"] == SECOND
    (judged,) = there.runs(kind="evaluate")
    ours, theirs = (read_evaluation(home.run_dir(judged.id)) for home in (settings, other))
    assert ours is not None and theirs is not None
    assert theirs == ours.model_copy(update={"data": theirs.data}), "all but the way to the file"
    assert "Mean absolute error" in report.markdown(gather(there, other, there.run(run.id)))


def test_a_bundle_whose_predictions_the_task_refuses(measured: Measured, tmp_path: Path) -> None:
    _, settings, run, work = measured
    folder = settings.run_dir(run.id)
    kept = (folder / "predictions.parquet").read_bytes()
    answers = predictions.read(folder / "predictions.parquet")
    nowhere = predictions.Predictions(
        (), answers.rows, answers.text_ids, np.full_like(answers.labels, np.nan), answers.logits
    )
    predictions.write(folder / "predictions.parquet", nowhere)
    bundled, _ = work("bundle", {"run": run.id, "attempt": 1, "texts": False})
    (folder / "predictions.parquet").write_bytes(kept)
    other = Settings(home=tmp_path / "home")
    other.home.mkdir()
    with pytest.raises(DataError, match="has predictions of texts without a number; export the run again"):
        import_bundle(settings.run_dir(bundled) / bundle.NAME, Store(other.store_path), other)
    assert not list((other.home / "runs").glob("*"))


def test_a_site_with_it_can_be_published(measured: Measured) -> None:
    _, settings, run, work = measured
    site, summary = work("publish", {"runs": [run.id], "texts": False, "mode": "viewer"})
    assert summary["runs"] == 1 and (settings.run_dir(site) / "tunedeck-site.zip").is_file()


def test_the_model_goes_out_as_a_folder_but_not_as_onnx(measured: Measured) -> None:
    _, settings, run, work = measured
    model = {"run": run.id, "attempt": 1}
    exported, summary = work("export", {"model": model, "form": "safetensors"})
    with zipfile.ZipFile(settings.run_dir(exported) / summary["file"]) as zipped:
        (name,) = [name for name in zipped.namelist() if name.endswith("README.txt")]
        text = zipped.read(name).decode()
    assert "print(model(**inputs).logits)" in text and "Classes" not in text and "pipeline" not in text
    for form in ("onnx", "keras"):
        with pytest.raises(ModelError, match=r"a model of the task 'Length of a text' has no (ONNX|Keras) form"):
            work("export", {"model": model, "form": form})


def test_the_playground_says_that_it_cannot_ask(
    measured: Measured, app: Callable[[str], AppTest], settings: Settings
) -> None:
    with pytest.raises(ModelError, match="cannot be asked in the playground"):
        Models(measured.settings).get({"run": measured.run.id})
    brought(measured, settings)
    page = app("results/playground")
    page.text_area(key="play_text").input("one two three").run()
    (sentence,) = [info.value for info in page.info]
    assert "Length of a text" in sentence and "cannot be asked in the playground" in sentence and not page.exception


def test_the_playground_opens_a_model_as_its_own_task_has_it(
    measured: Measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.tasks.text_length.OFFERS", ("playground",))
    task, model = Models(measured.settings).get({"run": measured.run.id})
    assert task.name == SECOND and model.names == () and model.logits([("one two",)]).shape == (1, 1)


def test_the_run_page_loads_the_model_with_the_class_of_its_task(
    measured: Measured, app: Callable[[str], AppTest], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.tasks.text_length import model

    brought(measured, settings)
    other = dataclasses.replace(model.KIND, auto_class="AutoModelOfLengths")
    monkeypatch.setattr(model, "KIND", other)
    page = app("")
    page.query_params["run"] = measured.run.id
    page.switch_page("../pages/train/run.py").run()
    assert any("import AutoModelOfLengths, AutoTokenizer" in code.value for code in page.code) and not page.exception


SAYS = {
    "report": "What was trained on which data",
    "card": "It is for texts of the kind that it was trained on",
    "files": "Models of the task “Length of a text” have no ONNX or Keras form.",
    "code": "This run as a standalone script",
    "bundle": "with 1 evaluation",
}


@pytest.mark.parametrize("view", SAYS)
def test_the_share_page_shows_each_part(
    measured: Measured, app: Callable[[str], AppTest], settings: Settings, view: str
) -> None:
    brought(measured, settings)
    page = part_of_share(app, view)
    words = "\n".join(str(e.value) for e in [*page.markdown, *page.caption, *page.info])
    assert SAYS[view] in words and not page.exception and not page.error


def brought(measured: Measured, settings: Settings) -> None:
    """The run in a home of its own, as if it had been trained there."""
    bundled, _ = measured.work("bundle", {"run": measured.run.id, "attempt": 1, "texts": False})
    store, run = Store(settings.store_path), measured.run.id
    import_bundle(measured.settings.run_dir(bundled) / bundle.NAME, store, settings)
    shutil.copytree(measured.settings.run_dir(run) / "model", settings.run_dir(run) / "model")
    with store.atomic() as db:
        db.execute("UPDATE runs SET imported=NULL")
