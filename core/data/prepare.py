"""A dataset brought to Parquet: made once, cheap to open again.

    source (sample | file or folder | Hub) ── prepare() ──► HOME/datasets/<fingerprint>/*.parquet, manifest.json

A folder with a manifest is complete: it is made under a temporary name, synced and renamed. The fingerprint covers
where the content came from, its size and time of change, and how it is read; the content itself is not hashed, so that
a page finds a prepared dataset again in milliseconds. Parquet files are used where they lie. The manifest seals the
files that were made (see core.seals): a folder in which one is no longer what it was is prepared again.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import shutil
import time
import uuid
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core import seals
from core.data.dataset import Column, Prepared, Progress, Split, ignore
from core.data.notes import Note
from core.data.reading import archives, files
from core.data.reading.folders import layout
from core.data.reading.folders.walk import Entry
from core.errors import DataError, PathError
from core.files import sync, write_text
from core.settings import Settings
from core.spec.run import DataSpec

STEPS_FORMAT = 2  # raise it when a step does something else than it did
FORMAT = 4  # raise it when prepared folders of older versions must not be used any more
QUICK_BYTES = 8 * 1024 * 1024  # of text; about a second
QUICK_FILES = 1000
SLOW_WORKBOOK = 4  # times as slow as text, byte by byte of its XML
QUICK_ROWS, QUICK_NEAR_ROWS = 200_000, 6_000
STALE_S = 24 * 3600
MANIFEST = "manifest.json"
KEPT_BY_PEOPLE = ("labels-reviewed.json",)  # survives when the rest of a damaged folder is made again


def prepare(data: DataSpec, settings: Settings, progress: Progress = ignore) -> Prepared:
    """The dataset as Parquet, from the cache or made now. Raises DataError, HubError, PathError."""
    try:
        fingerprint = _fingerprint(data, settings)
        return _open(settings.datasets / fingerprint) or _made(data, settings, fingerprint, progress)
    except OSError as error:
        raise _unwritable(error, settings) from error


def _made(data: DataSpec, settings: Settings, fingerprint: str, progress: Progress) -> Prepared:
    temporary = settings.datasets / f".{fingerprint}-{uuid.uuid4().hex[:8]}"
    try:
        _sweep(settings.datasets)
        temporary.mkdir(parents=True)
        _make(data, settings, temporary, fingerprint, progress)
        _take_over_reviews(temporary, settings.datasets)
        _publish(temporary, settings.datasets / fingerprint)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    made = _open(settings.datasets / fingerprint)
    assert made is not None
    return made


def find_prepared(data: DataSpec, settings: Settings) -> Prepared | None:
    """The dataset if it was prepared before and its files have not changed since; reads no content, no network."""
    try:
        return _open(settings.datasets / _fingerprint(data, settings))
    except (DataError, PathError, OSError):  # the last: a file that went away while it was looked at
        return None


def is_quick(data: DataSpec, settings: Settings) -> bool:
    """Whether `prepare` takes less than about a second. Also True when it will fail at once. Raises nothing."""
    if data.steps:
        return find_prepared(data, settings) is not None or _steps_are_quick(data, settings)
    if data.source == "sample":
        return True
    if data.source == "hub":
        return find_prepared(data, settings) is not None
    try:
        entries = layout.candidates(files.resolve(data.path, settings), settings)
        if find_prepared(data, settings):
            return True
        if len(entries) > QUICK_FILES:
            return False
        return sum(_bytes_to_read(entry, alone=len(entries) == 1) for entry in entries) <= QUICK_BYTES
    except (DataError, PathError, OSError):
        return True


def _steps_are_quick(data: DataSpec, settings: Settings) -> bool:
    whole = until_step(data, 0)
    found = find_prepared(whole, settings)
    if found is None:
        return is_quick(whole, settings)
    rows = sum(split.rows for split in found.splits.values())
    try:
        size = sum(split.path.stat().st_size for split in found.splits.values())
    except OSError:
        return True
    near = any(getattr(step, "match", "") == "near" for step in data.steps)
    return size <= QUICK_BYTES and rows <= (QUICK_NEAR_ROWS if near else QUICK_ROWS)


def _bytes_to_read(entry: Entry, alone: bool) -> float:
    """How many bytes of text a file amounts to, after unpacking. Raises DataError, OSError."""
    if not entry.size:
        return 0.0
    kind = files.identify(entry.path).kind
    if kind in files.PACKED:
        return archives.unpacked_bytes(entry.path, kind)
    if kind == ".xlsx":
        return SLOW_WORKBOOK * archives.unpacked_bytes(entry.path, ".zip", everything=True)
    if kind == ".arrow":
        return math.inf  # its parts may be compressed, and it does not say how much they are
    if kind == ".parquet":
        from core.data.reading.tables import structs

        return entry.size * (0.0 if alone and not structs.must_be_read(entry.path) else 0.5)
    return entry.size


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


def _make(data: DataSpec, settings: Settings, folder: Path, fingerprint: str, progress: Progress) -> None:
    from core.data.reading import ingest

    if data.steps:
        made = _made_by_steps(data, settings, folder, progress)
    elif data.source == "sample":
        made = ingest.sample(folder, progress)
    elif data.source == "hub":
        made = ingest.hub(data, folder, progress)
    else:
        made = ingest.files_of(data, settings, folder, progress)
    for path in folder.rglob("*"):
        sync(path)
    own = [split["path"] for split in made.splits if not Path(split["path"]).is_absolute()]
    sealed = {path: asdict(seals.seal_of(folder / path)) for path in own}
    manifest = {"format": FORMAT, "fingerprint": fingerprint, "seals": sealed, **asdict(made)}
    text = json.dumps({**manifest, "checksum": _checksum(manifest)}, ensure_ascii=True, indent=1)
    write_text(folder / MANIFEST, text)


def _checksum(manifest: dict[str, Any]) -> str:
    text = json.dumps(manifest, ensure_ascii=True, sort_keys=True)
    return hashlib.blake2b(text.encode("ascii"), digest_size=16).hexdigest()


def _made_by_steps(data: DataSpec, settings: Settings, folder: Path, progress: Progress) -> Any:
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
        made = ingest.by_step(before, data.steps[number], into, progress)
        before = _prepared({"fingerprint": before.fingerprint, **json.loads(json.dumps(asdict(made)))}, into)
    for number in range(done, len(data.steps) - 1):
        shutil.rmtree(folder / f"step-{number}", ignore_errors=True)
    return made


def _take_over_reviews(made: Path, datasets: Path) -> None:
    """What people found right in this dataset under an earlier FORMAT. It names texts by their content, so that it is
    as right here.
    """
    (name,) = KEPT_BY_PEOPLE
    title = json.loads((made / MANIFEST).read_text(encoding="ascii"))["title"]
    reviewed: set[str] = set()
    for path in datasets.glob(f"*/{name}"):
        with suppress(OSError, ValueError, TypeError, KeyError):
            manifest = json.loads((path.parent / MANIFEST).read_text(encoding="ascii"))
            if manifest["format"] < FORMAT and manifest["title"] == title:
                reviewed.update(map(str, json.loads(path.read_text(encoding="utf-8"))))
    if reviewed:
        write_text(made / name, json.dumps(sorted(reviewed)))


def until_step(data: DataSpec, count: int) -> DataSpec:
    """The dataset after its first steps only."""
    return data.model_copy(update={"steps": data.steps[:count]})


def _publish(temporary: Path, folder: Path) -> None:
    """Renames a finished folder to its name, unless another process was faster."""
    try:
        temporary.rename(folder)
    except OSError:
        if _open(folder) is None:  # what is there is of no use, but for what a person has done
            for name in KEPT_BY_PEOPLE:
                with suppress(OSError):
                    (folder / name).rename(temporary / name)
            shutil.rmtree(folder, ignore_errors=True)
            temporary.rename(folder)
    sync(folder.parent)


def _open(folder: Path) -> Prepared | None:
    """The prepared dataset in a folder; None if there is none, or a file of it is gone or not what it was."""
    try:
        tree = json.loads((folder / MANIFEST).read_text(encoding="ascii"))
        checksum = tree.pop("checksum", None)
        if tree["format"] != FORMAT or checksum not in (None, _checksum(tree)):
            return None
        found = _prepared(tree, folder)
        sealed = {folder / path: seals.Seal(**seal) for path, seal in tree.get("seals", {}).items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    whole = all(seals.matches(path, seal) for path, seal in sealed.items())
    return found if whole and all(s.path.is_file() for s in found.splits.values()) else None


def _prepared(tree: dict[str, Any], folder: Path) -> Prepared:
    columns = tuple(
        Column(c["name"], c["kind"], c["nulls"], tuple(c["names"]) if c["names"] else None, tuple(c["added"]))
        for c in tree["columns"]
    )
    return Prepared(
        fingerprint=tree["fingerprint"],
        folder=folder,
        title=tree["title"],
        splits={s["name"]: Split(s["name"], folder / s["path"], s["rows"]) for s in tree["splits"]},
        columns=columns,
        notes=tuple(Note(**note) for note in tree["notes"]),
        reading=tree["reading"],
        text_guess=tuple(tree["text_guess"]),
        label_guess=tree["label_guess"],
    )


def _sweep(folder: Path) -> None:
    """Removes what processes that died in the middle have left behind."""
    for path in folder.glob(".*-*"):
        try:
            if time.time() - path.stat().st_mtime > STALE_S:
                shutil.rmtree(path, ignore_errors=True)
        except OSError:
            pass


def _unwritable(error: OSError, settings: Settings) -> DataError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DataError(
            f"the disk with {settings.datasets} is full; free some space or set TUNEDECK_HOME to another disk",
            "data.path",
        )
    return DataError(f"the dataset cannot be read or kept ({error}); check the path and its permissions", "data.path")
