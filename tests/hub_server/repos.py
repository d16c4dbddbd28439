"""Repositories of the loopback Hub: files by commit, names for commits, and how a repository misbehaves."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

Kind = Literal["model", "dataset"]
LARGE_SUFFIXES = (".safetensors", ".bin", ".h5", ".msgpack", ".onnx", ".parquet", ".gz", ".zip")


@dataclass(frozen=True)
class File:
    """One file of a commit. `announced` overrides the size that listings and headers give, in bytes."""

    content: bytes
    announced: int | None = None

    @property
    def size(self) -> int:
        return len(self.content) if self.announced is None else self.announced

    @property
    def oid(self) -> str:
        """Git's name for the content."""
        return hashlib.sha1(b"blob %d\0" % len(self.content) + self.content).hexdigest()

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


@dataclass
class Faults:
    """What goes wrong with a repository; the defaults are none.

    status: answer every request for it with this HTTP status, `times` times (None: always)
    retry_after_s: the Retry-After header that goes with `status`
    delay_s: wait so long before each answer
    bytes_per_s: send file contents no faster
    cut_at: close the connection after this byte of a file, counted from the file's beginning, `times` times;
        a request that starts beyond it gets nothing
    only: the faults strike only file contents whose path ends so; of uploads, "commit": only commits
    quote: the error quotes the Authorization header of the request
    """

    status: int = 0
    times: int | None = None
    retry_after_s: int | None = None
    delay_s: float = 0.0
    bytes_per_s: int = 0
    cut_at: int | None = None
    only: str = ""
    quote: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def strike(self) -> bool:
        """Whether a fault that is counted happens now; counts it."""
        with self._lock:
            if self.times is None:
                return True
            self.times -= 1
            return self.times >= 0


class Repo:
    """A model or dataset repository with its commits, newest last; `main` exists from the first commit."""

    def __init__(self, kind: Kind, name: str, *, private: bool = False, gated: bool = False) -> None:
        self.kind: Kind = kind
        self.name = name
        self.private = private
        self.gated = gated
        self.readers: set[str] = set()
        """Accounts that were let into a gated or private repository."""
        self.commits: dict[str, dict[str, File]] = {}
        self.refs: dict[str, str] = {}
        self.faults = Faults()
        self.uploads = Faults()
        """What goes wrong when large files come into the storage; `cut_at` counts each request's own bytes."""
        self.quota: int | None = None
        """The largest file that the storage still takes, in bytes."""
        self.blobs: dict[str, bytes] = {}
        """Large files in the storage by SHA-256, in a commit or not."""
        self.parts: dict[tuple[str, int], bytes] = {}
        self.messages: dict[str, str] = {}

    def commit(
        self,
        files: Mapping[str, bytes | str | Path],
        ref: str = "main",
        announce: Mapping[str, int] | None = None,
        without: Sequence[str] = (),
    ) -> str:
        """Add files to what `ref` has (a new ref: to what main has), as one commit; its id.

        `announce` gives false sizes by path, in bytes; `without` are files to take away.
        """
        base = self.refs.get(ref) or self.refs.get("main", "")
        tree = dict(self.commits.get(base, {}))
        for path, content in files.items():
            tree[path] = File(_as_bytes(content), (announce or {}).get(path))
            if self.is_large(path):
                self.blobs[tree[path].sha256] = tree[path].content
        for path in without:
            tree.pop(path, None)
        seed = f"{self.kind} {self.name} {len(self.commits)} {sorted((p, f.oid) for p, f in tree.items())}"
        commit = hashlib.sha1(seed.encode()).hexdigest()
        self.commits[commit] = tree
        self.refs[ref] = commit
        return commit

    def store(self, oid: str, content: bytes) -> None:
        """Take a large file into the storage, if it is what its hash says."""
        if hashlib.sha256(content).hexdigest() == oid:
            self.blobs[oid] = content

    def resolve(self, revision: str) -> str | None:
        """The commit of a branch, a tag or a commit id; None if there is none."""
        return self.refs.get(revision) or (revision if revision in self.commits else None)

    def is_large(self, path: str) -> bool:
        """Whether the file's content lies in the storage, behind a redirect, as large files do."""
        return path.endswith(LARGE_SUFFIXES)

    def card(self, commit: str) -> dict[str, Any]:
        """The YAML header of README.md; empty if it is none."""
        readme = self.commits[commit].get("README.md")
        parts = readme.content.decode().split("---\n") if readme else []
        try:
            header = yaml.safe_load(parts[1]) if len(parts) > 2 and not parts[0] else {}
        except yaml.YAMLError:
            header = {}
        return header if isinstance(header, dict) else {}

    def info(self, commit: str, blobs: bool = False) -> dict[str, Any]:
        """What /api/models/… and /api/datasets/… answer; `blobs` adds sizes."""
        card = self.card(commit)
        info: dict[str, Any] = {
            "_id": commit[:24],
            "id": self.name,
            "author": self.name.split("/")[0] if "/" in self.name else None,
            "sha": commit,
            "private": self.private,
            "gated": "manual" if self.gated else False,
            "disabled": False,
            "downloads": 12,
            "likes": 3,
            "tags": [f"license:{card['license']}"] if "license" in card else [],
            "createdAt": "2024-01-01T00:00:00.000Z",
            "lastModified": "2024-01-02T00:00:00.000Z",
            "cardData": card,
            "siblings": [self._sibling(path, commit, blobs) for path in self.commits[commit]],
        }
        if self.kind == "model":
            info |= {"modelId": self.name, "pipeline_tag": card.get("pipeline_tag"), "library_name": "transformers"}
        return info

    def _sibling(self, path: str, commit: str, blobs: bool) -> dict[str, Any]:
        file = self.commits[commit][path]
        sibling: dict[str, Any] = {"rfilename": path}
        if blobs:
            sibling |= {"size": file.size, "blobId": file.oid}
            if self.is_large(path):
                sibling["lfs"] = {"sha256": file.sha256, "size": file.size, "pointerSize": 134}
        return sibling

    def tree(self, commit: str, folder: str = "", recursive: bool = False) -> list[dict[str, Any]] | None:
        """The entries of a folder, as /tree/ answers; None where there is no such folder."""
        prefix = f"{folder}/" if folder else ""
        paths = [path for path in self.commits[commit] if path.startswith(prefix)]
        if folder and not paths:
            return None
        folders = {
            path[: len(prefix) + at]
            for path in paths
            for at, letter in enumerate(path[len(prefix) :])
            if letter == "/" and (recursive or "/" not in path[len(prefix) : len(prefix) + at])
        }
        listed = [path for path in paths if recursive or "/" not in path[len(prefix) :]]
        return [self.entry(commit, path) for path in sorted([*folders, *listed])]

    def entry(self, commit: str, path: str) -> dict[str, Any]:
        """One line of a listing; a folder if no file has this path."""
        file = self.commits[commit].get(path)
        if file is None:
            return {"type": "directory", "oid": hashlib.sha1(path.encode()).hexdigest(), "size": 0, "path": path}
        entry: dict[str, Any] = {"type": "file", "oid": file.oid, "size": file.size, "path": path}
        if self.is_large(path):
            entry["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": 134}
        return entry

    def may_read(self, account: str | None) -> bool:
        """Whether an account (None: nobody signed in) may read the files."""
        return not (self.private or self.gated) or account in self.readers


def _as_bytes(content: bytes | str | Path) -> bytes:
    if isinstance(content, Path):
        return content.read_bytes()
    return content.encode() if isinstance(content, str) else content
