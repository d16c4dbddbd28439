"""Evaluations from spec to files: of runs, of other models, on other data; final tests; files of predictions."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from core.cli.work import outcome
from core.data.loading import holdout
from core.data.loading.load import load
from core.data.prepare import prepare
from core.errors import DataError, ModelError, SpecError
from core.evaluation.results import read_comparison, read_robustness
from core.evaluation.specs import CompareSpec, EvaluateSpec, PredictSpec, Subject
from core.evaluation.trained_model import TrainedModel
from core.playground import corrections
from core.settings import Settings
from core.spec.data import DataSpec
from core.spec.run import ProfileSpec, build
from core.store import final_tests
from core.store.files import read_temperature, save_temperature, vectors_of
from core.store.store import Store
from core.tasks.text_classification import predictions
from tests.evaluation.conftest import LABELS, make_texts, read_classes

Work = Callable[..., tuple[str, dict[str, Any]]]
Reviews = Callable[..., Path]


def data_of(folder: Path, **more: Any) -> dict[str, Any]:
    return {"source": "file", "path": str(folder), "text_columns": ["text"], "label_column": "label", **more}


def judge(classifier: Path, folder: Path, split: str, **more: Any) -> dict[str, Any]:
    return {"model": {"name": str(classifier)}, "data": data_of(folder), "split": split, **more}


@pytest.fixture
def trained(work: Work, classifier: Path, reviews: Reviews) -> str:
    """A run of kind train, a few steps on from the classifier."""
    spec = {
        "data": data_of(reviews(train=120, validation=60, test=80)),
        "model": {"name": str(classifier), "max_length": 48},
        "training": {"num_train_epochs": 1, "per_device_train_batch_size": 32, "learning_rate": 1e-4},
        "execution": {"device": "cpu"},
    }
    return work("train", build(spec).model_dump(mode="json"))[0]


def test_a_model_made_elsewhere(work: Work, classifier: Path, reviews: Reviews, settings: Settings) -> None:
    run, summary = work("evaluate", judge(classifier, reviews(train=20, test=80), "test"))
    evaluation = read_classes(settings.run_dir(run))
    assert evaluation is not None and evaluation.examples == 80 and evaluation.kind == "other"
    assert 0.8 < summary["value"] == evaluation.metrics["accuracy"]
    answers = predictions.read(settings.run_dir(run) / predictions.NAME)
    assert answers.names == LABELS and (answers.right.mean()) == pytest.approx(evaluation.metrics["accuracy"])
    assert evaluation.baselines.bag_of_words is None, "what it was trained on is not known"
    json.loads((settings.run_dir(run) / "evaluation.json").read_text(), parse_constant=pytest.fail)


def test_a_run_on_validation_and_test(work: Work, trained: str, settings: Settings, store: Store) -> None:
    own, _ = work("evaluate", EvaluateSpec(model=Subject(run=trained)).model_dump(mode="json"))
    evaluation = read_classes(settings.run_dir(own))
    assert evaluation is not None and evaluation.kind == "validation" and evaluation.split == "validation"
    report = json.loads((settings.run_dir(trained) / "report.json").read_text())
    assert evaluation.metrics == pytest.approx(report["metrics"], rel=1e-4), "the figures of the run's own page"
    assert evaluation.confusion == report["confusion"]
    assert evaluation.calibration.temperature_from == "here" and evaluation.tuned is None
    assert not final_tests.holdouts(store), "what chose the checkpoint is no final test"
    few, _ = work("evaluate", EvaluateSpec(model=Subject(run=trained), max_examples=20).model_dump(mode="json"))
    assert len(predictions.read(settings.run_dir(few) / predictions.NAME)) == 20

    spec = EvaluateSpec(model=Subject(run=trained), split="test").model_dump(mode="json")
    test, _ = work("evaluate", spec)
    evaluation = read_classes(settings.run_dir(test))
    assert evaluation is not None and evaluation.kind == "test" and evaluation.examples == 80
    assert evaluation.calibration.temperature_from == "validation"
    assert (
        evaluation.tuned is not None
        and evaluation.final_test is not None
        and evaluation.baselines.bag_of_words is not None
    )
    assert evaluation.tuned.thresholds.keys() == {"0", "1", "2"} and evaluation.tuned.examples == 60
    assert evaluation.final_test.looks == 1 and evaluation.baselines.bag_of_words.train_examples == 120
    work("evaluate", spec)
    (kept,) = final_tests.holdouts(store)
    assert kept.looks == 2 and kept.split == "test"

    train, _ = work("evaluate", EvaluateSpec(model=Subject(run=trained), split="train").model_dump(mode="json"))
    evaluation = read_classes(settings.run_dir(train))
    assert evaluation is not None and evaluation.kind == "training" and evaluation.label_errors is None


def aside(store: Store, settings: Settings, folder: Path, split: str = "test") -> None:
    prepared = prepare(build(data_of(folder), DataSpec), settings)
    final_tests.set_aside(store, *holdout.describe(prepared, split, ["text"]))


def test_a_final_test_trains_and_chooses_nothing(
    reviews: Reviews, settings: Settings, store: Store, tmp_path: Path
) -> None:
    folder = reviews(train=100, test=60)
    data = build(data_of(folder), DataSpec)
    assert load(data, settings).eval_split == "test"
    aside(store, settings, folder)
    loaded = load(data, settings, holdouts=final_tests.holdouts(store))
    assert loaded.eval_split == "train" and any("set aside as the final test" in note.text for note in loaded.notes)
    for field in ("train_split", "eval_split"):
        with pytest.raises(DataError, match="set aside as the final test") as error:
            load(data.model_copy(update={field: "test"}), settings, holdouts=final_tests.holdouts(store))
        assert error.value.field == f"data.{field}"

    lines = (folder / "test.csv").read_text().splitlines()
    for name, content in {
        "shuffled, renamed, in capitals": [lines[0], *(line.upper() for line in reversed(lines[1:]))],
        "a part of it": [lines[0], *lines[10:]],
        "joined to training": [*(folder / "train.csv").read_text().splitlines(), *lines[1:]],
    }.items():
        copy = tmp_path / name / "anything.csv"
        copy.parent.mkdir()
        copy.write_text("\n".join(content))
        with pytest.raises(DataError, match="final test"):
            load(build(data_of(copy), DataSpec), settings, holdouts=final_tests.holdouts(store))
    other = tmp_path / "other"
    other.mkdir()
    (other / "train.csv").write_text((folder / "train.csv").read_text())
    assert load(build(data_of(other), DataSpec), settings, holdouts=final_tests.holdouts(store)).eval_split == "train"

    final_tests.give_back(store, final_tests.holdouts(store)[0].content)
    assert load(data, settings, holdouts=final_tests.holdouts(store)).eval_split == "test"


def test_runs_from_before_a_test_was_set_aside_stay_as_they_were(
    reviews: Reviews, settings: Settings, store: Store
) -> None:
    folder = reviews(train=100, test=60)
    run = store.run(store.submit("train", "before", {}))
    aside(store, settings, folder)
    assert final_tests.holdouts(store, before=run.created) == [] and len(final_tests.holdouts(store)) == 1


def test_examples_held_out_of_the_training_split_are_called_so(
    work: Work, classifier: Path, reviews: Reviews, trained: str, tmp_path: Path, settings: Settings
) -> None:
    alone = tmp_path / "alone.csv"
    alone.write_text((reviews(train=120) / "train.csv").read_text())
    spec = {
        "data": data_of(alone),
        "model": {"name": str(classifier), "max_length": 48},
        "training": {"num_train_epochs": 1},
        "execution": {"device": "cpu"},
    }
    run, _ = work("train", build(spec).model_dump(mode="json"))
    for subject, held_out in ((run, True), (trained, False)):
        judged, _ = work("evaluate", {"model": {"run": subject}})
        evaluation = read_classes(settings.run_dir(judged))
        assert evaluation is not None and evaluation.held_out is held_out and evaluation.kind == "validation"


def test_texts_that_were_in_training_are_told(work: Work, classifier: Path, tmp_path: Path, settings: Settings) -> None:
    texts, labels = make_texts(90, 3)
    rows = [f'"{text}",{LABELS[label]}' for text, label in zip(texts, labels, strict=True)]
    folder = tmp_path / "leaky"
    folder.mkdir()
    (folder / "train.csv").write_text(
        "\n".join(["text,label", *rows[:60], *(r.upper() for r in rows[60:65])])
        .replace("MIDDLING", "middling")
        .replace(",BAD", ",bad")
        .replace(",GOOD", ",good")
    )
    (folder / "validation.csv").write_text("\n".join(["text,label", *rows[60:]]))
    spec = build(
        {
            "data": data_of(folder),
            "model": {"name": str(classifier), "max_length": 48},
            "training": {"num_train_epochs": 1},
            "execution": {"device": "cpu"},
        }
    )
    run, _ = work("train", spec.model_dump(mode="json"))
    judged, _ = work("evaluate", EvaluateSpec(model=Subject(run=run)).model_dump(mode="json"))
    evaluation = read_classes(settings.run_dir(judged))
    assert evaluation is not None and evaluation.overlap is not None and evaluation.label_errors is not None
    assert evaluation.overlap.count == 5 and evaluation.overlap.of == 30
    assert set(evaluation.overlap.metrics_without) == set(evaluation.metric_names)
    assert evaluation.label_errors.of == 25, "labels are doubted only where the text was not learned by heart"


def test_classes_in_another_order_or_unknown(work: Work, classifier: Path, tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "d.csv"
    texts, labels = make_texts(60, 9)
    labels_given = ["GOOD" if label == 2 else "Bad" if label == 0 else "unheard of" for label in labels]
    path.write_text("text,label\n" + "\n".join(f"{t},{w}" for t, w in zip(texts, labels_given, strict=True)))
    run, _ = work("evaluate", judge(classifier, path, "train"))
    evaluation = read_classes(settings.run_dir(run))
    assert evaluation is not None and evaluation.examples == sum(label != 1 for label in labels)
    assert (evaluation.metrics["accuracy"] or 0) > 0.8 and "does not know were left out" in evaluation.notes[0]
    path.write_text("text,label\n" + "\n".join(f"{t},x{w}" for t, w in zip(texts, labels, strict=True)))
    with pytest.raises(DataError, match="knows the classes bad, middling, good"):
        work("evaluate", judge(classifier, path, "train"))


def test_labels_that_were_put_right_since_the_training(work: Work, trained: str, settings: Settings) -> None:
    """The answers that the run left are to the same texts, but no longer judged by the labels that they have now."""
    path = settings.home.parent / "reviews" / "validation.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(",bad,", ",middling,"), encoding="utf-8")
    run, _ = work("evaluate", EvaluateSpec(model=Subject(run=trained)).model_dump(mode="json"))
    evaluation = read_classes(settings.run_dir(run))
    assert evaluation is not None and evaluation.kind == "validation" and evaluation.examples == 60
    assert next(entry.support for entry in evaluation.per_class if entry.label == "bad") == 0


@pytest.mark.parametrize(
    ("files", "used"),
    [
        ({"train": 30}, "train"),
        ({"train": 30, "validation": 20, "test": 10}, "test"),
        ({"train": 30, "validation": 20}, "validation"),
    ],
)
def test_a_split_that_is_not_named(
    files: dict[str, int], used: str, work: Work, classifier: Path, reviews: Reviews
) -> None:
    _, summary = work("evaluate", judge(classifier, reviews(**files), ""))
    assert (summary["split"], summary["examples"], summary["kind"]) == (used, files[used], "other")


def test_a_run_on_a_file_that_is_not_its_own(work: Work, trained: str, tmp_path: Path) -> None:
    path = tmp_path / "later.csv"
    path.write_text("text,label\nthis is good,good\nthis is bad,bad\n" * 10)
    _, summary = work("evaluate", {"model": {"run": trained}, "data": data_of(path)})
    assert (summary["split"], summary["examples"], summary["kind"]) == ("train", 20, "other")


def test_splits_of_which_none_is_meant(work: Work, classifier: Path, reviews: Reviews) -> None:
    folder = reviews(spring=20, autumn=20)
    with pytest.raises(DataError, match=r"has the splits .*; name the one to judge on"):
        work("evaluate", judge(classifier, folder, ""))


def test_what_cannot_be_judged_says_why(work: Work, minilm: Path, reviews: Reviews, classifier: Path) -> None:
    folder = reviews(train=20, test=20)
    with pytest.raises(ModelError, match="no trained head"):
        work("evaluate", judge(minilm, folder, "test"))
    with pytest.raises(DataError, match="has no split 'nothing'; its splits are train, test"):
        work("evaluate", judge(classifier, folder, "nothing"))
    with pytest.raises(ModelError, match="scratch has learned nothing"):
        work("evaluate", {"model": {"name": "scratch"}, "data": data_of(folder), "split": "test"})
    for tree, words in (
        ({"model": {}}, "either a run or a model"),
        ({"model": {"run": "a1b2", "name": "x"}}, "either a run or a model"),
        ({"model": {"name": "x"}, "split": "test"}, "has no dataset of its own"),
    ):
        with pytest.raises(SpecError, match=words):
            build(tree, EvaluateSpec)


def test_inference_is_the_models_own(classifier: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    texts = [(text,) for text in make_texts(300, 4)[0]]
    model = TrainedModel(classifier, 48, device="cpu")
    logits = model.logits(texts)
    tokenizer = AutoTokenizer.from_pretrained(classifier)
    plain = AutoModelForSequenceClassification.from_pretrained(classifier).eval()
    with torch.inference_mode():
        one_by_one = [
            plain(**tokenizer(text, truncation=True, max_length=48, return_tensors="pt")).logits[0].numpy()
            for (text,) in texts
        ]
    np.testing.assert_allclose(logits, np.stack(one_by_one), atol=1e-5)
    np.testing.assert_array_equal(logits, model.logits(texts))


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_file_comes_back_with_predictions(
    form: str, work: Work, classifier: Path, tmp_path: Path, settings: Settings
) -> None:
    path = tmp_path / "in.csv"
    path.write_text(
        'id,text,prediction\n7,this is good,old\n8,"=bad, very bad",x\n9,  ,y\n10,良い good,z\n', encoding="utf-8"
    )
    data = {"source": "file", "path": str(path), "text_columns": ["text"]}
    spec = build({"model": {"name": str(classifier)}, "data": data, "form": form}, PredictSpec)
    run, summary = work("predict", spec.model_dump(mode="json"))
    out = settings.run_dir(run) / summary["file"]
    if form == "csv":
        with out.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        assert rows[1]["text"] == "'=bad, very bad", "no formula in a spreadsheet"
    else:
        rows = pq.read_table(out).to_pylist()
    assert list(rows[0]) == ["id", "text", "prediction", "prediction_2", "confidence", "p_bad", "p_middling", "p_good"]
    assert [str(row["id"]) for row in rows] == ["7", "8", "9", "10"] and rows[0]["prediction"] == "old"
    assert [row["prediction_2"] or None for row in rows] == ["good", "bad", None, "good"]
    assert float(rows[0]["confidence"]) == pytest.approx(float(rows[0]["p_good"]))
    assert rows[2]["confidence"] in ("", None) and summary["empty"] == 1
    assert summary["counts"] == {"bad": 1, "middling": 0, "good": 2} and summary["rows"] == 4


def test_a_file_of_many_parts_keeps_its_order(
    work: Work, classifier: Path, reviews: Reviews, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.evaluation.batch.PART", 50)
    folder = reviews(train=120, test=40)
    spec = {"model": {"name": str(classifier)}, "data": data_of(folder), "form": "parquet"}
    run, summary = work("predict", spec)
    table = pq.read_table(settings.run_dir(run) / summary["file"]).to_pydict()
    assert table["split"] == ["train"] * 120 + ["test"] * 40
    assert table["text"] == [text for seed, n in ((7, 120), (8, 40)) for text in make_texts(n, seed)[0]]
    right = [predicted == label for predicted, label in zip(table["prediction"], table["label"], strict=True)]
    assert np.mean(right) > 0.8


def test_a_saved_temperature_is_used_and_can_be_removed(classifier: Path, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "model"
    shutil.copytree(classifier, folder)
    assert read_temperature(folder) == 1
    save_temperature(folder, 2.5)
    assert read_temperature(folder) == TrainedModel(folder, 48, device="cpu").temperature == 2.5
    for broken in ("{", '{"temperature": "x"}', '{"temperature": 0}', '{"temperature": NaN}', "[]"):
        (folder / "calibration.json").write_text(broken)
        assert read_temperature(folder) == 1
    save_temperature(folder, 1.0)
    assert not (folder / "calibration.json").exists()


def test_models_are_compared_on_what_they_share(
    work: Work, classifier: Path, reviews: Reviews, settings: Settings, trained: str
) -> None:
    folder = settings.home.parent / "reviews"
    one, _ = work("evaluate", judge(classifier, folder, "test"))
    two, _ = work("evaluate", EvaluateSpec(model=Subject(run=trained), split="test").model_dump(mode="json"))
    few, _ = work("evaluate", judge(classifier, folder, "test", max_examples=30))
    run, _ = work("compare", CompareSpec(evaluations=(one, two, few)).model_dump(mode="json"))
    comparison = read_comparison(settings.run_dir(run))
    assert comparison is not None and comparison.examples <= 30 and comparison.of == [80, 80, 30]
    first, second = (predictions.read(settings.run_dir(i) / predictions.NAME) for i in (one, few))
    shared = first.take(np.flatnonzero(np.isin(first.text_ids, second.text_ids)))
    assert comparison.models[0].metrics["accuracy"] == pytest.approx(shared.right.mean())
    same = comparison.pairs[1]
    assert same.difference["accuracy"].value == 0 and same.wins == same.losses == ()
    assert comparison.agreement[0][2] == 1 and np.allclose(
        np.array(comparison.agreement), np.array(comparison.agreement).T
    )
    kept = (settings.run_dir(few) / "evaluation.json").read_text(encoding="utf-8")
    by_another = json.loads(kept) | {"metric_names": ["f1_macro"], "main_metric": "f1_macro"}
    (settings.run_dir(few) / "evaluation.json").write_text(json.dumps(by_another), encoding="utf-8")
    (settings.run_dir(two) / "evaluation.json").write_text(
        json.dumps(by_another | {"metric_names": ["accuracy"], "main_metric": "accuracy"}), encoding="utf-8"
    )
    apart, _ = work("compare", CompareSpec(evaluations=(few, two)).model_dump(mode="json"))
    measured = read_comparison(settings.run_dir(apart))
    assert measured is not None and measured.metric_names == [measured.decisive_metric] == ["accuracy"]
    other, _ = work("evaluate", judge(classifier, folder, "validation"))
    with pytest.raises(DataError, match="not judged on the same examples"):
        work("compare", CompareSpec(evaluations=(one, other)).model_dump(mode="json"))
    lines = outcome(Store(settings.store_path).run(run), settings)
    assert len(lines) == 1 + 3 + 2 + 1 and f"{comparison.models[1].metrics['accuracy']:.3f}" in lines[2], lines
    assert f"{comparison.pairs[0].difference['accuracy'].value:+.3f}" in lines[4]


def test_show_prints_the_figures_of_a_profile(work: Work, reviews: Reviews, settings: Settings) -> None:
    folder = reviews(train=20, test=10)
    spec = {"data": {"source": "file", "path": str(folder)}, "model": {"name": "scratch"}}
    run, _ = work("profile", build(spec, ProfileSpec).model_dump(mode="json"))
    lines = "\n".join(outcome(Store(settings.store_path).run(run), settings))
    assert "train: 20 rows" in lines and "test: 10 rows" in lines and "characters" in lines
    shutil.rmtree(settings.datasets)
    (gone,) = outcome(Store(settings.store_path).run(run), settings)
    assert "its dataset was deleted" in gone


def test_robustness_tells_what_each_disturbance_costs(
    work: Work, classifier: Path, reviews: Reviews, settings: Settings
) -> None:
    run, _ = work("evaluate", judge(classifier, reviews(train=10, test=80), "test"))
    work("robustness", {"evaluation": run, "examples": 50})
    robustness = read_robustness(settings.run_dir(run))
    assert robustness is not None
    kinds = {kind.name: kind for kind in robustness.kinds}
    assert robustness.examples == 50 and set(kinds) == {"typos", "lower", "upper", "punctuation", "half", "spaces"}
    for kind in kinds.values():
        assert kind.change == pytest.approx(kind.score - robustness.score)
        assert kind.low <= kind.change <= kind.high
        assert all(e.before != e.after for e in kind.examples)
    assert kinds["half"].change < 0, "half of the time the word that tells is gone"
    assert kinds["spaces"].change == 0


def test_the_nearest_training_examples(work: Work, trained: str, settings: Settings) -> None:
    from core.evaluation.neighbours import nearest

    model = TrainedModel(settings.run_dir(trained) / "model", 48, device="cpu")
    path = vectors_of(settings.run_dir(trained), 1)
    assert nearest(model, path, ["good"]) == [], "not before they were read"
    _, summary = work("neighbours", {"run": trained, "attempt": 1})
    assert summary["examples"] == 120
    texts, labels = make_texts(120, 7)
    neighbours = nearest(model, path, [texts[11]])
    assert neighbours[0]["row"] == 11 and neighbours[0]["similarity"] == pytest.approx(1, abs=2e-3)
    assert sorted(LABELS)[neighbours[0]["label"]] == LABELS[labels[11]] and len(neighbours) == 5
    assert [e["similarity"] for e in neighbours] == sorted((e["similarity"] for e in neighbours), reverse=True)


def test_corrections_become_a_dataset(settings: Settings) -> None:
    for number, text in enumerate(["ein Text\nmit Zeilen", '日本 "語"'], 1):
        assert corrections.add(settings, LABELS, [text], "good", "bad", "m") == number
    assert corrections.count(settings, LABELS, pair=True) == 0
    prepared = prepare(corrections.dataset(settings, LABELS, pair=False), settings)
    rows = pq.read_table(prepared.splits["train"].path).to_pylist()
    assert [row["text"] for row in rows] == ["ein Text\nmit Zeilen", '日本 "語"'] and rows[0]["label"] == "good"
