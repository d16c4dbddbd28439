"""What the loopback Hub answers to those who write: repositories, large files in its storage, commits.

Large files go the way of Git LFS: the client asks where to put them (`batch`), puts them into the storage, whole or in
parts, and names them in a commit. Content that a repository's storage has already is not asked for again.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any

import yaml

from .handler import Handler, Refused
from .repos import Kind, Repo

FIRST = {".gitattributes": "*.safetensors filter=lfs diff=lfs merge=lfs -text\n"}


def _create(handler: Handler) -> None:
    wanted = json.loads(handler.body)
    account = handler.writer()
    owner = wanted.get("organization") or account
    kind: Kind = "dataset" if wanted.get("type") == "dataset" else "model"
    if not handler.hub.may_write(account, owner):
        raise Refused(403, message=f'You don\'t have the rights to create a {kind} under the namespace "{owner}"')
    name = f"{owner}/{wanted['name']}"
    url = f"{handler.hub.endpoint}/{'datasets/' if kind == 'dataset' else ''}{name}"
    if (kind, name) in handler.hub.repos:
        message = f"You already created this {kind} repo: {name}"
        return handler.answer_json({"error": message, "url": url}, 409, {"X-Error-Message": message})
    repo = Repo(kind, name, private=wanted.get("visibility") == "private" or bool(wanted.get("private")))
    repo.readers |= {account, *handler.hub.orgs.get(owner, ())}
    repo.commit(FIRST)
    repo.uploads = handler.hub.next_uploads
    handler.hub.repos[(kind, name)] = repo
    handler.answer_json({"url": url, "name": name, "id": repo.refs["main"][:24]})


def _delete(handler: Handler) -> None:
    wanted = json.loads(handler.body)
    name = f"{wanted.get('organization') or handler.account()}/{wanted['name']}"
    repo = handler.writable(f"{wanted.get('type') or 'model'}s", name)
    del handler.hub.repos[(repo.kind, repo.name)]
    handler.answer_json({})


def _settings(handler: Handler, kind: str, name: str) -> None:
    repo = handler.writable(kind, name)
    repo.private = json.loads(handler.body).get("visibility", "public") == "private"
    handler.answer_json({"private": repo.private})


def _branch(handler: Handler, kind: str, name: str, branch: str) -> None:
    repo = handler.writable(kind, name)
    if branch in repo.refs:
        raise Refused(409, message="Reference already exists")
    start = repo.resolve(json.loads(handler.body or b"{}").get("startingPoint") or "main")
    if start is None:
        raise Refused(404, "RevisionNotFound", "Invalid rev id")
    repo.refs[branch] = start
    handler.answer_json({})


def _validate(handler: Handler) -> None:
    """The header of a card: YAML, and a few of the real Hub's rules."""
    content = json.loads(handler.body)["content"]
    parts = content.replace("\r\n", "\n").split("---\n", 2)
    problems = []
    try:
        header = yaml.safe_load(parts[1]) if len(parts) == 3 and not parts[0] else {}
    except yaml.YAMLError as error:
        header, problems = {}, [str(error).splitlines()[0]]
    if not isinstance(header, dict):
        problems.append("the metadata must be a mapping")
    elif not isinstance(header.get("license", ""), str | list):
        problems.append('"license" must be a string')
    if problems:
        errors = [{"message": problem} for problem in problems]
        return handler.answer_json({"errors": errors, "warnings": [], "error": "Invalid metadata in README.md"}, 400)
    handler.answer_json({"errors": [], "warnings": [] if header else [{"message": "empty or missing yaml metadata"}]})


def _preupload(handler: Handler, kind: str, name: str, revision: str) -> None:
    repo = handler.writable(kind, name)
    commit = repo.resolve(revision)
    if commit is None:
        raise Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
    answers = []
    for file in json.loads(handler.body)["files"]:
        path, large = file["path"], repo.is_large(file["path"])
        there = repo.commits[commit].get(path)
        oid = None if there is None else there.sha256 if large else there.oid
        answers.append({"path": path, "uploadMode": "lfs" if large else "regular", "shouldIgnore": False, "oid": oid})
    handler.answer_json({"files": answers, "commitOid": commit})


def _batch(handler: Handler, kind: str | None, name: str) -> None:
    repo = handler.writable(kind or "models", name)
    storage = f"http://127.0.0.1:{handler.hub.storage.server_port}/put/{repo.kind}s/{name}"
    done = f"{handler.hub.endpoint}/api/complete/{repo.kind}s/{name}"
    objects: list[dict[str, Any]] = []
    for wanted in json.loads(handler.body)["objects"]:
        oid, size, part = wanted["oid"], wanted["size"], handler.hub.part_bytes
        answer: dict[str, Any] = {"oid": oid, "size": size}
        if repo.quota is not None and size > repo.quota:
            answer["error"] = {"code": 413, "message": "Private repository storage limit reached"}
        elif oid not in repo.blobs:
            if size > part:
                count = -(-size // part)
                header = {f"{i + 1:05}": f"{storage}/{oid}/{i + 1}?X-Amz-Signature=s3cret" for i in range(count)}
                upload: dict[str, Any] = {"href": f"{done}/{oid}", "header": {"chunk_size": str(part), **header}}
            else:
                upload = {"href": f"{storage}/{oid}?X-Amz-Signature=s3cret"}
            verify = {"href": f"{handler.hub.endpoint}/api/verify/{repo.kind}s/{name}"}
            answer["actions"] = {"upload": upload, "verify": verify}
        objects.append(answer)
    handler.answer_json({"transfer": "basic", "objects": objects})


def _put(handler: Handler, kind: str, name: str, oid: str, part: str | None) -> None:
    """A large file's bytes or a part of them, in the storage. Its address is signed: no token should come with it."""
    if handler.server is not handler.hub.storage:
        raise Refused(404)
    repo = handler.hub.repos[("dataset" if kind == "datasets" else "model", name)]
    handler.fail(repo.uploads)
    if part is None:
        repo.store(oid, handler.body)
    else:
        repo.parts[(oid, int(part))] = handler.body
    handler.answer_json({}, headers={"ETag": f'"{part or oid}"'})


def _complete(handler: Handler, kind: str, name: str, oid: str) -> None:
    """All parts are there; like the real Hub's, the address is signed and no token comes with the request."""
    repo = handler.hub.repos[("dataset" if kind == "datasets" else "model", name)]
    numbers = [part["partNumber"] for part in json.loads(handler.body)["parts"]]
    repo.store(oid, b"".join(repo.parts.pop((oid, number)) for number in numbers))
    handler.answer_json({})


def _verify(handler: Handler, kind: str, name: str) -> None:
    repo = handler.writable(kind, name)
    claim = json.loads(handler.body)
    if len(repo.blobs.get(claim["oid"], b"")) != claim["size"]:
        raise Refused(404, message="Object not found")
    handler.answer_json({})


def _commit(handler: Handler, kind: str, name: str, revision: str) -> None:
    """Lines of JSON: a header, then files with their content, large files by their hash, deletions."""
    repo = handler.writable(kind, name)
    handler.fail(repo.uploads, only="commit")
    lines = [json.loads(line) for line in handler.body.splitlines()]
    header = next(line["value"] for line in lines if line["key"] == "header")
    if "parentCommit" in header and header["parentCommit"] != repo.resolve(revision):
        raise Refused(412, message="A commit has happened since. Please refresh and try again.")
    files: dict[str, bytes] = {}
    gone: list[str] = []
    for line in lines:
        value = line["value"]
        match line["key"]:
            case "file":
                files[value["path"]] = base64.b64decode(value["content"])
            case "lfsFile":
                if value["oid"] not in repo.blobs:
                    raise Refused(400, message=f"LFS pointer points to a file that does not exist: {value['oid']}")
                files[value["path"]] = repo.blobs[value["oid"]]
            case "deletedFile":
                gone.append(value["path"])
            case "deletedFolder":
                prefix = value["path"].rstrip("/") + "/"
                gone += [path for path in repo.commits[repo.refs[revision]] if path.startswith(prefix)]
    oid = repo.commit(files, ref=revision, without=gone)
    repo.messages[oid] = header["summary"]
    page = f"{handler.hub.endpoint}/{'datasets/' if repo.kind == 'dataset' else ''}{name}"
    handler.answer_json({"success": True, "commitOid": oid, "commitUrl": f"{page}/commit/{oid}", "hookOutput": ""})


_KIND = r"(?P<kind>models|datasets)"
_NAME = r"(?P<name>[\w.-]+/[\w.-]+)"
_OID = r"(?P<oid>[0-9a-f]{64})"

UPLOADS: list[tuple[str, re.Pattern[str], Callable[..., None]]] = [
    ("POST", re.compile(r"/api/repos/create"), _create),
    ("DELETE", re.compile(r"/api/repos/delete"), _delete),
    ("POST", re.compile(r"/api/validate-yaml"), _validate),
    ("PUT", re.compile(rf"/api/{_KIND}/{_NAME}/settings"), _settings),
    ("POST", re.compile(rf"/api/{_KIND}/{_NAME}/branch/(?P<branch>.+)"), _branch),
    ("POST", re.compile(rf"/api/{_KIND}/{_NAME}/preupload/(?P<revision>.+)"), _preupload),
    ("POST", re.compile(rf"/api/{_KIND}/{_NAME}/commit/(?P<revision>.+)"), _commit),
    ("POST", re.compile(rf"/(?:(?P<kind>datasets)/)?{_NAME}\.git/info/lfs/objects/batch"), _batch),
    ("POST", re.compile(rf"/api/complete/{_KIND}/{_NAME}/{_OID}"), _complete),
    ("POST", re.compile(rf"/api/verify/{_KIND}/{_NAME}"), _verify),
    ("PUT", re.compile(rf"/put/{_KIND}/{_NAME}/{_OID}(?:/(?P<part>\d+))?"), _put),
]
