"""What the loopback Hub answers at which address, in the form of the real one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from urllib.parse import parse_qs, quote

from .handler import Handler, Refused
from .repos import Repo
from .uploads import UPLOADS


def _search(handler: Handler, kind: str) -> None:
    """/api/models?search=…&author=…&limit=…: public repositories whose name holds the words."""
    handler.account()
    query = handler.query
    hits = [
        repo.info(repo.refs["main"])
        for repo in handler.hub.repos.values()
        if f"{repo.kind}s" == kind
        and not repo.private
        and query.get("search", "").lower() in repo.name.lower()
        and repo.name.startswith(query.get("author", ""))
    ]
    handler.answer_json(hits[: int(query.get("limit", 1000))])


def _info(handler: Handler, kind: str, name: str, revision: str | None = None) -> None:
    repo, commit = handler.repo(kind, name, revision)
    handler.answer_json(repo.info(commit, blobs=handler.query.get("blobs", "").lower() in ("true", "1")))


def _refs(handler: Handler, kind: str, name: str) -> None:
    repo, _ = handler.repo(kind, name, None)
    branches = [{"name": n, "ref": f"refs/heads/{n}", "targetCommit": c} for n, c in repo.refs.items()]
    handler.answer_json({"branches": branches, "converts": [], "tags": []})


def _auth_check(handler: Handler, kind: str, name: str) -> None:
    repo, _ = handler.repo(kind, name, None)
    _refuse_gated(repo, handler.account())
    handler.answer_json({})


def _refuse_gated(repo: Repo, account: str | None) -> None:
    if not repo.may_read(account):
        status = 401 if account is None else 403
        raise Refused(status, "GatedRepo", f"Access to {repo.kind} {repo.name} is restricted.")


def _tree(handler: Handler, kind: str, name: str, revision: str, folder: str | None) -> None:
    repo, commit = handler.repo(kind, name, revision)
    entries = repo.tree(commit, folder or "", recursive=handler.query.get("recursive", "").lower() in ("true", "1"))
    if entries is None:
        raise Refused(404, "EntryNotFound", f"{folder} does not exist on {revision}")
    handler.answer_json(entries)


def _paths_info(handler: Handler, kind: str, name: str, revision: str) -> None:
    repo, commit = handler.repo(kind, name, revision)
    if "json" in (handler.headers.get("Content-Type") or ""):
        paths = json.loads(handler.body)["paths"]
    else:
        paths = parse_qs(handler.body.decode()).get("paths", [])
    folders = {entry["path"] for entry in repo.tree(commit, recursive=True) or [] if entry["type"] == "directory"}
    known = [path for path in paths if path in repo.commits[commit] or path in folders]
    handler.answer_json([repo.entry(commit, path) for path in known])


def _resolve(handler: Handler, kind: str | None, name: str, revision: str, path: str) -> None:
    """A file: the headers a client needs, then a redirect to where the bytes are."""
    repo, commit = handler.repo(kind or "models", name, revision)
    _refuse_gated(repo, handler.account())
    if (file := repo.commits[commit].get(path)) is None:
        raise Refused(404, "EntryNotFound", "Entry not found", **{"X-Repo-Commit": commit})
    headers = {"X-Repo-Commit": commit, "ETag": f'"{file.oid}"'}
    if repo.is_large(path):
        linked = {"X-Linked-Size": str(file.size), "X-Linked-Etag": f'"{file.sha256}"'}
        storage = f"http://127.0.0.1:{handler.hub.storage.server_port}/{repo.kind}s/{name}/{commit}/{quote(path)}"
        handler.redirect(302, storage, headers | linked)
    else:
        handler.redirect(307, f"/api/resolve-cache/{repo.kind}s/{name}/{commit}/{quote(path)}", headers)


def _small(handler: Handler, kind: str, name: str, commit: str, path: str) -> None:
    """A small file's bytes, from the Hub itself."""
    repo, _ = handler.repo(kind, name, commit)
    _refuse_gated(repo, handler.account())
    file = repo.commits[commit][path]
    handler.answer_file(repo, path, file, {"X-Repo-Commit": commit, "ETag": f'"{file.oid}"'})


def _stored(handler: Handler, kind: str, name: str, commit: str, path: str) -> None:
    """A large file's bytes, from the storage. Its address is secret enough: no token is asked for, none should come."""
    if handler.server is not handler.hub.storage:
        raise Refused(404)
    repo = handler.hub.repos[("dataset" if kind == "datasets" else "model", name)]
    file = repo.commits[commit][path]
    handler.answer_file(repo, path, file, {"ETag": f'"{file.sha256}"'})


def _whoami(handler: Handler) -> None:
    if (account := handler.account()) is None:
        raise Refused(401, message="Invalid username or password.")
    token = handler.headers["Authorization"].removeprefix("Bearer ")
    access = {"displayName": "laptop", "role": "read" if token in handler.hub.read_only else "write"}
    orgs = [{"type": "org", "name": name} for name, members in handler.hub.orgs.items() if account in members]
    handler.answer_json({"type": "user", "name": account, "orgs": orgs, "auth": {"accessToken": access}})


_KIND = r"(?P<kind>models|datasets)"
_NAME = r"(?P<name>[\w.-]+(?:/[\w.-]+)?)"
_REVISION = r"(?P<revision>refs/[^/]+/[^/]+|[^/]+)"

# In order: the first that matches answers.
ROUTES: list[tuple[str, re.Pattern[str], Callable[..., None]]] = [
    ("GET", re.compile(r"/api/whoami-v2"), _whoami),
    ("GET", re.compile(rf"/api/{_KIND}"), _search),
    ("GET", re.compile(rf"/api/resolve-cache/{_KIND}/{_NAME}/(?P<commit>[0-9a-f]{{40}})/(?P<path>.+)"), _small),
    ("GET", re.compile(rf"/api/{_KIND}/{_NAME}/revision/(?P<revision>.+)"), _info),
    ("GET", re.compile(rf"/api/{_KIND}/{_NAME}/tree/{_REVISION}(?:/(?P<folder>.+))?"), _tree),
    ("GET", re.compile(rf"/api/{_KIND}/{_NAME}/refs"), _refs),
    ("GET", re.compile(rf"/api/{_KIND}/{_NAME}/auth-check"), _auth_check),
    ("GET", re.compile(rf"/api/{_KIND}/{_NAME}"), _info),
    ("POST", re.compile(rf"/api/{_KIND}/{_NAME}/paths-info/(?P<revision>.+)"), _paths_info),
    ("GET", re.compile(rf"/(?:(?P<kind>datasets)/)?{_NAME}/resolve/{_REVISION}/(?P<path>.+)"), _resolve),
    ("GET", re.compile(rf"/{_KIND}/{_NAME}/(?P<commit>[0-9a-f]{{40}})/(?P<path>.+)"), _stored),
    *UPLOADS,
]
