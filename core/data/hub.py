"""A dataset of the Hugging Face Hub, brought to Parquet: one file per split, class names kept.

Imports `datasets` when called, so it belongs into a worker process. No code from the Hub ever runs: datasets that need
a script are refused, and so are formats that hold no table.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from core.errors import DataError
from core.hub import Progress, cached_commit, download, ignore, repo_files
from core.hub_errors import check, explain, hub_errors, token, unreachable, without_secrets
from core.spec import DataSpec

READABLE = ("csv", "json", "parquet", "arrow", "text")
"""The readers of `datasets` that make a table of texts and numbers."""


class HubSplit(NamedTuple):
    """One split: its name, its Parquet file, and its `datasets.Features`."""

    name: str
    path: Path
    features: Any


def prepare_hub(
    data: DataSpec, folder: Path, progress: Progress = ignore, note: Callable[[str], None] = ignore
) -> list[HubSplit]:
    """Fetch the dataset that `data` names and write each split to `folder`/<split>.parquet.

    `note` gets a sentence when the Hub did not answer and an earlier download of the same version was taken.
    Raises HubError when it cannot be had, DataError when it cannot be used: a configuration has to be chosen, it needs
    a script, or its files cannot be read. What was fetched stays in the Hub's cache and is not fetched again.
    """
    name = data.path.strip()
    check(name, data.revision)
    token()
    try:
        with _bars_to(progress):
            return _write(_load(name, data.config, data.revision, progress, note), folder)
    except hub_errors() as error:
        raise explain(error, "dataset", name, data.revision) from None


def _load(
    name: str, config: str | None, revision: str | None, progress: Progress, note: Callable[[str], None]
) -> dict[str, Any]:
    """The splits as Arrow datasets: from the Hub, else from an earlier download if the Hub does not answer."""
    try:
        progress(f"Looking up {name}", None)
        commit, sizes = repo_files("dataset", name, revision)
        builder = _builder(name, config, commit, list(sizes))
        _fetch_files(builder, name, revision, commit, sizes, progress)
        return _build(builder, name)
    except hub_errors() as error:
        found = _cached(name, config, revision) if unreachable(error) else None
        if found is None:
            raise
    note(f"The Hub could not be reached; the copy of {name} that this machine has is used (commit {found.hash[:7]})")
    return dict(found.as_dataset())


def _builder(name: str, config: str | None, commit: str, files: list[str]) -> Any:
    """The `datasets` reader for a configuration. Raises DataError if there is none."""
    from datasets import load_dataset_builder
    from datasets.exceptions import DataFilesNotFoundError
    from datasets.packaged_modules import _PACKAGED_DATASETS_MODULES as formats

    scripts = [path for path in files if path.endswith(".py") and "/" not in path]
    if f"{name.split('/')[-1]}.py" in scripts:
        raise DataError(_needs_script(name, scripts[0]), "data.path")
    if name in formats:
        raise DataError(f"{name!r} is the name of a file format, not of a dataset; give owner/name", "data.path")
    try:
        builder = load_dataset_builder(f"hf://datasets/{name}", name=config, revision=commit)
    except DataFilesNotFoundError:
        raise _no_table(name, scripts) from None
    except ValueError as error:
        if isinstance(error, hub_errors()):
            raise
        raise _config_problem(name, config, commit, error) from None
    if builder.hash != commit or _kind(builder) not in READABLE:
        raise _no_table(name, scripts)
    return builder


def _kind(builder: Any) -> str:
    return type(builder).__module__.rsplit(".", 1)[-1]


def _needs_script(name: str, script: str) -> str:
    return (
        f"{name!r} can only be read by its own program ({script}), which is not run, as it could do anything here; "
        "look for a version of it in Parquet or CSV, or download the data and open the files"
    )


def _no_table(name: str, scripts: list[str]) -> DataError:
    if scripts:
        return DataError(_needs_script(name, scripts[0]), "data.path")
    return DataError(f"{name!r} has no CSV, JSON, Parquet, Arrow or text files to read; choose another", "data.path")


def _config_problem(name: str, config: str | None, commit: str, error: ValueError) -> DataError:
    from datasets import get_dataset_config_names

    names = get_dataset_config_names(f"hf://datasets/{name}", revision=commit)
    if config is None and len(names) > 1:
        return DataError(
            f"{name} has several configurations: {_listed(names)}; choose one in data.config", "data.config"
        )
    if config is not None and config not in names:
        return DataError(f"{name} has no configuration {config!r}; it has {_listed(names)}", "data.config")
    return _unreadable(name, error)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:30]) + (f" and {len(names) - 30} more" if len(names) > 30 else "")


def _unreadable(name: str, error: BaseException) -> DataError:
    """What a reader said, from the innermost error, for the outer ones only say that there was one."""
    while error.__cause__ is not None:
        error = error.__cause__
    first_line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return DataError(f"The files of {name!r} could not be read: {without_secrets(first_line)}", "data.path")


def _fetch_files(
    builder: Any, name: str, revision: str | None, commit: str, sizes: dict[str, int], progress: Progress
) -> None:
    """Bring the data files that this configuration needs into the Hub's cache, together and with progress in bytes."""
    prefix = f"hf://datasets/{name}@{commit}/"
    files = [url.removeprefix(prefix) for urls in builder.config.data_files.values() for url in urls]
    needed = {path: sizes[path] for path in files if path in sizes}
    download("dataset", name, revision, commit, needed, progress)


def _build(builder: Any, name: str) -> dict[str, Any]:
    """Read the files into the Arrow cache of `datasets`. Raises DataError where they do not fit together."""
    import pyarrow
    from datasets.exceptions import DatasetsError

    try:
        # Row counts on the dataset's card are often out of date; the files themselves were checked when they came.
        builder.download_and_prepare(verification_mode="no_checks")
        return dict(builder.as_dataset())
    except (DatasetsError, pyarrow.ArrowException, ValueError) as error:
        if isinstance(error, hub_errors()):
            raise
        raise _unreadable(name, error) from None


def _cached(name: str, config: str | None, revision: str | None) -> Any:
    """A reader of what an earlier call for this revision left in the cache; None if nothing. No network."""
    from datasets import config as settings
    from datasets.packaged_modules.cache.cache import Cache

    commit = cached_commit("dataset", name, revision)
    folders = _cached_folders(Path(settings.HF_DATASETS_CACHE), name, commit) if commit else {}
    if config is None and len(folders) > 1:
        raise DataError(
            f"The Hub could not be reached, and this machine has several configurations of {name}: "
            f"{_listed(sorted(folders))}; choose one in data.config",
            "data.config",
        )
    chosen = folders.get(config) if config else next(iter(folders.values()), None)
    if chosen is None:
        return None
    return Cache(
        repo_id=name,
        dataset_name=name.split("/")[-1],
        config_name=chosen.parts[-3],
        version=chosen.parts[-2],
        hash=commit,
    )


def _cached_folders(root: Path, name: str, commit: str) -> dict[str, Path]:
    """By configuration: the folder <owner>___<name>/<configuration>/<version>/<commit> that is complete."""
    from datasets.naming import camelcase_to_snakecase

    owner, _, last = name.rpartition("/")
    top = root / "___".join([*([owner] if owner else []), camelcase_to_snakecase(last)])
    infos = top.glob(f"*/*/{commit}/dataset_info.json")
    return {json.loads(info.read_text(encoding="utf-8"))["config_name"]: info.parent for info in infos}


def _write(splits: dict[str, Any], folder: Path) -> list[HubSplit]:
    written = []
    for name, dataset in splits.items():
        path = folder / f"{name}.parquet"
        dataset.to_parquet(path)
        written.append(HubSplit(str(name), path, dataset.features))
    return written


@contextmanager
def _bars_to(progress: Progress) -> Iterator[None]:
    """Have the progress bars of `datasets` tell `progress` instead of drawing themselves.

    `display` is the method that tqdm's documentation names for this; it is called a few times a second at most.
    """
    from datasets.utils import tqdm

    def tell(bar: Any, *_: Any, **__: Any) -> None:
        progress((bar.desc or "Reading").strip(": "), min(1.0, bar.n / bar.total) if bar.total else None)

    tqdm.display = tell
    try:
        yield
    finally:
        del tqdm.display
