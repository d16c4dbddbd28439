"""Datasets of the Hub become Parquet with their class names; refusals explain themselves."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import DataError, HubError
from tests.hub import calls
from tests.hub_server.client import Client
from tests.hub_server.contents import as_csv, as_parquet, card, reviews
from tests.hub_server.server import LoopbackHub


def test_splits_and_class_names_arrive(warm: Client) -> None:
    prepared = warm.call(calls.prepare, "tiny/reviews")
    train, test = prepared["splits"]["train"], prepared["splits"]["test"]
    assert (train["rows"], test["rows"]) == (80, 20)
    assert train["columns"] == ["text", "label"]
    assert train["first"] == reviews(80)[0]
    assert train["label"] == ["bad", "good"]
    assert '"names": ["bad", "good"]' in train["metadata"], "class names are in the Parquet file itself"
    assert prepared["notes"] == []


def test_progress_tells_the_phases(warm: Client, shared_hub: LoopbackHub) -> None:
    shared_hub.dataset("tiny/for-progress", {"train.csv": as_csv(reviews(3000))})
    progress = warm.call(calls.prepare, "tiny/for-progress")["progress"]
    assert {text for text, share in progress if share == 1} == {
        "Downloading tiny/for-progress: 216 kB of 216 kB",
        "Writing",
    }
    phases = list(dict.fromkeys(text.split(":")[0] for text, _ in progress))
    assert phases == ["Looking up tiny/for-progress", "Downloading tiny/for-progress", "Reading train", "Writing"]


def test_a_configuration_is_chosen_by_name(warm: Client) -> None:
    assert warm.call(calls.prepare, "tiny/several", "long")["splits"].keys() == {"train", "test"}
    assert warm.call(calls.prepare, "tiny/several", "short")["splits"]["train"]["rows"] == 20
    assert warm.call(calls.prepare, "tiny/several-default")["splits"]["train"]["rows"] == 80


def test_only_the_files_of_the_configuration_are_fetched(warm: Client, shared_hub: LoopbackHub) -> None:
    repo = shared_hub.repos["dataset", "tiny/several"]
    shared_hub.dataset("tiny/several-two", {p: f.content for p, f in repo.commits[repo.refs["main"]].items()})
    warm.call(calls.prepare, "tiny/several-two", "short")
    assert shared_hub.seen("several-two", "/short.jsonl")
    assert not shared_hub.seen("several-two", "/long/train.jsonl")


def test_a_revision_is_what_it_says(warm: Client) -> None:
    assert warm.call(calls.prepare, "tiny/reviews", None, "v1")["splits"]["train"]["rows"] == 60
    assert warm.call(calls.prepare, "tiny/reviews")["splits"]["train"]["rows"] == 80


def test_a_name_without_owner_is_the_one_that_the_hub_moved(warm: Client) -> None:
    assert warm.call(calls.prepare, "reviews")["splits"]["train"]["rows"] == 80


@pytest.mark.parametrize(
    ("name", "config", "kind", "says"),
    [
        ("no/such-data", None, HubError, "no dataset 'no/such-data'"),
        ("tiny/private-data", None, HubError, "or it is private; check the spelling, or set HF_TOKEN"),
        ("tiny/gated-data", None, HubError, "accept its terms at .*/datasets/tiny/gated-data, then set HF_TOKEN"),
        ("tiny/several", None, DataError, "several configurations: short, long; choose one in data.config"),
        ("tiny/several", "medium", DataError, "no configuration 'medium'; it has short, long"),
        ("odd/script", None, DataError, r"own script \(script.py\), which is not run"),
        ("odd/other-script", None, DataError, r"own script \(loader.py\), which is not run"),
        ("odd/empty", None, DataError, "no CSV, JSON, Parquet, Arrow or text files"),
        ("odd/pictures", None, DataError, "no CSV, JSON, Parquet, Arrow or text files"),
        ("odd/broken-csv", None, DataError, "could not be read: .*Expected 2 fields in line 4, saw 5"),
        ("odd/broken-parquet", None, DataError, "could not be read: Parquet magic bytes not found"),
        ("odd/broken-gzip", None, DataError, "could not be read"),
        ("odd/wrong-encoding", None, DataError, "could not be read: .*UTF8"),
        ("odd/columns-differ", None, DataError, "do not have the same columns: .*'other'"),
        ("odd/huge-data", None, HubError, "needs 1,000.0 TB, but the disk"),
        ("plain-dataset", None, DataError, "has no owner; give the dataset's id as owner/name"),
        ("csv", None, HubError, "no dataset 'csv'"),
        ("faulty/rate-limited-data", None, HubError, "429.*wait some minutes"),
        ("faulty/always-cut-data", None, HubError, "connection was cut"),
        ("../../etc", None, HubError, "not a Hub id|too many parts"),
    ],
)
def test_each_thing_wrong_has_its_sentence(
    warm: Client, name: str, config: str | None, kind: type[Exception], says: str
) -> None:
    with pytest.raises(kind, match=says) as caught:
        warm.call(calls.prepare, name, config)
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)


def test_a_missing_revision(warm: Client) -> None:
    with pytest.raises(HubError, match="'tiny/reviews' has no revision 'v9'"):
        warm.call(calls.prepare, "tiny/reviews", None, "v9")


def test_code_from_the_hub_is_not_even_fetched(warm: Client, shared_hub: LoopbackHub) -> None:
    for name in ("odd/script", "odd/other-script"):
        with pytest.raises(DataError):
            warm.call(calls.prepare, name)
    assert not [r for r in shared_hub.requests if r.method == "GET" and r.path.endswith(".py")]


@pytest.mark.parametrize(
    "place",
    ["{home}/x.csv", "file://{home}/x.csv", "zip://*.csv::{home}/x.zip", "hf://datasets/tiny/CamelCase/train.csv"],
)
def test_a_card_cannot_point_out_of_its_repository(
    warm: Client, shared_hub: LoopbackHub, hf_home: Path, tmp_path: Path, place: str
) -> None:
    (tmp_path / "x.csv").write_bytes(b"text,label\nonly for me,1\n")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.write(tmp_path / "x.csv", "x.csv")
    name = f"odd/outside-{zlib.crc32(place.encode())}"
    readme = card({"default": {"train": place.format(home=tmp_path, name=name)}})
    shared_hub.dataset(name, {"README.md": readme, "train.csv": as_csv(reviews(4))})
    with pytest.raises(DataError, match="points to files outside its own repository, which are not opened") as caught:
        warm.call(calls.prepare, name)
    assert caught.value.field == "data.path"
    assert not [p for p in hf_home.rglob("*.arrow") if b"only for me" in p.read_bytes()]


def test_without_network_the_cache_does(start: Callable[..., Client], warm: Client) -> None:
    online = warm.call(calls.prepare, "tiny/reviews")
    warm.call(calls.prepare, "tiny/reviews", None, "v1")
    warm.call(calls.prepare, "tiny/CamelCase")
    for config in ("short", "long"):
        warm.call(calls.prepare, "tiny/several", config)
    offline = start({"HF_HUB_OFFLINE": "1"})
    again = offline.call(calls.prepare, "tiny/reviews")
    assert again["splits"] == online["splits"]
    assert "could not be reached; the copy of tiny/reviews that this machine has is used" in again["notes"][0]
    assert offline.call(calls.prepare, "reviews")["splits"] == online["splits"]
    assert offline.call(calls.prepare, "tiny/reviews", None, "v1")["splits"]["train"]["rows"] == 60
    assert offline.call(calls.prepare, "tiny/CamelCase")["splits"]["test"]["rows"] == 20
    assert offline.call(calls.prepare, "tiny/several", "short")["splits"]["train"]["rows"] == 20
    with pytest.raises(DataError, match="several configurations of tiny/several: long, short; choose one"):
        offline.call(calls.prepare, "tiny/several")
    with pytest.raises(HubError, match="HF_HUB_OFFLINE forbids to fetch it"):
        offline.call(calls.prepare, "tiny/other")


def test_a_hub_that_went_away_leaves_the_cache(start: Callable[..., Client], warm: Client) -> None:
    warm.call(calls.prepare, "tiny/reviews")
    away = start({"HF_ENDPOINT": "http://127.0.0.1:9"})
    assert away.call(calls.prepare, "tiny/reviews")["notes"]
    with pytest.raises(HubError, match="cannot be reached, and 'tiny/other' is not in this machine's cache"):
        away.call(calls.prepare, "tiny/other")


def swapped(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    return [{**row, "label": 1 - int(str(row["label"]))} for row in rows]


def test_splits_that_number_their_classes_in_another_order(warm: Client, shared_hub: LoopbackHub) -> None:
    rows = reviews(20)
    train, test = as_parquet(rows, ["bad", "good"]), as_parquet(swapped(rows), ["good", "bad"])
    shared_hub.dataset("tiny/other-order", {"data/train.parquet": train, "data/test.parquet": test})
    prepared = warm.call(calls.labels, "tiny/other-order")
    wanted = [["bad", "good"][int(str(row["label"]))] for row in rows]
    assert prepared["names"] == {"train": wanted, "test": wanted}
    assert any("test numbers its classes good, bad, train bad, good" in note for note in prepared["notes"])
    assert "unpacked" not in prepared["files"]


def test_shards_of_the_hub_that_number_their_classes_in_another_order(warm: Client, shared_hub: LoopbackHub) -> None:
    rows = reviews(20)
    first, second = as_parquet(rows, ["bad", "good"]), as_parquet(swapped(rows), ["good", "bad"])
    files = {"data/train-00000-of-00002.parquet": first, "data/train-00001-of-00002.parquet": second}
    shared_hub.dataset("tiny/other-order-in-shards", files)
    prepared = warm.call(calls.labels, "tiny/other-order-in-shards")
    assert prepared["names"] == {"train": [["bad", "good"][int(str(row["label"]))] for row in rows] * 2}


def test_structs_of_the_hub_become_columns_as_those_of_files_do(warm: Client, shared_hub: LoopbackHub) -> None:
    rows = [row | {"meta": {"source": "web", "stars": n % 5}} for n, row in enumerate(reviews(20))]
    shared_hub.dataset("tiny/structs", {"data/train.parquet": as_parquet(rows)})
    prepared = warm.call(calls.labels, "tiny/structs")
    assert prepared["columns"][-2:] == ["meta.source", "meta.stars"]
    assert "What is inside structs has columns of its own: meta.source, meta.stars." in prepared["notes"]
