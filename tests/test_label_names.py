"""Names that mean the same label, and names that do not."""

from __future__ import annotations

import unicodedata

import pytest

from core.models.label_names import normal_form, places

SAME = [
    ("Neg", "neg "), ("very  good", "Very good"), ("neg\u00a0", "neg"), ("neg\u200b", "neg"), ("\ufeffneg", "neg"),
    ("ne\u00adg", "neg"), ("\u200fneg\u202c", "neg"), ("caf\u00e9", "cafe\u0301"), ("ｎｅｇ", "neg"), ("ﾊﾞｰ", "バー"),
    ("not\u2007good", "not good"), ("❤\ufe0f", "❤"), ("STRASSE", "straße"), ("neg\x00", "neg"), ("a\u2800b", "a b"),
    ("İstanbul", unicodedata.normalize("NFD", "İstanbul")), ("가", unicodedata.normalize("NFD", "가")),
]  # fmt: skip
DIFFERENT = [
    ("neg", "pos"), ("cafe", "café"), ("1.1", "1.10"), ("1E2", "100"), ("C", "C++"), ("not good", "notgood"),
    ("+1", "-1"), ("ば", "は"), ("🙂", "🙁"), ("-0", "0"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME)
def test_names_that_a_person_cannot_tell_apart_are_one(one: str, other: str) -> None:
    assert one != other and normal_form(one) == normal_form(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_names_that_look_different_stay_so(one: str, other: str) -> None:
    assert normal_form(one) != normal_form(other)


def test_the_same_text_comes_before_the_same_form() -> None:
    assert places(["neg", "Neg", "NEG", "pos ", "other"], ["Neg", "neg", "pos"]) == [1, 0, -1, 2, -1]
    assert places(["a", "b"], []) == [-1, -1]
