"""Zip files for others, the same bytes for the same content; and zip files from others, opened under limits."""

from __future__ import annotations

import errno
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from core.errors import DataError
from core.files import replace_file
from core.wording import library_message

Contents = Mapping[str, Path | str]
"""What goes into a zip: name there -> the file that is copied, or the text itself."""

CHUNK = 1024 * 1024
DATE = (2020, 1, 1, 0, 0, 0)
STORED = (".safetensors", ".parquet", ".zip", ".onnx", ".onnx.data", ".keras")  # what compresses little, or not at all
MAX_RATIO, RATIO_FROM = 200, 64 * 1024**2
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)


def pack(folder: Path, path: Path, check_stop: Callable[[], None] = lambda: None) -> None:
    """All regular files below `folder` as a zip at `path`, complete or not there. Links are left out."""
    files = [p for p in folder.rglob("*") if p.is_file() and not p.is_symlink()]
    write({file.relative_to(folder).as_posix(): file for file in files}, path, lambda share: check_stop())


def write(contents: Contents, path: Path, progress: Callable[[float], None] = lambda share: None) -> None:
    """The zip at `path`, complete or not there. progress: called with the share that is done"""
    total = sum(content.stat().st_size for content in contents.values() if isinstance(content, Path)) or 1
    done = 0
    with replace_file(path) as partial, zipfile.ZipFile(partial, "w") as archive:
        for name in sorted(contents):
            content = contents[name]
            member = zipfile.ZipInfo(name, DATE)
            member.create_system = 3  # Unix, wherever it is made
            member.external_attr = (stat.S_IFREG | 0o644) << 16
            member.compress_type = zipfile.ZIP_STORED if name.endswith(STORED) else zipfile.ZIP_DEFLATED
            if isinstance(content, str):
                archive.writestr(member, content.encode("utf-8"))
                continue
            with content.open("rb") as source, archive.open(member, "w", force_zip64=True) as out:
                while chunk := source.read(CHUNK):
                    out.write(chunk)
                    done += len(chunk)
                    progress(done / total)


def members(path: Path, most: int) -> dict[str, zipfile.ZipInfo]:
    """The files in a zip by name. Raises DataError if it is none, is encrypted, or has links, doubles or too many."""
    try:
        with zipfile.ZipFile(path) as archive:
            files = [m for m in archive.infolist() if not m.is_dir()]
    except BROKEN as error:
        raise DataError.of(
            "zip-not-whole",
            "{file} is not a whole zip file ({reason}); copy or download it again",
            file=path.name,
            reason=_first(error),
        ) from None
    if len(files) > most:
        raise DataError.of(
            "zip-too-many-files",
            "{file} holds {count:,} files; one like this has at most {most:,}",
            file=path.name,
            count=len(files),
            most=most,
        )
    for member in files:
        if member.flag_bits & 1:
            raise DataError.of(
                "zip-encrypted", "{file} is encrypted with a password; make one without a password", file=path.name
            )
        if stat.S_ISLNK(member.external_attr >> 16):
            raise DataError.of(
                "zip-holds-link",
                "{file} holds a link ({link!r}), which may lead anywhere; make one without links",
                file=path.name,
                link=member.filename[:80],
            )
    named = {m.filename: m for m in files}
    if len(named) < len(files):
        raise DataError.of("zip-name-twice", "{file} holds two files of one name; make it anew", file=path.name)
    return named


def read(path: Path, name: str, max_bytes: int) -> bytes:
    """One small file of a zip. Raises DataError."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(name) as source:
            content = source.read(max_bytes + 1)
    except (KeyError, *BROKEN) as error:
        raise DataError.of(
            "zip-unreadable",
            "{file} cannot be read, it is damaged ({reason}); copy it again",
            file=path.name,
            reason=_first(error),
        ) from None
    if len(content) > max_bytes:
        raise DataError.of(
            "zip-says-less",
            "{file} unpacks to more than it says, which is how a file made to fill a disk looks",
            file=path.name,
        )
    return content


def extract(path: Path, names: Iterable[str], folder: Path, max_bytes: int) -> None:
    """The files of these names into `folder`. Counts what really comes out. Raises DataError.

    names: safe relative paths, as the caller has checked
    """
    left = max_bytes
    try:
        with zipfile.ZipFile(path) as archive:
            for name in names:
                member = archive.getinfo(name)
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, target.open("xb") as out:
                    size = 0
                    while chunk := source.read(CHUNK):
                        size += len(chunk)
                        left -= len(chunk)
                        if left < 0 or (size > RATIO_FROM and size > MAX_RATIO * max(1, member.compress_size)):
                            raise DataError.of(
                                "zip-bomb",
                                "{file} unpacks to more than {most:,.0f} MB, or to over {ratio} times its size; "
                                "that is how a file made to fill a disk looks",
                                file=path.name,
                                most=max_bytes / 1024**2,
                                ratio=MAX_RATIO,
                            )
                        out.write(chunk)
    except KeyError as error:
        raise DataError.of(
            "zip-not-complete", "{file} is not complete: {reason}", file=path.name, reason=str(error)[:120]
        ) from None
    except BROKEN as error:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            raise DataError.of(
                "disk-full-unpacking",
                "the disk is too full to unpack {file}; free some space and try again",
                file=path.name,
            ) from None
        raise DataError.of(
            "zip-damaged",
            "{file} cannot be unpacked, it is damaged ({reason}); copy it again",
            file=path.name,
            reason=_first(error),
        ) from None


def _first(error: BaseException) -> str:
    return library_message(error, 120)
