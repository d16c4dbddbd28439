"""Pushing to the Hub through the unmodified huggingface_hub: what is sent, what is not, and every failure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.errors import ModelError, SpecError
from core.settings import Settings
from core.sharing.hub import outgoing
from core.sharing.hub.outgoing_data import hub_names
from core.sharing.hub.push_spec import PushSpec
from core.spec.run import build
from core.store.store import Store
from tests.hub import pushing
from tests.hub.conftest import QUICK, clean_env
from tests.hub.test_hub_tokens import files_with
from tests.hub_server.client import ROOT, Client
from tests.hub_server.repos import Faults, Repo
from tests.hub_server.server import EXPIRED_TOKEN, GOOD_TOKEN, OTHER_TOKEN, READ_TOKEN, LoopbackHub

MB = 1024 * 1024
CARD = "---\nlicense: apache-2.0\nlibrary_name: transformers\n---\n# Tiny\n"
MODEL = {"README.md", "calibration.json", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}


@pytest.fixture(scope="module")
def alice(shared_hub: LoopbackHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("alice")
    client = Client(clean_env() | shared_hub.env(folder / "hf", GOOD_TOKEN) | QUICK, folder / "client.log")
    yield client
    client.close()


@pytest.fixture(scope="module", autouse=True)
def nothing_written(alice: Client, shared_hub: LoopbackHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Checks, after all tests, that no file of a home, cache, log or storage holds a token."""
    yield
    for secret in (GOOD_TOKEN, OTHER_TOKEN, READ_TOKEN, EXPIRED_TOKEN):
        assert not [p for p in files_with(secret, tmp_path_factory.getbasetemp()) if p.name != "token"]
    storage = [r for r in shared_hub.requests if r.port == shared_hub.storage.server_port]
    assert storage and not [r for r in storage if r.authorization]


@pytest.fixture
def trained(home: Path) -> str:
    return pushing.make_run(str(home))


@pytest.fixture
def faults(shared_hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Faults]:
    """Returns `faults(...)`, which sets the faults of uploads to new repositories."""

    def these(**values: Any) -> Faults:
        faults = Faults(**values)
        monkeypatch.setattr(shared_hub, "next_uploads", faults)
        return faults

    return these


def spec(run: str, name: str, **more: Any) -> dict[str, Any]:
    built: PushSpec = build({"run": run, "attempt": 1, "repo_id": name, "card": CARD} | more, PushSpec)
    return built.model_dump(mode="json")


def repo_of(hub: LoopbackHub, name: str, kind: Any = "model") -> Repo:
    return hub.repos[kind, name]


def contents(repo: Repo, ref: str = "main") -> dict[str, bytes]:
    return {path: file.content for path, file in repo.commits[repo.refs[ref]].items() if path != ".gitattributes"}


def test_a_model_goes_out_with_its_card_and_nothing_else(
    alice: Client, shared_hub: LoopbackHub, home: Path, trained: str
) -> None:
    done = alice.call(pushing.push, str(home), spec(trained, "alice/tiny", message=f"from {home}"))
    assert (done["status"], done["error"]) == ("finished", "")
    repo = repo_of(shared_hub, "alice/tiny")
    files = contents(repo)
    assert set(files) == MODEL
    assert repo.private
    assert repo.messages[repo.refs["main"]] == "from TUNEDECK_HOME"
    assert files["README.md"].decode() == CARD
    assert json.loads(files["config.json"])["_name_or_path"] == "mine"
    assert json.loads(files["calibration.json"]) == {"temperature": 1.5}
    assert not [name for name, content in files.items() if str(home).encode() in content]
    here = Settings(home=home).run_dir(trained) / "model"
    assert files["model.safetensors"] == (here / "model.safetensors").read_bytes()
    assert files["tokenizer.json"] == (here / "tokenizer.json").read_bytes()
    summary = done["summary"]
    assert summary["url"] == f"{shared_hub.endpoint}/alice/tiny"
    assert (summary["private"], summary["commit"]) == (True, repo.refs["main"])
    assert any("Uploading model.safetensors: " in phase for phase in done["phases"])
    assert "outgoing" not in done["left"]
    assert GOOD_TOKEN not in str(done)


def test_what_is_there_is_not_sent_again(alice: Client, shared_hub: LoopbackHub, home: Path, trained: str) -> None:
    first = alice.call(pushing.push, str(home), spec(trained, "alice/twice"))
    sent = shared_hub.sent("alice/twice")
    assert sent == len(contents(repo_of(shared_hub, "alice/twice"))["model.safetensors"])
    refused = alice.call(pushing.push, str(home), spec(trained, "alice/twice"))
    assert refused["status"] == "failed" and "You already have a model 'alice/twice'" in refused["error"]
    again = alice.call(pushing.push, str(home), spec(trained, "alice/twice", update=True))
    assert again["status"] == "finished"
    assert again["summary"]["commit"] == first["summary"]["commit"], (
        "nothing has changed, so there is nothing to commit"
    )
    changed = alice.call(pushing.push, str(home), spec(trained, "alice/twice", update=True, card=CARD + "\nMore.\n"))
    assert changed["summary"]["commit"] != first["summary"]["commit"]
    assert shared_hub.sent("alice/twice") == sent


def test_what_an_earlier_push_left_goes(alice: Client, shared_hub: LoopbackHub, home: Path, trained: str) -> None:
    old: dict[str, bytes | str | Path] = {
        "model-00001-of-00002.safetensors": b"x",
        "vocab.txt": "old",
        "notes.txt": "kept",
        "onnx/model.onnx": b"o",
    }
    repo = shared_hub.model("alice/older", old, private=True)
    repo.readers.add("alice")
    assert alice.call(pushing.push, str(home), spec(trained, "alice/older", update=True))["status"] == "finished"
    assert set(contents(repo)) == MODEL | {"notes.txt", "onnx/model.onnx"}


def test_a_public_model_is_loaded_by_everybody(
    alice: Client, warm: Client, shared_hub: LoopbackHub, home: Path, trained: str
) -> None:
    done = alice.call(pushing.push, str(home), spec(trained, "acme/open", private=False, branch="v2"))
    assert done["status"] == "finished" and not done["summary"]["private"]
    repo = repo_of(shared_hub, "acme/open")
    assert (set(contents(repo, "v2")), set(contents(repo))) == (MODEL, set())
    alice.call(pushing.push, str(home), spec(trained, "acme/open", private=False))
    assert warm.call(pushing.classify, "acme/open") == (1, 2)


@pytest.mark.parametrize("padding", [0, 12 * MB])
def test_a_connection_that_is_cut_once(
    alice: Client, shared_hub: LoopbackHub, home: Path, faults: Callable[..., Faults], padding: int
) -> None:
    run = pushing.make_run(str(home), padding=padding)
    faults(cut_at=50_000, times=1)
    name = f"alice/cut-once-{padding}"
    done = alice.call(pushing.push, str(home), spec(run, name), patient=False)
    assert (done["status"], done["error"]) == ("finished", "")
    size = len(contents(repo_of(shared_hub, name))["model.safetensors"])
    assert size < shared_hub.sent(name) <= size + min(size, shared_hub.part_bytes)
    assert done["summary"]["sent"] > size


def test_a_connection_that_stays_cut_and_then_another_try(
    alice: Client, shared_hub: LoopbackHub, home: Path, faults: Callable[..., Faults]
) -> None:
    import numpy as np
    from safetensors.numpy import save

    first, second = (f"model-0000{i}-of-00002.safetensors" for i in (1, 2))
    small, large = save({"a": np.zeros(50_000, np.uint8)}), save({"b": np.ones(3 * MB, np.uint8)})
    run = pushing.make_run(str(home), extra={first: small, second: large, "model.safetensors.index.json": b"{}"})
    (Settings(home=home).run_dir(run) / "model" / "model.safetensors").unlink()
    wrong = faults(cut_at=1 * MB)
    done = alice.call(pushing.push, str(home), spec(run, "alice/cut"), patient=False)
    assert done["status"] == "failed"
    assert done["error"] == (
        "The connection was lost during the upload; push again, files that have arrived are not sent again. "
        "1 of 2 large files (50.1 kB) have arrived at alice/cut and will not be sent again"
    )
    repo = repo_of(shared_hub, "alice/cut")
    assert contents(repo) == {}, "a repository never has half a model"
    assert not done["detail"]
    wrong.cut_at = None
    before = shared_hub.sent("alice/cut")
    again = alice.call(pushing.push, str(home), spec(run, "alice/cut"))
    assert again["status"] == "finished", "a repository that a push left empty is no name taken"
    assert shared_hub.sent("alice/cut") - before == len(large) == again["summary"]["sent"]
    assert contents(repo)[second] == large


def test_a_stop_comes_through_in_the_middle_of_a_file(
    alice: Client, shared_hub: LoopbackHub, home: Path, faults: Callable[..., Faults]
) -> None:
    run = pushing.make_run(str(home), padding=12 * MB)
    slow = faults(bytes_per_s=2 * MB)
    done = alice.call(pushing.push, str(home), spec(run, "alice/stopped"), stop_after_s=0.7)
    assert (done["status"], done["summary"]["commit"]) == ("stopped", None)
    assert done["seconds"] < 5
    assert 0 < done["summary"]["sent"] < 12 * MB
    assert "Stopped. The repository alice/stopped was created and is still empty" in done["messages"]
    assert contents(repo_of(shared_hub, "alice/stopped")) == {}
    slow.bytes_per_s = 0
    assert alice.call(pushing.push, str(home), spec(run, "alice/stopped"))["status"] == "finished"


def test_no_rights(
    start: Callable[..., Client], alice: Client, shared_hub: LoopbackHub, home: Path, trained: str
) -> None:
    def said(client: Client, name: str, **more: Any) -> str:
        done = client.call(pushing.push, str(home), spec(trained, name, **more))
        assert done["status"] == "failed" and not done["detail"]
        return str(done["error"])

    assert said(alice, "bob/mine") == (
        "alice may not write to 'bob/mine' (403); push to alice/mine, or use a token with write access to the "
        "repositories of bob"
    )
    shared_hub.model("bob/open", {"config.json": "{}"})
    assert said(alice, "bob/open") == (
        "'bob/open' already exists and belongs to 'bob', where you may not write; push to alice/open"
    )
    assert "alice may not write to 'bob/open' (403)" in said(alice, "bob/open", update=True, private=False)
    hidden = shared_hub.model("acme/hidden", {"config.json": "{}"}, private=True)
    hidden.readers.clear()
    assert "You already have a model 'acme/hidden'" in said(alice, "acme/hidden")
    reader = start({"HF_TOKEN": READ_TOKEN})
    assert "The Hub token of alice is read-only; create one with write access at" in said(reader, "alice/read-only")
    assert "is not valid (401); put a new one" in said(start({"HF_TOKEN": "hf_nobodysTokenAtAll000000000"}), "alice/x")
    assert "has expired (401); put a new one" in said(start({"HF_TOKEN": EXPIRED_TOKEN}), "alice/x")
    assert said(start(), "alice/x").startswith(
        "There is no Hub token, so nothing can be uploaded; create one with write"
    )
    assert "HF_HUB_OFFLINE forbids requests to the Hub" in said(
        start({"HF_TOKEN": GOOD_TOKEN, "HF_HUB_OFFLINE": "1"}), "alice/x"
    )
    closed = start({"HF_TOKEN": GOOD_TOKEN, "HF_ENDPOINT": "http://127.0.0.1:9"})
    assert "127.0.0.1:9 cannot be reached; check the connection" in said(closed, "alice/x")
    assert not [key for key in shared_hub.repos if key[1] in ("alice/x", "bob/mine", "alice/read-only")]


def test_answers_that_quote_the_token(
    start: Callable[..., Client],
    alice: Client,
    shared_hub: LoopbackHub,
    home: Path,
    trained: str,
    faults: Callable[..., Faults],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shared_hub, "read_only", {OTHER_TOKEN})
    monkeypatch.setattr(shared_hub, "quotes", True)
    done = [start({"HF_TOKEN": OTHER_TOKEN}).call(pushing.push, str(home), spec(trained, "bob/quoted"))]
    for status in (400, 403, 413, 422, 500):
        faults(status=status, only="commit", quote=True)
        done.append(alice.call(pushing.push, str(home), spec(trained, f"alice/quoted-{status}"), patient=False))
    assert [one["status"] for one in done] == ["failed"] * 6
    assert "did not accept the upload to 'alice/quoted-400' (400: The server has a fault" in done[1]["error"]
    assert "has no room left for 'alice/quoted-413'" in done[3]["error"]
    assert "internal error (500)" in done[5]["error"] and "1 of 1 large files" in done[5]["error"]
    for secret in (GOOD_TOKEN, OTHER_TOKEN):
        assert secret not in str(done)


def test_trouble_at_the_hub(
    alice: Client, shared_hub: LoopbackHub, home: Path, trained: str, faults: Callable[..., Faults]
) -> None:
    faults(status=503, times=2)
    done = alice.call(pushing.push, str(home), spec(trained, "alice/busy"), patient=False)
    assert done["status"] == "finished"
    full = shared_hub.model("alice/full", {}, private=True)
    full.readers.add("alice")
    full.quota = 1000
    done = alice.call(pushing.push, str(home), spec(trained, "alice/full"))
    assert "does not accept a file of this size (Private repository storage limit reached); make room" in done["error"]
    wrong = spec(trained, "alice/wrong-card", card="---\nlicense: {a: 1}\n---\n# x\n")
    done = alice.call(pushing.push, str(home), wrong)
    assert 'The metadata of the card is invalid ({"errors": [{"message": "\\"license\\" must be' in done["error"]
    assert shared_hub.sent("alice/wrong-card") == 0


def test_somebody_else_commits_in_between(
    alice: Client, shared_hub: LoopbackHub, home: Path, faults: Callable[..., Faults]
) -> None:
    run = pushing.make_run(str(home), padding=3 * MB)
    repo = shared_hub.model("alice/shared", {"config.json": "{}"}, private=True)
    repo.readers.add("alice")
    repo.uploads = Faults(bytes_per_s=2 * MB)
    threading.Timer(0.8, repo.commit, ({"config.json": '{"theirs": 1}'},)).start()
    done = alice.call(pushing.push, str(home), spec(run, "alice/shared", update=True))
    assert "Somebody else changed 'alice/shared' in the meantime (412)" in done["error"]
    assert contents(repo) == {"config.json": b'{"theirs": 1}'}


def test_private_is_not_pushed_where_everybody_looks(
    alice: Client, shared_hub: LoopbackHub, home: Path, trained: str
) -> None:
    repo = shared_hub.model("alice/public", {"config.json": "{}"})
    done = alice.call(pushing.push, str(home), spec(trained, "alice/public", update=True))
    assert "'alice/public' is public, but you asked for a private repository" in done["error"]
    assert (contents(repo), shared_hub.sent("alice/public")) == ({"config.json": b"{}"}, 0)
    hidden = shared_hub.model("alice/hidden", {"config.json": "{}"}, private=True)
    hidden.readers.add("alice")
    done = alice.call(pushing.push, str(home), spec(trained, "alice/hidden", update=True, private=False))
    assert (done["status"], done["summary"]["private"], hidden.private) == ("finished", True, True)
    assert any("alice/hidden stays private" in message for message in done["messages"])


def test_a_dataset_without_its_final_test(
    alice: Client, warm: Client, shared_hub: LoopbackHub, home: Path, trained: str
) -> None:
    texts = {"what": "dataset", "with_texts": True, "card": "", "private": False, "licence": "mit", "language": "en"}
    alice.call(pushing.set_aside, str(home), "test")
    done = alice.call(pushing.push, str(home), spec(trained, "alice/reviews", **texts))
    assert (done["status"], done["error"]) == ("finished", "")
    assert "The split test is set aside as a final test and is not pushed." in done["messages"]
    files = contents(repo_of(shared_hub, "alice/reviews", "dataset"))
    assert set(files) == {"README.md", "data/train.parquet"}
    header = yaml.safe_load(files["README.md"].decode().split("---\n")[1])
    assert (header["license"], header["language"]) == ("mit", ["en"])
    assert header["configs"][0]["data_files"] == [{"split": "train", "path": "data/train.parquet"}]
    rows = header["dataset_info"]["splits"][0]["num_examples"]
    names = list(header["dataset_info"]["features"][1]["dtype"]["class_label"]["names"].values())
    assert warm.call(pushing.features, "alice/reviews") == {"train": (rows, names)}
    refused = alice.call(pushing.push, str(home), spec(trained, "alice/all", **texts, splits=["train", "test"]))
    assert "the split 'test' is set aside as a final test" in refused["error"]
    chosen = {"splits": ["train", "test"], "final_tests": True, "columns": ["text"]}
    done = alice.call(pushing.push, str(home), spec(trained, "alice/all", **texts, **chosen))
    assert set(contents(repo_of(shared_hub, "alice/all", "dataset"))) == {*files, "data/test.parquet"}
    sent = shared_hub.sent("alice/reviews")
    again = alice.call(pushing.push, str(home), spec(trained, "alice/reviews", **texts, update=True))
    assert again["summary"]["commit"] and shared_hub.sent("alice/reviews") == sent, (
        "written anew, byte by byte the same"
    )


def test_what_a_spec_may_say() -> None:
    def problem(**fields: Any) -> str:
        with pytest.raises(SpecError) as caught:
            build({"run": "abcd", "repo_id": "alice/x"} | fields, PushSpec)
        return str(caught.value)

    assert "confirm that you may publish them" in problem(what="dataset")
    assert "has no owner; give owner/name" in problem(repo_id="x")
    assert "is not a Hub id" in problem(repo_id="../x") and "has too many parts" in problem(repo_id="alice/../x")
    assert "is not a revision" in problem(branch="../main")
    assert "is not a licence name" in problem(licence="do: what")
    assert "is not a language code" in problem(language="English!")
    assert "name the run" in problem(run="")
    assert hub_names(["train", "My test", "my_test", "評価", "--"]) == [
        "train",
        "My_test",
        "my_test_2",
        "split",
        "split_2",
    ]


def test_what_does_not_leave(home: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = "a-long-planted-secret"
    monkeypatch.setenv("PLANTED_TOKEN", secret)

    def files(extra: dict[str, bytes], link: str = "") -> dict[str, bytes]:
        model = settings.run_dir(pushing.make_run(str(home), extra=extra)) / "model"
        if link:
            (model / link).unlink()
            (tmp_path / link).write_text('{"stolen": 1}')
            (model / link).symlink_to(tmp_path / link)
        outgoing_files = outgoing.of_model(model, f"# Card {secret} {home}", settings)
        return {f.path: f.source if isinstance(f.source, bytes) else f.source.read_bytes() for f in outgoing_files}

    clean = files({"config.json": json.dumps({"note": secret, "auto_map": {"AutoModel": "x.Y"}}).encode()})
    assert clean["README.md"].decode() == "# Card [hidden] TUNEDECK_HOME"
    assert json.loads(clean["config.json"]) == {"note": "[hidden]"}
    assert set(clean) == MODEL
    with pytest.raises(ModelError, match=r"config\.json in the model's folder is a link"):
        files({}, link="config.json")
    with pytest.raises(ModelError, match=r"model\.safetensors is not a safetensors file"):
        files({"model.safetensors": b"\x80\x02would run code"})
    for note in ({"format": str(home)}, {"format": "pt", "author": "somebody"}):
        noted = json.dumps({"__metadata__": note}).encode()
        with pytest.raises(ModelError, match="has private metadata in its header"):
            files({"model.safetensors": len(noted).to_bytes(8, "little") + noted})
    with pytest.raises(ModelError, match=r"vocab\.txt contains a secret of this machine"):
        files({"vocab.txt": f"[PAD]\n{secret}\n".encode()})
    with pytest.raises(ModelError, match=r"tokenizer_config\.json of the model cannot be read as JSON"):
        files({"tokenizer_config.json": b"{"})


def test_bundles_come_from_a_dataset_repository(
    alice: Client, start: Callable[..., Client], shared_hub: LoopbackHub, home: Path, tmp_path: Path
) -> None:
    files: dict[str, bytes | str | Path] = {
        "results/one.zip": b"PK1",
        "results/two.zip": b"PK2",
        "evil.py": "raise SystemExit",
        "results/x.exe": b"MZ",
    }
    shared_hub.dataset("alice/results", files)
    assert alice.call(pushing.fetch, str(home), "alice/results") == ["one.zip", "two.zip"]
    assert not shared_hub.seen("alice/results", "evil.py") and not shared_hub.seen("alice/results", "x.exe")
    with pytest.raises(Exception, match=r"a bundle may have at most 2 bytes, so remove it"):
        alice.call(pushing.fetch, str(home), "alice/results", 2)
    with pytest.raises(Exception, match=r"'tiny/reviews' has no bundles"):
        alice.call(pushing.fetch, str(home), "tiny/reviews")
    env = {"HF_HOME": str(tmp_path / "hf"), "HF_TOKEN": GOOD_TOKEN}
    assert start(env).call(pushing.fetch, str(home), "alice/results") == ["one.zip", "two.zip"]
    offline = start(env | {"HF_HUB_OFFLINE": "1"})
    assert offline.call(pushing.fetch, str(home), "alice/results") == ["one.zip", "two.zip"]


def test_whoami(alice: Client, start: Callable[..., Client]) -> None:
    assert alice.call(pushing.whoami) == ("alice", ("acme",), True)
    assert start({"HF_TOKEN": READ_TOKEN}).call(pushing.whoami) == ("alice", ("acme",), False)


def test_the_command_and_a_real_worker(shared_hub: LoopbackHub, home: Path, trained: str, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(CARD)
    environment = clean_env() | shared_hub.env(tmp_path / "hf", GOOD_TOKEN) | {"TUNEDECK_HOME": str(home)}
    command = [sys.executable, "-m", "core", "push", trained, "--to", "alice/by-command", "--json"]
    done = subprocess.run(
        [*command, "--card", str(tmp_path / "README.md")], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert set(contents(repo_of(shared_hub, "alice/by-command"))) == MODEL
    assert result["push"]["url"] == f"{shared_hub.endpoint}/alice/by-command"
    assert f"{shared_hub.endpoint}/alice/by-command has it (private)." in done.stderr
    run = Store(home / "store.sqlite3").run(result["run"])
    log = (Settings(home=home).run_dir(run.id) / "worker.log").read_text()
    assert "Committing" in log and "Signature" not in log
    assert GOOD_TOKEN not in done.stdout + done.stderr + log
    assert not files_with(GOOD_TOKEN, home, tmp_path / "hf")
    refused = subprocess.run(
        [*command, "--public", "--dataset"], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert refused.returncode == 2 and "confirm that you may publish them" in refused.stderr
    assert os.environ.get("HF_TOKEN") is None
