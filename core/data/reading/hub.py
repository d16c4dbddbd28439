"""Downloads a dataset from the Hugging Face Hub and converts it to Parquet files with class names.

Imports `datasets` when called, so it belongs in a worker process. No code from the Hub ever runs: datasets that need a
script are refused, and so are formats that hold no table.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from core.data.reading.aligning import types
from core.data.reading.aligning.storing import UNPACKED
from core.data.reading.tables import parquet
from core.errors import DataError
from core.hub.download import Listing, Progress, cached_commit, download, ignore, repo_files
from core.hub.errors import cache_folder, check, explain, hub_errors, reason, token, unreachable, without_secrets
from core.messages import Message
from core.spec.data import DataSpec
from core.wording import library_message

READABLE = ("csv", "json", "parquet", "arrow", "text")
"""The readers of `datasets` that give a table of texts and numbers."""


class HubSplit(NamedTuple):
    """A split: its name, its Parquet files, and, for files without class names, column → class names."""

    name: str
    paths: list[Path]
    names: dict[str, tuple[str, ...]]


def prepare_hub(
    data: DataSpec, folder: Path, progress: Progress = ignore, note: Callable[[Message], None] = ignore
) -> list[HubSplit]:
    """Downloads the dataset that `data` names and writes each split to Parquet files in `folder`.

    `note` gets a sentence if the Hub does not answer and an earlier download of the same version is used instead.
    Raises HubError if the dataset cannot be downloaded, DataError if it cannot be used: a configuration must be chosen,
    it needs a script, or its files cannot be read. Downloads stay in the Hub's cache and are not repeated.
    """
    name = data.path.strip()
    check(name, data.revision)
    token()
    try:
        with _bars_to(progress):
            return _load(name, data.config, data.revision, folder, progress, note)
    except hub_errors() as error:
        raise explain(error, "dataset", name, data.revision) from None


def _load(
    name: str,
    config: str | None,
    revision: str | None,
    folder: Path,
    progress: Progress,
    note: Callable[[Message], None],
) -> list[HubSplit]:
    """Loads the splits from the Hub, or from an earlier download if the Hub does not answer."""
    try:
        progress(f"Looking up {name}", None)
        listing = repo_files("dataset", name, revision)
        builder = _builder(listing, config)
        _check_own_files(builder, listing)
        files = _fetch_files(builder, listing, revision, progress)
        if _kind(builder) == "parquet" and _differ(files, _names(builder.info.features)):
            return _copied(files, _names(builder.info.features), folder)
        return _write(_build(builder, name), folder)
    except hub_errors() as error:
        copy = _cached(name, config, revision) if unreachable(error) else None
        if copy is None:
            raise
    note(
        Message.of(
            "hub-copy-used",
            "The Hub could not be reached; the copy of {name} that this machine has is used (commit {commit})",
            name=name,
            commit=copy.hash[:7],
        )
    )
    return _write(dict(copy.as_dataset()), folder)


def _names(features: Any) -> dict[str, tuple[str, ...]]:
    """Returns column → class names from `datasets.Features`; empty for None."""
    classes = {name: f for name, f in (features or {}).items() if type(f).__name__ == "ClassLabel" and f.names}
    return {name: tuple(feature.names) for name, feature in classes.items()}


def _differ(files: dict[str, list[Path]], names: dict[str, tuple[str, ...]]) -> bool:
    """Whether files number their classes differently or hold different types; `datasets` reads all like the first."""
    lists = {column: {classes} for column, classes in names.items()}
    kinds: dict[str, set[str]] = {}
    for path in (path for paths in files.values() for path in paths):
        try:
            with parquet.open_file(path) as file:
                schema = file.schema_arrow
        except DataError:
            return False  # `datasets` will report the fault
        for column, classes in parquet.class_names(schema).items():
            lists.setdefault(column, set()).add(classes)
        for field in schema:
            kinds.setdefault(field.name, set()).add(types.kind_of(field.type))
    return any(len(known) > 1 for known in lists.values()) or any(len(known) > 1 for known in kinds.values())


def _copied(files: dict[str, list[Path]], names: dict[str, tuple[str, ...]], folder: Path) -> list[HubSplit]:
    """Copies the files out of the Hub's cache, which may be emptied."""
    splits: list[HubSplit] = []
    for split, paths in files.items():
        copies = [folder / UNPACKED / f"{len(splits)}-{number}" / path.name for number, path in enumerate(paths)]
        for path, copy in zip(paths, copies, strict=True):
            copy.parent.mkdir(parents=True)
            shutil.copyfile(path, copy)
        splits.append(HubSplit(split, copies, names))
    return splits


def _builder(listing: Listing, config: str | None) -> Any:
    """Returns the `datasets` reader for a configuration. Raises DataError if there is none.

    The reader needs the owner/name that the Hub gave; it would misread a name alone, such as `yelp_review_full`.
    """
    from datasets import load_dataset_builder
    from datasets.data_files import EmptyDatasetError
    from datasets.exceptions import DataFilesNotFoundError, DatasetNotFoundError
    from huggingface_hub import HfApi

    name, commit, sizes = listing
    scripts = [path for path in sizes if path.endswith(".py") and "/" not in path]
    if f"{name.split('/')[-1]}.py" in scripts:
        raise DataError(_needs_script(name, scripts[0]), "data.path")
    if "/" not in name:
        raise DataError.of(
            "dataset-without-owner",
            "{name!r} has no owner; give the dataset's id as owner/name",
            "data.path",
            name=name,
        )
    try:
        builder = load_dataset_builder(f"hf://datasets/{name}", name=config, revision=commit)
    except (DataFilesNotFoundError, EmptyDatasetError):
        raise _no_table(name, scripts) from None
    except DatasetNotFoundError:
        HfApi().auth_check(name, repo_type="dataset")  # raises the real error, which `datasets` has dropped
        raise
    except ValueError as error:
        if isinstance(error, hub_errors()):
            raise
        if "Data files don't belong to" in str(error):
            raise _outside(name) from None
        raise _config_problem(name, config, commit, error) from None
    if builder.hash != commit or _kind(builder) not in READABLE:
        raise _no_table(name, scripts)
    return builder


def _kind(builder: Any) -> str:
    return type(builder).__module__.rsplit(".", 1)[-1]


def _needs_script(name: str, script: str) -> Message:
    return Message.of(
        "dataset-needs-script",
        "{name!r} can only be read by its own script ({script}), which is not run, as it could do anything here; look "
        "for a version of it in Parquet or CSV, or download the data and open the files",
        name=name,
        script=script,
    )


def _no_table(name: str, scripts: list[str]) -> DataError:
    if scripts:
        return DataError(_needs_script(name, scripts[0]), "data.path")
    return DataError.of(
        "dataset-without-data-files",
        "{name!r} has no CSV, JSON, Parquet, Arrow or text files to read; choose another",
        "data.path",
        name=name,
    )


def _config_problem(name: str, config: str | None, commit: str, error: ValueError) -> DataError:
    from datasets import get_dataset_config_names

    names = get_dataset_config_names(f"hf://datasets/{name}", revision=commit)
    if config is None and len(names) > 1:
        return DataError.of(
            "choose-configuration",
            "{name} has several configurations: {configurations}; choose one in data.config",
            "data.config",
            name=name,
            configurations=_listed(names),
        )
    if config is not None and config not in names:
        return DataError.of(
            "no-such-configuration",
            "{name} has no configuration {configuration!r}; it has {configurations}",
            "data.config",
            name=name,
            configuration=config,
            configurations=_listed(names),
        )
    return _unreadable(name, error)


def _listed(names: list[str]) -> str:
    """Lists names for a sentence: the first 30, and how many more there are."""
    return ", ".join(names[:30]) + (f" and {len(names) - 30} more" if len(names) > 30 else "")


def _unreadable(name: str, error: BaseException) -> DataError:
    """Explains a reader's error by the innermost one, as the outer ones only say that there was an error."""
    from datasets.table import CastError

    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
        if isinstance(error, CastError):
            return DataError.of(
                "dataset-files-differ",
                "The files of {name!r} do not have the same columns: {reason}",
                "data.config",
                name=name,
                reason=error.details(),
            )
    reason = without_secrets(library_message(error))
    return DataError.of(
        "dataset-files-unreadable",
        "The files of {name!r} could not be read: {reason}. Download them and open them as files, "
        "where the way they are read can be set",
        "data.path",
        name=name,
        reason=reason,
    )


def _check_own_files(builder: Any, listing: Listing) -> None:
    """Raises DataError if the card names data outside its repository: on this machine, its network, or elsewhere."""
    own = f"hf://datasets/{listing.id}@"
    urls = [str(url) for split in builder.config.data_files.values() for url in split]
    if any(not url.startswith(own) or "::" in url or ".." in url.split("/") for url in urls):
        raise _outside(listing.id)


def _outside(name: str) -> DataError:
    return DataError.of(
        "dataset-points-outside",
        "{name!r} points to files outside its own repository, which are not opened here; choose another dataset",
        "data.path",
        name=name,
    )


def _fetch_files(builder: Any, listing: Listing, revision: str | None, progress: Progress) -> dict[str, list[Path]]:
    """Downloads the files of all splits into the Hub's cache, with progress in bytes; returns them by split."""
    name, commit, sizes = listing
    prefix = f"hf://datasets/{name}@{commit}/"
    files = {
        str(split): [str(url).removeprefix(prefix) for url in urls] for split, urls in builder.config.data_files.items()
    }
    needed = {path: sizes[path] for paths in files.values() for path in paths if path in sizes}
    folder = download("dataset", name, revision, commit, needed, progress)
    return {split: [folder / path for path in paths] for split, paths in files.items()}


def _build(builder: Any, name: str) -> dict[str, Any]:
    """Reads the files into the Arrow cache of `datasets`. Raises DataError if they do not fit together."""
    import pyarrow
    from datasets.exceptions import DatasetsError

    try:
        # No checks: row counts on cards are often outdated, and the files were checked when they were downloaded.
        builder.download_and_prepare(verification_mode="no_checks")
        return dict(builder.as_dataset())
    except (DatasetsError, pyarrow.ArrowException, ValueError, EOFError, *hub_errors()) as error:
        if reason(error, "dataset", name):
            raise
        raise _unreadable(name, error) from None


def _cached(name: str, config: str | None, revision: str | None) -> Any:
    """Returns a reader of an earlier download of this revision; None if there is none. Uses no network."""
    from datasets import config as settings
    from datasets.packaged_modules.cache.cache import Cache

    name = _cached_id(name)
    commit = cached_commit("dataset", name, revision)
    folders = _cached_folders(Path(settings.HF_DATASETS_CACHE), name, commit) if commit else {}
    if config is None and len(folders) > 1:
        raise DataError.of(
            "choose-configuration-offline",
            "The Hub could not be reached, and this machine has several configurations of {name}: "
            "{configurations}; choose one in data.config",
            "data.config",
            name=name,
            configurations=_listed(sorted(folders)),
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


def _cached_id(name: str) -> str:
    """Completes a name to owner/name, if exactly one dataset in the cache has this name."""
    folders = [] if "/" in name else list(cache_folder().glob(f"datasets--*--{name}"))
    return f"{folders[0].name.split('--')[1]}/{name}" if len(folders) == 1 else name


def _cached_folders(root: Path, name: str, commit: str) -> dict[str, Path]:
    """Returns configuration → its complete folder, <owner>___<name>/<configuration>/<version>/<commit>."""
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
        written.append(HubSplit(str(name), [path], _names(dataset.features)))
    return written


@contextmanager
def _bars_to(progress: Progress) -> Iterator[None]:
    """Sends the progress bars of `datasets` to `progress` instead of the terminal.

    `display` is the method that tqdm's documentation names for this; it is called a few times a second at most.
    """
    from datasets.utils import tqdm

    def report(bar: Any, *_: Any, **__: Any) -> None:
        phase = re.sub(r"Generating (.*) split", r"Reading \1", (bar.desc or "Reading").strip(": "))
        progress(
            phase.replace("Creating parquet from Arrow format", "Writing"),
            min(1.0, bar.n / bar.total) if bar.total else None,
        )

    tqdm.display = report
    try:
        yield
    finally:
        del tqdm.display
