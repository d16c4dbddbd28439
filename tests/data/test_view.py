"""Views of a dataset: filters, searches and orders are compared with pandas; links may be hostile."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data.browsing import browse, database, matches
from core.data.browsing.cells import CELL_CHARACTERS
from core.data.browsing.view import View, from_link, to_link
from core.data.dataset import Prepared
from core.data.prepare import prepare
from core.errors import DataError, SpecError
from core.spec.data import DataSpec
from core.spec.run import build
from core.spec.steps import Condition, condition_words

ROWS = 3_000


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    words = np.array(["Food", "food", "100% wine", "a_b", "axb", "日本の酒", "it's", 'say "no"', "\\d", "tea\nbreak"])
    frame = pd.DataFrame(
        {
            "text": [" ".join(rng.choice(words, rng.integers(1, 6))) for _ in range(ROWS)],
            "stars": rng.integers(1, 6, ROWS),
            "price": np.round(rng.normal(20, 9, ROWS), 2),
            "kind": rng.choice(["a", "b", "O'Neil; DROP TABLE data", ""], ROWS),
            "open": rng.random(ROWS) < 0.5,
        }
    )
    frame.loc[::7, "text"] = None
    frame.loc[3::11, "text"] = " \u3000\t"
    frame["price"] = frame["price"].mask(frame.index % 13 == 0)
    return frame


@pytest.fixture
def prepared(frame: pd.DataFrame, tmp_path: Any, settings: Any) -> Prepared:
    path = tmp_path / "data.parquet"
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path, row_group_size=400)
    return prepare(DataSpec(source="file", path=str(path)), settings)


def view(**fields: Any) -> View:
    built: View = build(fields, View)
    return built


def where(*conditions: dict[str, Any]) -> View:
    return view(where=list(conditions))


CASES: list[tuple[View, Any]] = [
    (where({"column": "stars", "values": ["2", "5"]}), lambda f: f["stars"].isin([2, 5])),
    (where({"column": "stars", "values": ["2"], "negate": True}), lambda f: f["stars"] != 2),
    (where({"column": "price", "op": "between", "low": 10, "high": 20}), lambda f: f["price"].between(10, 20)),
    (where({"column": "price", "op": "between", "high": 5, "negate": True}), lambda f: ~(f["price"] <= 5)),
    (where({"column": "price", "op": "missing"}), lambda f: f["price"].isna()),
    (where({"column": "text", "op": "missing"}), lambda f: f["text"].fillna("").str.strip() == ""),
    (where({"column": "text", "op": "length", "low": 12}), lambda f: f["text"].str.len() >= 12),
    (
        where({"column": "text", "op": "contains", "values": ["FOOD"]}),
        lambda f: f["text"].str.contains("food", case=False, na=False),
    ),
    (
        where({"column": "text", "op": "contains", "values": ["food"], "match_case": True}),
        lambda f: f["text"].str.contains("food", na=False),
    ),
    (
        where({"column": "text", "op": "contains", "values": ["100%"]}),
        lambda f: f["text"].str.contains("100%", na=False),
    ),
    (where({"column": "text", "op": "contains", "values": ["a_b"]}), lambda f: f["text"].str.contains("a_b", na=False)),
    (
        where({"column": "text", "op": "contains", "values": ["\\d"]}),
        lambda f: f["text"].str.contains("\\d", regex=False, na=False),
    ),
    (
        where({"column": "text", "op": "matches", "values": [r"^it's.*酒$"]}),
        lambda f: f["text"].str.contains(r"^it's[^\n]*酒$", na=False),
    ),
    (where({"column": "kind", "values": ["O'Neil; DROP TABLE data"]}), lambda f: f["kind"].str.startswith("O'Neil")),
    (where({"column": "open", "values": ["True"]}), lambda f: f["open"]),
    (view(search="日本"), lambda f: f["text"].str.contains("日本", na=False)),
    (view(search='"NO"'), lambda f: f["text"].str.contains('"no"', na=False)),
    (view(search="Food", match_case=True), lambda f: f["text"].str.contains("Food", na=False)),
    (
        view(search="food", where=[{"column": "stars", "values": ["1"]}, {"column": "kind", "values": ["a"]}]),
        lambda f: f["text"].str.contains("food", case=False, na=False) & (f["stars"] == 1) & (f["kind"] == "a"),
    ),
]


@pytest.mark.parametrize(("asked", "expected"), CASES, ids=lambda case: to_link(case) if isinstance(case, View) else "")
def test_a_view_shows_the_rows_that_pandas_finds(asked: View, expected: Any, prepared: Prepared, frame: Any) -> None:
    numbers = np.flatnonzero(expected(frame).to_numpy(dtype=bool))
    assert 0 < len(numbers) < ROWS, "the case says something"
    matching = matches.row_numbers(prepared, "train", asked)
    assert matching.tolist() == numbers.tolist()
    page = browse.page(prepared, "train", 5, 7, asked)
    assert page.index.tolist() == numbers[5:12].tolist()
    assert from_link(to_link(asked)) == asked


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("column", ["price", "text", "open"])
def test_sorting(column: str, descending: bool, prepared: Prepared, frame: pd.DataFrame) -> None:
    numbers = matches.row_numbers(prepared, "train", view(sort=column, descending=descending))
    ordered = frame.sort_values(column, ascending=not descending, kind="stable", na_position="last")
    if column == "text":  # by code points, as in the file; pandas may order otherwise
        ordered = frame.loc[
            sorted(frame.index[frame["text"].notna()], key=lambda i: frame["text"][i].encode(), reverse=descending)
        ]
        assert frame["text"][numbers[: len(ordered)]].tolist() == ordered["text"].tolist()
    else:
        assert numbers.tolist() == ordered.index.tolist()
    page = browse.page(prepared, "train", ROWS - 3, 50, view(sort=column))
    assert len(page) == 3 and page[column].isna().all() == (column != "open")


def test_a_view_is_found_once_and_kept(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = view(search="food")
    first = matches.row_numbers(prepared, "train", asked)
    monkeypatch.setattr(database, "query", lambda *a, **k: pytest.fail("looked for again"))
    assert matches.row_numbers(prepared, "train", asked).tolist() == first.tolist()


def test_kept_views_stay_few(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matches, "MOST_VIEWS", 3)
    for word in ("a", "b", "c", "d", "e"):
        matches.row_numbers(prepared, "train", view(search=word))
    assert len(list((prepared.folder / database.SPILL).glob("*.npy"))) == 3


def test_what_takes_too_long_ends_with_a_sentence(prepared: Prepared) -> None:
    def slow(names: dict[str, str]) -> tuple[str, list[Any]]:
        return "SELECT count(*) FROM range(100000) a, range(10000000) b WHERE a.range * b.range = 3", []

    with pytest.raises(DataError, match="longer than 0 seconds"):
        list(database.query(prepared, "train", slow, most_s=0.2))


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (where({"column": "nobody", "values": ["1"]}), "no column 'nobody'"),
        (where({"column": "stars", "values": ["many"]}), "'many' is not a value of 'stars'"),
        (where({"column": "text", "op": "between", "low": 1}), "holds text values, not numbers"),
        (where({"column": "text", "op": "matches", "values": ["("]}), "cannot be looked for"),
        (where({"column": "open", "values": ["perhaps"]}), "'perhaps' is not a value"),
        (view(sort="nobody"), "no column 'nobody' to sort by"),
    ],
)
def test_what_cannot_be_asked_is_explained(asked: View, says: str, prepared: Prepared) -> None:
    with pytest.raises(DataError, match=says):
        matches.row_numbers(prepared, "train", asked)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not readable"),
        ("[" * 9_000, "not readable"),
        ("[1]", "a spec is a mapping"),
        ('{"wher": []}', "no such field"),
        ('{"where": [{"column": "a", "op": "eval"}]}', "not one of"),
        ('{"where": [{"column": "a"}]}', "names no value"),
        ('{"where": [{"column": "a", "op": "contains", "values": ["x", "y"]}]}', "one text to look for"),
        ('{"where": [{"column": "a", "op": "length"}]}', "no limit"),
        ('{"where": [{"column": "a", "op": "between", "low": 3, "high": 1}]}', "low is above high"),
        ('{"where": [{"column": "a", "op": "between", "low": NaN}]}', "not a number"),
        (json.dumps({"search": "x" * 5_000}), "at most 2000"),
        ("x" * 30_000, "30,000 characters"),
    ],
)
def test_a_hostile_link_gets_a_sentence(text: str, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        from_link(text)


def test_conditions_read_as_words() -> None:
    assert condition_words(Condition(column="label", values=("a", "b", "c", "d"))) == "label is a or b or c or 1 more"
    assert condition_words(Condition(column="n", op="between", low=2)) == "n is at least 2"
    assert condition_words(Condition(column="n", op="length", low=2, high=9, negate=True)) == (
        "n does not have from 2 to 9 characters"
    )
    assert condition_words(Condition(column="n", op="missing")) == "n is missing"


def test_hits_are_marked_where_they_are(prepared: Prepared, tmp_path: Any, settings: Any) -> None:
    path = tmp_path / "long.parquet"
    pq.write_table(pa.table({"text": ["word " * 300 + "Needle" + " word" * 300, "needle"]}), path)
    long = prepare(DataSpec(source="file", path=str(path)), settings)
    cells = browse.page(long, "train", 0, 9, view(search="needle"))["text"].tolist()
    assert "«Needle»" in cells[0][:60] and cells[0].startswith("…") and len(cells[0]) <= CELL_CHARACTERS
    assert cells[1] == "«needle»"
