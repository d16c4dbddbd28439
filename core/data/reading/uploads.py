"""Saves uploaded files in folders named by a hash of their content, so that the same upload is kept once."""

from __future__ import annotations

import errno
import hashlib
import re
import uuid
from pathlib import Path
from typing import Protocol

from core.access.rules import check
from core.errors import DataError
from core.settings import Settings
from core.store import quotas
from core.store.store import Store

CHUNK = 1024 * 1024
MAX_NAME = 100
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?$", re.IGNORECASE)  # Windows


class Readable(Protocol):
    """Any open binary file."""

    def read(self, size: int = -1, /) -> bytes: ...


def save_upload(settings: Settings, name: str, stream: Readable) -> Path:
    """Writes a stream to the uploads folder and returns the file's path. Raises DataError, AccessDenied.

    No partial file stays behind. name: the file's name in the person's browser, of which safe characters are kept
    """
    check(settings, "upload")
    partial = settings.own_uploads / f".partial-{uuid.uuid4().hex}"
    try:
        settings.own_uploads.mkdir(parents=True, exist_ok=True)
        digest = _copy(stream, partial, settings.max_upload_bytes, name)
        quotas.check_disk(settings, Store(settings.store_path))  # includes the file that was just written
        folder = settings.own_uploads / digest[:20]
        folder.mkdir(exist_ok=True)
        target = folder / safe_name(name)
        if target.exists():
            return target  # the same content and name; writing it again would make the dataset look changed
        return partial.rename(target)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DataError.of(
                "upload-disk-full",
                "the disk with {folder} is full, so {file!r} was not kept; free some space and upload it again",
                "data.path",
                folder=settings.uploads,
                file=name[:80],
            ) from None
        raise DataError.of(
            "upload-not-kept",
            "{file!r} could not be kept ({reason}); try again",
            "data.path",
            file=name[:80],
            reason=error.strerror or error,
        ) from None
    finally:
        partial.unlink(missing_ok=True)


def safe_name(name: str) -> str:
    """Removes folders, control characters and whatever some file systems refuse from a file name; keeps suffixes."""
    base = re.split(r"[/\\]", name)[-1]
    base = re.sub(r'[\x00-\x1f\x7f<>:"|?*\[\]\ud800-\udfff]', "_", base).strip(" .")
    if len(base.encode()) > MAX_NAME:
        suffix = "".join(Path(base).suffixes[-2:])[-20:]
        base = base.encode()[: MAX_NAME - len(suffix.encode())].decode(errors="ignore") + suffix
    return f"_{base}" if RESERVED.match(base) else base or "upload"


def _copy(stream: Readable, target: Path, max_bytes: int, name: str) -> str:
    """Copies a stream to a file and returns the SHA-256 of its content. Raises DataError for too many bytes or none."""
    digest = hashlib.sha256()
    size = 0
    with target.open("wb") as out:
        while chunk := stream.read(CHUNK):
            size += len(chunk)
            if size > max_bytes:
                raise DataError.of(
                    "upload-too-large",
                    "{file!r} is larger than {megabytes:,.0f} MB, the most that can be uploaded; give "
                    "the path of the file instead, or upload a part",
                    "data.path",
                    file=name[:80],
                    megabytes=max_bytes / 1024**2,
                )
            digest.update(chunk)
            out.write(chunk)
    if not size:
        raise DataError.of(
            "upload-empty",
            "{file!r} is empty (0 bytes); choose a file with at least one row",
            "data.path",
            file=name[:80],
        )
    return digest.hexdigest()
