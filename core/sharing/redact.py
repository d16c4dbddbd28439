"""Removes what must not leave this machine: secrets of the environment, and paths that reveal a person or a server.

Everything written for others goes through here: bundles, reports, cards, scripts, pushes.
"""

from __future__ import annotations

import os
import re
import sys
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any

from pydantic import BaseModel

from core.errors import HubError
from core.messages import Message
from core.settings import Settings, begins_with_root
from core.spec.run import RunSpec

HIDDEN = "[hidden]"
SECRET_NAME = re.compile(r"TOKEN|SECRET|PASSW|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|CREDENTIAL|COOKIE", re.IGNORECASE)
# Secrets recognised by their form: tokens of the Hub, GitHub, OpenAI and AWS; private keys; passwords in addresses.
SECRET_FORM = re.compile(
    r"\bhf_[A-Za-z0-9]{16,}|\bgh[pousr]_[A-Za-z0-9]{20,}|\bsk-[A-Za-z0-9_-]{20,}|\bAKIA[A-Z0-9]{16}\b"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)",
    re.DOTALL,
)
LEAST = 6  # characters: a shorter value would match ordinary words


def secrets() -> tuple[str, ...]:
    """The Hub token, and the environment variables whose names mark them as secret; the longest values first."""
    values = {v for k, v in os.environ.items() if SECRET_NAME.search(k) and len(v) >= LEAST and not _harmless(v)}
    try:
        from core.hub.errors import token

        values |= {token() or ""}
    except HubError:  # a malformed token is no secret
        pass
    return tuple(sorted((v for v in values if len(v) >= LEAST), key=len, reverse=True))


def _harmless(value: str) -> bool:
    return value.lower() in ("disabled", "enabled") or value.isdigit()


def clean(value: Any, settings: Settings) -> Any:
    """`value` without secrets and with abbreviated paths. value: text, a result, or nested dicts and lists with text"""
    return _clean(value, secrets(), _folders(settings))


def for_display(value: Any, settings: Settings) -> Any:
    """`value` for a page: unchanged on the person's own machine, `clean` on a server."""
    return value if settings.mode == "local" or value is None else clean(value, settings)


def _clean(value: Any, hidden: tuple[str, ...], folders: tuple[tuple[str, str], ...]) -> Any:
    if isinstance(value, str):
        for secret in hidden:
            value = value.replace(secret, HIDDEN)
        value = SECRET_FORM.sub(HIDDEN, value)
        for folder, name in folders:
            value = value.replace(folder, name)
        return value
    if isinstance(value, dict):
        return {_clean(k, hidden, folders): _clean(v, hidden, folders) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_clean(v, hidden, folders) for v in value)
    if isinstance(value, BaseModel):
        return value.model_copy(update={k: _clean(getattr(value, k), hidden, folders) for k in value.model_fields_set})
    if isinstance(value, Message):
        return Message(*(_clean(part, hidden, folders) for part in (value.text, value.id, value.arguments)))
    return value


@lru_cache(maxsize=64)
def _folders(settings: Settings) -> tuple[tuple[str, str], ...]:
    """Folders of this machine with the names that replace them, the longest paths first."""
    named = {str(settings.home): "TUNEDECK_HOME", str(settings.home.resolve()): "TUNEDECK_HOME"}
    named |= {str(root): root.name for root in settings.roots}
    for home in (Path.home(), Path.home().resolve()):
        if len(home.parts) > 1:
            named.setdefault(str(home), "~")
    for folder, name in ((Path(__file__).parents[2], "tunedeck"), (Path(sys.prefix), "python")):
        named.setdefault(str(folder), name)
        named.setdefault(str(folder.resolve()), name)
    return tuple(sorted(named.items(), key=lambda pair: len(pair[0]), reverse=True))


def public_spec(spec: RunSpec, settings: Settings) -> RunSpec:
    """A spec for others: files and model folders are reduced to their names."""
    return RunSpec.model_validate(public(spec.model_dump(mode="json"), settings))


def is_folder(name: str, settings: Settings) -> bool:
    """Whether a model's name is a local folder rather than a Hub id."""
    if name == "scratch":
        return False
    path = Path(name).expanduser()
    written_out = path.is_absolute() or name.startswith((".", "~")) or "\\" in name
    return written_out or begins_with_root(settings, name) or path.is_dir()


def _last(path: str) -> str:
    return PurePath(path.rstrip("/\\").replace("\\", "/")).name or "data"


def public(tree: Any, settings: Settings) -> Any:
    """Like `public_spec`, for a spec as nested dicts and lists, or a part of one."""
    return clean(_without_folders(tree, settings), settings)


def _without_folders(tree: Any, settings: Settings) -> Any:
    if isinstance(tree, list | tuple):
        return [_without_folders(value, settings) for value in tree]
    if not isinstance(tree, dict):
        return tree
    copy = {key: _without_folders(value, settings) for key, value in tree.items()}
    if copy.get("source") == "file" and isinstance(copy.get("path"), str):
        copy["path"] = _last(copy["path"])
    if "revision" in copy and isinstance(name := copy.get("name"), str) and name and is_folder(name, settings):
        copy["name"] = _last(name)
    return copy
