"""Identifies a file by its first bytes, then by its name; tells which names are data files, archives and splits."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from core.errors import DataError
from core.settings import Settings, allowed_path
from core.strange_files import strange

TEXT_SUFFIXES = {".csv", ".tsv", ".txt", ".tab"}
JSON_SUFFIXES = {".json", ".jsonl", ".ndjson"}
PARQUET_SUFFIXES = {".parquet", ".pq", ".parq"}
ARROW_SUFFIXES = {".arrow", ".feather", ".ipc", ".arrows"}
BOOK_SUFFIXES = {".xlsx", ".xlsm"}
DATA_SUFFIXES = TEXT_SUFFIXES | JSON_SUFFIXES | PARQUET_SUFFIXES | ARROW_SUFFIXES | BOOK_SUFFIXES
COMPRESSED = {".gz", ".bz2", ".xz", ".lzma", ".zst", ".lz4"}  # one file each
ARCHIVES = {".zip", ".tar"}  # many files each
TAR_SUFFIXES = {".tgz": ".gz", ".tbz": ".bz2", ".tbz2": ".bz2", ".txz": ".xz", ".tzst": ".zst"}
PACKED = COMPRESSED | ARCHIVES
# The same stem in several formats is one table, which is read in the first of these formats.
PREFERENCE = [".parquet", ".arrow", ".feather", ".jsonl", ".ndjson", ".csv", ".tsv", ".tab", ".json", ".txt", ".xlsx"]
NOT_DATA = re.compile(
    r"(readme|licen[cs]e|notice|dataset_infos?|dataset_dict|state|config|metadata|package|manifest)$", re.IGNORECASE
)
SPLIT_WORDS = {
    "train": {"train", "training"},
    "validation": {"validation", "valid", "val", "dev", "development", "eval", "evaluation"},
    "test": {"test", "testing"},
}
# Service files of Spark, Hive, Hadoop, Dask and an open Excel, and intermediate results of `datasets`.
SERVICE = re.compile(
    r"_(success|metadata|common_metadata|temporary|delta_log|symlink_format_manifest|(committed|started)_.*)$"
    r"|.*\.crc$|~\$.*|cache-[0-9a-f]+\.arrow$|__macosx$",
    re.IGNORECASE,
)
PART = re.compile(r"part-[\w.-]*\d[\w-]*|part[-_]?\d+|\d{6}_\d+|\d+\.part", re.IGNORECASE)  # without a known suffix
HEAD_BYTES = 512
MAGIC = {
    b"PAR1": ".parquet",
    b"\x1f\x8b": ".gz",
    b"PK\x03\x04": ".zip",
    b"PK\x05\x06": ".zip",
    b"\xfd7zXZ\0": ".xz",
    b"\x5d\0\0": ".lzma",
    b"\x28\xb5\x2f\xfd": ".zst",
    b"\x04\x22\x4d\x18": ".lz4",
    b"ARROW1\0\0": ".arrow",
    b"\xff\xff\xff\xff": ".arrow",
}
PICKLE = "{name} is a pickle, which can run code when it is opened; save the table as CSV or Parquet"
PICTURE = "{name} is a picture; choose a table of texts"
SOUND = "{name} is a recording; choose a table of texts"
PROGRAM = "{name} is a program; choose a table of texts"
REFUSED = {
    b"%PDF": "{name} is a PDF document; save its table as CSV",
    b"\x89PNG": PICTURE,
    b"\xff\xd8\xff": PICTURE,
    b"GIF8": PICTURE,
    b"RIFF": "{name} is a picture or a recording; choose a table of texts",
    b"ID3": SOUND,
    b"OggS": SOUND,
    b"fLaC": SOUND,
    b"MZ\x90\0": PROGRAM,
    b"\x7fELF": PROGRAM,
    b"\x80\x02": PICKLE,
    b"\x80\x03": PICKLE,
    b"\x80\x04": PICKLE,
    b"\x80\x05": PICKLE,
    b"\x93NUMPY": "{name} is a NumPy array; save the texts and labels as CSV or Parquet",
    b"SQLite format 3\0": "{name} is an SQLite database; export the table as CSV",
    b"FEA1": "{name} is a Feather file of the first version; read it with pandas and save it as Parquet",
    b"ORC": "{name} is an ORC file; save it as Parquet",
    b"Obj\x01": "{name} is an Avro file; save it as Parquet",
    b"\x89HDF": "{name} is an HDF5 file; save the table as CSV or Parquet",
    b"$FL2": "{name} is an SPSS file; save it as CSV",
    b"$FL3": "{name} is an SPSS file; save it as CSV",
    b"<stata_dta>": "{name} is a Stata file; save it as CSV",
    b"RDX": "{name} is a file of R; save the table as CSV",
    b"7z\xbc\xaf": "{name} is a 7-Zip archive; unpack it, or make a .zip",
    b"Rar!": "{name} is a RAR archive; unpack it, or make a .zip",
    b"\x1f\x9d": "{name} is compressed with compress; unpack it, or use .gz or .zip",
    b"LZIP": "{name} is compressed with lzip; unpack it, or use .gz or .zip",
    b"{\\rtf": "{name} is a document; save its table as CSV",
    b"\xca\xfe\xba\xbe": PROGRAM,
    b"LANC": "{name} is a file of Lance; save it as Parquet",
}
AMBIGUOUS = {magic for magic in REFUSED if magic.isalnum()}
PRINTABLE = bytes([9, 10, 13, *range(32, 127), *range(128, 256)])
# Formats that are known by their names, as their first bytes vary.
REFUSED_NAMES = {
    ".pkl": PICKLE,
    ".pickle": PICKLE,
    ".joblib": PICKLE,
    ".dill": PICKLE,
    ".tfrecord": "{name} is a TFRecord file; save its examples as CSV or Parquet",
    ".tfrecords": "{name} is a TFRecord file; save its examples as CSV or Parquet",
    ".snappy": "{name} is compressed with Snappy; write it with gzip instead",
    ".deflate": "{name} is compressed with deflate; write it with gzip instead",
    ".lzo": "{name} is compressed with LZO; write it with gzip instead",
    ".sav": "{name} is an SPSS file; save it as CSV",
    ".dta": "{name} is a Stata file; save it as CSV",
    ".sas7bdat": "{name} is a SAS file; save it as CSV",
    ".rds": "{name} is a file of R; save the table as CSV",
    ".rdata": "{name} is a file of R; save the table as CSV",
    ".lance": "{name} is a file of Lance; save it as Parquet",
}
OFFICE = {  # a member → what the .zip really is
    "xl/workbook.bin": "{name} is a binary Excel workbook; save it as .xlsx or CSV",
    "word/document.xml": "{name} is a Word document; save its table as CSV",
    "ppt/presentation.xml": "{name} is a presentation; save its table as CSV",
    "META-INF/container.xml": "{name} is an e-book; choose a table of texts",
    "META-INF/MANIFEST.MF": PROGRAM,
    "Index/Document.iwa": "{name} is a document of Apple's; export it as .xlsx or CSV",
}


@dataclass(frozen=True)
class Source:
    """A file of a dataset and its kind: .parquet, .arrow, .xlsx, .zip, .tar, .gz and so on by its content, .csv, .tsv,
    .tab, .txt, .json, .jsonl or .ndjson by its name.
    """

    path: Path
    kind: str


def resolve(path: str, settings: Settings) -> Path:
    """Returns the file or folder that a spec names, if this mode may read it. Raises DataError, PathError."""
    try:
        resolved = allowed_path(settings, path)
        if not resolved.exists():
            raise DataError.of(
                "no-file-to-read",
                "there is no file or folder {path!r}; check the spelling, or upload the file",
                "data.path",
                path=path,
            )
        if not resolved.is_dir() and not resolved.is_file():
            raise DataError.of(
                "not-file-nor-folder",
                "{path!r} is neither a file nor a folder; choose one of these",
                "data.path",
                path=path,
            )
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError.of(
            "path-not-opened",
            "{path!r} cannot be opened ({reason}); check the path",
            "data.path",
            path=path[:200],
            reason=error,
        ) from None
    return resolved


def identify(path: Path) -> Source:
    """Identifies a file by its first bytes, then by its name. Raises DataError for one that cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        if not head:
            raise DataError.of(
                "file-empty",
                "{file} is empty (0 bytes); choose a file with at least one row",
                "data.path",
                file=path.name,
            )
        if sentence := strange(path):
            raise DataError(sentence, "data.path")
    except OSError as error:
        raise DataError.of(
            "file-not-opened",
            "{file} cannot be opened ({reason}); check its permissions",
            "data.path",
            file=path.name,
            reason=error.strerror,
        ) from None
    if refusal := _refusal(path, head):
        raise DataError(refusal.format(name=path.name), "data.path")
    if kind := _by_content(head):
        return Source(path, _inside_zip(path) if kind == ".zip" else kind)
    suffix = base_suffix(path)
    last = path.suffix.lower()
    if last in PACKED | PARQUET_SUFFIXES | ARROW_SUFFIXES | BOOK_SUFFIXES | TAR_SUFFIXES.keys():
        raise DataError.of(
            "file-damaged-start",
            "{file} is damaged: it does not begin as a {kind} file does",
            "data.path",
            file=path.name,
            kind=last,
        )
    if suffix in JSON_SUFFIXES or (
        suffix not in TEXT_SUFFIXES and head.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] in (b"{", b"[")
    ):
        return Source(path, suffix if suffix in JSON_SUFFIXES else ".json")
    return Source(path, suffix if suffix in TEXT_SUFFIXES else ".txt")


def _by_content(head: bytes) -> str | None:
    if re.match(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)", head):
        return ".bz2"
    if head[257:262] == b"ustar":
        return ".tar"
    return next((kind for magic, kind in MAGIC.items() if head.startswith(magic)), None)


def _refusal(path: Path, head: bytes) -> str | None:
    """Returns the message, with the placeholder {name}, for a file of a format that is not read; None if it may be."""
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        if path.suffix.lower() in BOOK_SUFFIXES:
            return "{name} is an Excel workbook with a password; save it without one"
        return "{name} is an old Excel or Office file; save the sheet as .xlsx or CSV"
    if head[8:12] == b"DUCK":
        return "{name} is a DuckDB database; export the table as CSV or Parquet"
    is_text = not head.translate(None, PRINTABLE)  # a text may begin with "ORC" too
    for magic, refusal in REFUSED.items():
        if head.startswith(magic) and not (is_text and magic in AMBIGUOUS):
            return refusal
    # The kind may stand before a shard's number: train.tfrecord-00000-of-00004.
    name = re.sub(r"-\d+-of-\d+$", "", path.name.lower())
    return None if _by_content(head) else REFUSED_NAMES.get(PurePosixPath(name).suffix)


def _inside_zip(path: Path) -> str:
    """Returns whether a .zip file is an archive or a workbook. Raises DataError for other formats that are zipped."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            kind = archive.read("mimetype")[:80] if archive.NameToInfo.get("mimetype") and _small(archive) else b""
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError):
        return ".zip"  # unpacking it will report the fault
    if "xl/workbook.xml" in names:
        return ".xlsx"
    refusal = next((message for member, message in OFFICE.items() if member in names), None)
    if kind.startswith(b"application/vnd.oasis"):
        refusal = "{name} is an OpenDocument file; save it as .xlsx or CSV"
    if names and all(name.endswith(".npy") for name in names):
        refusal = "{name} is a file of NumPy arrays; save the texts and labels as CSV or Parquet"
    if any(PurePosixPath(name).name == "data.pkl" for name in names):
        refusal = "{name} is a file of PyTorch; save the texts and labels as CSV or Parquet"
    if refusal:
        raise DataError(refusal.format(name=path.name), "data.path")
    return ".zip"


def _small(archive: zipfile.ZipFile) -> bool:
    return archive.getinfo("mimetype").file_size < 200


def is_hidden(name: str) -> bool:
    """Whether a path inside a folder or archive is hidden, or is a service file of a tool."""
    parts = name.replace("\\", "/").split("/")
    return any((p.startswith(".") and p not in ("..", ".")) or SERVICE.match(p) for p in parts)


def is_data_name(name: str) -> bool:
    """Whether a path inside a folder or archive is a data file by its name: not hidden, not a readme or the like."""
    path = PurePosixPath(name.replace("\\", "/"))
    if is_hidden(name):
        return False
    if base_suffix(path) in DATA_SUFFIXES:
        return not NOT_DATA.match(stem_of(path))
    return PART.fullmatch(bare_name(path)) is not None


def is_archive_name(name: str) -> bool:
    """Whether a file is an archive by its name."""
    path = PurePosixPath(name.lower().replace("\\", "/"))
    packed = path.suffix in ARCHIVES | TAR_SUFFIXES.keys() or PurePosixPath(bare_name(path)).suffix == ".tar"
    return packed and not is_hidden(name)


def bare_name(path: Path | PurePosixPath) -> str:
    """Returns the name without its suffix of packing: a.csv for a.csv.gz and a.csv.zip, a.tar for a.tgz."""
    suffix = path.suffix.lower()
    if suffix in TAR_SUFFIXES:
        return path.name[: -len(suffix)] + ".tar"
    return path.name[: -len(suffix)] if suffix in COMPRESSED or suffix == ".zip" else path.name


def base_suffix(path: Path | PurePosixPath) -> str:
    """Returns the suffix in lower case, ignoring .gz and other suffixes of packing; empty if there is no other."""
    return PurePosixPath(bare_name(path)).suffix.lower()


def stem_of(path: Path | PurePosixPath) -> str:
    """Returns the name without its suffix: train.v2 for train.v2.csv.gz."""
    return bare_name(path).rsplit(".", 1)[0]


def split_of(name: str) -> str | None:
    """Returns the kind of split that a name contains: train, validation, test or None."""
    tokens = re.split(r"[^a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())
    return next((split for split, words in SPLIT_WORDS.items() if words.intersection(tokens)), None)
