"""Compressed files: unpacked under limits, so that a small file cannot fill the disk or write outside its folder."""

from __future__ import annotations

import gzip
import re
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Protocol

from core.data.reading.files import DATA_SUFFIXES, base_suffix, is_data_name
from core.errors import DataError

CHUNK = 1024 * 1024
MAX_RATIO = 200  # unpacked to packed; texts compress to a third or a tenth
RATIO_FROM = 256 * 1024**2  # below this many unpacked bytes, a high ratio harms nobody
MAX_MEMBERS = 1000
GZIP_RATIO = 20  # what a .gz is taken to unpack to, times its size, as it does not say
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, gzip.BadGzipFile, NotImplementedError)


class Readable(Protocol):
    """Any open binary file."""

    def read(self, size: int = -1, /) -> bytes: ...


def unpack(path: Path, kind: str, folder: Path, max_bytes: int) -> Path:
    """Unpacks a `.gz` or `.zip` file into `folder`: a file, or a folder of data files. Raises DataError."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return _gunzip(path, folder, max_bytes) if kind == ".gz" else _unzip(path, folder, max_bytes)
    except BROKEN as error:
        raise DataError(
            f"{path.name} cannot be unpacked, it is damaged or incomplete ({error}); copy or download it again",
            "data.path",
        ) from None


def unpacked_bytes(path: Path, kind: str) -> int:
    """How many bytes a `.gz` or `.zip` file may unpack to, without unpacking it; 0 if it is broken."""
    if kind == ".gz":
        return path.stat().st_size * GZIP_RATIO
    try:
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if is_data_name(m.filename)]
    except BROKEN:
        return 0
    return sum(m.file_size * (GZIP_RATIO if m.filename.lower().endswith(".gz") else 1) for m in members)


def _gunzip(path: Path, folder: Path, max_bytes: int) -> Path:
    target = folder / (path.name[:-3] if path.name.lower().endswith(".gz") else path.name)
    if target.suffix.lower() == ".tar" or path.suffix.lower() == ".tgz":
        raise DataError(f"{path.name} is a tar archive, which is not read here; unpack it or make a .zip", "data.path")
    with gzip.open(path) as source:
        _copy(source, target, path, path.stat().st_size, max_bytes)
    return target


def _unzip(path: Path, folder: Path, max_bytes: int) -> Path:
    with zipfile.ZipFile(path) as archive:
        members = [m for m in archive.infolist() if not m.is_dir()]
        if any(m.filename == "xl/workbook.xml" for m in members):
            raise DataError(f"{path.name} is an Excel workbook; save the sheet as CSV and choose that", "data.path")
        members = [m for m in members if is_data_name(m.filename)]
        _check_members(path, archive, members, max_bytes)
        budget = max_bytes
        for member in members:
            target = _inside(folder, member.filename)
            with archive.open(member) as source:
                budget -= _copy(source, target, path, member.compress_size, budget)
            if base_suffix(target) != target.suffix.lower():  # a .csv.gz in the .zip
                unpacked = _gunzip(target, target.parent, budget)
                budget -= unpacked.stat().st_size
                target.unlink()
    return folder


def _check_members(path: Path, archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], max_bytes: int) -> None:
    if not members:
        raise DataError(
            f"{path.name} holds no data file; put files ending in {', '.join(sorted(DATA_SUFFIXES))} into it",
            "data.path",
        )
    if len(members) > MAX_MEMBERS:
        raise DataError(f"{path.name} holds {len(members):,} files; the most is {MAX_MEMBERS:,}", "data.path")
    if any(m.flag_bits & 1 for m in members):
        raise DataError(f"{path.name} is encrypted with a password; make one without a password", "data.path")
    for m in members:
        _check_size(path, m.file_size, max(1, m.compress_size), max_bytes)
    _check_size(path, sum(m.file_size for m in members), path.stat().st_size, max_bytes)


def _inside(folder: Path, name: str) -> Path:
    """Where a member goes: its folders kept, everything that could lead outside or break a file system taken out."""
    parts = [re.sub(r'[\x00-\x1f<>:"|?*\[\]\\]', "_", p) for p in PurePosixPath(name.replace("\\", "/")).parts]
    target = folder.joinpath(*[p[-100:] for p in parts if p not in ("/", "..", ".", "_")][-3:])
    number = 1
    while target.exists():
        number += 1
        target = target.with_name(f"{number}-{target.name}")
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _copy(source: Readable, target: Path, path: Path, packed: int, max_bytes: int) -> int:
    """Copies in chunks, counting what really comes out, whatever the archive says. Returns the bytes written."""
    size = 0
    with target.open("wb") as out:
        while chunk := source.read(CHUNK):
            size += len(chunk)
            _check_size(path, size, packed, max_bytes)
            out.write(chunk)
    return size


def _check_size(path: Path, size: int, packed: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise DataError(
            f"{path.name} unpacks to more than {max_bytes / 1024**2:,.0f} MB, the most that is unpacked here; "
            "unpack it yourself and give the folder's path",
            "data.path",
        )
    if size > RATIO_FROM and size > MAX_RATIO * packed:
        raise DataError(
            f"{path.name} unpacks to over {MAX_RATIO} times its size, which is how a file made to fill a disk looks; "
            "if you trust it, unpack it yourself and give the folder's path",
            "data.path",
        )
