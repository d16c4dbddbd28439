"""Detection of the languages of texts and of a dataset."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.data.inspecting.language import language_of, languages_of, main_language
from core.data.prepare import prepare
from core.settings import Settings
from core.spec.data import DataSpec

GERMAN = "Das Essen war leider sehr schlecht"
ENGLISH = "The food was very good and so was the service"


def test_texts() -> None:
    assert [language_of(text) for text in (GERMAN, ENGLISH, "この店はとてもおいしい", "12:30 !!", "")] == [
        "de",
        "en",
        "ja",
        "none",
        "none",
    ]
    assert languages_of([(GERMAN,), (ENGLISH, ENGLISH), (GERMAN,), ("?",)]) == {"de": 2, "en": 1, "none": 1}


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([GERMAN] * 3 + [ENGLISH], "de"),
        ([GERMAN, ENGLISH], ""),
        ([GERMAN, "1", "2", "3"], "de"),
        (["1", "2"], ""),
    ],
)
def test_the_language_of_most_texts(texts: list[str], expected: str, settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "texts.csv"
    path.write_text("text,label\n" + "".join(f'"{text}",{n % 2}\n' for n, text in enumerate(texts * 10)))
    data = DataSpec(source="file", path=str(path))
    assert main_language(data, prepare(data, settings), "train", ["text"]) == expected


def test_texts_that_cannot_be_read_any_more_have_none(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "texts.csv"
    path.write_text("text,label\n" + f'"{GERMAN}",a\n"{GERMAN}",b\n' * 10)
    data = DataSpec(source="file", path=str(path))
    prepared = prepare(data, settings)
    assert main_language(data, prepared, "train", ["nothing"]) == ""
    prepared.splits["train"].path.unlink()
    assert main_language(data, prepared, "train", ["text"]) == ""


def test_the_sample_is_known(settings: Settings) -> None:
    data = DataSpec(source="sample")
    assert main_language(data, prepare(data, settings), "train", ["text"]) == "en"
