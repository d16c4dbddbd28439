"""Result files: the same figures after a round through JSON, files of earlier versions, and damaged ones."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from core.evaluation.results import (
    EVALUATION,
    REPORT,
    read_comparison,
    read_report,
    read_robustness,
)
from core.messages import Message
from core.runs.history import HISTORY, History, read_history
from core.tasks.text_classification.results import ClassEvaluation, ClassReport, PerClass
from tests.evaluation.conftest import an_evaluation
from tests.evaluation.conftest import read_classes as read_evaluation
from tests.synthetic import a_report

KEPT = Path(__file__).parent / "kept"


def put(folder: Path, name: str, tree: dict[str, Any]) -> None:
    (folder / name).write_text(json.dumps(tree), encoding="utf-8")


def test_a_file_holds_what_was_given_under_the_files_names(tmp_path: Path) -> None:
    evaluation = an_evaluation(bag_of_words={"value": 0.1, "low": 0.0, "high": 0.2})
    evaluation.save(tmp_path / EVALUATION)
    tree = json.loads((tmp_path / EVALUATION).read_text(encoding="utf-8"))
    assert tree["curves"][0].keys() == {"label", "positives", "auc", "average_precision", "found", "alarms"}
    assert tree["calibration"]["bins"][0].keys() == {"from", "to", "count", "confidence", "accuracy"}
    assert "overlap" not in tree and "label_errors" not in tree, "what was not computed is not in the file"
    assert read_evaluation(tmp_path) == evaluation and evaluation.tree() == tree
    assert evaluation.accuracy == 0.75 and evaluation.baseline_label == "b"


def test_a_file_of_an_earlier_version_reads_with_the_same_figures(tmp_path: Path) -> None:
    tree = an_evaluation().tree()
    del tree["held_out"], tree["tuned"], tree["baselines"]["majority"]["from_training"]
    tree["something else"] = {"of": ["a later version"]}
    group = {
        "name": "short",
        "kind": "length",
        "count": 2,
        "errors": 1,
        "accuracy": 0.5,
        "coverage": 0.5,
        "p": 1,
        "q": 1,
    }
    tree["slices"] = {"tried": 1, "groups": [group], "worst": []}
    tree["overlap"] = {"count": 1, "of": 4, "accuracy_of_seen": 0.75}
    put(tmp_path, EVALUATION, tree)
    evaluation = read_evaluation(tmp_path)
    assert evaluation is not None and not evaluation.held_out and evaluation.tuned is None
    assert evaluation.slices.groups[0].score == 0.5
    assert evaluation.overlap is not None and evaluation.overlap.score_of_seen == 0.75
    assert evaluation.metrics == an_evaluation().metrics and evaluation.confusion == an_evaluation().confusion
    report = a_report(["a", "b"])
    for name in ("eval_examples", "advice", "device", "precision", "truncated"):
        del report[name]
    put(tmp_path, REPORT, report)
    read = read_report(tmp_path)
    assert read is not None and read.metrics == report["metrics"] and read.advice == ()


def test_files_of_the_version_before_tasks_had_their_own_read_with_the_same_figures() -> None:
    """The files in `kept` were written by it: an evaluation of a final test, a comparison and a robustness check."""
    tree = {
        name: json.loads((KEPT / f"{name}.json").read_bytes()) for name in ("evaluation", "comparison", "robustness")
    }
    evaluation, comparison, robustness = read_evaluation(KEPT), read_comparison(KEPT), read_robustness(KEPT)
    assert evaluation is not None and comparison is not None and robustness is not None
    assert evaluation.task == comparison.task == robustness.task == "text-classification"
    for result, was in ((evaluation, "evaluation"), (comparison, "comparison"), (robustness, "robustness")):
        assert result.tree() == tree[was], "and is written again under the same names"
    old = tree["evaluation"]
    assert evaluation.metrics == old["metrics"] and evaluation.confusion == old["confusion"]
    assert evaluation.overlap is not None and evaluation.overlap.count == old["overlap"]["count"]
    majority = old["baselines"]["majority"]
    assert evaluation.baseline_label == old["labels"][majority["label"]]
    assert evaluation.baseline_metrics == majority["metrics"]
    bag, was = evaluation.baselines.bag_of_words, old["baselines"]["bag_of_words"]
    assert bag is not None and bag.difference["accuracy"].value == was["difference"]["accuracy"]["value"]
    assert [a.confidence for a in evaluation.mistakes] == [a["confidence"] for a in old["mistakes"]]
    assert robustness.metric == "accuracy" and robustness.score == tree["robustness"]["accuracy"]
    assert [kind.score for kind in robustness.kinds] == [kind["accuracy"] for kind in tree["robustness"]["kinds"]]
    (pair,), (was,) = comparison.pairs, tree["comparison"]["pairs"]
    assert (pair.mcnemar.gains, len(pair.wins)) == (was["mcnemar"]["gains"], len(was["wins"]))
    assert comparison.words(1) == tree["comparison"]["labels"][1]


def test_advice_is_kept_with_its_id_and_arguments_and_a_sentence_alone_still_reads(tmp_path: Path) -> None:
    report = a_report(["a", "b"])
    put(tmp_path, REPORT, {**report, "advice": ["Train longer."]})
    read = read_report(tmp_path)
    assert read is not None and read.advice == (Message("Train longer."),)
    few = Message("12 training examples are few.", "few-examples", {"examples": 12})
    read.model_copy(update={"advice": (few,)}).save(tmp_path / REPORT)
    again = read_report(tmp_path)
    assert again is not None and again.advice == (few,)
    diverged = Message("The loss was nan at step 3.", "diverged", {"loss": math.nan, "step": 3})
    read.model_copy(update={"advice": (diverged,)}).save(tmp_path / REPORT)
    again = read_report(tmp_path)
    assert again is not None and again.advice[0].arguments == {"step": 3}
    put(tmp_path, REPORT, {**report, "advice": [{"text": "x", "arguments": {"y": "z" * 20_000}}]})
    assert read_report(tmp_path) is None


def test_a_metric_that_is_no_number_is_none() -> None:
    tree = a_report(["a", "b"])
    tree["metrics"] |= {"loss": math.nan, "f1_macro": math.inf}
    for report in (ClassReport.model_validate(tree), ClassReport.model_validate_json(json.dumps(tree))):
        assert report.metrics["loss"] is None and report.metrics["f1_macro"] is None
        assert json.loads(report.model_dump_json(), parse_constant=pytest.fail)["metrics"]["loss"] is None


@pytest.mark.parametrize(
    "changes",
    [
        {"confusion": [[1, 2]]}, {"metrics": 3}, {"main_metric": "unheard of"}, {"examples": -1},
        {"labels": ["a", "b", "c"]}, {"mistakes": [{"row": 0, "label": 0, "prediction": 9, "confidence": 0.5}]},
        {"version": 2}, {"kind": "exam"}, {"intervals": {}}, {"text_columns": ["text", "text"]},
    ],
)  # fmt: skip
def test_a_file_that_does_not_fit_reads_as_none(tmp_path: Path, changes: dict[str, Any]) -> None:
    put(tmp_path, EVALUATION, an_evaluation().tree())
    assert read_evaluation(tmp_path) is not None
    put(tmp_path, EVALUATION, an_evaluation().tree() | changes)
    assert read_evaluation(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, '{"metrics": NaN}', "\x00"])
def test_a_damaged_file_reads_as_none(tmp_path: Path, text: str) -> None:
    for name in (REPORT, EVALUATION, "comparison.json"):
        (tmp_path / name).write_text(text)
    assert read_report(tmp_path) is read_evaluation(tmp_path) is read_comparison(tmp_path) is None


@pytest.mark.parametrize("task", [[], {}, None, 1, "unheard of"])
def test_a_report_of_no_task_reads_as_none(tmp_path: Path, task: object) -> None:
    put(tmp_path, REPORT, {**a_report(["a", "b"]), "task": task})
    assert read_report(tmp_path) is None


def test_a_result_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        an_evaluation().title = "another"
    assert isinstance(an_evaluation().per_class[0], PerClass) and isinstance(an_evaluation(), ClassEvaluation)


def test_a_history_keeps_points_that_are_no_numbers(tmp_path: Path) -> None:
    log = [{"step": 5.0, "loss": 1.5}, {"step": 10.0, "eval_loss": math.nan, "eval_accuracy": 0.5}]
    History(steps=10, total_steps=30, best_step=None, log=log).save(tmp_path / HISTORY)
    history = read_history(tmp_path)
    assert history is not None and not history.is_whole and history.log[0] == log[0]
    (evaluation,) = history.evaluations
    assert math.isnan(evaluation["eval_loss"]) and evaluation["eval_accuracy"] == 0.5
    (tmp_path / HISTORY).write_text("[]")
    assert read_history(tmp_path) is None
