"""A bundle that somebody made, taken in: checked from the first byte, shown like a run, never changed.

A bundle is hostile until it has been checked: only the files that its manifest names and the format knows are unpacked,
under limits, into a folder of their own; sizes and checksums, specs, tables and results must be as the pages need them;
then the folders take their places and the store gets all of it or nothing.
"""

from __future__ import annotations

import hashlib
import math
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError, model_validator

from core.data.reading.uploads import CHUNK, Readable, safe_name
from core.errors import DataError, RunNotFound, WrongStatus
from core.events import Level
from core.files import sync
from core.runs.leftovers import half_made
from core.settings import Settings
from core.sharing.bundles import bundle_format, checking, zips
from core.sharing.bundles.bundle import as_run
from core.sharing.bundles.bundle_format import FOR_PEOPLE, MANIFEST, MOST_FILES, Manifest, read_json
from core.store import quotas
from core.store.json_models import METRIC_NAME
from core.store.record import Run
from core.store.store import Store

MOST_EVENTS = 100_000
MOST_LEVELS = 6  # of lists and mappings in the arguments of a sentence; those of the problems of a spec have four

PayloadName = Annotated[str, StringConstraints(max_length=50)]
PayloadValue = str | int | float | bool | None


class Event(BaseModel):
    """An event of a training, as a page shows it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    time: bundle_format.Time
    kind: Literal["state", "message", "checkpoint"]
    payload: dict[PayloadName, PayloadValue | dict[PayloadName, Any]]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if any(isinstance(value, dict) and name != "arguments" for name, value in self.payload.items()):
            raise ValueError("only the arguments of a message are a mapping")
        if not _is_argument(self.payload.get("arguments"), MOST_LEVELS):
            raise ValueError("the arguments of a message have too many levels, or no JSON")
        text, level = self.payload.get("text"), self.payload.get("level")
        if self.kind == "message" and not (isinstance(text, str) and level in get_args(Level)):
            raise ValueError("a message has no sentence or no level")
        return self


def _is_argument(value: Any, levels: int) -> bool:
    """Whether it is what `core.messages.as_json` makes of an argument, with at most so many levels."""
    if isinstance(value, list | dict):
        inner = value.values() if isinstance(value, dict) else value
        return levels > 0 and all(_is_argument(one, levels - 1) for one in inner)
    return not isinstance(value, float) or math.isfinite(value)


Events = TypeAdapter(Annotated[list[Event], Field(max_length=MOST_EVENTS)])


def import_bundle(source: Path, store: Store, settings: Settings, owner: str = "") -> Run:
    """Take in a bundle, a zip or a folder, and return its training run.

    owner: whose it is then; the person's if not given
    One that is here already, unchanged, is left as it is. Raises DataError for what is no valid bundle, WrongStatus
    if its runs are this home's own, AccessDenied if the person may not import.
    """
    store.check_import()
    most = min(settings.max_unpacked_bytes, quotas.left(settings, store))
    manifest, digest = _manifest(source)
    known = _known(manifest, digest, store)
    try:
        with half_made(settings.home / "runs") as partial:
            _fetch(source, manifest, partial, settings.max_unpacked_bytes if known else most)
            if known is not None:
                return known  # only now: what was changed in its files is refused also where the run is here already
            checking.check(manifest, partial, source.name)
            trained = manifest.trained
            imported = {
                "bundle": digest,
                "run": trained.id,
                "texts": manifest.texts,
                "tunedeck": manifest.tunedeck,
                "at": time.time(),
                "from": source.name[:200],
            }
            owner = owner or settings.person.id
            taken = list(_new(store, [as_run(record, owner, imported) for record in manifest.runs]))
            folder = partial / "runs" / trained.id
            metrics, events = list(_metrics(trained.id, folder)), list(_events(trained.id, folder))
            with _placed([run.id for run in taken], partial, settings):
                store.import_runs(taken, metrics, events)
    except OSError as error:
        raise DataError.of(
            "bundle-not-taken-in",
            "{bundle} could not be taken in ({reason}); try again",
            bundle=source.name,
            reason=error.strerror or error,
        ) from None
    return store.run(trained.id)


def import_upload(name: str, stream: Readable, store: Store, settings: Settings) -> Run:
    """The same from an open file, under the limits of an upload. Raises DataError, WrongStatus, AccessDenied."""
    store.check_import()
    with half_made(settings.home) as folder:
        path = folder / safe_name(name)
        with path.open("wb") as out:
            while chunk := stream.read(CHUNK):
                if out.tell() + len(chunk) > settings.max_upload_bytes:
                    raise DataError.of(
                        "bundle-upload-too-large",
                        "{file!r} is larger than {most:,.0f} MB, the most that can be uploaded; export the run "
                        "without its texts",
                        file=name[:80],
                        most=settings.max_upload_bytes / 1024**2,
                    )
                out.write(chunk)
        return import_bundle(path, store, settings)


def _manifest(source: Path) -> tuple[Manifest, str]:
    """What a bundle says it is, and the SHA-256 of that."""
    try:
        if source.is_dir():
            path = source / MANIFEST
            if path.is_symlink() or not path.is_file():
                raise DataError.of(
                    "folder-without-manifest",
                    "the folder {folder} has no {manifest}; choose the folder or zip of one bundle",
                    folder=source.name,
                    manifest=MANIFEST,
                )
            if path.stat().st_size > bundle_format.MOST_JSON_BYTES:
                raise DataError.of(
                    "bundle-manifest-too-large",
                    "{bundle} has a {manifest} that is too large to be one; export the run again",
                    bundle=source.name,
                    manifest=MANIFEST,
                )
            content = path.read_bytes()
        else:
            member = zips.members(source, MOST_FILES + 1).get(MANIFEST)
            if member is None:
                raise DataError.of(
                    "bundle-without-manifest",
                    "{bundle} has no {manifest}; it is not a result bundle of Tunedeck",
                    bundle=source.name,
                    manifest=MANIFEST,
                )
            if member.file_size > bundle_format.MOST_JSON_BYTES:
                raise DataError.of(
                    "bundle-manifest-too-large",
                    "{bundle} has a {manifest} that is too large to be one; export the run again",
                    bundle=source.name,
                    manifest=MANIFEST,
                )
            content = zips.read(source, MANIFEST, bundle_format.MOST_JSON_BYTES)
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise DataError.of(
            "bundle-manifest-not-utf8",
            "{bundle} has a {manifest} that is not UTF-8; export the run again",
            bundle=source.name,
            manifest=MANIFEST,
        ) from None
    except OSError as error:
        raise DataError.of(
            "bundle-unreadable",
            "{bundle} cannot be read ({reason}); check the path",
            bundle=source.name,
            reason=error.strerror or error,
        ) from None
    return bundle_format.parse_manifest(text, source.name), hashlib.sha256(content).hexdigest()


def _known(manifest: Manifest, digest: str, store: Store) -> Run | None:
    try:
        run = store.run(manifest.trained.id)
    except RunNotFound:
        return None
    return run if run.imported is not None and run.imported.get("bundle") == digest else None


def _fetch(source: Path, manifest: Manifest, partial: Path, max_bytes: int) -> None:
    """The files that the manifest names, and only those, with their checksums."""
    wanted = [name for name in manifest.files if name not in FOR_PEOPLE]
    if source.is_dir():
        _copy(source, wanted, partial, max_bytes)
    else:
        zips.extract(source, wanted, partial, max_bytes)
    for name in wanted:
        entry, path = manifest.files[name], partial / name
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if path.stat().st_size != entry.bytes or digest != entry.sha256:
            raise DataError.of(
                "bundle-file-changed",
                "{bundle} was changed or damaged: {file} is not the file that its manifest describes; copy or "
                "download it again",
                bundle=source.name,
                file=name,
            )


def _copy(source: Path, names: list[str], partial: Path, max_bytes: int) -> None:
    root = source.resolve()
    for name in names:
        path = source / name
        if path.is_symlink() or not path.resolve().is_relative_to(root) or not path.is_file():
            raise DataError.of(
                "bundle-file-missing",
                "{bundle} is not complete: {file} is missing, or a link; copy the whole folder again",
                bundle=source.name,
                file=name,
            )
        max_bytes -= path.stat().st_size
        if max_bytes < 0:
            raise DataError.of(
                "bundle-too-large",
                "{bundle} is larger than what may be unpacked here; leave out its texts",
                bundle=source.name,
            )
        (partial / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, partial / name)


def _new(store: Store, runs: list[Run]) -> Iterator[Run]:
    """The runs to take in. A bundle may bring its own runs anew; a comparison that another brought stays as it is."""
    for run in runs:
        try:
            there = store.run(run.id)
        except RunNotFound:
            yield run
            continue
        assert run.imported is not None
        if there.imported is None:
            raise WrongStatus.of(
                "bundle-run-is-own",
                "Run {run} is here already, as a run of this home; nothing is imported.",
                run=run.id,
            )
        if there.imported.get("run") == run.imported["run"]:
            store.check_replace(there)
            yield run
        elif not there.kind == run.kind == "compare":
            raise WrongStatus.of(
                "bundle-run-in-another",
                "Run {run} came in another bundle; delete that one first if this one is to be shown.",
                run=run.id,
            )


@contextmanager
def _placed(ids: list[str], partial: Path, settings: Settings) -> Iterator[None]:
    """The runs' folders in their places, and those that lay there before back in them if the block fails."""
    targets = [(settings.run_dir(run_id), partial / f"before-{run_id}") for run_id in ids]
    try:
        for target, before in targets:
            if target.exists():
                target.rename(before)
            (partial / "runs" / target.name).rename(target)
        sync(settings.home / "runs")
        yield
    except BaseException:
        for target, before in targets:
            if not (partial / "runs" / target.name).exists():
                shutil.rmtree(target, ignore_errors=True)
            if before.exists():
                before.rename(target)
        raise


def _metrics(run_id: str, folder: Path) -> Iterator[tuple[str, str, int, float | None, float, float | None]]:
    import pyarrow.parquet as pq

    path = folder / "metrics.parquet"
    if not path.is_file():
        return
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(50_000):
            for row in batch.to_pylist():
                if not _is_point(row):
                    raise DataError.of(
                        "bundle-metrics-not-valid",
                        "a bundle's metrics have gaps, a name that none has, or numbers that cannot be; export the run "
                        "again",
                    )
                yield run_id, row["name"], row["step"], row["epoch"], row["time"], row["value"]


def _is_point(row: dict[str, Any]) -> bool:
    """Whether its name, step, time and epoch are valid; the value of a diverged run may be NaN."""
    step, epoch, when = row["step"], row["epoch"], row["time"]
    if row["name"] is None or not re.fullmatch(METRIC_NAME, row["name"]) or step is None or when is None:
        return False
    return 0 <= step <= 2**53 and 0 <= when <= 1e11 and (epoch is None or math.isfinite(epoch))


def _events(run_id: str, folder: Path) -> Iterator[tuple[str, float, str, dict[str, Any]]]:
    path = folder / "events.json"
    if not path.is_file():
        return
    try:
        events = Events.validate_python(read_json(path, folder.name))
    except ValidationError:
        raise DataError.of("bundle-events-not-valid", "a bundle's events are not valid; export the run again") from None
    for event in events:
        yield run_id, event.time, event.kind, event.payload
