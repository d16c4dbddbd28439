"""Types of text columns: a column is numeric only if each number converts back to the same text."""

from __future__ import annotations

import pytest

from tests.data.conftest import kinds_of, rows_of

NUMBERS = {
    "integer": [["0", "1"], ["-1", "12"], ["9007199254740993", "1"], ["9223372036854775807", "0"], [" 1", "2 "]],
    "float": [["1.0", "0.0"], ["0.5", "2.0"], ["0.5", "2"], ["-1.25", "3"], ["0.30000000000000004", "1.5"]],
    "boolean": [["True", "False"], ["true", "FALSE"]],
}
CODES = [
    ["1.1", "1.10"], ["2.0", "2.10"], ["1.0", "1"], ["1E2", "2E1"], ["1e5", "1"], ["0x1F", "0x20"], ["007", "1"],
    ["+1", "-1"], ["-0", "1"], ["-0.0", "1.0"], [".5", "1.5"], ["5.", "1."], ["1_000", "1"], ["1,5", "2"], ["00", "0"],
    ["0.50", "0.25"], ["18446744073709551615", "1"], ["0.1234567890123456789", "0.5"], ["١", "٢"], ["１", "2"],
    ["inf", "1"], ["Infinity", "1.0"], ["1e400", "1"], ["1 000", "2"], ["1%", "2%"], ["9007199254740993.0", "1.0"],
    ["100000000000000000000", "1"], ["1.0.1", "1.0.2"], ["--1", "1"], ["yes", "no"], ["T", "F"],
]  # fmt: skip


def csv(values: list[str]) -> bytes:
    rows = [f'text number {i},"{value}"' for i, value in enumerate(values * 10)]
    return "\n".join(["text,label", *rows]).encode()


@pytest.mark.parametrize(("kind", "values"), [(kind, values) for kind, lists in NUMBERS.items() for values in lists])
def test_text_that_comes_back_from_its_value_is_typed(opened, kind, values):
    prepared = opened(csv(values))
    assert kinds_of(prepared)["label"] == kind
    if kind != "boolean":
        assert [float(r["label"]) for r in rows_of(prepared)] == [float(v) for v in values] * 10
    if kind == "integer":
        assert [str(r["label"]) for r in rows_of(prepared)] == [v.strip() for v in values] * 10


@pytest.mark.parametrize("values", CODES, ids=" and ".join)
def test_codes_stay_as_they_are_written(opened, values):
    prepared = opened(csv(values))
    assert kinds_of(prepared)["label"] == "text"
    assert [r["label"] for r in rows_of(prepared)] == values * 10
    assert prepared.label_guess == "label"


@pytest.mark.parametrize(
    ("values", "count"),
    [(["True", "False", "None"], 10), (["1", "2", "NA"], 10), (["0", "1", "null"], 10), (["1.0", "2.0", "nan"], 10),
     (["1", "2", "N/A", "None"], 20)],
)  # fmt: skip
def test_a_word_for_nothing_that_occurs_often_is_a_class(opened, values, count):
    prepared = opened(csv(values))
    assert [r["label"] for r in rows_of(prepared)] == values * 10
    (note,) = [n for n in prepared.notes if n.text.startswith("label: ")]
    assert f"({count} rows" in note.text and "counts as a value" in note.text


def test_a_rare_word_for_nothing_is_no_value_and_that_is_said(opened):
    prepared = opened(csv(["1", "2"] * 20 + ["1", "NA"]).replace(b"NA", b"1", 8))
    values = [r["label"] for r in rows_of(prepared)]
    assert set(values) == {1, 2, None} and values.count(None) == 2
    assert [n.level for n in prepared.notes if "label: NA (2 rows) was read as no value" in n.text] == ["warning"]


def test_measurements_with_gaps_stay_numbers(opened):
    prepared = opened("\n".join(["text,size", *(f"t {i},{'NA' if i % 5 else i * 7}" for i in range(400))]).encode())
    assert kinds_of(prepared)["size"] == "integer"


@pytest.mark.parametrize(("train", "test"), [("1", "1.0"), ("1.0", "1")])
def test_whole_floats_and_integers_of_two_files_are_the_same_numbers(opened, train, test):
    other = {"1": "0", "1.0": "0.0"}
    files = {"train.csv": csv([train, other[train]]), "test.csv": csv([test, other[test]])}
    prepared = opened(files, "folder")
    assert [r["label"] for r in rows_of(prepared)] == [r["label"] for r in rows_of(prepared, "test")] == [1, 0] * 10
