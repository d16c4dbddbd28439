"""Problems are found in datasets that have them, none in clean ones, and each remedy works."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core import seals
from core.data.dataset import Prepared
from core.data.inspecting.problems.finding import Finding
from core.data.inspecting.problems.inspection import find_inspection, inspect
from core.data.prepare import prepare
from core.messages import Message
from core.settings import Settings
from core.spec.data import DataSpec
from core.spec.run import build

LONG = "the waiter brought the wrong order twice and then argued with us about the bill for ten long minutes"
Look = Callable[..., dict[str, Finding]]


def texts(count: int, what: str = "row") -> list[str]:
    """Returns texts that have nothing in common."""
    return [" ".join(f"{what}{i}w{j}" for j in range(8)) for i in range(count)]


@pytest.fixture
def look(tmp_path: Path, settings: Settings) -> Look:
    """Returns `look({split: columns}, steps)`, which gives the findings by kind."""

    def found(splits: dict[str, dict[str, Any]], steps: Any = ()) -> dict[str, Finding]:
        folder = tmp_path / "data"
        folder.mkdir(exist_ok=True)
        for name, columns in splits.items():
            pq.write_table(pa.table(columns), folder / f"{name}.parquet")
        tree = {"source": "file", "path": str(folder), "text_columns": ["t"], "label_column": "label", "steps": steps}
        data: DataSpec = build(tree, DataSpec)
        prepared: Prepared = prepare(data, settings)
        findings = inspect(prepared, data)
        assert find_inspection(prepared, data) == findings
        assert len({f.kind + f.split for f in findings}) == len(findings)
        return {f.kind: f for f in findings}

    return found


def fine(count: int = 40) -> dict[str, Any]:
    return {"t": texts(count), "label": ["good", "poor"] * (count // 2)}


def changed(place: int, text: str | None = None, label: str | None = None) -> dict[str, Any]:
    data = fine()
    if text is not None:
        data["t"][place] = text
    if label is not None:
        data["label"][place] = label
    return data


def test_nothing_is_wrong(look: Look) -> None:
    test = {"t": texts(10, "test"), "label": ["good", "poor"] * 5}
    assert look({"train": fine(), "test": test}) == {}


CASES: dict[str, tuple[dict[str, dict[str, Any]], int, tuple[int, ...]]] = {
    "empty": ({"train": changed(3, " \u3000")}, 1, (3,)),
    "long": ({"train": changed(4, "x " * 4_000)}, 1, (4,)),
    "duplicates": ({"train": changed(2, texts(1)[0].upper() + " ")}, 1, (2,)),
    "near-duplicates": ({"train": {"t": [*texts(38), LONG, f"{LONG} later"], "label": fine()["label"]}}, 1, (39,)),
    "conflicts": ({"train": changed(1, texts(1)[0])}, 2, (0, 1)),
    "leak": ({"train": fine(), "test": {"t": [*texts(1), "new one"], "label": ["good", "poor"]}}, 1, (0,)),
    "near-leak": (
        {"train": changed(0, LONG), "test": {"t": ["new one", f"{LONG} later"], "label": ["good", "poor"]}},
        1,
        (1,),
    ),
    "encoding": ({"train": changed(7, "le cafÃ© Ã©tait trÃ¨s bon")}, 1, (7,)),
    "markup": ({"train": changed(7, "it wasn #39;t good<br />at &amp;c")}, 1, (7,)),
    "replacement": ({"train": changed(8, "le caf\ufffd")}, 1, (8,)),
    "control": ({"train": changed(9, "nul\x00 and zero\u200bwidth")}, 1, (9,)),
    "unlabelled": ({"train": {"t": texts(40), "label": [None, *fine()["label"][1:]]}}, 1, (0,)),
    "label-case": ({"train": changed(5, label="Good ")}, 1, ()),
    "label-spelling": (
        {"train": {"t": texts(60), "label": ["positive", "negative"] * 29 + ["postive", "negative"]}},
        1,
        (),
    ),
    "rare": ({"train": changed(6, label="strange")}, 1, ()),
    "imbalance": ({"train": {"t": texts(60), "label": ["good"] * 50 + ["poor"] * 10}}, 50, ()),
    "telltale": (
        {"train": {"t": [f"{t} good" if i % 2 == 0 else t for i, t in enumerate(texts(40))], "label": fine()["label"]}},
        20,
        tuple(range(0, 40, 2)),
    ),
    "constant": ({"train": {**fine(), "shop": ["A"] * 40}}, 1, ()),
    "ids": ({"train": {**fine(), "id": list(range(40))}}, 1, ()),
}


@pytest.mark.parametrize("kind", CASES)
def test_each_problem_is_found_and_its_remedy_works(kind: str, look: Look) -> None:
    splits, count, rows = CASES[kind]
    findings = look(splits)
    assert kind in findings, findings
    finding = findings[kind]
    assert (finding.count, finding.rows) == (count, rows)
    assert finding.title.id and finding.text.text.endswith(".") and bool(finding.steps) == bool(finding.remedy.text)
    if finding.steps:
        assert kind not in look(splits, list(finding.steps)), "the remedy removes the problem"


ALIKE = [
    ["caf\u00e9", "cafe\u0301"],
    ["neg", "neg\u200b", "\ufeffneg", "NEG\u00a0"],
    ["ok", "o\u00adk"],
    ["ｐｏｓ", "pos"],
]


@pytest.mark.parametrize("names", ALIKE)
def test_labels_that_look_the_same_become_one(look: Look, names: list[str]) -> None:
    labels = [*names, "other"] * 12
    splits = {"train": {"t": texts(len(labels)), "label": labels}}
    finding = look(splits)["label-case"]
    assert finding.count == len(names) - 1 and "\\u" in finding.text.text
    assert "label-case" not in look(splits, list(finding.steps))


def test_labels_that_look_the_same_are_found_among_many(look: Look) -> None:
    labels = [*(f"intent {i}" for i in range(70)), "intent\u200b 1"] * 2
    finding = look({"train": {"t": texts(len(labels)), "label": labels}})["label-case"]
    assert finding.steps[0]["labels"] == {"intent\u200b 1": "intent 1"}


def test_three_stars_are_no_misspelt_four_stars(look: Look) -> None:
    labels = ["3 stars"] * 29 + ["4 stars"] + ["3 stars"] * 30
    assert "label-spelling" not in look({"train": {"t": texts(60), "label": labels}})


def test_hostile_names_and_labels(look: Look, tmp_path: Path, settings: Settings) -> None:
    nasty = "x'; DROP TABLE data; --"
    data = {"t": texts(40), "label": [nasty, "it's"] * 20, 'a"b': ["same"] * 40}
    findings = look({"train": data})
    assert set(findings) == {"constant"}


def test_empty_texts_are_no_copies_leaks_or_contradictions(look: Look) -> None:
    data = fine()
    data["t"][0:3] = ["", " ", ""]
    findings = look({"train": data, "test": {"t": ["", *texts(3, "test")], "label": ["good", "poor", "good", "poor"]}})
    assert not {"duplicates", "leak", "conflicts"} & set(findings) and findings["empty"].count in (1, 3)


def test_findings_that_an_earlier_version_kept_are_sentences_without_ids(tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "data.csv"
    path.write_text("t,label\none text,a\nanother,b\n", encoding="utf-8")
    data = DataSpec(source="file", path=str(path), text_columns=("t",), label_column="label")
    prepared = prepare(data, settings)
    inspect(prepared, data)
    (kept,) = prepared.folder.glob("problems-*.json")
    old = {
        "kind": "empty", "severity": "low", "title": "2 rows of train without t", "text": "Nothing to read.",
        "count": 2, "split": "train", "rows": [0, 1], "steps": [{"step": "filter"}], "remedy": "Drop them",
        "sampled": False,
    }  # fmt: skip
    seals.write_text(kept, json.dumps([old]))
    (finding,) = find_inspection(prepared, data) or []
    assert (finding.title, finding.text) == (Message("2 rows of train without t"), Message("Nothing to read."))
    assert (finding.remedy.text, finding.rows, finding.steps) == ("Drop them", (0, 1), ({"step": "filter"},))
