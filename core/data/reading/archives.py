"""Unpacks files within limits, so that a small file cannot fill the disk or write outside its folder.

An archive may hold packed files and one more archive, as Kaggle's do; an archive in that one is refused. Only regular
files are taken out of a tar archive, no links and devices.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

import pyarrow as pa

from core.data.reading.files import (
    ARCHIVES,
    COMPRESSED,
    DATA_SUFFIXES,
    PACKED,
    bare_name,
    base_suffix,
    identify,
    is_archive_name,
    is_data_name,
    is_hidden,
)
from core.data.reading.text import encoding as encodings
from core.errors import DataError

CHUNK = 1024 * 1024
MAX_RATIO = 200  # unpacked to packed size; texts compress to a third or a tenth
RATIO_FROM = 256 * 1024**2  # unpacked bytes below which a high ratio does no harm
MAX_MEMBERS = 250_000  # high, as a dataset may have one file per text
MAX_HEADER = 4 * CHUNK  # of one member of a tar archive
MAX_NAME = 200  # bytes of one folder's or file's name as UTF-8; file systems take 255
MARKED_UTF8 = 0x800  # the flag of a member whose name is in UTF-8
PACKED_RATIO = 20  # the assumed ratio of a compressed file, which does not state its unpacked size
XZ_MEMORY = 256 * 1024**2
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    gzip.BadGzipFile,
    NotImplementedError,
    tarfile.TarError,
    lzma.LZMAError,
)


class Readable(Protocol):
    """Any open binary file."""

    def read(self, size: int = -1, /) -> bytes: ...


def unpack(path: Path, kind: str, folder: Path, max_bytes: int, inside: tuple[str, ...] = ()) -> Path:
    """Unpacks a file into `folder`: to a file, or to a folder of the files that may be data. Raises DataError.

    inside: the kinds of the packed files around this one
    """
    if len(inside) > 3 or (kind in ARCHIVES and sum(k in ARCHIVES for k in inside) > 1):
        raise DataError.of(
            "archive-too-deep",
            "{file} is an archive in an archive in an archive; unpack it yourself",
            "data.path",
            file=path.name,
        )
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if kind in COMPRESSED:
            return _decompress(path, kind, folder, max_bytes, (*inside, kind))
        extract = _unzip if kind == ".zip" else _untar
        return extract(path, folder, max_bytes, (*inside, kind))
    except BROKEN as error:
        raise DataError.of(
            "archive-damaged",
            "{file} cannot be unpacked, it is damaged or incomplete ({reason}); copy or download it again",
            "data.path",
            file=path.name,
            reason=error,
        ) from None


def unpacked_bytes(path: Path, kind: str, everything: bool = False) -> int:
    """Estimates the unpacked size of a packed file in bytes, without unpacking it; 0 if it is broken.

    everything: count all members, not only data files; for workbooks
    """
    if kind in COMPRESSED:
        return path.stat().st_size * PACKED_RATIO
    if kind == ".tar":
        return path.stat().st_size
    try:
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if everything or _is_wanted(m.filename)]
    except BROKEN:
        return 0
    return sum(m.file_size * (PACKED_RATIO if _is_packed(m.filename) else 1) for m in members)


def _is_packed(name: str) -> bool:
    return PurePosixPath(name.lower()).suffix in PACKED or is_archive_name(name)


def _is_wanted(name: str) -> bool:
    """Whether a member may be data or describes the data. A file without suffix may be a text."""
    path = PurePosixPath(name.replace("\\", "/"))
    if is_hidden(name):
        return "_delta_log" in path.parts and path.suffix in (".json", ".parquet")
    suffix = base_suffix(path)
    sidecar = path.name.lower() in ("readme.md", "dataset_dict.json", "dataset_info.json", "state.json")
    return sidecar or is_data_name(name) or is_archive_name(name) or suffix == "" or suffix[1:].isdigit()


def _decompress(path: Path, kind: str, folder: Path, max_bytes: int, inside: tuple[str, ...]) -> Path:
    target = _Names(folder).path(bare_name(path))
    packed, size = path.stat().st_size, 0
    with target.open("wb") as out:
        for chunk in _decompressed(path, kind):
            size += len(chunk)
            check_size(path, size, packed, max_bytes)
            out.write(chunk)
    if size and (inner := identify(target).kind) in PACKED:
        return _inner(target, inner, path, max_bytes - size, inside)
    return target


def _decompressed(path: Path, kind: str) -> Iterator[bytes]:
    """Yields the content of a compressed file in chunks. Raises EOFError if it is damaged; OSError is for the disk."""
    with path.open("rb") as raw:
        try:
            yield from _xz(raw) if kind in (".xz", ".lzma") else _chunks(_opened(raw, kind))
        except (OSError, pa.ArrowException, ValueError) as error:
            raise EOFError(str(error)) from None


def _opened(raw: IO[bytes], kind: str) -> Readable:
    if kind == ".gz":
        return gzip.GzipFile(fileobj=raw)
    return bz2.BZ2File(raw) if kind == ".bz2" else pa.CompressedInputStream(raw, {".zst": "zstd", ".lz4": "lz4"}[kind])


def _chunks(source: Readable) -> Iterator[bytes]:
    while chunk := source.read(CHUNK):
        yield chunk


def _xz(raw: IO[bytes]) -> Iterator[bytes]:
    """Yields the content of an .xz or .lzma file, of one or several streams, within a limit of memory."""
    data = raw.read(CHUNK)
    while data:
        decompressor = lzma.LZMADecompressor(memlimit=XZ_MEMORY)
        while not decompressor.eof:
            if decompressor.needs_input and not data:
                data = raw.read(CHUNK)
                if not data:
                    raise EOFError("it ends before its end is marked")
            yield decompressor.decompress(data, CHUNK)
            data = b""
        data = (decompressor.unused_data or raw.read(CHUNK)).lstrip(b"\0")  # padding between streams


def _unzip(path: Path, folder: Path, max_bytes: int, inside: tuple[str, ...]) -> Path:
    with zipfile.ZipFile(path) as archive:
        files = [m for m in archive.infolist() if not m.is_dir()]
        wanted = [(m, name) for m, name in zip(files, _zip_names(files), strict=True) if _is_wanted(name)]
        _check_members(path, [member for member, _ in wanted], max_bytes)
        budget, names = max_bytes, _Names(folder)
        for member, name in wanted:
            target = names.path(name)
            with archive.open(member) as source:
                budget -= _copy(source, target, path, member.compress_size, budget)
            budget -= _unpack_member(target, path, budget, inside)
    return folder


def _zip_names(members: list[zipfile.ZipInfo]) -> list[str]:
    """Returns the names of members. A name without the mark of UTF-8 is in the code page of the system that packed it,
    or, from a Mac, in UTF-8 anyway; the encoding is detected from all such names together.
    """
    unmarked = [m for m in members if _is_unmarked(m)]
    encoding = _encoding_of({part for m in unmarked for part in m.orig_filename.split("/")}) if unmarked else ""
    return [_bytes(m.orig_filename).decode(encoding) if _is_unmarked(m) else m.filename for m in members]


def _is_unmarked(member: zipfile.ZipInfo) -> bool:
    """Whether the encoding of a member's name is unknown: no flag for UTF-8, and no second name in Unicode."""
    only_name = member.filename.replace("\\", "/") == member.orig_filename.partition("\0")[0].replace("\\", "/")
    return not member.flag_bits & MARKED_UTF8 and not member.filename.isascii() and only_name


def _bytes(name: str) -> bytes:
    """Returns the bytes of a name in the archive; zipfile has decoded unmarked names as code page 437."""
    return name.partition("\0")[0].encode("cp437")


def _encoding_of(names: set[str]) -> str:
    """Detects the encoding of member names; code page 437, zipfile's assumption, if no other fits."""
    with tempfile.TemporaryDirectory() as folder:
        sample = Path(folder, "names")
        sample.write_bytes(b"\n".join(_bytes(name) for name in sorted(names)))
        try:
            detected = encodings.detect(sample)
        except DataError:
            return "cp437"
    return detected.encoding if detected.errors == "strict" else "cp437"


def _untar(path: Path, folder: Path, max_bytes: int, inside: tuple[str, ...]) -> Path:
    budget, names, count = max_bytes, _Names(folder), 0
    with path.open("rb") as raw, tarfile.open(fileobj=_Bounded(raw), mode="r:") as archive:  # type: ignore[call-overload]
        while (member := archive.next()) is not None:
            archive.members = []  # otherwise tarfile keeps every member in memory
            count += 1
            _check_count(path, count)
            if not member.isreg() or member.issparse() or not _is_wanted(member.name):
                continue
            source = archive.extractfile(member)
            assert source is not None
            target = names.path(member.name)
            budget -= _copy(source, target, path, max(1, member.size), budget)
            budget -= _unpack_member(target, path, budget, inside)
    if not names.count:
        raise _no_data(path)
    return folder


class _Bounded:
    """A file that refuses large reads: the header of a hostile tar archive may claim gigabytes."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MAX_HEADER:
            raise tarfile.ReadError("a header is too large")
        return self.file.read(size)


def _unpack_member(target: Path, path: Path, budget: int, inside: tuple[str, ...]) -> int:
    """Unpacks a member that is itself packed. Returns the bytes written."""
    if not _is_packed(target.name) or not target.stat().st_size:
        return 0
    kind = identify(target).kind
    if kind not in PACKED:
        return 0
    unpacked = _inner(target, kind, path, budget, inside)
    files = unpacked.rglob("*") if unpacked.is_dir() else [unpacked]
    return sum(file.stat().st_size for file in files if file.is_file())


def _inner(target: Path, kind: str, path: Path, budget: int, inside: tuple[str, ...]) -> Path:
    """Unpacks a packed file that came out of another, and removes the packed file."""
    budget = min(budget, max(RATIO_FROM, MAX_RATIO * path.stat().st_size))
    folder = target.parent
    if kind in ARCHIVES:
        folder = target.with_name(bare_name(target).removesuffix(".tar"))
        while folder.exists():
            folder = folder.with_name(f"{folder.name}-files")
    result = unpack(target, kind, folder, budget, inside)
    target.unlink()
    return result


def _check_members(path: Path, members: list[zipfile.ZipInfo], max_bytes: int) -> None:
    if not members:
        raise _no_data(path)
    _check_count(path, len(members))
    if any(m.flag_bits & 1 for m in members):
        raise DataError.of(
            "archive-encrypted",
            "{file} is encrypted with a password; pack it without a password",
            "data.path",
            file=path.name,
        )
    for m in members:
        check_size(path, m.file_size, max(1, m.compress_size), max_bytes)
    check_size(path, sum(m.file_size for m in members), path.stat().st_size, max_bytes)


def _no_data(path: Path) -> DataError:
    return DataError.of(
        "archive-without-data",
        "{file} holds no data file; put files ending in {endings} into it",
        "data.path",
        file=path.name,
        endings=", ".join(sorted(DATA_SUFFIXES)),
    )


def _check_count(path: Path, count: int) -> None:
    if count > MAX_MEMBERS:
        raise DataError.of(
            "archive-too-many-files",
            "{file} holds more than {most:,} files, the most that are unpacked here",
            "data.path",
            file=path.name,
            most=MAX_MEMBERS,
        )


class _Names:
    """Chooses a path for each member: unique, and inside the folder whatever the member's name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0
        self._copies: dict[Path, int] = {}

    def path(self, name: str) -> Path:
        """Returns a member's path: with its folders, but without anything that leads outside or that systems refuse."""
        parts = [re.sub(r'[\x00-\x1f<>:"|?*\[\]\\]', "_", p) for p in PurePosixPath(name.replace("\\", "/")).parts]
        kept = [_end(p) for p in parts if p not in ("/", "..", ".", "_")][-8:] or ["member"]
        parent = self.folder
        for part in kept[:-1]:
            parent = parent / part
            while parent.is_file():  # an archive may hold both a file `data` and `data/train.csv`
                parent = parent.with_name(f"{parent.name}_")
        wanted = target = parent / kept[-1]
        while target.exists():
            self._copies[wanted] = self._copies.get(wanted, 1) + 1
            target = wanted.with_name(f"{self._copies[wanted]}-{wanted.name}")
        target.parent.mkdir(parents=True, exist_ok=True)
        self.count += 1
        return target


def _end(name: str) -> str:
    """Shortens a long name to its end, which holds the suffix, so that file systems accept it."""
    return name[-100:].encode("utf-8", "replace")[-MAX_NAME:].decode("utf-8", "ignore")


def _copy(source: Readable, target: Path, path: Path, packed: int, max_bytes: int) -> int:
    """Copies in chunks, and counts the real bytes, as the archive may lie. Returns the bytes written."""
    size = 0
    with target.open("wb") as out:
        while chunk := source.read(CHUNK):
            size += len(chunk)
            check_size(path, size, packed, max_bytes)
            out.write(chunk)
    return size


def check_size(path: Path, size: int, packed: int, max_bytes: int) -> None:
    """Raises DataError if `size` unpacked bytes are too many, in all or for a file of `packed` bytes."""
    if size > max_bytes:
        raise DataError.of(
            "archive-too-large",
            "{file} unpacks to more than {megabytes:,.0f} MB, the most that is unpacked here; unpack "
            "it yourself and give the folder's path",
            "data.path",
            file=path.name,
            megabytes=max_bytes / 1024**2,
        )
    if size > RATIO_FROM and size > MAX_RATIO * packed:
        raise DataError.of(
            "archive-ratio-suspicious",
            "{file} unpacks to over {ratio} times its size, which is how a file made to fill a disk "
            "looks; if you trust it, unpack it yourself and give the folder's path",
            "data.path",
            file=path.name,
            ratio=MAX_RATIO,
        )
