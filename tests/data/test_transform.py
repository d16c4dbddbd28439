"""Preparing a dataset: each step does what it says, previews are correct, and results are repeatable."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data.browsing.export import export
from core.data.dataset import Prepared
from core.data.loading.load import load
from core.data.loading.text_ids import text_ids
from core.data.prepare import find_prepared, prepare, until_step
from core.data.preparing import clean, near, plan
from core.data.preparing.preview import preview
from core.errors import DataError, SpecError
from core.settings import Settings
from core.spec.data import DataSpec
from core.spec.run import RunSpec, build, from_yaml, to_yaml
from core.spec.steps import step_words
from tests.data.conftest import rows_of

Make = Callable[..., Prepared]
LETTER = "the waiter brought the wrong order twice and then argued with us about the bill for ten long minutes"


@pytest.fixture
def make(tmp_path: Path, settings: Settings) -> Make:
    """Returns `make({split: columns}, *steps)`, which applies the steps to a dataset."""

    def made(splits: dict[str, dict[str, Any]], *steps: dict[str, Any]) -> Prepared:
        folder = tmp_path / "data"
        folder.mkdir(exist_ok=True)
        for name, columns in splits.items():
            pq.write_table(pa.table(columns), folder / f"{name}.parquet")
        return prepare(spec_of(folder, *steps), settings)

    return made


def spec_of(folder: Path, *steps: dict[str, Any]) -> DataSpec:
    spec: DataSpec = build({"source": "file", "path": str(folder), "steps": list(steps)}, DataSpec)
    return spec


def column(prepared: Prepared, name: str, split: str = "train") -> list[Any]:
    return [row[name] for row in rows_of(prepared, split)]


def test_filter(make: Make) -> None:
    splits = {"train": {"t": ["a", "b", "c"], "n": [1, 2, 3]}, "test": {"t": ["d"], "n": [9]}}
    where = [{"column": "n", "op": "between", "high": 2}]
    filtered = make(splits, {"step": "filter", "where": where, "splits": ["train"]})
    assert column(filtered, "t") == ["a", "b"] and column(filtered, "t", "test") == ["d"]
    assert list(make(splits, {"step": "filter", "where": where}).splits) == ["train"], "an empty split is left out"


def test_columns_and_rename(make: Make) -> None:
    data = {"train": {"t": ["a"], "n": [1], "x": [None]}}
    result = make(data, {"step": "columns", "keep": ["n", "t"]}, {"step": "rename", "names": {"t": "n", "n": "t"}})
    assert rows_of(result) == [{"t": 1, "n": "a"}]
    assert [c.name for c in result.columns] == ["t", "n"]


def test_labels_are_renamed_and_joined(make: Make) -> None:
    data = {"train": {"t": list("abcd"), "label": ["Spam", "spam ", "ham", None]}}
    result = make(data, {"step": "map_labels", "column": "label", "labels": {"Spam": "spam", "ham": "good"}})
    assert column(result, "label") == ["spam", "spam ", "good", None]
    numbers = make(
        {"train": {"t": list("abc"), "label": [1.0, 2.0, None]}},
        {"step": "map_labels", "column": "label", "labels": {"1": "bad"}},
    )
    assert column(numbers, "label") == ["bad", "2", None]


def test_classes_keep_their_order_when_joined(settings: Settings) -> None:
    step = {"step": "map_labels", "column": "label", "labels": {"2 stars": "bad", "1 star": "bad", "5 stars": "great"}}
    joined = prepare(build({"steps": [step]}, DataSpec), settings)
    label = joined.column("label")
    assert label is not None and label.names == ("bad", "3 stars", "4 stars", "great")
    before = prepare(DataSpec(), settings)
    new = {0: 0, 1: 0, 2: 1, 3: 2, 4: 3}
    assert column(joined, "label") == [new[old] for old in column(before, "label")]


def test_texts_are_repaired(make: Make) -> None:
    texts = ["cafÃ© au lait", "fine", "zero\u200bwidth\x00", None, "“quoted” already right", "naïve café"]
    repaired = make({"train": {"t": texts, "label": [0, 1, 0, 1, 0, 1]}}, {"step": "clean_text", "columns": ["t"]})
    assert column(repaired, "t") == ["café au lait", "fine", "zerowidth", None, "“quoted” already right", "naïve café"]


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Joe wasn #39;t at  quot;Front Row quot; then", 'Joe wasn\'t at "Front Row" then'),
        ("AT&amp;T &lt;b&gt; &#8217;tis", "AT&T <b> ’tis"),
        ("one<br /><br>two <a href='x'>three</a>", "one  two  three "),
        ("a < b and c > d; e & f; #1; issue #42;x", "a < b and c > d; e & f; #1; issue*x"),
        ("no markup", "no markup"),
    ],
)
def test_what_is_left_of_a_web_page(text: str, plain: str) -> None:
    assert clean.plain_text(text) == plain


def test_exact_copies(make: Make) -> None:
    texts = ["One two", "one  TWO ", "three", "three", None, None]
    result = make({"train": {"t": texts, "n": [1, 2, 3, 3, 4, 5]}}, {"step": "deduplicate", "columns": ["t"]})
    assert column(result, "n") == [1, 3, 4, 5]
    whole = make({"train": {"t": texts, "n": [1, 2, 3, 3, 4, 5]}}, {"step": "deduplicate"})
    assert column(whole, "n") == [1, 2, 3, 4, 5], "with no column named, all must be the same"


def test_near_copies(make: Make) -> None:
    texts = [
        LETTER,
        LETTER.replace("ten", "nine"),
        LETTER.upper(),
        "something else entirely here",
        "店員さんがとても親切で料理も美味しかったです",
        "店員さんがとても親切で料理も美味しかったです。",
    ]
    result = make(
        {"train": {"t": texts, "n": list(range(6))}},
        {"step": "deduplicate", "columns": ["t"], "match": "near", "threshold": 0.6},
    )
    assert column(result, "n") == [0, 3, 4]
    strict = make(
        {"train": {"t": texts, "n": list(range(6))}},
        {"step": "deduplicate", "columns": ["t"], "match": "near", "threshold": 0.97},
    )
    assert column(strict, "n") == [0, 1, 3, 4, 5]


def test_near_copies_are_those_of_every_pair(make: Make) -> None:
    """The result equals that of comparing each text with each other text."""
    rng = np.random.default_rng(4)
    words = [f"w{i}" for i in range(400)]
    texts: list[str] = []
    for _ in range(120):
        text = rng.choice(words, 30).tolist()
        texts.append(" ".join(text))
        for _ in range(rng.integers(0, 3)):
            copy = list(text)
            for place in rng.integers(0, 30, rng.integers(1, 3)):
                copy[place] = str(rng.choice(words))
            texts.append(" ".join(copy))
    prepared = make({"train": {"t": texts, "n": list(range(len(texts)))}})
    groups = {frozenset(n for _, n in group) for group in near.groups(prepared, ["train"], ["t"], 0.6)}
    parents = list(range(len(texts)))

    def root(place: int) -> int:
        while parents[place] != place:
            place = parents[place]
        return place

    for i, one in enumerate(texts):
        for j in range(i):
            if near.similarity(one, texts[j]) >= 0.6:
                parents[root(i)] = root(j)
    expected: dict[int, set[int]] = {}
    for place in range(len(texts)):
        expected.setdefault(root(place), set()).add(place)
    wanted = {frozenset(group) for group in expected.values() if len(group) > 1}
    assert len(wanted) > 20
    assert len(groups & wanted) >= 0.95 * len(wanted), "hashing may miss a few"
    for group in groups:
        assert any(group <= other for other in wanted), "what is called near is near"


def test_contradictions_and_leaks(make: Make) -> None:
    train = {"t": ["same", "SAME", "fine", "leak "], "label": ["a", "b", "a", "a"]}
    data = {"train": train, "test": {"t": ["Leak", "new"], "label": ["a", "b"]}}
    result = make(data, {"step": "drop_conflicts", "columns": ["t"], "label": "label"})
    assert column(result, "t") == ["fine", "leak "]
    result = make(data, {"step": "drop_leaks", "columns": ["t"]})
    assert column(result, "t") == ["same", "SAME", "fine"] and column(result, "t", "test") == ["Leak", "new"]
    near_data = {"train": {"t": [LETTER, "other"], "label": ["a", "b"]}, "test": {"t": [LETTER + " x"], "label": ["a"]}}
    result = make(near_data, {"step": "drop_leaks", "columns": ["t"], "match": "near"})
    assert column(result, "t") == ["other"]


def test_subset_follows_the_seed(make: Make) -> None:
    data = {"train": {"n": list(range(100)), "t": ["x"] * 100}, "test": {"n": [1, 2], "t": ["x"] * 2}}
    one = column(make(data, {"step": "subset", "rows": 10, "seed": 1}), "n")
    assert one == column(make(data, {"step": "subset", "rows": 10, "seed": 1}), "n") == sorted(one) and len(one) == 10
    assert one != column(make(data, {"step": "subset", "rows": 10, "seed": 2}), "n")


SIXTY: dict[str, Any] = {
    "n": list(range(60)),
    "t": [f"t{i}" for i in range(60)],
    "label": ["a", "b", "b"] * 20,
    "by": [i // 4 for i in range(60)],
}
PARTS = {"train": 0.7, "validation": 0.1, "test": 0.2}


@pytest.mark.parametrize("by", ["random", "stratified", "group", "time"])
def test_splitting(by: str, make: Make) -> None:
    named = {"stratified": "label", "group": "by", "time": "n"}.get(by)
    step = {"step": "split", "parts": PARTS, "by": by, **({"column": named} if named else {})}
    result = make({"train": SIXTY}, step)
    numbers = {name: column(result, "n", name) for name in PARTS}
    assert sorted(n for part in numbers.values() for n in part) == list(range(60)), "each row is in one part"
    if by == "group":
        groups = [set(column(result, "by", name)) for name in PARTS]
        assert not groups[0] & groups[1] and not groups[0] & groups[2] and not groups[1] & groups[2]
        assert abs(len(numbers["train"]) - 42) <= 4
    else:
        assert [len(numbers[name]) for name in PARTS] == [42, 6, 12]
    if by == "stratified":
        assert [column(result, "label", name).count("a") for name in PARTS] == [14, 2, 4]
    if by == "time":
        assert max(numbers["train"]) < min(numbers["validation"]) and max(numbers["validation"]) < min(numbers["test"])


def test_splitting_one_of_several(make: Make) -> None:
    data = {"train": SIXTY, "test": {k: v[:5] for k, v in SIXTY.items()}}
    result = make(data, {"step": "split", "split": "train", "parts": {"train": 0.9, "validation": 0.1}, "by": "random"})
    assert {name: part.rows for name, part in result.splits.items()} == {"train": 54, "validation": 6, "test": 5}


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ({"step": "filter", "where": [{"column": "n", "op": "between", "low": 99}]}, "no row is left"),
        ({"step": "filter", "where": [{"column": "n", "values": ["1"]}], "splits": ["dev"]}, "no split 'dev'"),
        ({"step": "columns", "keep": ["nobody"]}, "no column 'nobody'"),
        ({"step": "rename", "names": {"n": "t"}}, "two columns would be called 't'"),
        ({"step": "clean_text", "columns": ["n"]}, "no text to repair"),
        ({"step": "drop_leaks", "columns": ["t"]}, "the only split"),
        ({"step": "split", "parts": {"a": 0.999, "b": 0.001}, "by": "random"}, "'b' would have no row"),
        ({"step": "split", "parts": PARTS, "by": "time", "column": "l"}, "no order"),
        ({"step": "map_labels", "column": "l", "labels": {"a": "b"}}, "holds list values"),
    ],
)
def test_a_step_that_cannot_be_done_leaves_nothing(
    step: Any, says: str, make: Make, tmp_path: Path, settings: Settings
) -> None:
    make({"train": {"t": ["a", "b"], "n": [1, 2], "l": [[1, 2], [2, 1]]}})
    before = sorted(settings.datasets.iterdir())
    with pytest.raises(DataError, match=says):
        prepare(spec_of(tmp_path / "data", step), settings)
    assert sorted(settings.datasets.iterdir()) == before


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ({"step": "explode"}, "'explode' is not one of 'filter'"),
        ({"rows": 5}, "does not say what it is; give it a step"),
        ({"step": "filter", "where": []}, "at least 1 item"),
        ({"step": "split", "parts": {"a": 0.5, "b": 0.4}, "by": "random"}, "add up to 0.9"),
        ({"step": "split", "parts": {"a": 1.5, "b": -0.5}, "by": "random"}, "between 0 and 1"),
        ({"step": "split", "parts": {"a": 0.5, "b": 0.5}}, "name the column"),
        ({"step": "rename", "names": {"a": " "}}, "1 to 1,000 characters"),
        ({"step": "subset", "rows": 0}, "too small"),
        ({"step": "deduplicate", "threshold": 0.1}, "too small"),
        ({"step": "filter", "where": [{"column": "a", "values": ["x"]}], "code": "1"}, "no such field"),
    ],
)
def test_a_wrong_step_gets_a_sentence(step: Any, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        build({"steps": [step]}, DataSpec)


def test_previews_tell_what_is_then_done(make: Make) -> None:
    texts = ["One", "one", "cafÃ©", "two", "three", "four"]
    data = {"train": {"t": texts, "label": ["a", "b", "a", "b", "a", "b"]}}
    whole = make(data)
    for step in (
        {"step": "deduplicate", "columns": ["t"]},
        {"step": "drop_conflicts", "columns": ["t"], "label": "label"},
        {"step": "clean_text", "columns": ["t"]},
        {"step": "subset", "rows": 2},
        {"step": "split", "parts": {"train": 0.5, "test": 0.5}, "by": "random"},
    ):
        (built,) = spec_of(Path("x"), step).steps
        effect = preview(whole, built)
        result = make(data, step)
        assert effect.after == {name: part.rows for name, part in result.splits.items()}, step_words(built)
        gone = set(range(6)) - {texts.index(t) for t in column(result, "t") if t in texts}
        if step["step"] in ("deduplicate", "drop_conflicts", "subset"):
            assert set(effect.removed) == gone
        if step["step"] == "clean_text":
            assert effect.changed == (("cafÃ©", "café"),)


def test_steps_go_through_yaml_and_reuse_what_is_done(make: Make, tmp_path: Path, settings: Settings) -> None:
    steps: list[dict[str, Any]] = [
        {"step": "subset", "rows": 4},
        {"step": "filter", "where": [{"column": "n", "op": "between", "low": 1}]},
    ]
    result = make({"train": {"t": list("abcdefgh"), "n": list(range(8))}}, *steps)
    data = spec_of(tmp_path / "data", *steps)
    again = from_yaml(to_yaml(RunSpec(data=data))).data
    assert again == data and find_prepared(again, settings) is not None
    assert find_prepared(until_step(data, 1), settings) is None, "what lies between is not kept"
    assert not list(result.folder.glob("step-*"))
    assert [note for note in result.notes if note.text.startswith("Keep")], "what was done is said"


def test_a_run_trains_on_what_was_prepared(settings: Settings) -> None:
    where = [{"column": "label", "values": ["1 star", "5 stars"]}]
    steps = [
        {"step": "filter", "where": where},
        {"step": "split", "parts": {"train": 0.8, "test": 0.2}, "column": "label"},
    ]
    loaded = load(build({"steps": steps}, DataSpec), settings)
    assert set(loaded.dataset["train"].unique("label")) == {0, 4}
    assert len(loaded.dataset["eval"]) == pytest.approx(0.25 * len(loaded.dataset["train"]), rel=0.02)


def test_exports_open_without_harm(make: Make) -> None:
    texts = [
        "=1+1",
        "+cmd|' /C calc'!A0",
        "-5",
        "-x",
        "@SUM(A1)",
        '"quoted", too',
        "line\nbreak",
        "日本",
        None,
        "\t=tab",
    ]
    prepared = make({"train": {"=t": texts, "n": [-1.5] * 10, "l": [[1, 2]] * 10}})
    with export(prepared, "train", "csv").open(encoding="utf-8-sig", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["'=t", "n", "l"]
    assert [row[0] for row in rows] == [
        "'=1+1", "'+cmd|' /C calc'!A0", "-5", "'-x", "'@SUM(A1)", '"quoted", too', "line\nbreak", "日本", "", "'\t=tab",
    ]  # fmt: skip
    assert rows[0][1:] == ["-1.5", "[1, 2]"]
    assert pq.read_table(export(prepared, "train", "parquet")).to_pylist() == rows_of(prepared)


def test_exports_name_the_classes(settings: Settings) -> None:
    prepared = prepare(DataSpec(), settings)
    table = pq.read_table(export(prepared, "test", "parquet"))
    assert set(table.column("label").to_pylist()) == {"1 star", "2 stars", "3 stars", "4 stars", "5 stars"}


def test_splits_in_other_scripts_are_exported_apart(make: Make) -> None:
    prepared = make({"日本": {"t": ["京都"]}, "中国": {"t": ["北京"]}})
    assert {name: pq.read_table(export(prepared, name, "parquet")).to_pylist()[0]["t"] for name in prepared.splits} == {
        "日本": "京都",
        "中国": "北京",
    }


def test_labels_that_are_numbers_read_alike_in_all_batches_and_splits(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "BATCH_ROWS", 2)
    step = {"step": "map_labels", "column": "l", "labels": {"1": "bad", "1.0": "bad"}, "splits": ["train"]}
    result = make({"train": {"l": [1.0, 2.0, 2.5, 1.0]}, "test": {"l": [2.0]}}, step)
    assert column(result, "l") == ["bad", "2", "2.5", "bad"] or column(result, "l") == ["bad", "2.0", "2.5", "bad"]
    assert len({len(v) for v in [*column(result, "l")[1:2], *column(result, "l", "test")]}) == 1
    whole = make({"train": {"l": [1.0, 2.0, 3.0]}, "test": {"l": [2.0]}}, step)
    assert column(whole, "l") == ["bad", "2", "3"] and column(whole, "l", "test") == ["2"]


def test_empty_texts_are_not_like_one_another(make: Make) -> None:
    splits = {"train": {"t": ["", " ", None, "a b", "A  b"], "l": [0, 1, 1, 0, 1]}, "test": {"t": [" "], "l": [0]}}
    for step in (
        {"step": "deduplicate", "columns": ["t"]},
        {"step": "drop_conflicts", "columns": ["t"], "label": "l"},
        {"step": "drop_leaks", "columns": ["t"], "split": "train"},
    ):
        kept = column(make(splits, step), "t")
        assert kept[:3] == ["", " ", None], step
        assert len(kept) == {"deduplicate": 4, "drop_conflicts": 3, "drop_leaks": 5}[str(step["step"])]


def test_labels_are_corrected_by_text(make: Make, settings: Settings) -> None:
    texts = ["good one", "bad one", "good one", "other"]
    one, two, three = (str(n) for n in text_ids([["good one"], ["bad one"], ["other"]]))
    step = {"step": "correct_labels", "columns": ["t"], "label": "l", "labels": {one: "5", two: "1"}, "drop": [three]}
    splits = {"train": {"t": texts, "l": [1, 5, 1, 3]}, "test": {"t": ["good one"], "l": [1]}}
    corrected = make(splits, step)
    assert (
        column(corrected, "l") == [5, 1, 5]
        and column(corrected, "t") == texts[:3]
        and column(corrected, "l", "test") == [5]
    )
    only_test = make(splits, {**step, "splits": ["test"]})
    assert column(only_test, "l") == [1, 5, 1, 3] and column(only_test, "l", "test") == [5]
    whole = make(splits)
    effect = preview(whole, build({"steps": [step]}, DataSpec).steps[0])
    assert (
        effect.before == {"train": 4, "test": 1} and effect.after == {"train": 3, "test": 1} and effect.removed == (3,)
    )
    assert effect.changed[0] == ("1: good one", "5: good one")
    with pytest.raises(DataError, match="'five' is not a value of 'l', which holds integer values"):
        make(splits, {**step, "labels": {one: "five"}})

    reviews = prepare(DataSpec(), settings)
    text = column(reviews, "text")[0]
    number = str(text_ids([[text]])[0])
    fixed = {"step": "correct_labels", "columns": ["text"], "label": "label", "labels": {number: "1 star"}}
    corrected = prepare(build({"steps": [fixed]}, DataSpec), settings)
    assert rows_of(corrected)[0]["label"] == 0
    with pytest.raises(DataError, match="not a class of 'label'; the classes are 1 star"):
        prepare(build({"steps": [{**fixed, "labels": {number: "6 stars"}}]}, DataSpec), settings)


@pytest.mark.parametrize("number", ["-1", "abc", "١٢", "99999999999999999999999", ""])
def test_what_is_no_text_id(number: str) -> None:
    with pytest.raises(SpecError, match="no text id"):
        build({"steps": [{"step": "correct_labels", "columns": ["t"], "label": "l", "drop": [number]}]}, DataSpec)
