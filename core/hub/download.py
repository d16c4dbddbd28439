"""Downloads models and tokenizers from the Hugging Face Hub.

All downloads use `huggingface_hub` and its cache, so that files which another program has downloaded are not downloaded
again. Of a model, only configuration, tokenizer and safetensors files are fetched: nothing that could run code.
"""

from __future__ import annotations

import fnmatch
import glob
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from core.errors import HubError, ModelError
from core.hub.errors import (
    What,
    cache_folder,
    check,
    explain,
    hub_errors,
    hub_id_problem,
    revision_problem,
    status_of,
    token,
    unreachable,
)
from core.messages import Message

__all__ = [
    "Progress",
    "cached_file",
    "cached_models",
    "explain",
    "fetch_model",
    "fetch_tokenizer_json",
    "hub_id_problem",
    "token",
]

Progress = Callable[[str, float | None], None]
"""Gets the current activity and the share that is done: 0 to 1, or None if unknown."""

TOKENIZER_FILES = (
    *("tokenizer*.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.json", "vocab.txt", "merges.txt", "*.model"),
)
WEIGHTS = "model.safetensors"
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
MOST_CACHED = 500  # models of a cache that are listed
WAITS_S = (1.0, 3.0)
"""Pauses before the next try, when the Hub answers with a server error."""


def ignore(*_: object) -> None:
    """A callback for progress or notes that does nothing."""


class Listing(NamedTuple):
    """A repository at one commit: its current id on the Hub, and path → size in bytes of its files."""

    id: str
    commit: str
    sizes: dict[str, int]


def repo_files(what: What, name: str, revision: str | None = None) -> Listing:
    """Asks the Hub for the commit that `revision` stands for, and for its files.

    Tries twice more if the Hub has a server error. Raises the library's errors: see `hub_errors`.
    """
    from huggingface_hub import HfApi, constants, get_session
    from huggingface_hub.errors import HfHubHTTPError

    # The library's calls for listings have no time limit of their own.
    get_session().timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
    ask: Callable[..., Any] = HfApi().dataset_info if what == "dataset" else HfApi().model_info
    for wait_s in (*WAITS_S, None):
        try:
            info = ask(name, revision=revision, files_metadata=True, timeout=constants.HF_HUB_ETAG_TIMEOUT)
            return Listing(info.id, info.sha, {file.rfilename: file.size or 0 for file in info.siblings or []})
        except HfHubHTTPError as error:
            if wait_s is None or status_of(error) < 500:
                raise
            time.sleep(wait_s)
    raise AssertionError("the last attempt returns or raises")


def cached_commit(what: What, name: str, revision: str | None = None) -> str | None:
    """Returns the commit that `revision` stood for when it was last downloaded; None if it never was. No network."""
    from huggingface_hub import resolve_revision
    from huggingface_hub.errors import RevisionResolutionError

    try:
        return resolve_revision(name, repo_type=what, revision=revision, local_files_only=True).resolved
    except RevisionResolutionError:
        return None


def download(
    what: What, name: str, revision: str | None, commit: str, sizes: dict[str, int], progress: Progress = ignore
) -> Path:
    """Downloads files into the cache and returns their folder. Complete files are not downloaded again.

    commit: what `revision` stands for now, which the cache records; sizes: path → bytes
    Raises HubError if the disk is too full; for other errors, see `hub_errors`.
    """
    from huggingface_hub import snapshot_download, try_to_load_from_cache

    missing = [p for p in sizes if not isinstance(try_to_load_from_cache(name, p, None, commit, what), str)]
    needed = sum(sizes[path] for path in missing)
    _check_space(needed, name)
    folder = snapshot_download(
        name,
        repo_type=what,
        revision=revision,
        allow_patterns=[glob.escape(path) for path in sizes],
        tqdm_class=progress_bar(progress, f"Downloading {name}", needed),
    )
    return Path(folder)


def _check_space(needed: int, name: str) -> None:
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise HubError.of(
            "hub-disk-full",
            "{name!r} needs {needed}, but the disk of {folder} has {free} left; make room, or set "
            "HF_HOME to a folder on another disk",
            name=name,
            needed=readable(needed),
            folder=folder,
            free=readable(free),
        )


def readable(size: float) -> str:
    """Formats a number of bytes for people: 1.2 GB."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"


def progress_bar(progress: Progress, text: str, total: int) -> type:
    """Returns a tqdm class whose byte counts go to `progress`, as a share of `total` bytes."""
    from io import StringIO
    from threading import RLock

    from tqdm import tqdm

    class Reporting(tqdm):
        monitor_interval = 0

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("name", None)
            super().__init__(*args, **(kwargs | {"disable": False, "file": StringIO()}))

        def display(self, *args: Any, **kwargs: Any) -> None:
            if self.unit == "B" and total:
                share = min(1.0, self.n / total)
                progress(f"{text}: {readable(share * total)} of {readable(total)}", share)

    Reporting.set_lock(RLock())  # tqdm's own lock starts a process
    return Reporting


def fetch_model(
    name: str, revision: str | None = None, progress: Progress = ignore, note: Callable[[Message], None] = ignore
) -> Path:
    """Downloads the configuration, tokenizer and safetensors of a Hub model, unless cached; returns their folder.

    `note` gets a sentence if the Hub does not answer and an earlier download is used.
    Raises ModelError if the model cannot be used (no safetensors, no config.json), HubError if it cannot be downloaded.
    """
    check(name, revision)
    token()
    try:
        _, commit, sizes = repo_files("model", name, revision)
        wanted = choose_files(name, list(sizes))
        return download("model", name, revision, commit, {path: sizes[path] for path in wanted}, progress)
    except hub_errors() as error:
        folder = _cached_model(name, revision) if unreachable(error) else None
        if folder is None:
            raise explain(error, "model", name, revision) from None
    note(
        Message.of(
            "hub-copy-used",
            "The Hub could not be reached; the copy of {name} that this machine has is used (commit {commit})",
            name=name,
            commit=folder.name[:7],
        )
    )
    return folder


def _cached_model(name: str, revision: str | None) -> Path | None:
    """Returns the folder of an earlier, complete download; None if there is none. No network."""
    from huggingface_hub import get_cached_repo_tree
    from huggingface_hub.errors import CachedRepoTreeNotFoundError

    commit = cached_commit("model", name, revision)
    if commit is None:
        return None
    folder = cache_folder() / f"models--{name.replace('/', '--')}" / "snapshots" / commit
    try:
        files = [file.path for file in get_cached_repo_tree(name, revision=commit)]
    except CachedRepoTreeNotFoundError:  # downloaded file by file, or by an older version of the library
        files = [p.name for p in folder.iterdir()] if folder.is_dir() else []
    try:
        return folder if all((folder / path).is_file() for path in choose_files(name, files)) else None
    except ModelError:
        return None


def choose_files(name: str, files: list[str]) -> list[str]:
    """Chooses the files of a repository that loading needs. Raises ModelError if the model cannot be loaded safely."""
    top = [path for path in files if "/" not in path]
    if "config.json" not in top:
        if "adapter_config.json" in top:
            raise ModelError.of(
                "model-is-adapter",
                "{name!r} is an adapter for another model, not a whole one; name the model it was made for",
                name=name,
            )
        raise ModelError.of(
            "model-without-config",
            "{name!r} has no config.json, so transformers cannot load it; choose another model",
            name=name,
        )
    if WEIGHTS in top:
        weights = [WEIGHTS]
    elif f"{WEIGHTS}.index.json" in top:
        weights = [f"{WEIGHTS}.index.json", *fnmatch.filter(top, "model-*-of-*.safetensors")]
    else:
        raise ModelError(_no_weights(name, top))
    tokenizer = [path for path in top if any(fnmatch.fnmatchcase(path, pattern) for pattern in TOKENIZER_FILES)]
    return ["config.json", *tokenizer, *weights]


def _no_weights(name: str, files: list[str]) -> Message:
    if pickled := [path for path in files if path.endswith(PICKLED)]:
        return Message.of(
            "hub-weights-pickled",
            "{name!r} has its weights only in pickled form ({file}), and unpickling can run any "
            "code; choose a model or a revision with model.safetensors",
            name=name,
            file=pickled[0],
        )
    return Message.of(
        "hub-weights-missing",
        "{name!r} has no model.safetensors, the form in which Tunedeck loads weights; choose another model",
        name=name,
    )


def cached_file(name: str, file: str, revision: str | None = None) -> Path | None:
    """Returns a file of a model, such as tokenizer.json, if it is in the cache; else None. No network."""
    from huggingface_hub import try_to_load_from_cache

    if hub_id_problem(name) or revision_problem(revision):
        return None
    path = try_to_load_from_cache(name, file, revision=revision)
    return Path(path) if isinstance(path, str) else None


def fetch_tokenizer_json(name: str, revision: str | None = None) -> Path:
    """Returns a model's tokenizer.json, from the cache if it has any version of `revision`, else from the Hub.

    Raises ModelError if the model has none, HubError if it cannot be downloaded; if the Hub does not answer, within
    about ten seconds.
    """
    check(name, revision)
    if cached := cached_file(name, "tokenizer.json", revision):
        return cached
    token()
    try:
        _, commit, sizes = repo_files("model", name, revision)
        if "tokenizer.json" not in sizes:
            raise ModelError.of(
                "model-without-tokenizer-json",
                "{name!r} has no tokenizer.json, so its tokens cannot be counted before it is loaded",
                name=name,
            )
        return download("model", name, revision, commit, {"tokenizer.json": sizes["tokenizer.json"]}) / "tokenizer.json"
    except hub_errors() as error:
        raise explain(error, "model", name, revision) from None


def cached_models() -> list[str]:
    """Returns the ids of the models in the cache, complete or not. No network, and no file is opened."""
    folders = sorted(cache_folder().glob("models--*"))[:MOST_CACHED]
    names = [folder.name.removeprefix("models--").replace("--", "/") for folder in folders]
    return [name for name in names if hub_id_problem(name) is None]
