"""Searching and describing datasets of the Hub before a download."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from core.errors import DataError, HubError
from tests.hub import calls
from tests.hub_server.client import Client
from tests.hub_server.contents import as_csv, as_parquet, reviews
from tests.hub_server.repos import Faults
from tests.hub_server.server import GOOD_TOKEN, LoopbackHub

CARD = """---
license: cc-by-4.0
language: [en, ja]
dataset_info:
- config_name: first
  splits: [{name: train, num_examples: 80}, {name: test, num_examples: 20}]
- config_name: second
  splits: [{name: train}]
---
# Reviews <script>alert(1)</script>
"""


@pytest.fixture
def wanted(warm: Client, shared_hub: LoopbackHub) -> None:
    """Creates two datasets that no other test uses, and downloads one of them."""
    for name in ("tiny/wanted-here", "tiny/wanted-there"):
        shared_hub.dataset(name, {"train.csv": as_csv(reviews(5))})
    warm.call(calls.prepare, "tiny/wanted-here")


def test_search_finds_by_name_and_tells_what_is_here(wanted: None, warm: Client) -> None:
    hits = warm.call(calls.find_datasets, "wanted")
    assert hits["answered"] and hits["found"] == {"tiny/wanted-here": True, "tiny/wanted-there": False}
    assert warm.call(calls.find_datasets, "no such thing")["found"] == {}


def test_search_without_a_hub_lists_what_is_here(wanted: None, start: Callable[..., Client]) -> None:
    offline = start({"HF_ENDPOINT": "http://127.0.0.1:9"})
    hits = offline.call(calls.find_datasets, "wanted")
    assert not hits["answered"] and hits["found"] == {"tiny/wanted-here": True}


def test_the_card_is_read_and_nothing_else_is_fetched(warm: Client, shared_hub: LoopbackHub) -> None:
    train = as_parquet(reviews(80), ["bad", "good"])
    shared_hub.dataset("tiny/looked-at", {"README.md": CARD, "data/train.parquet": train, "code.py": "boom"})
    card = warm.call(calls.look, "tiny/looked-at")
    assert (card["licence"], card["languages"], card["gated"]) == ("cc-by-4.0", ("en", "ja"), False)
    assert card["card"] == "# Reviews <script>alert(1)</script>"
    assert card["configs"] == (
        {"name": "first", "splits": {"train": 80, "test": 20}}, {"name": "second", "splits": {"train": None}},
    )  # fmt: skip
    assert (card["size"], card["files"]) == (len(train), ("data/train.parquet",))
    assert not shared_hub.seen("looked-at", "train.parquet")


def test_without_metadata_the_file_names_tell_the_splits(warm: Client) -> None:
    assert warm.call(calls.look, "tiny/CamelCase")["configs"] == (
        {"name": "default", "splits": {"train": None, "test": None}},
    )


@pytest.mark.parametrize("readme", ["---\n[broken: yaml\n---\ntext", "---\n- a\n---\ntext", "no metadata", "---\n"])
def test_a_broken_card_is_no_obstacle(readme: str, warm: Client, shared_hub: LoopbackHub) -> None:
    name = f"tiny/broken-card-{abs(hash(readme))}"
    shared_hub.dataset(name, {"README.md": readme, "train.csv": as_csv(reviews(5))})
    assert warm.call(calls.look, name)["configs"][0]["splits"] == {"train": None}


def test_first_rows_without_a_download(warm: Client, shared_hub: LoopbackHub) -> None:
    many = reviews(30_000)
    shared_hub.dataset("tiny/previewed", {"train.csv": as_csv(many), "test.parquet": as_parquet(many, ["bad", "good"])})
    rows = warm.call(calls.preview, "tiny/previewed", "train.csv")
    assert len(rows) == 20 and rows[0]["text"] == many[0]["text"]
    rows = warm.call(calls.preview, "tiny/previewed", "test.parquet")
    assert len(rows) == 20 and rows[0]["text"] == many[0]["text"]
    rows = warm.call(calls.preview, "tiny/several", "short.jsonl")
    assert rows and rows[0]["text"]


def test_what_cannot_be_looked_at_is_explained(
    warm: Client, start: Callable[..., Client], shared_hub: LoopbackHub
) -> None:
    with pytest.raises(HubError, match="nobody/nothing"):
        warm.call(calls.look, "nobody/nothing")
    with pytest.raises(HubError, match="id"):
        warm.call(calls.look, "not an id")
    with pytest.raises(DataError, match="has no preview"):
        warm.call(calls.preview, "tiny/several", "../secret.csv")
    shared_hub.dataset("tiny/gated-look", {"README.md": "x", "train.csv": as_csv(reviews(5))}, gated=True)
    with pytest.raises(HubError, match="gated-look"):
        warm.call(calls.preview, "tiny/gated-look", "train.csv")
    shared_hub.repos["dataset", "tiny/gated-look"].readers.add("alice")
    assert start({"HF_TOKEN": GOOD_TOKEN}).call(calls.preview, "tiny/gated-look", "train.csv")
    shared_hub.dataset("tiny/failing-look", {"train.csv": as_csv(reviews(5))}).faults = Faults(status=404)
    with pytest.raises(HubError, match="failing-look"):
        warm.call(calls.look, "tiny/failing-look")
