"""One request to the loopback Hub: who asks, for which repository, what goes wrong, and the answer's bytes."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from .repos import Faults, File, Kind, Repo

if TYPE_CHECKING:
    from .server import LoopbackHub, Server

EXPIRED_TOKEN = "hf_loopbackExpiredToken000000000000"
CHUNK = 64 * 1024


class Refused(Exception):
    """A request that is answered with an error, in the Hub's way: a status and X-Error-Code, X-Error-Message."""

    def __init__(self, status: int, code: str = "", message: str = "", **headers: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers


@dataclass(frozen=True)
class Request:
    """A request that the server saw; `port` tells the Hub's own from the storage's, `size` is its body's in bytes."""

    method: str
    path: str
    headers: Mapping[str, str]
    port: int
    size: int = 0

    @property
    def authorization(self) -> str | None:
        return self.headers.get("authorization")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on standard error; `LoopbackHub.requests` has it all."""

    def _serve(self) -> None:
        path = unquote(urlsplit(self.path).path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.body = self._read(self._upload_faults(path))
        self.hub.requests.append(Request(self.command, self.path, headers, self.server.server_port, len(self.body)))
        if self.close_connection and self.command == "PUT":  # cut in the middle
            return
        while self.hub.silent:
            time.sleep(0.05)
        try:
            for method, pattern, answer in self.server.routes:
                if method == ("GET" if self.command == "HEAD" else self.command) and (m := pattern.fullmatch(path)):
                    return answer(self, **m.groupdict())
            raise Refused(404, message="Sorry, we can't find the page you are looking for.")
        except Refused as refused:
            self._refuse(refused)
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def _upload_faults(self, path: str) -> Faults | None:
        """What goes wrong with the bytes of this request; None for all but those that bring a large file."""
        match = re.match(r"/put/(model|dataset)s/([\w.-]+/[\w.-]+)/", path) if self.command == "PUT" else None
        if match is None:
            return None
        kind: Kind = "dataset" if match[1] == "dataset" else "model"
        repo = self.hub.repos.get((kind, match[2]))
        return repo.uploads if repo is not None else None

    def _read(self, faults: Faults | None) -> bytes:
        """The request's body; of one that is cut, what came before."""
        length = int(self.headers.get("Content-Length") or 0)
        stop = length
        if faults and faults.cut_at is not None and length > faults.cut_at and faults.strike():
            stop = faults.cut_at
        chunk = min(CHUNK, max(1, faults.bytes_per_s // 20)) if faults and faults.bytes_per_s else CHUNK
        parts: list[bytes] = []
        came = 0
        while came < stop and (part := self.rfile.read(min(chunk, stop - came))):
            parts.append(part)
            came += len(part)
            if faults and faults.bytes_per_s:
                time.sleep(len(part) / faults.bytes_per_s)
        if came < length:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        return b"".join(parts)

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
        key: tuple[Kind, str] = ("dataset" if kind.startswith("dataset") else "model", name)
        if now := self.hub.moved.get(key):
            raise Refused(307, Location=self.path.replace(f"/{name}", f"/{now}", 1))
        repo = self.hub.repos.get(key)
        if repo is None or (repo.private and not repo.may_read(account)):
            # Without a token the Hub does not tell private from missing. Its client recognises that 401 by an
            # https URL alone, which a loopback server has not, so the code goes with it.
            if account is None:
                raise Refused(401, "RepoNotFound", "Invalid username or password.")
            raise Refused(404, "RepoNotFound", "Repository not found")
        if not repo.faults.only:
            self.fail(repo.faults)
        commit = repo.resolve(revision or "main")
        if commit is None:
            raise Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return repo, commit

    def writer(self) -> str:
        """Whose token came, if it may write at all. Refuses as the Hub does."""
        account = self.account()
        if account is None:
            raise Refused(401, message="Invalid username or password.")
        if self.headers["Authorization"].removeprefix("Bearer ") in self.hub.read_only:
            message = "Forbidden: you must use a write token to do this"
            raise Refused(403, message=f"{message} ({self.headers['Authorization']})" if self.hub.quotes else message)
        return account

    def writable(self, kind: str, name: str) -> Repo:
        """The repository that a path names, if the account may write to it."""
        repo, _ = self.repo(kind, name, None)
        if not self.hub.may_write(self.writer(), repo.name.split("/")[0]):
            raise Refused(403, message="Forbidden: you have no write access to this repository")
        return repo

    def fail(self, faults: Faults, only: str = "") -> None:
        """Go wrong as told; `only`: the one thing that these faults strike, if they strike one alone."""
        if faults.only and faults.only != only:
            return
        time.sleep(faults.delay_s)
        if faults.status and faults.strike():
            headers = {} if faults.retry_after_s is None else {"Retry-After": str(faults.retry_after_s)}
            quoted = f" ({self.headers.get('Authorization')})" if faults.quote else ""
            raise Refused(faults.status, message=f"The server has a fault{quoted}", **headers)

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
            self.fail(repo.faults, repo.faults.only)
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
