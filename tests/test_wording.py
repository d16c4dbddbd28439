"""Words for numbers."""

from __future__ import annotations

import math

import pytest

from core import wording
from core.data.inspecting.statistics import Languages
from core.wording import library_message


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "–"), (0.4, "under 1 s"), (8.4, "8 s"), (59.7, "1 min"), (80, "1 min 20 s"), (7500, "2 h 5 min")],
)
def test_durations(seconds: float | None, words: str) -> None:
    assert wording.duration(seconds) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, "–"), (math.nan, "not a number"), (0, "0"), (5e-5, "5e-5"), (0.0123, "0.0123"), (123_456.7, "123,457")],
)
def test_numbers(value: float | None, words: str) -> None:
    assert wording.number(value) == words


def test_metrics_within_a_sentence() -> None:
    names = ("accuracy", "f1_macro", "matthews_correlation", "eval_recall_macro", "")
    assert [wording.metric_words(name) for name in names] == [
        "accuracy",
        "F1 (macro)",
        "Matthews correlation",
        "recall (macro)",
        "",
    ]


def test_sizes_scores_and_counts() -> None:
    assert [wording.size(n) for n in (812, 4_300, 3.4e6, 250e6, 1.2e9)] == [
        "812 B",
        "4.3 kB",
        "3.4 MB",
        "250 MB",
        "1.2 GB",
    ]
    assert wording.score(0.61234) == "0.612" and wording.score(math.nan) == "not a number"
    assert wording.counted(1, "run") == "1 run" and wording.counted(2000, "class", "classes") == "2,000 classes"


def test_a_sentence_keeps_the_case_of_names() -> None:
    assert wording.sentence("the disk is full") == "The disk is full."
    assert wording.sentence("train.csv is empty") == "train.csv is empty."
    assert wording.sentence("Really?") == "Really?"


@pytest.mark.parametrize(
    ("count", "words"),
    [(1, "1 epoch"), (1.0, "1 epoch"), (0.5, "0.5 epochs"), (3.0, "3 epochs"), (2000, "2,000 epochs"), (0, "0 epochs")],
)
def test_one_of_a_thing_is_not_many(count: float, words: str) -> None:
    assert wording.counted(count, "epoch") == words


def test_a_share_of_a_language_that_is_chance_is_not_shown() -> None:
    languages = Languages(rows=1000, counts={"ja": 700, "en": 281, "vi": 19})
    assert list(languages.likely) == ["ja", "en"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "Failed to export.\x1b[96m This is step 1/3\x1b[0m of exporting. Next steps:\n- Modify your model\n- Debug",
            "Failed to export. This is step 1/3 of exporting",
        ),
        ("Error in loading X:\n\tsize mismatch for a.b", "Error in loading X: size mismatch for a.b"),
        ("\n\n  first\nsecond", "first"),
        ("\x1b]8;;http://x\x07a link\x1b]8;;\x07 and\x00 a bell\x07", "a link and a bell"),
        ("right \u202eto left\u2028next", "right to left"),
        ("", "ValueError"),
        ("Possible reasons:", "Possible reasons"),
    ],
)  # fmt: skip
def test_what_libraries_say_is_one_clean_line(text: str, sentence: str) -> None:
    assert library_message(ValueError(text)) == sentence
    assert len(library_message(ValueError(text * 1000))) <= 300


def test_a_key_that_is_missing_reads_as_one() -> None:
    assert library_message(KeyError("xlnet")) == "there is no 'xlnet'"
