"""The report: baseline from the training majority, each class's numbers, and advice that fits what was seen."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from core.evaluation.advice import advise
from core.evaluation.after_training import evaluate_run
from core.runs.history import History
from core.spec.run import RunSpec
from core.tasks.text_classification.analysis import summarise
from core.tasks.text_classification.results import ClassReport

NAMES = ("bad", "middling", "good")


def encoded(train_labels: list[int], count: int) -> Any:
    rows = SimpleNamespace(num_rows=len(train_labels), __getitem__=None)
    train = type("Train", (), {"num_rows": len(train_labels), "__getitem__": lambda s, name: train_labels})()
    del rows
    return SimpleNamespace(
        label_names=NAMES, train=train, eval=SimpleNamespace(num_rows=count), truncated={"train": 0.3, "eval": 0.2}
    )


@pytest.fixture
def summary() -> tuple[ClassReport, np.ndarray, np.ndarray]:
    labels = np.array([0, 0, 0, 1, 1, 2])
    logits = np.eye(3)[[0, 0, 1, 1, 0, 0]] * 4.0
    return summarise(RunSpec(), encoded([1, 1, 1, 0, 2], 6), labels, logits), labels, logits


def test_numbers_are_scikit_learns(summary: Any) -> None:
    report, labels, logits = summary
    predicted = logits.argmax(-1)
    assert report.baseline.label == "middling", "the majority of the training examples, not of these"
    assert report.baseline.metrics["accuracy"] == pytest.approx(2 / 6)
    assert report.metrics["f1_macro"] == pytest.approx(sk.f1_score(labels, predicted, average="macro"))
    assert report.confusion == sk.confusion_matrix(labels, predicted).tolist() == [[2, 1, 0], [1, 1, 0], [1, 0, 0]]
    expected = sk.classification_report(labels, predicted, target_names=NAMES, output_dict=True, zero_division=0)
    for entry in report.per_class:
        assert entry.f1 == pytest.approx(expected[entry.label]["f1-score"])
        assert entry.support == expected[entry.label]["support"]


def test_a_class_without_examples_is_in_every_table() -> None:
    report = summarise(RunSpec(), encoded([0, 1, 2], 2), np.array([0, 1]), np.eye(3)[[0, 1]])
    assert [entry.support for entry in report.per_class] == [1, 1, 0]
    assert len(report.confusion) == len(report.confusion[0]) == 3


def history(*accuracies: float, losses: tuple[float, ...] = (), steps: int = 30, total: int = 30) -> History:
    losses = losses or tuple(1.0 - 0.1 * i for i in range(len(accuracies)))
    log = [
        {"step": 10.0 * (i + 1), "epoch": i + 1.0, "eval_accuracy": a, "eval_loss": loss}
        for i, (a, loss) in enumerate(zip(accuracies, losses, strict=True))
    ]
    return History(steps=steps, total_steps=total, log=log)


def per_class(recalls: dict[str, float]) -> dict[str, Any]:
    """The tables of a report in which these classes have these recalls."""
    entries = [{"label": n, "precision": 0.9, "recall": r, "f1": 0.9, "support": 9} for n, r in recalls.items()]
    confusion = [[9 if i == j else 0 for j in range(len(recalls))] for i in range(len(recalls))]
    return {"labels": list(recalls), "per_class": entries, "confusion": confusion}


def good_report(**changes: Any) -> ClassReport:
    report = {
        "examples": 4000, "eval_examples": 4000, "train_examples": 20_000, "main_metric": "accuracy",
        "metrics": {"accuracy": 0.9}, "baseline": {"label": "bad", "metrics": {"accuracy": 0.4}},
        "truncated": {"train": 0.0}, **per_class(dict.fromkeys(NAMES, 0.9)),
    }  # fmt: skip
    return ClassReport.model_validate(report | changes)


PRETRAINED = RunSpec.model_validate({"model": {"name": "google-bert/bert-base-cased"}})


def test_nothing_to_say_of_a_good_run() -> None:
    assert advise(PRETRAINED, good_report(), history(0.88, 0.9, 0.899)) == []


@pytest.mark.parametrize(
    ("changes", "seen", "words"),
    [
        ({}, history(0.6, 0.7, 0.8), "try 6 epochs"),
        ({}, history(0.8, 0.9, 0.89, losses=(0.5, 0.3, 0.6)), "lowest after 2 epochs"),
        ({"truncated": {"train": 0.4}}, history(0.9), "256 would keep more"),
        ({"metrics": {"accuracy": 0.41}}, history(0.41), "hardly better than always predicting 'bad'"),
        ({"train_examples": 200}, history(0.9), "200 training examples are few"),
        ({"examples": 100}, history(0.9), "uncertain by about 6.0%"),
        (per_class({"rare": 0.0}), history(0.9), "No example of 'rare'"),
        ({}, history(0.9, steps=4), "after 4 of 30 steps"),
        ({"metrics": {"accuracy": 0.999}}, history(0.999), "Check that no text of the evaluation is also in training"),
    ],
)
def test_advice_fits_what_was_seen(changes: dict[str, Any], seen: History, words: str) -> None:
    advice = advise(PRETRAINED, good_report(**changes), seen)
    assert words in " ".join(tip.text for tip in advice)
    assert len({tip.id for tip in advice}) == len(advice) and all(tip.id for tip in advice)


def test_a_run_that_returned_to_its_start_says_so() -> None:
    seen = history(0.9, 0.7, 0.6, losses=(0.3, 0.6, 0.9))
    seen.log[0] |= {"step": 0.0, "epoch": 0.0}
    returned = seen.model_copy(update={"best_step": 0})
    assert ids(good_report(), returned) == ["start-is-best"]


def ids(report: ClassReport, seen: History, spec: RunSpec = PRETRAINED, limit: int | None = None) -> list[str]:
    return [tip.id for tip in advise(spec, report, seen, limit=limit)]


def test_no_longer_text_is_advised_than_the_model_can_read() -> None:
    cut = good_report(truncated={"train": 0.4})
    assert ids(cut, history(0.9), limit=128) == ["texts-cut-at-limit"]
    (tip,) = advise(PRETRAINED, cut, history(0.9), limit=200)
    assert tip.id == "texts-cut" and tip.arguments["longer"] == 200


def test_a_perfect_model_is_not_said_to_be_getting_better() -> None:
    assert "still-improving" not in ids(good_report(metrics={"accuracy": 1.0}), history(0.7, 0.8, 1.0))


@pytest.mark.parametrize(("examples", "weaker"), [(30, False), (4000, True)])
def test_one_example_of_thirty_does_not_make_a_simple_model_better(examples: int, weaker: bool) -> None:
    bag = {"metrics": {"accuracy": 0.933}, "train_examples": 900, "examples": examples, "seconds": 1.0}
    report = good_report(examples=examples, eval_examples=examples, rivals={"bag_of_words": bag})
    assert ("weaker-than-bag-of-words" in ids(report, history(0.9))) is weaker


def test_four_right_answers_of_four_tell_little() -> None:
    tips = advise(PRETRAINED, good_report(examples=4, eval_examples=4, metrics={"accuracy": 1.0}), history(1.0))
    (margin,) = [tip.arguments["margin"] for tip in tips if tip.id == "uncertain"]
    assert isinstance(margin, float) and margin > 0.3


def test_advice_knows_the_language_of_the_texts() -> None:
    scratch = RunSpec.model_validate({"model": {"name": "scratch"}})
    for language, model in (("en", "distilbert-base-uncased"), ("ja", "modernbert-ja"), ("fi", "multilingual")):
        assert model in " ".join(tip.text for tip in advise(scratch, good_report(), history(0.9), language))
    advice = advise(PRETRAINED, good_report(), history(0.9), "ja")
    better = "try sbintuitions/modernbert-ja-130m."
    assert [tip.text for tip in advice] == [
        f"google-bert/bert-base-cased knows English only, and most texts look Japanese; {better}"
    ]
    assert advise(PRETRAINED, good_report(), history(0.9), "en") == []


def test_a_perfect_run_is_not_sent_after_a_better_model() -> None:
    scratch = RunSpec.model_validate({"model": {"name": "scratch"}})
    perfect = good_report(metrics={"accuracy": 1.0}, train_examples=500)
    (advice,) = advise(scratch, perfect, history(1.0))
    assert advice.text.startswith("Almost every prediction")


def test_the_file_is_whole_json(prepare: Any, recorder: Any) -> None:
    setup = prepare()
    result = evaluate_run(setup.spec, setup.encoded, setup.model, setup.run_dir, recorder)
    text = (setup.run_dir / "report.json").read_text(encoding="utf-8")
    assert "NaN" not in text and json.loads(text)["metrics"] == pytest.approx(result.metrics)
    assert {p.name for p in setup.run_dir.iterdir()} == {"report.json", "predictions.parquet"}
    assert result.device == "CPU" and result.precision == "fp32" and result.train_examples == 200
