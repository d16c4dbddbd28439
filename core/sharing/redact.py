"""What must not leave this machine with a result: secrets of the environment, paths that name a person or a server.

Everything that is written for others goes through here: bundles, reports, cards, scripts, what is pushed.
"""

from __future__ import annotations

import os
import re
import sys
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any

from core.errors import HubError
from core.settings import Settings
from core.spec.run import RunSpec

HIDDEN = "[hidden]"
SECRET_NAME = re.compile(r"TOKEN|SECRET|PASSW|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|CREDENTIAL|COOKIE", re.IGNORECASE)
# What is a secret by its form: tokens of the Hub, GitHub, OpenAI and AWS; private keys; passwords in addresses.
SECRET_FORM = re.compile(
    r"\bhf_[A-Za-z0-9]{16,}|\bgh[pousr]_[A-Za-z0-9]{20,}|\bsk-[A-Za-z0-9_-]{20,}|\bAKIA[A-Z0-9]{16}\b"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)",
    re.DOTALL,
)
LEAST = 6  # characters: a shorter value would be found in ordinary words


def secrets() -> tuple[str, ...]:
    """The values of this process's environment that are secret by their name, and the Hub token; longest first."""
    found = {v for k, v in os.environ.items() if SECRET_NAME.search(k) and len(v) >= LEAST and not _harmless(v)}
    try:
        from core.hub.errors import token

        found |= {token() or ""}
    except HubError:  # one that is broken is no token
        pass
    return tuple(sorted((v for v in found if len(v) >= LEAST), key=len, reverse=True))


def _harmless(value: str) -> bool:
    return value.lower() in ("disabled", "enabled") or value.isdigit()


def clean(value: Any, settings: Settings) -> Any:
    """`value` (text, or a tree of dicts and lists with text, keys included) without secrets, and paths cut short."""
    return _clean(value, secrets(), _folders(settings))


def shown(value: Any, settings: Settings) -> Any:
    """What a page says to the person: as it is on their own machine, `clean` where it is a server's."""
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
        return [_clean(v, hidden, folders) for v in value]
    return value


@lru_cache(maxsize=64)
def _folders(settings: Settings) -> tuple[tuple[str, str], ...]:
    """Folders of this machine and what stands for them, the deepest first."""
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
    """A spec as others may see it: of a file or a model folder its name alone, without the way to it."""
    return RunSpec.model_validate(public(spec.model_dump(mode="json"), settings))


def is_folder(name: str) -> bool:
    """Whether a model's name is a folder of this machine rather than a Hub id."""
    path = Path(name).expanduser()
    return name != "scratch" and (path.is_absolute() or name.startswith((".", "~")) or "\\" in name or path.is_dir())


def _last(path: str) -> str:
    return PurePath(path.rstrip("/\\").replace("\\", "/")).name or "data"


def public(tree: Any, settings: Settings) -> Any:
    """A spec as a tree, or any part of one, as others may see it: see `public_spec`."""
    return clean(_without_ways(tree), settings)


def _without_ways(tree: Any) -> Any:
    if isinstance(tree, list | tuple):
        return [_without_ways(value) for value in tree]
    if not isinstance(tree, dict):
        return tree
    made = {key: _without_ways(value) for key, value in tree.items()}
    if made.get("source") == "file" and isinstance(made.get("path"), str):
        made["path"] = _last(made["path"])
    if "revision" in made and isinstance(name := made.get("name"), str) and name and is_folder(name):
        made["name"] = _last(name)
    return made
