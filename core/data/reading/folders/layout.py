"""Decides how a folder is read: as tables in splits, as texts by class, or in the layout of the tool that wrote it."""

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
# Pages often ask whether a dataset has changed. If listing its files takes longer than SLOW_S, the list is kept for
# KEPT times as long, so that a change in 50,000 texts is seen some seconds later.
SLOW_S, KEPT = 0.3, 20
_SEEN: dict[Path, tuple[float, list[Entry]]] = {}
ORDER = {"train": 0, "validation": 1, "test": 2}


@dataclass(frozen=True)
class Table:
    """A file of a table: its split, and the columns that its folders name."""

    entry: Entry
    split: str
    values: tuple[tuple[str, str | None], ...] = ()


@dataclass
class Layout:
    """How a file or folder is read: as tables, or as texts by class; with notes for people."""

    root: Path
    tables: list[Table] = field(default_factory=list)
    texts: Texts | None = None
    notes: list[Note] = field(default_factory=list)
    saved: bool = False  # by save_to_disk, whose dataset_info.json describes the columns


def candidates(path: Path, settings: Settings) -> list[Entry]:
    """Lists the files that may be read, and that decide whether a dataset has changed. Opens none of them.

    Raises DataError if there are none, or too many.
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
    """Decides how a file or folder is read. config: a configuration of the dataset card. Raises DataError."""
    if not path.is_dir():
        return Layout(path.parent, [Table(entry, "train") for entry in candidates(path, settings)])
    walked = walk(path, settings)
    entries = in_order(walked.entries)
    _refuse_foreign(path, entries)
    notes = _link_notes(walked)
    layout = _delta(path, entries) or _saved(path, entries) or _texts(path, entries) or _plain(path, entries, config)
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
    """Explains that a folder has no data file, and what one of its files is if that is known."""
    for entry in entries[:5]:
        try:
            files.identify(entry.path)
        except DataError as error:
            return DataError.of(
                "folder-data-unreadable",
                "the folder {folder!r} has no data file that is read here: {reason}",
                "data.path",
                folder=path.name,
                reason=error,
            )
    return DataError.of(
        "folder-without-data",
        "the folder {folder!r} has no data file; it needs files ending in {endings}",
        "data.path",
        folder=path.name,
        endings=", ".join(sorted(DATA_SUFFIXES)),
    )


def _refuse_foreign(path: Path, entries: list[Entry]) -> None:
    """Raises DataError for table formats whose files may hold rows that are no longer in the table."""
    kind = ""
    if any(re.fullmatch(r"(.*/)?metadata/[^/]*\.metadata\.json", entry.name) for entry in entries):
        kind = "an Iceberg table"
    elif (path / ".hoodie").is_dir():
        kind = "a Hudi table"
    elif any(entry.name.endswith(".lance") or entry.name.startswith("_versions/") for entry in entries):
        kind = "a Lance table"
    if kind:
        raise DataError.of(
            "folder-may-hold-deleted-rows",
            "the folder {folder!r} is {kind}, whose files may hold rows that were deleted; export it "
            "as plain Parquet or CSV files",
            "data.path",
            folder=path.name,
            kind=kind,
        )


def _link_notes(walked: Walk) -> list[Note]:
    notes = []
    if walked.broken_links:
        notes.append(
            Note.of(
                "links-not-opened",
                "Not read, as they cannot be opened: {files}.",
                "warning",
                files=shortened(walked.broken_links),
            )
        )
    if walked.foreign_links:
        links = shortened(walked.foreign_links)
        notes.append(
            Note.of(
                "links-not-allowed",
                "Not read, as they lead to where nothing may be opened: {files}.",
                "warning",
                files=links,
            )
        )
    return notes


def _delta(path: Path, entries: list[Entry]) -> Layout | None:
    table = delta.table(entries)
    if table is None:
        return None
    by_name = {entry.name: entry for entry in entries}
    if not table.files:
        raise DataError.of(
            "delta-without-files",
            "the Delta table {folder!r} cannot be read: it has no files; copy it again",
            "data.path",
            folder=path.name,
        )
    if missing := [name for name in table.files if name not in by_name]:
        raise DataError.of(
            "delta-file-missing",
            "the Delta table {folder!r} cannot be read: its file {file} is missing; copy it again",
            "data.path",
            folder=path.name,
            file=missing[0],
        )
    known = [by_name[name] for name in sorted(table.files)]
    values = {entry.name: tuple(table.files[entry.name].items()) for entry in known}
    stale = sum(files.is_data_name(e.name) and e.name not in table.files for e in entries)
    layout = _in_splits(path, known, values, one_table=True)
    note = Note.of("delta-table", "This is a Delta table, read as its log describes it.")
    if stale:
        note = Note.of(
            "delta-table-without-outdated",
            "This is a Delta table, read as its log describes it, without {count:outdated file|outdated files}.",
            count=stale,
        )
    layout.notes.insert(0, note)
    return layout


def _saved(path: Path, entries: list[Entry]) -> Layout | None:
    splits = saved.splits(entries)
    if splits is None:
        return None
    tables = [Table(entry, name) for name, members in splits.items() for entry in members]
    note = Note.of(
        "saved-to-disk",
        "Saved with save_to_disk: {count:split|splits} ({splits}).",
        count=len(splits),
        splits=shortened(list(splits)),
    )
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
        notes.append(
            Note.of(
                "empty-files-not-read",
                "Not read, as they are empty (0 bytes): {files}.",
                "warning",
                files=shortened(empty),
            )
        )
    if chosen := card.named(entries, full, config):
        layout = Layout(
            path, [Table(e, split) for split, members in chosen.splits.items() for e in members], notes=notes
        )
        layout.notes.append(_card_note(chosen))
    else:
        layout = _in_splits(path, full, {})
        layout.notes = notes + layout.notes
    if len(layout.tables) > MAX_FILES:
        raise DataError.of(
            "folder-too-many-files",
            "the folder {folder!r} has {count:,} data files; the most is {most:,}. Choose a folder "
            "further down, or join them",
            "data.path",
            folder=path.name,
            count=len(layout.tables),
            most=MAX_FILES,
        )
    return layout


def _card_note(chosen: card.Named) -> Note:
    splits = ", ".join(f"{name} ({counted(len(members), 'file')})" for name, members in chosen.splits.items())
    if len(chosen.configs) == 1:
        return Note.of(
            "splits-of-card", "Splits as the dataset's card (README.md) names them: {splits}.", splits=splits
        )
    return Note.of(
        "configuration-read",
        "The dataset's card (README.md) has {count} configurations ({configurations}); "
        "{configuration} is read: {splits}. Set data.config to read another.",
        "warning",
        count=len(chosen.configs),
        configurations=shortened(list(chosen.configs)),
        configuration=chosen.config,
        splits=splits,
    )


def _in_splits(
    path: Path, data: list[Entry], known: dict[str, tuple[tuple[str, str | None], ...]], one_table: bool = False
) -> Layout:
    """Assigns tables to splits by the names of files and folders.

    known: file → columns that a log names; one_table: ignore the names of the files, which a tool has generated
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
        notes.append(
            Note.of(
                "columns-from-folders",
                "Columns made from folders called key=value: {columns}.",
                columns=shortened(keys),
            )
        )
    return Layout(path, tables, notes=notes)


def _split_note(tables: list[Table]) -> Note:
    members: dict[str, list[str]] = {}
    for table in tables:
        members.setdefault(table.split, []).append(table.entry.name)
    return Note.of(
        "splits-by-file-name",
        "Splits by file name: {splits}.",
        splits=", ".join((f"{name} ({shortened(m)})" for name, m in members.items())),
    )


def _one_format(data: list[Entry]) -> tuple[list[Entry], list[Note]]:
    """Keeps one of several files that differ only in their suffix: the one in the best format."""
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
    notes = (
        [
            Note.of(
                "other-format-not-read",
                "Not read, as the same is there in another format: {files}.",
                files=shortened(dropped),
            )
        ]
        if dropped
        else []
    )
    return [entry for entry in data if id(entry) in kept], notes


def shortened(items: Iterable[str]) -> str:
    """Lists names for a sentence: the first few, and how many more there are."""
    known = list(items)
    return ", ".join(known[:4]) + (f" and {len(known) - 4:,} more" if len(known) > 4 else "")
