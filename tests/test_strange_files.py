"""Files that are something else than their name says, and files that only look so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.strange_files import pointer, strange

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 438007537\n"
PAGE = b"<!-- saved -->\n<!DOCTYPE html>\n<html><head><title>Sign in to\nGitHub</title></head><body>x</body></html>"
S3 = b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>'
AZURE = b'\xef\xbb\xbf<?xml version="1.0"?><Error><Code>BlobNotFound</Code></Error>'

STRANGE: dict[str, tuple[str, bytes, str]] = {
    "LFS pointer": ("train.csv", LFS, "Git LFS pointer, not the file of 438 MB itself; run git lfs pull"),
    "LFS pointer of Windows": ("model.safetensors", LFS.replace(b"\n", b"\r\n"), "not the file of 438 MB itself"),
    "LFS pointer, first version": ("a.json", b"version https://hawser.github.com/spec/v1\noid sha256:1\n", "Git LFS"),
    "git-annex pointer": ("a.csv", b"/annex/objects/SHA256E-s10--abc.csv\n", "git annex get"),
    "git-annex link": ("a.csv", b"../.git/annex/objects/x9/Zk/SHA256E-s10--abc.csv", "git annex get"),
    "web page": ("train.csv", PAGE, r"web page \('Sign in to GitHub'\)"),
    "web page, in capitals": ("a.json", b"\n\n <HTML lang=en><BODY>", "web page, not the file"),
    "web page, declared as XML": ("a.csv", b'<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "x">', "web page"),
    "S3": ("train.csv", S3, r"server's error message \('AccessDenied'\)"),
    "Azure": ("train.parquet", AZURE, "BlobNotFound"),
    "XML": ("a.xml", b"<?xml version='1.0'?><rows><row/></rows>", "XML document"),
    "raw.githubusercontent": ("train.csv", b"404: Not Found", "'404: Not Found'"),
    "Hub": ("config.json", b"Entry not found", "'Entry not found'"),
    "Hub, gated": (
        "tokenizer.json",
        b"Access to model google/gemma-2b is restricted. You must be authenticated to access it.",
        "restricted",
    ),
    "Cloudflare": ("a.csv", b"error code: 1020", "error code: 1020"),
    "Go": ("a.csv", b"404 page not found\n", "404 page not found"),
    "headers": ("a.csv", b"HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n", "HTTP/1.1 302 Found"),
    "JSON of the Hub": ("train.jsonl", b'{"error":"Invalid username or password."}', "'Invalid username or password.'"),
    "JSON of GitHub": ("a.json", b'{"message": "Not Found", "documentation_url": "https://docs"}', "'Not Found'"),
    "JSON of FastAPI": ("a.json", b'{"detail":"Not Found"}', "'Not Found'"),
    "JSON of Kaggle": ("a.csv", b'{"code":403,"message":"You must accept the rules"}', "You must accept"),
    "JSON of Google": ("a.json", b'{"error": {"code": 403, "message": "No permission"}}', "No permission"),
    "unfinished in Firefox": ("train.csv.part", b"text,label\na,", "did not finish"),
    "unfinished in Chrome": ("Unconfirmed 1.crdownload", b"text,label\na,", "did not finish"),
    "zeros": ("model.safetensors", bytes(100_000), "filled with zero bytes"),
    "nothing": ("a.csv", b"", "empty"),
    "shortcut": ("a.csv", b"[InternetShortcut]\r\nURL=https://x.org/a.csv\r\n", "shortcut to a web page"),
    "merge": ("a.csv", b"<<<<<<< HEAD\ntext,label\n", "unfinished merge"),
}  # fmt: skip

FINE: dict[str, tuple[str, bytes]] = {
    "table": ("a.csv", b"text,label\n404: Not Found,bad\n"),
    "short table of complaints": ("a.csv", b"Not found in any shop,bad\nForbidden to return it,bad\n"),
    "code as a label": ("a.csv", b"404,not found\n500,broken\n"),
    "reviews of a web page": ("a.csv", b"text,label\n<html>,bad\n"),
    "tags in texts": ("a.txt", b"<user> I love it\tgood\n"),
    "record with a message": ("a.json", b'{"message": "I love it", "label": "good"}'),
    "record with a message alone": ("a.jsonl", b'{"message": "I love it"}\n'),
    "model's settings": ("config.json", b'{"model_type": "bert", "hidden_size": 8}'),
    "part of Dask": ("0.part", b"text,label\na,b\n"),
    "weights": ("model.safetensors", b"\x40\0\0\0\0\0\0\0" + b'{"a":{}}' + bytes(9000)),
    "talk of LFS": ("a.csv", b"text,label\nversion https://git-lfs.github.com/spec/v1,a\n"),
    "words": ("vocab.txt", b"[PAD]\n[UNK]\n"),
}


@pytest.mark.parametrize("case", STRANGE)
def test_what_a_file_is_instead(case: str, tmp_path: Path) -> None:
    name, content, says = STRANGE[case]
    (tmp_path / name).write_bytes(content)
    sentence = str(strange(tmp_path / name) or "")
    assert sentence and re.search(says, sentence), sentence
    assert sentence.startswith(name) and "\n" not in sentence and len(sentence) < 300


@pytest.mark.parametrize("case", FINE)
def test_what_is_as_it_should_be(case: str, tmp_path: Path) -> None:
    name, content = FINE[case]
    (tmp_path / name).write_bytes(content)
    assert strange(tmp_path / name) is None


def test_a_control_file_beside_tells_of_a_download_at_work(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_bytes(b"text,label\n" + bytes(5000))
    (tmp_path / "train.csv.aria2").write_bytes(b"\0\1")
    assert "train.csv.aria2 beside it" in str(strange(tmp_path / "train.csv"))


def test_a_pointer_alone(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(LFS)
    (tmp_path / "b.txt").write_bytes(PAGE)
    assert "Git LFS" in str(pointer(tmp_path / "a.txt")) and pointer(tmp_path / "b.txt") is None


def test_hostile_beginnings_take_no_time(tmp_path: Path) -> None:
    for content in (
        b"<!---->" * 1170 + b"x",
        b"<?x?>" * 1600,
        b"<title>" * 1200,
        b"<Error" * 1300,
        b"[" * 4000,
        b"../" * 2700,
    ):
        (tmp_path / "a.csv").write_bytes(content)
        strange(tmp_path / "a.csv")
