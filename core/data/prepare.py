"""A dataset brought to Parquet: made once, cheap to open again.

    source (sample | file or folder | Hub) ── prepare() ──► HOME/datasets/<fingerprint>/*.parquet, manifest.json

The fingerprint covers where the content came from, its size and time of change, and how it is read; the content itself
is not hashed, so that a page finds a prepared dataset again in milliseconds. Parquet files are used where they lie.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import uuid
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.data.dataset import Prepared, Progress, ignore
from core.data.prepared_folder import (
    FORMAT,
    open_folder,
    prepared_of,
    publish,
    sweep,
    take_over_reviews,
    write_manifest,
)
from core.data.reading import files
from core.data.reading.folders import layout
from core.errors import DataError, PathError
from core.settings import Settings
from core.spec.data import DataSpec

if TYPE_CHECKING:
    from core.data.reading.manifest import Manifest

STEPS_FORMAT = 2  # raise it when a step does something else than it did


def prepare(data: DataSpec, settings: Settings, progress: Progress = ignore) -> Prepared:
    """The dataset as Parquet, from the cache or made now. Raises DataError, HubError, PathError."""
    try:
        fingerprint = _fingerprint(data, settings)
        return open_folder(settings.datasets / fingerprint) or _make(data, settings, fingerprint, progress)
    except OSError as error:
        raise _unwritable(error, settings) from error


def find_prepared(data: DataSpec, settings: Settings) -> Prepared | None:
    """The dataset if it was prepared before and its files have not changed since; reads no content, no network."""
    try:
        return open_folder(settings.datasets / _fingerprint(data, settings))
    except (DataError, PathError, OSError):  # the last: a file that went away while it was looked at
        return None


def until_step(data: DataSpec, count: int) -> DataSpec:
    """The dataset after its first steps only."""
    return data.model_copy(update={"steps": data.steps[:count]})


def _fingerprint(data: DataSpec, settings: Settings) -> str:
    """Names the prepared dataset. Raises DataError, PathError if there are no such files."""
    key: list[Any] = [FORMAT, data.source]
    if data.source == "sample":
        from core.data.reading.sample import VERSION

        key.append(VERSION)
    elif data.source == "hub":
        key += [data.path, data.config, data.revision]
    else:
        path = files.resolve(data.path, settings)
        key += [str(path), data.config]
        key += [[entry.name, entry.size, entry.mtime_ns] for entry in layout.candidates(path, settings)]
        key.append(data.read.model_dump())
    if data.steps:
        key += [STEPS_FORMAT, [step.model_dump(mode="json") for step in data.steps]]
    return hashlib.sha256(json.dumps(key, ensure_ascii=True).encode()).hexdigest()[:24]


def _make(data: DataSpec, settings: Settings, fingerprint: str, progress: Progress) -> Prepared:
    temporary = settings.datasets / f".{fingerprint}-{uuid.uuid4().hex[:8]}"
    try:
        sweep(settings.datasets)
        temporary.mkdir(parents=True)
        manifest = _ingest(data, settings, temporary, progress)
        write_manifest(temporary, fingerprint, asdict(manifest))
        take_over_reviews(temporary, settings.datasets)
        publish(temporary, settings.datasets / fingerprint)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    prepared = open_folder(settings.datasets / fingerprint)
    assert prepared is not None
    return prepared


def _ingest(data: DataSpec, settings: Settings, folder: Path, progress: Progress) -> Manifest:
    """Write the Parquet files of a dataset to a folder."""
    from core.data.reading import ingest

    if data.steps:
        return _do_steps(data, settings, folder, progress)
    match data.source:
        case "sample":
            return ingest.sample(folder, progress)
        case "hub":
            return ingest.hub(data, folder, progress)
        case "file":
            return ingest.files_of(data, settings, folder, progress)


def _do_steps(data: DataSpec, settings: Settings, folder: Path, progress: Progress) -> Manifest:
    """The steps, from the longest beginning of them that was prepared before."""
    from core.data.reading import ingest

    done, before = len(data.steps), None
    while before is None and done:
        done -= 1
        before = find_prepared(until_step(data, done), settings)
    before = before or prepare(until_step(data, 0), settings, progress)
    for number in range(done, len(data.steps)):
        into = folder if number == len(data.steps) - 1 else folder / f"step-{number}"
        into.mkdir(exist_ok=True)
        manifest = ingest.by_step(before, data.steps[number], into, progress)
        before = prepared_of({"fingerprint": before.fingerprint, **json.loads(json.dumps(asdict(manifest)))}, into)
    for number in range(done, len(data.steps) - 1):
        shutil.rmtree(folder / f"step-{number}", ignore_errors=True)
    return manifest


def _unwritable(error: OSError, settings: Settings) -> DataError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DataError.of(
            "disk-full",
            "the disk with {folder} is full; free some space or set TUNEDECK_HOME to another disk",
            "data.path",
            folder=settings.datasets,
        )
    return DataError.of(
        "dataset-unreadable",
        "the dataset cannot be read or kept ({reason}); check the path and its permissions",
        "data.path",
        reason=error,
    )
