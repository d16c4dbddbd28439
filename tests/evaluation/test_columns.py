"""Other data is read as a model was trained: its columns, its preparation, as many texts."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.data.loading.load import load_split
from core.data.notes import Note
from core.data.prepare import prepare
from core.errors import DataError
from core.evaluation.columns import fitting, trained_on
from core.evaluation.columns.fitting import Fit
from core.evaluation.columns.trained_on import Training
from core.evaluation.results import read_evaluation
from core.evaluation.specs import EvaluateSpec, PredictSpec, RobustnessSpec, Subject
from core.runs.environment import trained_data
from core.settings import Settings
from core.spec.data import DataSpec
from core.spec.run import build
from core.spec.steps import CleanText, Condition, Deduplicate, Divide, Filter, MapLabels, Rename, SplitBy, Subset
from core.store.store import Store

Work = Callable[..., tuple[str, dict[str, Any]]]
WORDS = ["sun", "moon", "rain", "snow", "wind", "star", "lake", "hill"]
PAIR = ("#1 String", "#2 String")


def pairs(path: Path, rows: int, seed: int, names: tuple[str, str, str] = ("Quality", *PAIR)) -> Path:
    """Pairs of texts with a label that tells whether both name the same thing; as MRPC has its columns."""
    draw = random.Random(seed)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([names[0], "#1 ID", "#2 ID", names[1], names[2]])
        for number in range(rows):
            first, same = draw.choice(WORDS), number % 2
            second = first if same else draw.choice([w for w in WORDS if w != first])
            texts = [f"the {word} is seen in the morning of day {number}" for word in (first, second)]
            writer.writerow([same, 702000 + number, 702500 + number, *texts])
    return path


def table(path: Path, header: list[str], *rows: list[Any]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def fitted(path: Path, training: Training, settings: Settings, *, labelled: bool = True, **data: Any) -> Fit:
    spec = build({"source": "file", "path": str(path), **data}, DataSpec)
    return fitting.fit(spec, prepare(spec, settings), training, labelled=labelled)


def words(notes: tuple[Note, ...]) -> str:
    return " ".join(note.text for note in notes)


@pytest.fixture
def pair_run(work: Work, tmp_path: Path) -> str:
    """A model of pairs, with its columns left to the guess."""
    (tmp_path / "data").mkdir()
    pairs(tmp_path / "data" / "train.csv", 60, 1)
    pairs(tmp_path / "data" / "validation.csv", 30, 2)
    spec = {
        "data": {"source": "file", "path": str(tmp_path / "data"), "text_columns": PAIR, "label_column": "Quality"},
        "model": {"max_length": 48},
        "training": {"num_train_epochs": 1, "per_device_train_batch_size": 30, "learning_rate": 1e-3},
        "execution": {"device": "cpu"},
    }
    return work("train", build(spec).model_dump(mode="json"), "paraphrases")[0]


@pytest.mark.slow
def test_a_model_of_pairs_answers_on_pairs(
    work: Work, pair_run: str, settings: Settings, store: Store, tmp_path: Path
) -> None:
    subject = Subject(run=pair_run)
    data = DataSpec(source="file", path=str(pairs(tmp_path / "other.csv", 24, 3)))
    run, _ = work("evaluate", EvaluateSpec(model=subject, data=data).model_dump(mode="json"))
    evaluation = read_evaluation(settings.run_dir(run))
    assert evaluation is not None and evaluation.text_columns == list(PAIR)
    assert "Text from #1 String and #2 String, as the run paraphrases was trained." in evaluation.notes

    same = DataSpec(source="file", path=str(tmp_path / "data"), text_columns=PAIR, label_column="Quality")
    whole, _ = work("evaluate", EvaluateSpec(model=subject, data=same, split="validation").model_dump(mode="json"))
    own, _ = work("evaluate", EvaluateSpec(model=subject).model_dump(mode="json"))
    figures = [json.loads((settings.run_dir(r) / "evaluation.json").read_text())["metrics"] for r in (whole, own)]
    assert figures[0]["accuracy"] == pytest.approx(figures[1]["accuracy"]), "the same model on the same pairs"
    work("robustness", RobustnessSpec(evaluation=run).model_dump(mode="json"))

    _, summary = work("predict", PredictSpec(model=subject, data=data).model_dump(mode="json"))
    assert summary["text_columns"] == list(PAIR) and summary["rows"] == 24

    table(tmp_path / "one.csv", ["text", "Quality"], *[[f"the sun of {i}", i % 2] for i in range(20)])
    one = DataSpec(source="file", path=str(tmp_path / "one.csv"))
    with pytest.raises(DataError, match="has no column '#1 String', which is the text"):
        work("predict", PredictSpec(model=subject, data=one).model_dump(mode="json"))
    named = one.model_copy(update={"text_columns": ("text",)})
    with pytest.raises(DataError, match=r"reads pairs of texts .*, but one is named, 'text'; name two"):
        work("predict", PredictSpec(model=subject, data=named).model_dump(mode="json"))
    folder = settings.run_dir(pair_run) / "model"
    assert trained_on.training_of_folder(folder, "x", store, settings).texts == PAIR, "it is known as its run"


@pytest.mark.slow
def test_columns_of_a_run_that_noted_none(
    work: Work, pair_run: str, settings: Settings, store: Store, tmp_path: Path
) -> None:
    tree = build(store.run(pair_run).spec).model_dump(mode="json")
    tree["data"] |= {"text_columns": [], "label_column": None}
    with store.atomic() as db:
        db.execute("UPDATE runs SET spec=? WHERE id=?", (json.dumps(tree), pair_run))
    assert trained_data(store.run(pair_run), settings).text_columns == PAIR, "what the worker noted"
    (settings.run_dir(pair_run) / "environment.json").unlink()
    prepared = prepare(build(tree["data"], DataSpec), settings)
    training = trained_on.training_of(store.run(pair_run), settings)
    assert training.texts == prepared.text_guess and training.label == prepared.label_guess
    (tmp_path / "data" / "train.csv").unlink()
    (tmp_path / "data" / "validation.csv").unlink()
    assert trained_on.training_of(store.run(pair_run), settings).texts == ()


PREPARED = Training(
    "tickets",
    ("text",),
    "class",
    1,
    (
        Rename(names={"body": "text", "queue": "class"}),
        MapLabels(column="class", labels={"0": "billing", "1": "other"}),
        CleanText(columns=("text",)),
        Deduplicate(columns=("text",)),
    ),
)


def test_a_runs_preparation_is_repeated_on_a_raw_file(settings: Settings, tmp_path: Path) -> None:
    rows = [["A bill\x07 came", 0, "x"], ["A bill\x07 came", 1, "y"], ["cafÃ© au lait", 1, "z"]] * 8
    path = table(tmp_path / "raw.csv", ["body", "queue", "note"], *rows)
    fit = fitted(path, PREPARED, settings)
    assert (fit.texts, fit.label) == (("body",), "queue")
    assert [type(step) for step in fit.steps] == [MapLabels, CleanText]
    assert "0 → billing" in words(fit.notes) and "Not repeated" in words(fit.notes)
    part = load_split(fit.applied(build({"source": "file", "path": str(path)}, DataSpec)), "train", settings)
    assert part.label_names == ("billing", "other") and len(part.examples) == 24, "nothing is deduplicated"
    assert set(part.examples["body"]) == {"A bill came", "café au lait"}
    assert [type(step) for step in fitted(path, PREPARED, settings, labelled=False).steps] == [CleanText]


def test_a_file_with_the_prepared_names(settings: Settings, tmp_path: Path) -> None:
    path = table(
        tmp_path / "done.csv", ["text", "class"], *[[f"A bill {i}", "billing"] for i in range(4)], ["x", "other"]
    )
    assert fitted(path, PREPARED, settings).texts == ("text",)
    both = table(tmp_path / "both.csv", ["text", "body", "class"], ["a b", "c d", "billing"], ["e f", "g h", "other"])
    with pytest.raises(DataError, match="has 'text' and 'body'"):
        fitted(both, PREPARED, settings)
    fit = fitted(both, PREPARED, settings, text_columns=["body"])
    assert fit.texts == ("body",) and fit.steps[-1].columns == ("body",), "what is named counts, and is repaired"


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (["comment", "label"], "has no column 'text', which is the text that the run stars was trained on"),
        (["TEXT", "label"], "If 'TEXT' is meant, name it as text column"),
        (["ＴＥＸＴ", "label"], "If 'ＴＥＸＴ' is meant"),
        (["text", "stars"], "has no column 'label', which is the label"),
        (["text", "LABEL"], "If 'LABEL' is meant, name it as label column"),
    ],
)
def test_a_missing_column_is_named(header: list[str], message: str, settings: Settings, tmp_path: Path) -> None:
    path = table(tmp_path / "x.csv", header, *[[f"some words {i}", "good" if i % 2 else "bad"] for i in range(8)])
    with pytest.raises(DataError, match=message) as error:
        fitted(path, Training("stars", ("text",), "label", 1), settings)
    assert error.value.field in ("data.text_columns", "data.label_column")


def test_a_step_is_repeated_if_it_was_done_to_what_was_trained(settings: Settings, tmp_path: Path) -> None:
    path = table(tmp_path / "d.csv", ["text", "label"], *([f"the sun {i}", "ab"[i % 2]] for i in range(8)))
    swap = MapLabels(column="label", labels={"a": "b", "b": "a"}, splits=("test",))
    clean = CleanText(columns=("text",), splits=("all",))
    divided = Divide(split="all", parts={"train": 0.5, "validation": 0.5}, by="random")
    fit = fitted(path, Training("the run", ("text",), "label", 1, (swap, clean, divided), "train"), settings)
    assert [type(step) for step in fit.steps] == [CleanText]
    assert "as it was done to test only, not to what was trained: Rename labels of label: a → b" in words(fit.notes)
    for made_of_all in (SplitBy(column="part"), SplitBy(column="part", parts={"x": "train"})):
        training = Training("the run", ("text",), "label", 1, (swap, made_of_all), "train")
        assert [type(step) for step in fitted(path, training, settings).steps] == [MapLabels]


def test_a_filter_is_repeated_where_it_can_be_and_draws_are_not(settings: Settings, tmp_path: Path) -> None:
    steps = (
        Filter(where=(Condition(column="lang", values=("en",)),)),
        Filter(where=(Condition(column="votes", op="between", low=2),)),
        Subset(rows=100),
    )
    training = Training("reviews", ("text",), "label", 1, steps)
    rows = [[f"some words {i}", "good" if i % 2 else "bad", "en" if i % 3 else "de"] for i in range(12)]
    path = table(tmp_path / "x.csv", ["text", "label", "lang"], *rows)
    fit = fitted(path, training, settings)
    assert len(fit.steps) == 1 and [n for n in fit.notes if n.level == "warning" and "lang is en" in n.text]
    assert "votes" in words(fit.notes) and "Keep 100 rows" in words(fit.notes)
    assert fitted(path, training, settings, labelled=False).steps == (), "each row gets an answer"
    own = fitted(path, training, settings, steps=[{"step": "subset", "rows": 3}])
    assert own.steps == () and "preparation of its own" in words(own.notes)


@pytest.mark.parametrize(
    ("config", "count"),
    [
        ({"finetuning_task": "MRPC"}, 2),
        ({"finetuning_task": "sst-2"}, 1),
        ({"sentence_transformers": {"version": "5"}}, 2),
        ({"id2label": {"0": "CONTRADICTION", "1": "NEUTRAL", "2": "ENTAILMENT"}}, 2),
        ({"id2label": {"0": "negative", "1": "positive"}}, None),
        ({"id2label": ["odd"], "finetuning_task": 3}, None),
    ],
)
def test_how_many_texts_a_config_tells(config: dict[str, Any], count: int | None) -> None:
    assert trained_on.texts_of(config) == count


def test_a_model_without_a_run_gets_a_guess_that_is_told(settings: Settings, tmp_path: Path) -> None:
    path = table(tmp_path / "x.csv", ["text", "label"], *[[f"some words {i}", "ab"[i % 2]] for i in range(8)])
    fit = fitted(path, Training("hub/model"), settings)
    assert fit.texts == ("text",) and "does not say which columns it was trained on" in words(fit.notes)
    with pytest.raises(DataError, match="reads pairs of texts, but only 'text' looks like text"):
        fitted(path, Training("hub/nli", count=2), settings)
