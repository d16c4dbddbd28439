"""The HTTP side of the loopback Hub: routes, tokens, redirects to a storage on another port, and faults on request."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from .repos import Faults, File, Kind, Repo

GOOD_TOKEN = "hf_loopbackGoodTokenOfAlice000000000"
OTHER_TOKEN = "hf_loopbackGoodTokenOfBob0000000000"
EXPIRED_TOKEN = "hf_loopbackExpiredToken000000000000"
CHUNK = 64 * 1024


class Refused(Exception):
    """A request that is answered with an error, in the Hub's way: a status and X-Error-Code, X-Error-Message."""

    def __init__(self, status: int, code: str = "", message: str = "", **headers: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers


@dataclass(frozen=True)
class Request:
    """A request that the server saw; `port` tells the Hub's own from the storage's."""

    method: str
    path: str
    headers: Mapping[str, str]
    port: int

    @property
    def authorization(self) -> str | None:
        return self.headers.get("authorization")


@dataclass
class LoopbackHub:
    """A running Hub. Use it as a context manager; `endpoint` is what HF_ENDPOINT has to be."""

    tokens: dict[str, str] = field(default_factory=lambda: {GOOD_TOKEN: "alice", OTHER_TOKEN: "bob"})
    """Valid tokens and whose they are. Every other token is refused, as the Hub does even for public repositories."""
    repos: dict[tuple[Kind, str], Repo] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    silent: bool = False
    """Accept connections and never answer."""

    def __post_init__(self) -> None:
        self.main, self.storage = _Server(self), _Server(self)
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

    def _add(self, repo: Repo, files: Mapping[str, bytes | str | Path]) -> Repo:
        repo.commit(files)
        self.repos[(repo.kind, repo.name)] = repo
        return repo

    def seen(self, *parts: str) -> list[Request]:
        """The requests whose path holds all of `parts`, in order."""
        return [request for request in self.requests if all(part in request.path for part in parts)]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, hub: LoopbackHub) -> None:
        self.hub = hub
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on standard error; `LoopbackHub.requests` has it all."""

    def _serve(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.hub.requests.append(Request(self.command, self.path, headers, self.server.server_port))
        while self.hub.silent:
            time.sleep(0.05)
        path = unquote(urlsplit(self.path).path)
        try:
            for method, pattern, answer in ROUTES:
                if method == ("GET" if self.command == "HEAD" else self.command) and (m := pattern.fullmatch(path)):
                    return answer(self, **m.groupdict())
            raise Refused(404, message="Sorry, we can't find the page you are looking for.")
        except Refused as refused:
            self._refuse(refused)
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    @property
    def hub(self) -> LoopbackHub:
        return self.server.hub

    @property
    def query(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.path).query).items()}

    def account(self) -> str | None:
        """Whose token came with the request; None without one. Refuses tokens that are not valid."""
        kind, _, token = (self.headers.get("Authorization") or "").partition(" ")
        if not kind:
            return None
        if token == EXPIRED_TOKEN:
            raise Refused(401, message='User Access Token "laptop" is expired')
        if token not in self.hub.tokens:
            raise Refused(401, message="Invalid credentials in Authorization header")
        return self.hub.tokens[token]

    def repo(self, kind: str, name: str, revision: str | None) -> tuple[Repo, str]:
        """The repository and commit that a path names, after its faults. Refuses as the Hub does."""
        account = self.account()
        repo = self.hub.repos.get(("dataset" if kind.startswith("dataset") else "model", name))
        if repo is None or (repo.private and not repo.may_read(account)):
            # Without a token the Hub does not tell private from missing. Its client recognises that 401 by an
            # https URL alone, which a loopback server has not, so the code goes with it.
            if account is None:
                raise Refused(401, "RepoNotFound", "Invalid username or password.")
            raise Refused(404, "RepoNotFound", "Repository not found")
        if not repo.faults.only:
            self._fail(repo.faults)
        commit = repo.resolve(revision or "main")
        if commit is None:
            raise Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return repo, commit

    def _fail(self, faults: Faults) -> None:
        time.sleep(faults.delay_s)
        if faults.status and faults.strike():
            headers = {} if faults.retry_after_s is None else {"Retry-After": str(faults.retry_after_s)}
            raise Refused(faults.status, message="The server has a fault", **headers)

    def _refuse(self, refused: Refused) -> None:
        headers = dict(refused.headers)
        if refused.code:
            headers["X-Error-Code"] = refused.code
        if refused.message:
            headers["X-Error-Message"] = refused.message
        self.answer_json({"error": refused.message}, refused.status, headers)

    def answer_json(self, value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        body = json.dumps(value).encode()
        self._head(status, {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def redirect(self, status: int, location: str, headers: Mapping[str, str]) -> None:
        self._head(status, {"Location": location, "Content-Length": "0", **headers})

    def answer_file(self, repo: Repo, path: str, file: File, headers: Mapping[str, str]) -> None:
        """A file's bytes, all or the range asked for, with the repository's faults."""
        if repo.faults.only and path.endswith(repo.faults.only):
            self._fail(repo.faults)
        start, end, ranged = self._range(file)
        length = {"Content-Length": str(end - start), "Accept-Ranges": "bytes"}
        if ranged:
            length["Content-Range"] = f"bytes {start}-{end - 1}/{file.size}"
        self._head(206 if ranged else 200, {"Content-Type": "application/octet-stream", **length, **headers})
        if self.command != "HEAD":
            self._send(repo.faults, path, file.content, start, end)

    def _range(self, file: File) -> tuple[int, int, bool]:
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range") or "")
        if not match:
            return 0, file.size, False
        if not match[1]:
            return max(0, file.size - int(match[2])), file.size, True
        start, end = int(match[1]), int(match[2] or file.size - 1) + 1
        if start >= file.size:
            raise Refused(416, **{"Content-Range": f"bytes */{file.size}"})
        return start, min(end, file.size), True

    def _send(self, faults: Faults, path: str, content: bytes, start: int, end: int) -> None:
        stop = len(content)
        if faults.cut_at is not None and end > faults.cut_at and path.endswith(faults.only) and faults.strike():
            stop = faults.cut_at
        chunk = min(CHUNK, max(1, faults.bytes_per_s // 20)) if faults.bytes_per_s else CHUNK
        for at in range(start, min(end, stop), chunk):
            self.wfile.write(content[at : min(at + chunk, end, stop)])
            if faults.bytes_per_s:
                time.sleep(chunk / faults.bytes_per_s)
        if end > stop:
            self.close_connection = True
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)


def _search(handler: _Handler, kind: str) -> None:
    """/api/models?search=…&author=…&limit=…: public repositories whose name holds the words."""
    handler.account()
    query = handler.query
    found = [
        repo.info(repo.refs["main"])
        for repo in handler.hub.repos.values()
        if f"{repo.kind}s" == kind
        and not repo.private
        and query.get("search", "").lower() in repo.name.lower()
        and repo.name.startswith(query.get("author", ""))
    ]
    handler.answer_json(found[: int(query.get("limit", 1000))])


def _info(handler: _Handler, kind: str, name: str, revision: str | None = None) -> None:
    repo, commit = handler.repo(kind, name, revision)
    handler.answer_json(repo.info(commit, blobs=handler.query.get("blobs", "").lower() in ("true", "1")))


def _refs(handler: _Handler, kind: str, name: str) -> None:
    repo, _ = handler.repo(kind, name, None)
    branches = [{"name": n, "ref": f"refs/heads/{n}", "targetCommit": c} for n, c in repo.refs.items()]
    handler.answer_json({"branches": branches, "converts": [], "tags": []})


def _tree(handler: _Handler, kind: str, name: str, revision: str, folder: str | None) -> None:
    repo, commit = handler.repo(kind, name, revision)
    entries = repo.tree(commit, folder or "", recursive=handler.query.get("recursive", "").lower() in ("true", "1"))
    if entries is None:
        raise Refused(404, "EntryNotFound", f"{folder} does not exist on {revision}")
    handler.answer_json(entries)


def _paths_info(handler: _Handler, kind: str, name: str, revision: str) -> None:
    repo, commit = handler.repo(kind, name, revision)
    if "json" in (handler.headers.get("Content-Type") or ""):
        paths = json.loads(handler.body)["paths"]
    else:
        paths = parse_qs(handler.body.decode()).get("paths", [])
    folders = {entry["path"] for entry in repo.tree(commit, recursive=True) or [] if entry["type"] == "directory"}
    known = [path for path in paths if path in repo.commits[commit] or path in folders]
    handler.answer_json([repo.entry(commit, path) for path in known])


def _resolve(handler: _Handler, kind: str | None, name: str, revision: str, path: str) -> None:
    """A file: the headers a client needs, then a redirect to where the bytes are."""
    repo, commit = handler.repo(kind or "models", name, revision)
    account = handler.account()
    if not repo.may_read(account):
        status = 401 if account is None else 403
        raise Refused(status, "GatedRepo", f"Access to {repo.kind} {name} is restricted. You must have access to it.")
    if (file := repo.commits[commit].get(path)) is None:
        raise Refused(404, "EntryNotFound", "Entry not found", **{"X-Repo-Commit": commit})
    headers = {"X-Repo-Commit": commit, "ETag": f'"{file.oid}"'}
    if repo.is_large(path):
        linked = {"X-Linked-Size": str(file.size), "X-Linked-Etag": f'"{file.sha256}"'}
        storage = f"http://127.0.0.1:{handler.hub.storage.server_port}/{repo.kind}s/{name}/{commit}/{quote(path)}"
        handler.redirect(302, storage, headers | linked)
    else:
        handler.redirect(307, f"/api/resolve-cache/{repo.kind}s/{name}/{commit}/{quote(path)}", headers)


def _small(handler: _Handler, kind: str, name: str, commit: str, path: str) -> None:
    """A small file's bytes, from the Hub itself."""
    repo, _ = handler.repo(kind, name, commit)
    if not repo.may_read(handler.account()):
        raise Refused(403, "GatedRepo")
    file = repo.commits[commit][path]
    handler.answer_file(repo, path, file, {"X-Repo-Commit": commit, "ETag": f'"{file.oid}"'})


def _stored(handler: _Handler, kind: str, name: str, commit: str, path: str) -> None:
    """A large file's bytes, from the storage. Its address is secret enough: no token is asked for, none should come."""
    if handler.server is not handler.hub.storage:
        raise Refused(404)
    repo = handler.hub.repos[("dataset" if kind == "datasets" else "model", name)]
    file = repo.commits[commit][path]
    handler.answer_file(repo, path, file, {"ETag": f'"{file.sha256}"'})


def _whoami(handler: _Handler) -> None:
    if (account := handler.account()) is None:
        raise Refused(401, message="Invalid username or password.")
    access = {"displayName": "laptop", "role": "write"}
    handler.answer_json({"type": "user", "name": account, "orgs": [], "auth": {"accessToken": access}})


_KIND = r"(?P<kind>models|datasets)"
_NAME = r"(?P<name>[\w.-]+(?:/[\w.-]+)?)"
_REVISION = r"(?P<revision>refs/[^/]+/[^/]+|[^/]+)"

# In order: the first that matches answers. An upload needs its routes here and `Repo.commit` behind them.
ROUTES: list[tuple[str, re.Pattern[str], Callable[..., None]]] = [
    ("GET", re.compile(r"/api/whoami-v2"), _whoami),
    ("GET", re.compile(rf"/api/{_KIND}"), _search),
    ("GET", re.compile(rf"/api/resolve-cache/{_KIND}/{_NAME}/(?P<commit>[0-9a-f]{{40}})/(?P<path>.+)"), _small),
    ("GET", re.compile(rf"/api/{_KIND}/{_NAME}/revision/(?P<revision>.+)"), _info),
    ("GET", re.compile(rf"/api/{_KIND}/{_NAME}/tree/{_REVISION}(?:/(?P<folder>.+))?"), _tree),
    ("GET", re.compile(rf"/api/{_KIND}/{_NAME}/refs"), _refs),
    ("GET", re.compile(rf"/api/{_KIND}/{_NAME}"), _info),
    ("POST", re.compile(rf"/api/{_KIND}/{_NAME}/paths-info/(?P<revision>.+)"), _paths_info),
    ("GET", re.compile(rf"/(?:(?P<kind>datasets)/)?{_NAME}/resolve/{_REVISION}/(?P<path>.+)"), _resolve),
    ("GET", re.compile(rf"/{_KIND}/{_NAME}/(?P<commit>[0-9a-f]{{40}})/(?P<path>.+)"), _stored),
]
