"""The loopback Hub works with unmodified libraries, and fails as tests ask it to."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.hub import calls, pushing
from tests.hub_server.client import Client
from tests.hub_server.server import GOOD_TOKEN, LoopbackHub


def get(url: str, method: str = "GET", **headers: str) -> tuple[int, Mapping[str, str], bytes]:
    """Returns status, headers and body for any status; follows redirects."""
    request = urllib.request.Request(url, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def test_transformers_loads_from_it_and_from_what_was_fetched(warm: Client, shared_hub: LoopbackHub) -> None:
    online = warm.call(calls.load_with_transformers, "tiny/bert")
    assert online["tokens"] == ["[CLS]", "the", "food", "was", "wonderful", "[SEP]"]
    assert online["missing"] == ["classifier.bias", "classifier.weight"], "all but the new head came from the Hub"
    folder = warm.call(calls.fetch_model, "tiny/bert")["folder"]
    count = len(shared_hub.requests)
    assert warm.call(calls.load_with_transformers, str(folder)) == online
    assert len(shared_hub.requests) == count, "a folder needs no Hub"


def test_datasets_loads_from_it(warm: Client) -> None:
    assert warm.call(calls.load_with_datasets, "tiny/reviews") == {"train": 80, "test": 20}
    assert warm.call(calls.load_with_datasets, "tiny/several", "long") == {"train": 80, "test": 20}


def test_search_and_whoami(start: Callable[..., Client]) -> None:
    answers = start({"HF_TOKEN": GOOD_TOKEN}).call(calls.search, "review")
    assert "tiny/reviews" in answers["datasets"] and answers["models"] == []
    assert answers["you"] == ["alice"]


def test_ranges_and_headers(hub: LoopbackHub) -> None:
    url = f"{hub.endpoint}/tiny/bert/resolve/main/config.json"
    repo = hub.repos["model", "tiny/bert"]
    content = repo.commits[repo.refs["main"]]["config.json"].content
    status, headers, body = get(url)
    assert (status, body, headers["X-Repo-Commit"]) == (200, content, repo.refs["main"])
    assert get(url, "HEAD")[1]["Content-Length"] == str(len(content))
    assert get(url, Range="bytes=5-9")[::2] == (206, content[5:10])
    assert get(url, Range="bytes=-4")[::2] == (206, content[-4:])
    assert get(url, Range="bytes=99999-")[0] == 416


def test_refusals_carry_their_codes(hub: LoopbackHub) -> None:
    def refusal(path: str, token: str = "") -> tuple[int, str | None]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        status, answer, _ = get(hub.endpoint + path, **headers)
        return status, answer.get("X-Error-Code")

    assert refusal("/api/models/no/such") == (401, "RepoNotFound")
    assert refusal("/api/models/no/such", GOOD_TOKEN) == (404, "RepoNotFound")
    assert refusal("/api/models/tiny/bert", "hf_unknown") == (401, None)
    assert refusal("/api/models/tiny/bert/revision/v9") == (404, "RevisionNotFound")
    assert refusal("/tiny/bert/resolve/main/none.txt") == (404, "EntryNotFound")
    assert refusal("/tiny/gated/resolve/main/config.json") == (401, "GatedRepo")
    assert refusal("/api/datasets/tiny/bert") == (401, "RepoNotFound")


def test_listings(hub: LoopbackHub) -> None:
    def paths(query: str) -> list[str]:
        return [entry["path"] for entry in json.loads(get(f"{hub.endpoint}/api/datasets/tiny/several/tree/{query}")[2])]

    assert paths("main") == ["README.md", "long", "short.jsonl"]
    assert paths("main/long") == ["long/test.jsonl", "long/train.jsonl"]
    assert paths("main?recursive=true") == ["README.md", "long", "long/test.jsonl", "long/train.jsonl", "short.jsonl"]


@pytest.mark.parametrize("status", [500, 503])
def test_faults_pass_when_counted(hub: LoopbackHub, status: int) -> None:
    repo = hub.repos["model", "tiny/bert"]
    repo.faults.status, repo.faults.times = status, 2
    url = f"{hub.endpoint}/api/models/tiny/bert"
    assert [get(url)[0] for _ in range(3)] == [status, status, 200]


def test_unmodified_clients_write_to_it(start: Callable[..., Client], hub: LoopbackHub, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(bytes(6 * 1024 * 1024))
    (tmp_path / "small.safetensors").write_bytes(b"small")
    (tmp_path / "config.json").write_text("{}")
    env = {"HF_ENDPOINT": hub.endpoint, "HF_TOKEN": GOOD_TOKEN, "HF_HUB_DISABLE_XET": "1"}
    answers = start(env).call(pushing.library, "alice/written", str(tmp_path))
    assert answers == {
        "url": f"{hub.endpoint}/alice/written",
        "same": True,
        "files": [".gitattributes", "config.json", "model.safetensors", "small.safetensors"],
        "private": True,
        "public": True,
        "exists": True,
        "gone": True,
    }
    puts = [request.size for request in hub.requests if request.method == "PUT" and "/put/" in request.path]
    assert sorted(puts) == [5, 1024 * 1024, 5 * 1024 * 1024], "one whole, one in two parts, and none of them twice"
