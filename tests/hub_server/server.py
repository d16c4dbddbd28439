"""The running loopback Hub: its repositories and tokens, the requests it saw, and a storage on a port of its own."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from .handler import EXPIRED_TOKEN, Handler, Request
from .repos import Faults, Kind, Repo
from .routes import ROUTES

__all__ = ["EXPIRED_TOKEN", "GOOD_TOKEN", "OTHER_TOKEN", "READ_TOKEN", "LoopbackHub", "Request"]

GOOD_TOKEN = "hf_loopbackGoodTokenOfAlice000000000"
OTHER_TOKEN = "hf_loopbackGoodTokenOfBob0000000000"
READ_TOKEN = "hf_loopbackReadTokenOfAlice000000000"


@dataclass
class LoopbackHub:
    """A running Hub. Use it as a context manager; `endpoint` is what HF_ENDPOINT has to be."""

    tokens: dict[str, str] = field(
        default_factory=lambda: {GOOD_TOKEN: "alice", OTHER_TOKEN: "bob", READ_TOKEN: "alice"}
    )
    """Valid tokens and whose they are. Every other token is refused, as the Hub does even for public repositories."""
    read_only: set[str] = field(default_factory=lambda: {READ_TOKEN})
    """Tokens that may read and not write."""
    orgs: dict[str, tuple[str, ...]] = field(default_factory=lambda: {"acme": ("alice",)})
    """Organizations and the accounts that may write there."""
    part_bytes: int = 5 * 1024 * 1024
    """Larger files come into the storage in parts of this size."""
    quotes: bool = False
    """Refusals of read-only tokens quote the request's Authorization header."""
    next_uploads: Faults = field(default_factory=Faults)
    """What goes wrong with uploads to repositories that are created from now on."""
    repos: dict[tuple[Kind, str], Repo] = field(default_factory=dict)
    moved: dict[tuple[Kind, str], str] = field(default_factory=dict)
    """Old names of repositories and the names they have now: requests for the old are redirected."""
    requests: list[Request] = field(default_factory=list)
    silent: bool = False
    """Accept connections and never answer."""

    def __post_init__(self) -> None:
        self.main, self.storage = Server(self), Server(self)
        self._threads = [threading.Thread(target=s.serve_forever, daemon=True) for s in (self.main, self.storage)]

    def __enter__(self) -> LoopbackHub:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        for server in (self.main, self.storage):
            server.shutdown()
            server.server_close()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.main.server_port}"

    def env(self, hf_home: Path, token: str | None = None, **more: str) -> dict[str, str]:
        """Environment variables for a process that shall talk to this Hub, with its cache in `hf_home`."""
        variables = {
            "HF_ENDPOINT": self.endpoint,
            "HF_HOME": str(hf_home),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_UPDATE_DOWNLOAD_COUNTS": "0",
            "NO_PROXY": "127.0.0.1",
        }
        return variables | ({"HF_TOKEN": token} if token else {}) | more

    def model(self, name: str, files: Mapping[str, bytes | str | Path], **rules: bool) -> Repo:
        """Add a model; `rules` are Repo's: private, gated."""
        return self._add(Repo("model", name, **rules), files)

    def dataset(self, name: str, files: Mapping[str, bytes | str | Path], **rules: bool) -> Repo:
        """Add a dataset; `rules` are Repo's: private, gated."""
        return self._add(Repo("dataset", name, **rules), files)

    def may_write(self, account: str, owner: str) -> bool:
        """Whether an account may write under a namespace."""
        return account == owner or account in self.orgs.get(owner, ())

    def sent(self, name: str) -> int:
        """How many bytes of large files came for a repository, whole or cut."""
        return sum(
            request.size for request in self.requests if request.path.startswith("/put/") and name in request.path
        )

    def _add(self, repo: Repo, files: Mapping[str, bytes | str | Path]) -> Repo:
        repo.commit(files)
        self.repos[(repo.kind, repo.name)] = repo
        return repo

    def seen(self, *parts: str) -> list[Request]:
        """The requests whose path holds all of `parts`, in order."""
        return [request for request in self.requests if all(part in request.path for part in parts)]


class Server(ThreadingHTTPServer):
    daemon_threads = True
    routes = ROUTES

    def __init__(self, hub: LoopbackHub) -> None:
        self.hub = hub
        super().__init__(("127.0.0.1", 0), Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error here."""
