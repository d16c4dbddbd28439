"""What a folder is to be read as: tables in splits, texts by class, or a layout that a tool has written."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from core.data.notes import Note
from core.data.reading import files
from core.data.reading.files import COMPRESSED, DATA_SUFFIXES, PREFERENCE, base_suffix
from core.data.reading.folders import card, delta, names, saved, texts
from core.data.reading.folders.texts import Texts
from core.data.reading.folders.walk import Entry, Walk, in_order, walk
from core.errors import DataError
from core.settings import Settings
from core.wording import counted

MAX_FILES = 1000
SIDECARS = {"readme.md", "dataset_dict.json", "dataset_info.json", "state.json"}
# A page asks again and again whether a dataset has changed. One whose files take this long to look at is looked at
# again only after so many times as long: a change in 50,000 texts is seen some seconds later.
SLOW_S, KEPT = 0.3, 20
_SEEN: dict[Path, tuple[float, list[Entry]]] = {}
ORDER = {"train": 0, "validation": 1, "test": 2}


@dataclass(frozen=True)
class Table:
    """A file of a table: its split, and the columns that the folders above it name."""

    entry: Entry
    split: str
    values: tuple[tuple[str, str | None], ...] = ()


@dataclass
class Layout:
    """What is read of a file or folder: tables, or texts by class; and sentences about it."""

    root: Path
    tables: list[Table] = field(default_factory=list)
    texts: Texts | None = None
    notes: list[Note] = field(default_factory=list)
    saved: bool = False  # by save_to_disk, which says in dataset_info.json what its columns are


def candidates(path: Path, settings: Settings) -> list[Entry]:
    """The files that may be read, the same that decide whether a dataset has changed. Opens none of them.

    Raises DataError if there is none, or too many.
    """
    if not path.is_dir():
        stat = path.stat()
        return [Entry(path.name, path, stat.st_size, stat.st_mtime_ns)]
    known = _SEEN.get(path)
    if known and time.monotonic() < known[0]:
        return known[1]
    started = time.monotonic()
    entries = walk(path, settings).entries
    wanted = [entry for entry in entries if _may_be_read(entry)]
    if not any(not _is_sidecar(entry) for entry in wanted):
        raise _no_data(path, entries)
    if (took := time.monotonic() - started) > SLOW_S and len(entries) > MAX_FILES:
        _SEEN.clear()
        _SEEN[path] = (time.monotonic() + KEPT * took, wanted)
    return wanted


def look(path: Path, settings: Settings, config: str | None = None) -> Layout:
    """How a file or folder is read; config: which configuration of a dataset card. Raises DataError."""
    if not path.is_dir():
        return Layout(path.parent, [Table(entry, "train") for entry in candidates(path, settings)])
    found = walk(path, settings)
    found.entries = in_order(found.entries)
    _refuse_foreign(path, found.entries)
    notes = _link_notes(found)
    layout = (
        _delta(path, found.entries)
        or _saved(path, found.entries)
        or _texts(path, found.entries)
        or _plain(path, found.entries, config)
    )
    layout.notes = notes + layout.notes
    return layout


def _may_be_read(entry: Entry) -> bool:
    if entry.name.startswith("_delta_log/"):
        return True
    if files.is_hidden(entry.name):
        return False
    if entry.name.endswith(".txt") and texts.is_text_name(entry):
        return True
    return (
        _is_sidecar(entry)
        or files.is_data_name(entry.name)
        or files.is_archive_name(entry.name)
        or texts.is_text_name(entry)
    )


def _is_sidecar(entry: Entry) -> bool:
    return entry.inner.name.lower() in SIDECARS


def _no_data(path: Path, entries: list[Entry]) -> DataError:
    """No file of a kind that is read: says what is there, if that is known."""
    for entry in entries[:5]:
        try:
            files.identify(entry.path)
        except DataError as error:
            return DataError(f"the folder {path.name!r} has no data file that is read here: {error}", "data.path")
    return DataError(
        f"the folder {path.name!r} has no data file; it needs files ending in {', '.join(sorted(DATA_SUFFIXES))}",
        "data.path",
    )


def _refuse_foreign(path: Path, entries: list[Entry]) -> None:
    """Tables whose files alone do not tell which rows are in them."""
    kind = ""
    if any(re.fullmatch(r"(.*/)?metadata/[^/]*\.metadata\.json", entry.name) for entry in entries):
        kind = "an Iceberg table"
    elif (path / ".hoodie").is_dir():
        kind = "a Hudi table"
    elif any(entry.name.endswith(".lance") or entry.name.startswith("_versions/") for entry in entries):
        kind = "a Lance table"
    if kind:
        raise DataError(
            f"the folder {path.name!r} is {kind}, whose files may hold rows that were deleted; export it as plain "
            "Parquet or CSV files",
            "data.path",
        )


def _link_notes(found: Walk) -> list[Note]:
    notes = []
    if found.broken_links:
        notes.append(Note(f"Not read, as they cannot be opened: {shortened(found.broken_links)}.", "warning"))
    if found.foreign_links:
        notes.append(
            Note(f"Not read, as they lead to where nothing may be opened: {shortened(found.foreign_links)}.", "warning")
        )
    return notes


def _delta(path: Path, entries: list[Entry]) -> Layout | None:
    table = delta.table(entries)
    if table is None:
        return None
    by_name = {entry.name: entry for entry in entries}
    missing = [name for name in table.files if name not in by_name]
    if missing or not table.files:
        what = f"its file {missing[0]} is missing" if missing else "it has no files"
        raise DataError(f"the Delta table {path.name!r} cannot be read: {what}; copy it again", "data.path")
    known = [by_name[name] for name in sorted(table.files)]
    values = {entry.name: tuple(table.files[entry.name].items()) for entry in known}
    stale = sum(files.is_data_name(e.name) and e.name not in table.files for e in entries)
    layout = _in_splits(path, known, values, one_table=True)
    outdated = (
        f"; {counted(stale, 'file')} that it no longer names {'is' if stale == 1 else 'are'} left out" if stale else ""
    )
    layout.notes.insert(0, Note(f"A Delta table, read as its log has it{outdated}."))
    return layout


def _saved(path: Path, entries: list[Entry]) -> Layout | None:
    splits = saved.splits(entries)
    if splits is None:
        return None
    tables = [Table(entry, name) for name, members in splits.items() for entry in members]
    note = Note(f"Saved with save_to_disk: {counted(len(splits), 'split')} ({shortened(list(splits))}).")
    return Layout(path, tables, notes=[note], saved=True)


def _texts(path: Path, entries: list[Entry]) -> Layout | None:
    recognised = texts.recognise(entries, path.name)
    return Layout(path, texts=recognised, notes=recognised.notes) if recognised else None


def _plain(path: Path, entries: list[Entry], config: str | None) -> Layout:
    data = [e for e in entries if files.is_data_name(e.name)]
    data = data or [e for e in entries if files.is_archive_name(e.name)]
    if not data:
        raise _no_data(path, entries)
    full = [e for e in data if e.size] or data[:1]
    notes = []
    if len(full) < len(data):
        empty = [e.name for e in data if not e.size]
        notes.append(Note(f"Not read, as they are empty (0 bytes): {shortened(empty)}.", "warning"))
    if chosen := card.named(entries, full, config):
        layout = Layout(
            path, [Table(e, split) for split, members in chosen.splits.items() for e in members], notes=notes
        )
        layout.notes.append(_card_note(chosen))
    else:
        layout = _in_splits(path, full, {})
        layout.notes = notes + layout.notes
    if len(layout.tables) > MAX_FILES:
        raise DataError(
            f"the folder {path.name!r} has {len(layout.tables):,} data files; the most is {MAX_FILES:,}. Choose a "
            "folder further down, or join them",
            "data.path",
        )
    return layout


def _card_note(chosen: card.Named) -> Note:
    splits = ", ".join(f"{name} ({counted(len(members), 'file')})" for name, members in chosen.splits.items())
    if len(chosen.configs) == 1:
        return Note(f"Splits as the dataset's card (README.md) names them: {splits}.")
    return Note(
        f"The dataset's card (README.md) has {len(chosen.configs)} configurations ({shortened(list(chosen.configs))}); "
        f"{chosen.config} is read: {splits}. Set data.config to read another.",
        "warning",
    )


def _in_splits(
    path: Path, data: list[Entry], known: dict[str, tuple[tuple[str, str | None], ...]], one_table: bool = False
) -> Layout:
    """Tables in splits by the names of files and folders; `known`: columns that a log names, by file.

    one_table: the files' own names say nothing, as a tool has made them up
    """
    kept, notes = (data, []) if one_table else _one_format(data)
    by_key = names.split_key(entry.inner for entry in kept)
    plain = [entry.inner.with_name("0") if one_table else entry.inner for entry in kept]
    splits = dict(zip(kept, map(names.splits(plain, by_key).__getitem__, plain), strict=True))
    tables = []
    for entry in kept:
        values = known.get(entry.name, names.key_values(entry.inner))
        tables.append(Table(entry, splits[entry], tuple((k, v) for k, v in values if k != by_key)))
    tables.sort(key=lambda t: (ORDER.get(t.split, 3), t.split))
    if len(tables) > 1:
        notes.append(_split_note(tables))
    if keys := list(dict.fromkeys(key for table in tables for key, _ in table.values)):
        what = "column" if len(keys) == 1 else "columns"
        notes.append(Note(f"Folders called key=value make the {what} {shortened(keys)}."))
    return Layout(path, tables, notes=notes)


def _split_note(tables: list[Table]) -> Note:
    members: dict[str, list[str]] = {}
    for table in tables:
        members.setdefault(table.split, []).append(table.entry.name)
    return Note(f"Splits by file name: {', '.join(f'{name} ({shortened(m)})' for name, m in members.items())}.")


def _one_format(data: list[Entry]) -> tuple[list[Entry], list[Note]]:
    """Of files that differ in their suffix alone, the one in the best format."""
    best: dict[PurePosixPath, Entry] = {}
    dropped = []
    ranks = {suffix: rank for rank, suffix in enumerate(PREFERENCE)}
    for entry in sorted(
        data, key=lambda e: (ranks.get(base_suffix(e.inner), 99), e.inner.suffix.lower() in COMPRESSED)
    ):
        key = entry.inner.parent / files.stem_of(entry.inner)
        if best.setdefault(key, entry) is not entry:
            dropped.append(entry.name)
    kept = {id(entry) for entry in best.values()}
    notes = [Note(f"Not read, as the same is there in another format: {shortened(dropped)}.")] if dropped else []
    return [entry for entry in data if id(entry) in kept], notes


def shortened(items: Iterable[str]) -> str:
    """Names for a sentence: the first few, and how many more there are."""
    known = list(items)
    return ", ".join(known[:4]) + (f" and {len(known) - 4:,} more" if len(known) > 4 else "")
