"""Tokens give access to what they should, and appear in no message, log, file or storage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.errors import HubError
from core.hub.errors import without_secrets
from tests.hub import calls
from tests.hub_server.client import Client
from tests.hub_server.server import EXPIRED_TOKEN, GOOD_TOKEN, OTHER_TOKEN, LoopbackHub

WRONG_TOKEN = "hf_loopbackNobodysToken0000000000000"


def files_with(secret: str, *folders: Path) -> list[Path]:
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if secret.encode() in path.read_bytes()]


def outcomes(process: Client) -> list[str]:
    """Collects every message of many calls in this process."""
    answers = []
    tries: list[tuple[Callable[..., Any], str]] = [
        (calls.fetch_model, "tiny/private"),
        (calls.fetch_model, "tiny/gated"),
        (calls.fetch_model, "no/such-model"),
        (calls.fetch_model, "faulty/rate-limited"),
        (calls.prepare, "tiny/private-data"),
        (calls.prepare, "tiny/gated-data"),
        (calls.prepare, "odd/broken-csv"),
    ]
    for call, name in tries:
        try:
            answers.append(str(process.call(call, name)))
        except Exception as error:
            answers.append(f"{error!r} {error} {getattr(error, '__notes__', '')}")
    return answers


def test_a_good_token_opens_private_and_gated(
    start: Callable[..., Client], shared_hub: LoopbackHub, tmp_path: Path, log: Path
) -> None:
    alice = start({"HF_TOKEN": GOOD_TOKEN, "HF_HOME": str(tmp_path)})
    assert alice.call(calls.token) == GOOD_TOKEN
    answers = outcomes(alice)
    for opened in (answers[0], answers[1], answers[4], answers[5]):
        assert "Error" not in opened
    assert "or your token may not read it; check the spelling" in answers[2]
    assert GOOD_TOKEN not in "".join(answers)
    assert not files_with(GOOD_TOKEN, tmp_path, log.parent)
    with_token = [request for request in shared_hub.requests if GOOD_TOKEN in (request.authorization or "")]
    assert with_token
    assert {request.port for request in with_token} == {shared_hub.main.server_port}, "the storage got the token"


def test_someone_elses_token_opens_neither(start: Callable[..., Client], tmp_path: Path) -> None:
    bob = start({"HF_TOKEN": OTHER_TOKEN, "HF_HOME": str(tmp_path)})
    with pytest.raises(HubError, match=r"your account has no access yet; ask for it at .*/tiny/gated"):
        bob.call(calls.fetch_model, "tiny/gated")
    with pytest.raises(HubError, match=r"your account has no access yet; ask for it at .*/datasets/tiny/gated-data"):
        bob.call(calls.prepare, "tiny/gated-data")
    with pytest.raises(HubError, match="or your token may not read it"):
        bob.call(calls.fetch_model, "tiny/private")


@pytest.mark.parametrize(
    ("planted", "says"), [(EXPIRED_TOKEN, r"has expired \(401\)"), (WRONG_TOKEN, r"is not valid \(401\)")]
)
def test_a_token_that_is_refused(
    start: Callable[..., Client], tmp_path: Path, log: Path, planted: str, says: str
) -> None:
    process = start({"HF_TOKEN": planted, "HF_HOME": str(tmp_path)})
    answers = outcomes(process)
    assert not [text for text in answers if planted in text]
    assert not files_with(planted, tmp_path, log.parent)
    for call, name in ((calls.fetch_model, "tiny/bert"), (calls.prepare, "tiny/reviews")):
        with pytest.raises(HubError, match=says):
            process.call(call, name)


def test_a_token_that_no_header_can_carry(start: Callable[..., Client], tmp_path: Path, log: Path) -> None:
    planted = "hf_planted\x01Secret\u00e9"
    process = start({"HF_TOKEN": planted, "HF_HOME": str(tmp_path)})
    for call, name in (
        (calls.fetch_model, "tiny/bert"),
        (calls.prepare, "tiny/reviews"),
        (calls.tokenizer_json, "a/b"),
    ):
        with pytest.raises(
            HubError, match="has characters that a token cannot have; copy it again into HF_TOKEN"
        ) as caught:
            process.call(call, name)
        assert "planted" not in str(caught.value) + str(caught.value.__notes__)
    assert not files_with("hf_planted", tmp_path, log.parent)


def test_a_stored_token_is_found(start: Callable[..., Client], tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{GOOD_TOKEN}\n")
    process = start({"HF_HOME": str(tmp_path)})
    assert process.call(calls.token) == GOOD_TOKEN
    assert process.call(calls.fetch_model, "tiny/private")["files"]
    assert start({"HUGGING_FACE_HUB_TOKEN": OTHER_TOKEN}).call(calls.token) == OTHER_TOKEN


def test_secrets_are_cut_out_of_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "an unusual secret")
    text = f"sent b'Bearer {GOOD_TOKEN}' and an unusual secret to http://me:pass@proxy:80/x"
    assert without_secrets(text) == "sent b'Bearer ***' and *** to http://proxy:80/x"
