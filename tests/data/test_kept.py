"""Kept files that a power cut, a bad disk or a person damaged are made again, with the same result."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from core import files, seals
from core.data import prepared_folder
from core.data.browsing import database, export, matches, tokens
from core.data.browsing.view import View
from core.data.dataset import Prepared
from core.data.inspecting import profile, reviews
from core.data.inspecting.problems import inspection
from core.data.loading import holdout, load, split_dataset
from core.data.prepare import find_prepared, prepare
from core.models import scratch
from core.settings import Settings
from core.spec.data import DataSpec
from core.spec.model import ModelSpec
from core.spec.run import build
from core.spec.steps import Condition


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def zeroed(path: Path) -> None:
    """Damages a file like unwritten data: zeros of the right size."""
    path.write_bytes(bytes(path.stat().st_size))


def garbled(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for place in range(len(content) // 3, len(content), 7):
        content[place] ^= 0x15
    path.write_bytes(content)


def garbled_unseen(path: Path) -> None:
    """Keeps the time of change, as a bad disk does."""
    state = path.stat()
    garbled(path)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


DAMAGES = (cut, emptied, zeroed, garbled, garbled_unseen, Path.unlink)
damages = pytest.mark.parametrize("damage", DAMAGES, ids=lambda d: d.__name__)


@pytest.fixture(autouse=True)
def new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seals, "_known", {})


@pytest.fixture
def source(tmp_path: Path) -> DataSpec:
    rows = "".join(f"text number {n} about things,{'good' if n % 2 else 'bad'}\n" for n in range(200))
    (tmp_path / "a.csv").write_text(f"text,label\n{rows}")
    return DataSpec(source="file", path=str(tmp_path / "a.csv"))


def rows_of(dataset: Prepared) -> dict[str, list[Any]]:
    return {name: pq.read_table(part.path).to_pylist() for name, part in dataset.splits.items()}


STEPS = [
    {"step": "filter", "where": [{"column": "label", "values": ["good"]}]},
    {"step": "rename", "names": {"text": "words"}},
]


@pytest.mark.parametrize("kind", ["file", "sample", "steps"])
@damages
def test_a_damaged_dataset_is_prepared_again(
    kind: str, damage: Callable[[Path], None], source: DataSpec, settings: Settings
) -> None:
    stepped: DataSpec = build({**source.model_dump(), "steps": STEPS}, DataSpec)
    data = {"file": source, "sample": DataSpec(), "steps": stepped}[kind]
    first = prepare(data, settings)
    expected = rows_of(first)
    for name in [*(part.path.name for part in first.splits.values()), prepared_folder.MANIFEST]:
        damage(first.folder / name)
        seals._known.clear()  # as another process
        assert find_prepared(data, settings) is None, name
        assert rows_of(prepare(data, settings)) == expected
        assert find_prepared(data, settings) is not None
        assert not list(settings.datasets.glob(".*")), "nothing half-made stays"


def test_a_manifest_that_is_other_json_is_none(source: DataSpec, settings: Settings) -> None:
    first = prepare(source, settings)
    manifest = first.folder / prepared_folder.MANIFEST
    whole = manifest.read_text()
    for text in (
        "null",
        "[]",
        "{}",
        "3",
        '"x"',
        whole.replace('"good"', '"best"'),
        whole.replace("200", "201"),
        whole.replace('"text"', '"texts"', 1),
    ):
        manifest.write_text(text)
        assert text == whole or find_prepared(source, settings) is None, text[:50]
    assert rows_of(prepare(source, settings)) == rows_of(first)


def test_what_a_person_has_judged_outlives_the_damage(source: DataSpec, settings: Settings) -> None:
    first = prepare(source, settings)
    reviews.keep(first, ["1", "2"], settings)
    zeroed(first.splits["train"].path)
    assert reviews.reviewed(prepare(source, settings)) == {"1", "2"}


def test_what_a_person_has_judged_outlives_a_new_version(source: DataSpec, settings: Settings) -> None:
    """The dataset is prepared again, with another fingerprint."""
    first = prepare(source, settings)
    earlier = first.folder.rename(settings.datasets / "earlier")
    manifest = json.loads((earlier / "manifest.json").read_text())
    for name, title in (("earlier", manifest["title"]), ("other", "another file")):
        (settings.datasets / name).mkdir(exist_ok=True)
        text = json.dumps(manifest | {"format": 1, "title": title})
        (settings.datasets / name / "manifest.json").write_text(text)
        (settings.datasets / name / "labels-reviewed.json").write_text(json.dumps([f"in {name}"]))
    again = prepare(source, settings)
    assert reviews.reviewed(again) == {"in earlier"}
    reviews.keep(again, ["now"], settings)
    assert reviews.reviewed(prepare(source, settings)) == {"in earlier", "now"}


def test_a_copied_home_is_used_as_it_is(source: DataSpec, settings: Settings) -> None:
    """The files have new times of change, so they are read once more and are recognised from then on."""
    first = prepare(source, settings)
    path = first.splits["train"].path
    sealed = path.stat().st_mtime_ns
    os.utime(path, (1, 1))
    assert find_prepared(source, settings) == first
    assert path.stat().st_mtime_ns == sealed


def test_a_file_whose_time_cannot_be_set_is_read_once_a_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copied home that is read-only, and a disk with coarse times."""
    path = tmp_path / "kept.json"
    seals.write_text(path, "kept")
    os.utime(path, (1, 1))

    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError

    def coarsely(path: Path, ns: tuple[int, int], utime: Callable[..., None] = os.utime) -> None:
        utime(path, ns=(ns[0], ns[1] - ns[1] % 2_000_000_000 - 2_000_000_000))

    checksum, read = seals.checksum, list[Path]()

    def counting(path: Path) -> str:
        read.append(path)
        return checksum(path)

    monkeypatch.setattr(seals, "checksum", counting)
    for set_time in (refused, coarsely):
        monkeypatch.setattr(seals, "_known", {})
        monkeypatch.setattr(os, "utime", set_time)
        read.clear()
        assert [seals.read_text(path) for _ in range(3)] == ["kept"] * 3
        assert len(read) == 1


def test_a_prepared_dataset_is_found_without_reading_it(
    source: DataSpec, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepare(source, settings)
    monkeypatch.setattr(seals, "SMALL", 0)
    monkeypatch.setattr(seals, "checksum", None)
    assert find_prepared(source, settings) == first


def test_everything_is_synced_before_it_counts(
    source: DataSpec, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    monkeypatch.setattr(prepared_folder, "sync", lambda path: order.append(path.name))
    monkeypatch.setattr(files, "sync", lambda path: order.append(path.name.partition(".json")[0]))
    first = prepare(source, settings)
    assert order.index(first.splits["train"].path.name) < order.index("manifest") < order.index("datasets")


def keys(dataset: Prepared, settings: Settings) -> Any:
    return holdout.keys_of(dataset, "train", ("text",)).tolist()


def view(dataset: Prepared, settings: Settings) -> Any:
    seen = View(where=(Condition(column="label", values=("good",)),), sort="text", descending=True)
    return matches.row_numbers(dataset, "train", seen).tolist()


def vocabulary(dataset: Prepared, settings: Settings) -> Any:
    path = tokens.tokenizer_for(ModelSpec(name="scratch"), dataset, "train", ["text"], settings)
    assert path is not None
    return path.read_text()


def profiled(dataset: Prepared, settings: Settings) -> Any:
    kept = profile.find_profile(dataset, ["text"], "label", None)
    return kept if kept is not None else profile.profile(dataset, ["text"], "label", None)


def findings(dataset: Prepared, settings: Settings) -> Any:
    data = DataSpec(text_columns=("text",), label_column="label")
    kept = inspection.find_inspection(dataset, data)
    return kept if kept is not None else inspection.inspect(dataset, data)


def exported(dataset: Prepared, settings: Settings) -> Any:
    return export.export(dataset, "train", "csv").read_bytes()


def loaded_rows(dataset: Prepared, settings: Settings) -> Any:
    data = DataSpec(
        source="file", path=str(settings.home.parent / "a.csv"), text_columns=("text",), label_column="label"
    )
    loaded = load.load(data, settings)
    assert loaded.dataset["train"].cache_files
    return {name: part.to_dict() for name, part in loaded.dataset.items()}, [note.text for note in loaded.notes]


KEPT: dict[str, Callable[[Prepared, Settings], Any]] = {
    "keys-*.npy": keys,
    f"{database.SPILL}/*.npy": view,
    "scratch-*.json": vocabulary,
    "profile-*.json": profiled,
    "problems-*.json": findings,
    "exports/*.csv": exported,
    "train-*.arrow": loaded_rows,
}


@pytest.mark.parametrize("pattern", KEPT)
@damages
def test_what_is_kept_with_a_dataset_is_made_again(
    pattern: str, damage: Callable[[Path], None], source: DataSpec, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(split_dataset, "IN_MEMORY_BYTES", 0)
    dataset, make = prepare(source, settings), KEPT[pattern]
    expected = make(dataset, settings)
    for suffix in ("", seals.SUFFIX):
        paths = list(dataset.folder.glob(pattern + suffix))
        assert paths
        for path in paths:
            damage(path)
        seals._known.clear()
        assert make(dataset, settings) == expected
        assert all(seals.info(path) is not None for path in dataset.folder.glob(pattern))


def test_it_is_used_again_while_it_is_whole(
    source: DataSpec, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = prepare(source, settings)
    expected = {pattern: make(dataset, settings) for pattern, make in KEPT.items() if "arrow" not in pattern}
    for module, name in (
        (matches, "_search"),
        (holdout, "text_keys"),
        (profile, "_split"),
        (inspection, "near_copies"),
        (export, "tables"),
        (scratch, "train_wordpiece"),
    ):
        monkeypatch.setattr(module, name, None)
    assert {pattern: KEPT[pattern](dataset, settings) for pattern in expected} == expected
    assert np.array_equal(keys(dataset, settings), expected["keys-*.npy"])


def test_notes_are_kept_with_their_ids_and_those_of_an_earlier_version_without(
    tmp_path: Path, settings: Settings
) -> None:
    path = tmp_path / "data.csv"
    path.write_text("text,label\none,a\n\ntwo,b\n", encoding="utf-8")
    prepared = prepare(DataSpec(source="file", path=str(path)), settings)
    opened = prepared_folder.open_folder(prepared.folder)
    assert opened is not None and opened.notes == prepared.notes
    (skipped,) = [note for note in opened.notes if note.id == "blank-lines-skipped"]
    assert skipped.arguments == {"name": "data.csv", "count": 1}

    manifest = prepared.folder / prepared_folder.MANIFEST
    tree = json.loads(manifest.read_text(encoding="ascii"))
    del tree["checksum"]
    tree["notes"] = [{"text": note["text"], "level": note["level"]} for note in tree["notes"]]
    manifest.write_text(json.dumps(tree), encoding="ascii")
    old = prepared_folder.open_folder(prepared.folder)
    assert old is not None and [note.text for note in old.notes] == [note.text for note in prepared.notes]
    assert {note.id for note in old.notes} == {""} and old.notes[0].arguments == {}
