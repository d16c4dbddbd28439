"""Models of the Hub: the files that are downloaded, those that never are, and the messages of refusals."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import HubError, ModelError
from core.hub.download import explain, hub_id_problem
from tests.hub import calls
from tests.hub_server.client import Client
from tests.hub_server.contents import tiny_bert
from tests.hub_server.server import LoopbackHub

UNSAFE = (".py", ".bin", ".h5", ".msgpack", ".onnx", ".pt", ".ckpt")


def test_fetches_only_what_cannot_run_code(warm: Client, shared_hub: LoopbackHub) -> None:
    fetched = warm.call(calls.fetch_model, "tiny/bert")
    wanted = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt"}
    assert set(fetched["files"]) == wanted
    assert fetched["files"]["model.safetensors"] == len(tiny_bert()["model.safetensors"])
    asked = [request.path for request in shared_hub.seen("tiny/bert")]
    assert not [path for path in asked if path.endswith(UNSAFE)]
    assert [path for path in asked if path.endswith("model.safetensors")], "the requests were not recorded"


def test_progress_counts_bytes_to_the_end(warm: Client, shared_hub: LoopbackHub) -> None:
    shared_hub.model("tiny/for-progress", tiny_bert())
    progress = warm.call(calls.fetch_model, "tiny/for-progress")["progress"]
    shares = [share for _, share in progress]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1
    assert progress[-1][0].startswith("Downloading tiny/for-progress: 98.6 kB of ")
    assert warm.call(calls.fetch_model, "tiny/for-progress")["progress"] == [], "it was in the cache"


def test_a_revision_is_what_it_says(warm: Client) -> None:
    main, old = warm.call(calls.fetch_model, "tiny/bert"), warm.call(calls.fetch_model, "tiny/bert", "v1")
    assert main["folder"] != old["folder"]
    assert (old["folder"] / "model.safetensors").read_bytes() == tiny_bert(seed=1)["model.safetensors"]
    by_commit = warm.call(calls.fetch_model, "tiny/bert", old["folder"].name)
    assert by_commit["folder"] == old["folder"]


def test_an_old_name_leads_to_the_new_one(warm: Client) -> None:
    assert warm.call(calls.fetch_model, "old-bert")["files"]


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("no/such-model", HubError, "no model 'no/such-model'"),
        ("tiny/private", HubError, "or it is private; check the spelling, or set HF_TOKEN"),
        ("tiny/gated", HubError, "accept its terms at .*/tiny/gated, then set HF_TOKEN"),
        ("odd/pickled", ModelError, "only in pickled form .pytorch_model.bin., and unpickling can run any code"),
        ("odd/tensorflow", ModelError, "has no model.safetensors"),
        ("odd/adapter", ModelError, "is an adapter for another model"),
        ("odd/no-config", ModelError, "has no config.json"),
        ("odd/huge", HubError, "needs 1,000.0 TB, but the disk of .* left; make room, or set HF_HOME"),
        ("faulty/always-503", HubError, "The Hub has trouble .503.*try again"),
        ("faulty/rate-limited", HubError, "429.*wait some minutes"),
        ("not a name", HubError, "is not a Hub id"),
        ("too/many/parts", HubError, "too many parts"),
        ("https://huggingface.co/tiny/bert", HubError, "is an address"),
    ],
)
def test_each_thing_wrong_has_its_sentence(warm: Client, name: str, kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says) as caught:
        warm.call(calls.fetch_model, name)
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("revision", "says"), [("v9", "no revision 'v9'"), ("../../x", "not a revision")])
def test_a_missing_revision(warm: Client, revision: str, says: str) -> None:
    with pytest.raises(HubError, match=says):
        warm.call(calls.fetch_model, "tiny/bert", revision)


def test_trouble_that_passes_is_waited_for(warm: Client, shared_hub: LoopbackHub) -> None:
    assert warm.call(calls.fetch_model, "faulty/once-503")["files"]
    assert len(shared_hub.seen("/api/models/faulty/once-503?")) == 2


def test_a_cut_download_goes_on_where_it_was_cut(warm: Client, shared_hub: LoopbackHub) -> None:
    fetched = warm.call(calls.fetch_model, "faulty/cut-once")
    repo = shared_hub.repos["model", "faulty/cut-once"]
    served = repo.commits[repo.refs["main"]]["model.safetensors"].content
    assert (fetched["folder"] / "model.safetensors").read_bytes() == served
    ranges = [r.headers.get("range") for r in shared_hub.seen("cut-once", "model.safetensors") if r.method == "GET"]
    assert ranges == [None, "bytes=10485760-"]


def test_a_slow_hub_is_only_slow(warm: Client) -> None:
    assert warm.call(calls.fetch_model, "faulty/slow")["files"]["model.safetensors"] > 90_000


def test_tokenizer_json_alone(warm: Client, shared_hub: LoopbackHub) -> None:
    path = warm.call(calls.tokenizer_json, "plain-name")
    assert path["before"] is None
    assert path["fetched"] == path["after"] and path["fetched"].name == "tokenizer.json"
    count = len(shared_hub.requests)
    assert warm.call(calls.tokenizer_json, "plain-name")["fetched"] == path["fetched"]
    assert len(shared_hub.requests) == count, "what is in the cache is not asked for"
    with pytest.raises(ModelError, match=r"has no tokenizer\.json"):
        warm.call(calls.tokenizer_json, "odd/no-tokenizer-json")
    for nonsense in ("../etc", "a/b/c", ""):
        assert warm.call(calls.cached_tokenizer_json, nonsense) is None
    assert warm.call(calls.cached_tokenizer_json, "plain-name", "../../refs/main") is None


def test_without_network_the_cache_does(start: Callable[..., Client], warm: Client) -> None:
    online = warm.call(calls.fetch_model, "tiny/bert")
    for env in ({"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}):
        offline = start(env)
        again = offline.call(calls.fetch_model, "tiny/bert")
        assert again["folder"] == online["folder"] and again["progress"] == []
        assert "could not be reached; the copy of tiny/bert that this machine has is used" in again["notes"][0]
        says = "HF_HUB_OFFLINE forbids" if "HF_HUB_OFFLINE" in env else "cannot be reached, and 'tiny/other' is not"
        with pytest.raises(HubError, match=says):
            offline.call(calls.fetch_model, "tiny/other")


def test_half_a_download_is_no_model(start: Callable[..., Client], warm: Client) -> None:
    with pytest.raises(HubError, match="connection was cut while 'faulty/always-cut' was fetched; try again"):
        warm.call(calls.fetch_model, "faulty/always-cut")
    with pytest.raises(HubError, match="not complete in this machine's cache"):
        start({"HF_HUB_OFFLINE": "1"}).call(calls.fetch_model, "faulty/always-cut")


def test_a_hub_that_never_answers(hub: LoopbackHub, start: Callable[..., Client]) -> None:
    hub.silent = True
    with pytest.raises(HubError, match="did not answer in time"):
        start({"HF_ENDPOINT": hub.endpoint}).call(calls.fetch_model, "tiny/unseen")
    hub.silent = False


def test_a_cache_that_cannot_be_written(tmp_path: Path, start: Callable[..., Client]) -> None:
    taken = tmp_path / "a-file"
    taken.write_text("not a folder")
    with pytest.raises(HubError, match="a-file cannot be written; set HF_HOME to a folder of yours"):
        start({"HF_HUB_CACHE": str(taken)}).call(calls.fetch_model, "tiny/bert")


def test_ids() -> None:
    good = ("gpt2", "google-bert/bert-base-cased", "a/b.c_d-e", "_x/y")
    assert [hub_id_problem(name) for name in good] == [None] * len(good)
    for bad in ("", "a/", "/a", "a//b", "-a", "a.", "a--b", "a..b", "x.git", "caf\u00e9", "a b", "a/b/c", "hf://a/b"):
        assert hub_id_problem(bad), bad


def test_a_full_disk() -> None:
    """`datasets` hides the cause behind an error about something else."""
    try:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError:
            raise OSError("Cannot find data file.") from None
    except OSError as error:
        assert "is full; make room, or set HF_HOME" in str(explain(error, "dataset", "tiny/reviews"))


def test_importing_is_light(start: Callable[..., Client]) -> None:
    cost = start().call(calls.light_import)
    assert not cost["heavy"]
    assert cost["bytes"] < 40e6
    assert cost["seconds"] < 2, "0.2 s on a quiet machine"
