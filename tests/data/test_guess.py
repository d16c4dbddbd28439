"""Guesses of text and label columns in many tables: pairs are explained, and machine-made values are not text."""

from __future__ import annotations

import base64
import hashlib
import random
import uuid
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from core.data.reading.guessing import split_words, values
from core.data.reading.guessing.guess import Guess, guess

NOUNS = ["river", "market", "teacher", "engine", "garden", "letter", "window", "captain", "forest", "signal"]
VERBS = ["opens", "follows", "breaks", "paints", "carries", "forgets"]
ROWS = 60


def text(i: int, words: int = 8, seed: int = 0) -> str:
    draw = random.Random(i * 7 + seed)
    return " ".join(draw.choice(NOUNS if k % 2 == 0 else VERBS) for k in range(words))


def like(i: int) -> str:
    """Returns a text that is nearly the same as `text(i)`."""
    return text(i).replace("river", "stream") + " today"


def japanese(i: int) -> str:
    place, opinion = ["駅", "店", "部屋", "料理"][i % 4], ["良かった", "悪かった", "普通でした"][i % 3]
    return f"{place}はとても{opinion}です。{i}回目でした。"


MAKERS: dict[str, Callable[[int], Any]] = {
    "text": text,
    "like": like,
    "other": lambda i: text(i, seed=99),
    "long": lambda i: text(i, 60, 5),
    "ja": japanese,
    "two": lambda i: i % 2,
    "word": lambda i: ["good", "bad", "fine"][i % 3],
    "five": lambda i: i % 5 + 1,
    "measured": lambda i: round(random.Random(i).random() * 5, 3),
    "number": lambda i: 702000 + i * 3,
    "file": lambda i: f"MSR{i % 4}.txt",
    "image": lambda i: f"images/{i % 5}.jpg",
    "genre": lambda i: ["news", "forum"][i % 2],
    "url": lambda i: f"https://example.org/{i}",
    "uuid": lambda i: str(uuid.UUID(int=i * 7919)),
    "hash": lambda i: hashlib.sha1(str(i).encode()).hexdigest(),
    "b64": lambda i: base64.b64encode(hashlib.sha256(str(i).encode()).digest()).decode(),
    "json": lambda i: '{"a": "' + text(i, 30) + '"}',
    "tokens": lambda i: '[["' + '"], ["'.join(text(i, 30).split()) + '"]]',
    "tree": lambda i: "( ( " + text(i, 30) + " ) )",
    "vector": lambda i: "[" + ", ".join(str(random.Random(i * k).random()) for k in range(1, 9)) + "]",
    "split": lambda i: ["train", "train", "dev", "test"][i % 4],
    "date": lambda i: f"2024-01-{i % 28 + 1:02d}",
    "form": lambda i: f"2024/01/{i % 28 + 1:02d} 午前 10:23:{i % 60:02d} GMT+9",
    "title": lambda i: text(i, 3),
}


def kind_of(value: Any) -> str:
    return {bool: "boolean", int: "integer", float: "float", str: "text"}[type(value)]


def guessed(**columns: str) -> Guess:
    """Returns a table. columns: names, with ~ for blanks, and the functions that make their values"""
    named = {name.replace("~", " ").replace("HASH", "#"): MAKERS[maker] for name, maker in columns.items()}
    table = pa.table({name: [make(i) for i in range(ROWS)] for name, make in named.items()})
    return guess(table, {name: kind_of(make(0)) for name, make in named.items()})


@pytest.mark.parametrize(
    ("columns", "pair", "label"),
    [
        ({"Quality": "two", "HASH1~ID": "number", "HASH2~ID": "number", "HASH1~String": "text", "HASH2~String": "like"},
         ("#1 String", "#2 String"), "Quality"),
        ({"pair_ID": "number", "sentence_A": "text", "sentence_B": "like", "entailment_judgment": "word"},
         ("sentence_A", "sentence_B"), "entailment_judgment"),
        ({"q1": "text", "q2": "other", "is_duplicate": "two"}, ("q1", "q2"), "is_duplicate"),
        ({"premise": "text", "hypothesis": "like", "label": "word"}, ("premise", "hypothesis"), "label"),
        ({"gold_label": "word", "sentence1": "text", "sentence2": "like", "sentence1_parse": "tree",
          "sentence2_parse": "tree"}, ("sentence1", "sentence2"), "gold_label"),
        ({"文1": "ja", "文2": "ja", "ラベル": "two"}, ("文1", "文2"), "ラベル"),
        ({"前提": "ja", "仮説": "ja", "判定": "word"}, ("前提", "仮説"), "判定"),
        ({"first_text": "text", "second_text": "other", "same": "two"}, ("first_text", "second_text"), "same"),
        ({"column_1": "two", "column_2": "text", "column_3": "like"}, ("column_2", "column_3"), "column_1"),
        ({"genre": "genre", "filename": "file", "year": "five", "score": "measured", "sentence1": "text",
          "sentence2": "like"}, ("sentence1", "sentence2"), "score"),
    ],
)  # fmt: skip
def test_pairs_are_proposed_and_explained(columns: dict[str, str], pair: tuple[str, str], label: str) -> None:
    guess = guessed(**columns)
    assert (guess.texts, guess.label) == (pair, label)
    assert f"{pair[0]} and {pair[1]} are read as a pair of texts" in guess.notes[0].text


@pytest.mark.parametrize(
    ("columns", "texts"),
    [
        ({"title": "title", "body": "long", "label": "two"}, ("body",)),
        ({"column_1": "two", "column_2": "title", "column_3": "long"}, ("column_3",)),
        ({"column_1": "two", "column_2": "text", "column_3": "other"}, ("column_2",)),
        ({"comment1": "text", "comment2": "other", "comment3": "text", "label": "two"}, ("comment1",)),
        ({"question": "text", "answer": "word", "label": "two"}, ("question",)),
        ({"HASH1~ID": "uuid", "HASH2~ID": "uuid", "text": "text", "label": "two"}, ("text",)),
        ({"url1": "url", "url2": "url", "text": "text", "label": "two"}, ("text",)),
    ],
)
def test_what_is_no_pair(columns: dict[str, str], texts: tuple[str, ...]) -> None:
    guess = guessed(**columns)
    assert guess.texts == texts and not guess.notes


@pytest.mark.parametrize("written", ["tokens", "json", "tree", "b64", "hash", "url", "uuid", "vector", "image", "form"])
def test_what_a_program_wrote_is_no_text(written: str) -> None:
    assert guessed(text=written, said="text", label="two").texts == ("said",)
    assert guessed(text=written, label="two").texts == ()
    assert values.is_machine_made([str(MAKERS[written](i)) for i in range(20)])


@pytest.mark.parametrize(
    "value",
    ["[sic] he said so", "{smiles} fine", "see https://a.b for more", "/s but really good", "12 monkeys", "good.",
     "Mr. Smith went to example.com", "( a remark ) and more", "2024-01-02 was a Tuesday, I think", "word",
     "May 5 was cold", "12-17", "5/10", "3.5.1", "2024年は良い年でした", "Monday"],
)  # fmt: skip
def test_what_a_person_wrote_is_text(value: str) -> None:
    assert not values.is_machine_made([value] * 5)


@pytest.mark.parametrize(
    "value",
    ["2024-01-02", "2024-01-02T03:04:05.678Z", "2024-01-02 03:04:05+09:00", "2024/01/05 午前 10:23:00 GMT+9",
     "12/31/2023", "31.12.2023 23:59", "1/5/24 9:07 PM", "2024年1月5日(金) 10時23分", "令和6年1月5日",
     "Mon Apr 06 22:19:45 PDT 2009",
     "Fri, 05 Jan 2024 10:23:00 +0000", "January 5, 2024 at 10:23 p.m.", "5 Jan 2024"],
)  # fmt: skip
def test_moments_are_no_text_and_no_class(value: str) -> None:
    assert values.is_machine_made([value] * 5)


@pytest.mark.parametrize(
    ("columns", "label"),
    [
        ({"filename": "file", "text": "text", "rating": "five"}, "rating"),
        ({"image": "image", "text": "text", "kind": "word"}, "kind"),
        ({"doc": "file", "text": "text"}, None),
        ({"id": "five", "text": "text"}, None),
        ({"split": "split", "text": "text", "outcome": "word"}, "outcome"),
        ({"part": "split", "text": "text"}, None),
        ({"source": "genre", "text": "text", "target": "word"}, "target"),
        ({"genre": "genre", "text": "text", "gold": "two"}, "gold"),
        ({"genre": "genre", "text": "text"}, "genre"),
        ({"date": "date", "text": "text", "topic": "word"}, "topic"),
        ({"language": "genre", "text": "text", "answer": "word"}, "answer"),
        ({"text": "text", "score": "measured"}, "score"),
        ({"本文": "ja", "出典": "genre", "感情ラベル": "word"}, "感情ラベル"),
        ({"口コミ": "ja", "番号": "five", "評点": "five"}, "評点"),
        (
            {"タイムスタンプ": "form", "商品の満足度（1～5）": "word", "ご意見": "ja", "性別": "genre"},
            "商品の満足度（1～5）",
        ),
        ({"レビュー本文": "ja", "ファイル名": "file", "カテゴリ": "word"}, "カテゴリ"),
    ],
)
def test_names_of_labels_win(columns: dict[str, str], label: str | None) -> None:
    assert guessed(**columns).label == label


@pytest.mark.parametrize(
    ("value", "kind"),
    [("train", "train"), ("Training", "train"), ("TRAIN_1", "train"), ("学習", "train"), ("訓練データ", "train"),
     ("dev", "validation"), ("val", "validation"), ("検証", "validation"), ("dev-set", "validation"),
     ("Test", "test"), ("held out", "test"), ("テスト", "test"), ("testing", "test"),
     ("trainer", None), ("protest", None), ("", None), ("best", None)],
)  # fmt: skip
def test_words_that_name_a_split(value: str, kind: str | None) -> None:
    assert split_words.kind_of(value) == kind
