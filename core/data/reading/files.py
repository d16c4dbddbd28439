"""Which files a dataset consists of: one file, or a folder with files for training, validation and testing."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from core.data.notes import Note
from core.errors import DataError, PathError
from core.settings import Settings, allowed_path

TEXT_SUFFIXES = {".csv", ".tsv", ".txt", ".tab"}
JSON_SUFFIXES = {".json", ".jsonl", ".ndjson"}
DATA_SUFFIXES = TEXT_SUFFIXES | JSON_SUFFIXES | {".parquet"}
# The same stem in several formats is one table: the first of these is taken.
PREFERENCE = [".parquet", ".jsonl", ".ndjson", ".csv", ".tsv", ".tab", ".json", ".txt"]
NOT_DATA = re.compile(
    r"(readme|licen[cs]e|notice|dataset_infos?|dataset_dict|state|config|metadata|package|manifest)$", re.I
)
SPLIT_WORDS = {
    "train": {"train", "training"},
    "validation": {"validation", "valid", "val", "dev", "development", "eval", "evaluation"},
    "test": {"test", "testing"},
}
SHARD = re.compile(r"[-_.]?(part)?[-_.]?\d+([-_]of[-_]\d+)?$", re.IGNORECASE)
MAX_ENTRIES = 20_000
MAX_FILES = 1000
MAGIC = {
    b"PAR1": ".parquet",
    b"\x1f\x8b": ".gz",
    b"PK\x03\x04": ".zip",
    b"PK\x05\x06": ".zip",
}
REFUSED = {
    b"%PDF": "a PDF document; save its table as CSV",
    b"\x89PNG": "a picture; choose a table of texts",
    b"\xff\xd8\xff": "a picture; choose a table of texts",
    b"\x80\x02": "a pickle, which can run code when it is opened; save the table as CSV or Parquet",
    b"\x80\x03": "a pickle, which can run code when it is opened; save the table as CSV or Parquet",
    b"\x80\x04": "a pickle, which can run code when it is opened; save the table as CSV or Parquet",
    b"\x80\x05": "a pickle, which can run code when it is opened; save the table as CSV or Parquet",
    b"\xd0\xcf\x11\xe0": "an old Excel or Office file; save the sheet as CSV",
    b"SQLite format 3": "a database; export the table as CSV",
    b"ARROW1": "an Arrow file; save it as Parquet",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; unpack it, or use .gz or .zip",
    b"BZh": "compressed with bzip2; unpack it, or use .gz or .zip",
    b"7z\xbc\xaf": "a 7-Zip archive; unpack it, or make a .zip",
    b"Rar!": "a RAR archive; unpack it, or make a .zip",
}


@dataclass(frozen=True)
class Source:
    """One file of a dataset; `kind` is what it is by its content: .parquet, .gz, .zip, or by its name: .csv, .json …"""

    path: Path
    kind: str


def resolve(path: str, settings: Settings) -> Path:
    """The file or folder that a spec names, if this mode may read it. Raises DataError, PathError."""
    try:
        found = allowed_path(settings, path)
        if not found.exists():
            raise DataError(f"there is no file or folder {path!r}; check the spelling, or upload the file", "data.path")
        if not found.is_dir() and not found.is_file():
            raise DataError(f"{path!r} is neither a file nor a folder; choose one of these", "data.path")
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(f"{path[:200]!r} cannot be opened ({error}); check the path", "data.path") from None
    return found


def data_files(path: Path, settings: Settings) -> list[Path]:
    """The data files of a dataset, in a fixed order: the file itself, or those of a folder and its subfolders.

    Does not open them. Raises DataError if there is none or there are too many.
    """
    if path.is_file():
        return [path]
    found = sorted(p for p in _walk(path) if is_data_name(p.relative_to(path).as_posix()) and _readable(p, settings))
    if not found:
        raise DataError(
            f"the folder {path.name!r} has no data file; it needs files ending in {', '.join(sorted(DATA_SUFFIXES))}",
            "data.path",
        )
    if len(found) > MAX_FILES:
        raise DataError(
            f"the folder {path.name!r} has {len(found):,} data files; the most is {MAX_FILES:,}. Choose a folder "
            "further down",
            "data.path",
        )
    return found


def identify(path: Path) -> Source:
    """What a file is, by its first bytes and then by its name. Raises DataError."""
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise DataError(
            f"{path.name} cannot be opened ({error.strerror}); check its permissions", "data.path"
        ) from None
    if not head:
        raise DataError(f"{path.name} is empty (0 bytes); choose a file with at least one row", "data.path")
    for magic, what in REFUSED.items():
        if head.startswith(magic):
            raise DataError(f"{path.name} is {what}", "data.path")
    for magic, kind in MAGIC.items():
        if head.startswith(magic):
            return Source(path, kind)
    suffix = base_suffix(path)
    if path.suffix.lower() in (".parquet", ".gz", ".zip", ".xlsx"):
        raise DataError(f"{path.name} is damaged: it does not begin as a {path.suffix} file does", "data.path")
    if suffix in JSON_SUFFIXES or (
        suffix not in TEXT_SUFFIXES and head.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] in (b"{", b"[")
    ):
        return Source(path, suffix if suffix in JSON_SUFFIXES else ".json")
    return Source(path, suffix if suffix in TEXT_SUFFIXES else ".txt")


def splits(files: list[Path], root: Path) -> tuple[dict[str, list[Path]], list[Note]]:
    """Data files grouped into splits, and sentences about how. Shards of one split come in their order."""
    files, notes = _one_format(files, root)
    groups: dict[tuple[str, str], list[Path]] = {}
    for file in files:
        inner = file.relative_to(root)
        word = _split_word(inner)
        stem = SHARD.sub("", _stem(inner)) or _stem(inner)
        groups.setdefault((word or stem, stem if word and _split_word(Path(inner.name)) else ""), []).append(file)
    named: dict[str, list[Path]] = {}
    words = [word for word, _ in groups]
    for (word, stem), members in groups.items():
        name = word if words.count(word) == 1 else stem or word
        named.setdefault(name, []).extend(members)
    order = {"train": 0, "validation": 1, "test": 2}
    result = dict(sorted(named.items(), key=lambda item: (order.get(item[0], 3), item[0])))
    if len(files) > 1:
        shown = [
            f"{name} ({_listed([p.relative_to(root).as_posix() for p in members])})" for name, members in result.items()
        ]
        notes.append(Note(f"Splits by file name: {', '.join(shown)}."))
    return result, notes


def is_data_name(name: str) -> bool:
    """Whether a file's path inside a folder or archive is that of a data file: no hidden ones, no readme."""
    path = PurePosixPath(name.replace("\\", "/"))
    if any(part.startswith(".") or part == "__MACOSX" for part in path.parts if part not in ("..", ".")):
        return False
    return base_suffix(path) in DATA_SUFFIXES and not NOT_DATA.match(_stem(path))


def base_suffix(path: Path | PurePosixPath) -> str:
    """The suffix in lower case, that below .gz for compressed files."""
    suffixes = [s.lower() for s in path.suffixes[-2:]]
    return (suffixes[0] if len(suffixes) == 2 else "") if suffixes[-1:] == [".gz"] else "".join(suffixes[-1:])


def split_of(name: str) -> str | None:
    """The split that a file name speaks of: train, validation, test or none."""
    return _split_word(Path(name))


def _stem(path: Path | PurePosixPath) -> str:
    name = path.name[:-3] if path.name.lower().endswith(".gz") else path.name
    return name.rsplit(".", 1)[0]


def _walk(folder: Path) -> Iterator[Path]:
    """Files of a folder down to two levels of subfolders. Raises DataError if there are very many."""
    seen = 0
    for current, folders, names in os.walk(folder):
        depth = len(Path(current).relative_to(folder).parts)
        folders[:] = [] if depth >= 2 else sorted(f for f in folders if not f.startswith("."))
        seen += len(names) + len(folders)
        if seen > MAX_ENTRIES:
            raise DataError(
                f"the folder {folder.name!r} has over {MAX_ENTRIES:,} entries; choose a smaller one", "data.path"
            )
        yield from (Path(current) / name for name in names)


def _readable(path: Path, settings: Settings) -> bool:
    try:
        return allowed_path(settings, str(path)).is_file()
    except (PathError, OSError, ValueError):
        return False  # a link that leads out of what may be read


def _split_word(path: Path) -> str | None:
    """The split by the words of the file's name, else of its folders' names."""
    for part in (_stem(path), *reversed(path.parts[:-1])):
        tokens = re.split(r"[^a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", part).lower())
        for name, words in SPLIT_WORDS.items():
            if words.intersection(tokens):
                return name
    return None


def _one_format(files: list[Path], root: Path) -> tuple[list[Path], list[Note]]:
    """Of files that differ in their suffix alone, the one in the best format."""
    best: dict[Path, Path] = {}
    dropped = []
    ranks = {suffix: rank for rank, suffix in enumerate(PREFERENCE)}
    for file in sorted(files, key=lambda f: (ranks.get(base_suffix(f), 99), f.suffix.lower() == ".gz")):
        key = file.parent / _stem(file)
        if best.setdefault(key, file) is not file:
            dropped.append(file.relative_to(root).as_posix())
    notes = [Note(f"Not read, as the same is there in another format: {_listed(dropped)}.")] if dropped else []
    return sorted(best.values()), notes


def _listed(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4:,} more" if len(names) > 4 else "")
