"""Every figure of the Evaluate page against scikit-learn on the same predictions, also where a class is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn import metrics as sk

from core.data.prepare import prepare
from core.errors import ModelError
from core.evaluation import slices
from core.evaluation.evaluate import overlap
from core.models.label_names import LONGEST
from core.settings import Settings
from core.spec.data import DataSpec
from core.spec.run import build
from core.tasks.contract import Task
from core.tasks.evaluations import Slices
from core.tasks.results import Baseline
from core.tasks.text_classification import advice, analysis, label_errors, predictions, statistics
from core.tasks.text_classification.baselines import baselines
from core.tasks.text_classification.evaluation import groups as groups_by_label
from core.tasks.text_classification.evaluation import matched
from core.tasks.text_classification.metrics import METRICS, check_finite
from core.tasks.text_classification.predictions import Predictions, softmax
from core.tasks.text_classification.results import ClassReport, PerClass
from tests.evaluation import conftest as by_hand
from tests.evaluation.conftest import random_predictions

FOUND = random_predictions(400, 4)
CLASSES = Task("text-classification")


def test_predictions_come_back_from_disk(tmp_path: Path) -> None:
    predictions.write(tmp_path / "p.parquet", FOUND)
    back = predictions.read(tmp_path / "p.parquet")
    assert back.names == FOUND.names
    for name in ("rows", "text_ids", "labels", "logits"):
        np.testing.assert_array_equal(getattr(back, name), getattr(FOUND, name))
    np.testing.assert_allclose(FOUND.probabilities.sum(axis=1), 1, atol=1e-5)
    row = int(FOUND.rows[5])
    assert predictions.probabilities(tmp_path / "p.parquet", row) == pytest.approx(FOUND.probabilities[5].tolist())
    rows, scores, errors = predictions.outcomes(tmp_path / "p.parquet")
    assert scores.mean() == pytest.approx(sk.accuracy_score(FOUND.labels, FOUND.predicted)) and len(rows) == 400
    assert np.array_equal(errors, scores == 0)
    cell = predictions.cell(tmp_path / "p.parquet", 1, 2)
    assert len(cell) == sk.confusion_matrix(FOUND.labels, FOUND.predicted)[1, 2]
    assert [e.confidence for e in cell] == sorted((e.confidence for e in cell), reverse=True)


def test_huge_logits_have_probabilities() -> None:
    assert softmax(np.array([[1e30, -1e30, 0.0]], np.float32)).tolist() == [[1, 0, 0]]


def test_headline_is_scikit_learns() -> None:
    headline = analysis.headline(list(METRICS), FOUND)
    truth, predicted = FOUND.labels, FOUND.predicted
    assert headline["metrics"]["accuracy"] == sk.accuracy_score(truth, predicted)
    assert headline["metrics"]["f1_macro"] == pytest.approx(sk.f1_score(truth, predicted, average="macro"))
    assert headline["metrics"]["loss"] == pytest.approx(sk.log_loss(truth, FOUND.probabilities.astype(float)), rel=1e-4)
    assert headline["confusion"] == sk.confusion_matrix(truth, predicted).tolist()
    report = sk.classification_report(truth, predicted, target_names=FOUND.names, output_dict=True)
    for entry in headline["per_class"]:
        assert entry.recall == pytest.approx(report[entry.label]["recall"])
        assert entry.support == report[entry.label]["support"]


def test_curves_are_scikit_learns() -> None:
    for curve in analysis.curves(FOUND):
        truth, shares = FOUND.labels == curve.label, FOUND.probabilities[:, curve.label]
        assert curve.auc == pytest.approx(sk.roc_auc_score(truth, shares))
        assert curve.average_precision == pytest.approx(sk.average_precision_score(truth, shares))
        assert curve.roc is not None and curve.auc is not None
        x, y = curve.roc
        assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1) and len(x) <= analysis.CURVE_POINTS + 2
        assert np.trapezoid(y, x) == pytest.approx(curve.auc, abs=0.005), "what is drawn is the curve"
        for place in (0, 37, 100, 200):
            called = shares >= np.float32(analysis.THRESHOLDS[place])
            assert curve.true_positives[place] == (called & truth).sum()
            assert curve.false_positives[place] == (called & ~truth).sum()
        best = analysis.best_threshold(curve)
        assert best is not None
        at = sk.f1_score(truth, shares >= np.float32(best))
        assert all(at >= sk.f1_score(truth, shares >= np.float32(t)) - 1e-9 for t in analysis.THRESHOLDS[::10])


def test_ties_a_missing_class_and_a_single_example() -> None:
    tied = by_hand.predictions([0, 1, 0, 1], np.zeros((4, 3)))
    first, second, third = analysis.curves(tied)
    assert first.auc == second.auc == 0.5, "no more than chance"
    assert third.auc is None and third.average_precision is None and third.positives == 0
    assert analysis.best_threshold(third) is None
    assert tied.predicted.tolist() == [0, 0, 0, 0], "of equal logits the first, as argmax has it"
    one = by_hand.predictions([1], [[0.2, 3.0]])
    assert analysis.headline(list(METRICS), one)["metrics"]["accuracy"] == 1
    assert [curve.auc for curve in analysis.curves(one)] == [None, None]
    assert analysis.calibration(one).temperature == 1 and sum(analysis.confidence(one).right) == 1
    assert overlap(CLASSES, one, np.array([False]), tuple(METRICS)).count == 0
    assert analysis.mistakes(one) == []
    assert overlap(CLASSES, one, np.array([True]), tuple(METRICS)).metrics_without == {}


def test_answers_that_are_no_numbers_are_refused() -> None:
    broken = FOUND.logits.copy()
    broken[3, 1] = np.nan
    with pytest.raises(ModelError, match=r"no numbers \(NaN\) for 1 of 400 examples"):
        check_finite(broken)


def test_calibration_uses_other_examples_temperature_as_it_is() -> None:
    sure = Predictions(FOUND.names, FOUND.rows, FOUND.text_ids, FOUND.labels, FOUND.logits * 6)
    here = analysis.calibration(sure)
    assert here.temperature_from == "here" and here.temperature > 3 and here.after.ece < here.ece / 2
    given = analysis.calibration(sure, 6.0)
    assert given.temperature == 6.0 and given.temperature_from == "validation"
    assert given.after.loss == pytest.approx(statistics.cross_entropy(FOUND.logits, FOUND.labels), rel=1e-5)


def test_confidence_counts_everybody_once() -> None:
    confidence = analysis.confidence(FOUND)
    assert sum(confidence.right) == FOUND.right.sum() and sum(confidence.wrong) == (~FOUND.right).sum()


def test_mistakes_are_the_surest_ones() -> None:
    mistakes = analysis.mistakes(FOUND)
    assert all(e.label != e.prediction for e in mistakes)
    wrong = np.sort(FOUND.confidence[~FOUND.right])[::-1][: analysis.MISTAKES_KEPT]
    assert [e.confidence for e in mistakes] == pytest.approx(wrong.tolist())


def test_planted_label_errors_are_found_and_only_among_fresh_examples() -> None:
    clean = random_predictions(1_000, 3, skill=6)
    labels = clean.labels.copy()
    planted = np.arange(0, 60)
    labels[planted] = (labels[planted] + 1) % 3
    noisy = Predictions(clean.names, clean.rows, clean.text_ids, labels, clean.logits)
    suspects = label_errors.suspected(noisy, np.ones(1_000, dtype=bool))
    rows = {entry.row for entry in suspects.rows}
    assert len(rows & set(planted.tolist())) >= 50 and len(rows) <= 75
    entry = next(e for e in suspects.rows if e.row in planted)
    assert entry.suggested == clean.labels[entry.row] and 0 <= entry.quality < 0.5
    fresh = np.ones(1_000, dtype=bool)
    fresh[planted] = False
    assert not {e.row for e in label_errors.suspected(noisy, fresh).rows} & set(planted.tolist())


@pytest.mark.parametrize("labels", [[0] * 30, [0, 1]])
def test_too_little_to_suspect_a_label(labels: list[int]) -> None:
    predicted = by_hand.predictions(labels, np.random.default_rng(0).normal(size=(len(labels), 3)))
    assert label_errors.suspected(predicted, np.ones(len(labels), dtype=bool)).rows == []


@pytest.mark.parametrize(
    ("skill", "classes", "share", "held_back"),
    [(0.4, 5, 0.2, True), (0.9, 2, 0.5, True), (1.5, 2, 0.85, True), (4.0, 2, 0.5, False), (6.0, 2, 0.85, False),
     (5.0, 10, 0.1, False)],
)  # fmt: skip
def test_a_weak_model_doubts_no_label(skill: float, classes: int, share: float, held_back: bool) -> None:
    draw = np.random.default_rng(4)
    chances = np.full(classes, (1 - share) / max(1, classes - 1))
    chances[0] = share
    labels = draw.choice(classes, 1_000, p=chances / chances.sum())
    logits = draw.normal(size=(1_000, classes)) + np.log(chances)
    logits[np.arange(1_000), labels] += skill
    predicted = by_hand.predictions(labels, logits)
    suspected = label_errors.suspected(predicted, np.ones(1_000, dtype=bool))
    assert bool(suspected.held_back) == held_back, predicted.right.mean()
    assert not held_back or (suspected.count, suspected.rows) == (0, [])
    if held_back:
        assert f"right on {predicted.right.mean():.0%} of the examples" in suspected.held_back


def test_label_errors_with_a_class_that_no_example_has() -> None:
    predicted = random_predictions(300, 3, skill=3)
    two = predicted.take(np.flatnonzero(predicted.labels != 1))
    assert all(e.suggested != 1 for e in label_errors.suspected(two, np.ones(len(two), dtype=bool)).rows)


def groups(count: int, hard: np.ndarray, seed: int = 0) -> list[slices.Division]:
    draw = np.random.default_rng(seed)
    divisions = [slices.Division("color", f"color {i}", draw.integers(0, 4, count) == i) for i in range(4)]
    divisions += [slices.Division("size", f"size {i}", draw.integers(0, 3, count) == i) for i in range(3)]
    return [*divisions, slices.Division("kind", "the hard ones", hard)]


def test_a_hard_group_is_found_and_luck_is_not() -> None:
    draw = np.random.default_rng(5)
    hard = draw.random(2_000) < 0.1
    wrong = draw.random(2_000) < np.where(hard, 0.6, 0.1)
    result = slices.find(groups(2_000, hard), wrong, ~wrong, np.arange(2_000))
    assert result.worst and all("the hard ones" in g.name for g in result.worst)
    first = next(g for g in result.worst if g.name == "the hard ones")
    assert first.count == hard.sum() and first.errors == (hard & wrong).sum()
    assert first.coverage == pytest.approx(hard.mean()) and first.score == pytest.approx(1 - wrong[hard].mean())
    assert set(first.rows) <= set(np.flatnonzero(hard & wrong).tolist())


def test_luck_alone_seldom_finds_a_group() -> None:
    alarms = 0
    for seed in range(30):
        draw = np.random.default_rng(100 + seed)
        wrong = draw.random(1_000) < 0.3
        result = slices.find(groups(1_000, draw.random(1_000) < 0.2, seed), wrong, ~wrong, np.arange(1_000))
        assert result.tried > 20
        alarms += bool(result.worst)
    assert alarms <= 4, "of thirty datasets without any hard group"


def test_groups_of_hardly_anything() -> None:
    assert slices.find([], np.array([True]), np.array([0.0]), np.array([0])) == Slices(tried=0, groups=(), worst=())
    everything = [slices.Division("a", "all", np.ones(50, dtype=bool)), slices.Division("a", "few", np.arange(50) < 5)]
    assert slices.find(everything, np.zeros(50, dtype=bool), np.ones(50), np.arange(50)).tried == 0


def test_baselines_learn_from_training_and_are_judged_on_the_same_examples() -> None:
    texts, labels = by_hand.make_texts(500, 1)
    train = texts[:400], np.array(labels[:400])
    here = np.array(labels[400:])
    result = baselines(list(METRICS), train, texts[400:], here, here, 3, lambda text: None)
    assert result.constant.label == np.bincount(train[1]).argmax()
    bag = result.bag_of_words
    assert bag is not None
    assert (bag.metrics["accuracy"] or 0) > 0.9 and bag.difference["accuracy"].value >= 0
    assert bag.train_examples == 400 and bag.examples == 100
    alone = baselines(list(METRICS), None, texts[400:], here, here, 3, lambda text: None)
    assert alone.bag_of_words is None and not alone.constant.from_training


def test_the_bag_of_words_reads_scripts_without_blanks() -> None:
    texts = [f"この店は{'最高' if i % 2 else '最悪'}でした。料理は{i}点です" for i in range(300)]
    labels = np.arange(300) % 2
    result = baselines(list(METRICS), (texts[:200], labels[:200]), texts[200:], labels[200:], labels[200:], 2, print)
    assert result.bag_of_words is not None and result.bag_of_words.metrics["accuracy"] == 1


@pytest.mark.parametrize(
    ("model", "data", "places"),
    [
        (("neg", "pos"), ("pos", "neg"), [1, 0]),
        (("Negative", "POSITIVE"), ("negative", "positive"), [0, 1]),
        (("LABEL_0", "LABEL_1"), ("bad", "good"), [0, 1]),
        (("LABEL_0", "LABEL_1"), ("a", "b", "c"), [-1, -1, -1]),
        (("0", "1", "2"), ("1", "2", "3"), [1, 2, -1]),
        (("0", "1"), ("5", "6"), [0, 1]),
        (("a", "b"), ("b", "c"), [1, -1]),
    ],
)
def test_classes_are_matched_by_name(model: tuple[str, ...], data: tuple[str, ...], places: list[int]) -> None:
    assert matched(model, data, "m")[0] == places


def test_groups_come_from_texts_labels_and_columns(tmp_path: Path, settings: Settings) -> None:
    rows = 120
    frame: dict[str, list[Any]] = {
        "text": [f"{'WORD ' * (i % 7 + 1)}{'?' if i % 2 else ''} nicht gut {i}" for i in range(rows)],
        "label": [i % 3 for i in range(rows)],
        "copy": [f"c{i % 3}" for i in range(rows)],
        "source": [f"s{i % 4}" for i in range(rows)],
        "price": [i / 3 for i in range(rows)],
        "id": [f"row {i}" for i in range(rows)],
        "list": [[1]] * rows,
    }
    pq.write_table(pa.table(frame), tmp_path / "d.parquet")
    prepared = prepare(DataSpec(source="file", path=str(tmp_path / "d.parquet")), settings)
    texts, chosen = [str(t) for t in frame["text"]], np.arange(rows)
    answers = by_hand.predictions(frame["label"], np.zeros((rows, 3)), ("a", "b", "c"))
    divisions = slices.groups_of(
        texts, groups_by_label(answers), chosen, prepared, "train", ("text", "label"), lambda t: None
    )
    kinds = {group.kind for group in divisions}
    assert kinds == {"length", "label", "form", "language", "source", "price"}, "no id, no list, no copy of the label"
    question = next(g for g in divisions if g.name == "text with a question mark")
    assert question.mask.tolist() == [i % 2 == 1 for i in range(rows)]
    lengths = [g.mask for g in divisions if g.kind == "length"]
    assert np.sum(lengths, axis=0).tolist() == [1] * rows, "each example is in one part of a range"
    of_source = next(g for g in divisions if g.name == "source s1")
    assert of_source.mask.tolist() == [i % 4 == 1 for i in range(rows)]


def test_names_of_classes_as_long_as_any_may_be() -> None:
    """The loader takes them, so whatever is made of them must fit into a result file."""
    names = ("a" * LONGEST, "a" * (LONGEST - 1) + "b")
    count = 60
    labels, logits = np.arange(count) % 2, np.tile(np.array([1, 0], np.float32), (count, 1))
    answers = Predictions(names, np.arange(count), np.arange(count, dtype=np.uint64), labels, logits)
    divisions = [slices.Division("label", name, mask) for name, mask in groups_by_label(answers).items()]
    hard = slices.find(divisions, ~answers.right, answers.right.astype(float), answers.rows)
    assert [group.errors for group in hard.groups] == [0, 30] and len({group.name for group in hard.groups}) == 2

    values = {"accuracy": 0.5, "loss": 1.0}
    report = ClassReport(
        examples=count,
        train_examples=count,
        metrics=values,
        main_metric="accuracy",
        baseline=Baseline(label=names[0], metrics=values),
        labels=list(names),
        confusion=[[30, 0], [30, 0]],
        per_class=[PerClass(label=name, precision=0, recall=0, f1=0, support=30) for name in names],
    )
    tips = (advice.not_learned(build({}), report), advice.weak_spots(report))
    kept = report.model_copy(update={"advice": tips})
    assert ClassReport.model_validate(kept.tree()).advice == tips, "else the whole report could not be read"
    _, (note,) = matched(("LABEL_0", "LABEL_1"), names, "A model")
    assert len(str(note)) < 1000
