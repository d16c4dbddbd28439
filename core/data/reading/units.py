"""Unpacks and identifies the files of a layout, and groups them into units that are read together."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from core.data.dataset import Progress
from core.data.notes import Note
from core.data.reading import archives, files
from core.data.reading.aligning.storing import linked
from core.data.reading.files import ARCHIVES, JSON_SUFFIXES, PACKED, TEXT_SUFFIXES, Source, bare_name
from core.data.reading.folders.layout import Layout, Table, look, shortened
from core.data.reading.folders.saved import features as features_of
from core.data.reading.tables import arrow
from core.errors import DataError
from core.settings import Settings
from core.spec.data import DataSpec

FAMILIES = {"text": TEXT_SUFFIXES | {".xlsx"}, "json": JSON_SUFFIXES}  # formats whose files are read together


@dataclass
class Unit:
    """Files that are read together: of one split, one family of formats, and the same values of key=value folders."""

    split: str
    values: tuple[tuple[str, str | None], ...]
    sources: list[Source] = field(default_factory=list)


def unpacked(
    data: DataSpec, layout: Layout, title: str, settings: Settings, folder: Path, progress: Progress
) -> Layout:
    """Returns the layout after unpacking. If any file is packed, it is the layout of an unpacked copy of all files."""
    layout = _usable(layout, title)
    sources = [files.identify(table.entry.path) for table in layout.tables]
    if not any(source.kind in PACKED for source in sources):
        return layout
    most, total, root = settings.max_unpacked_bytes, 0, folder
    for table, source in zip(layout.tables, sources, strict=True):
        progress(f"Unpacking {source.path.name}", None)
        target = folder / table.entry.name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.kind not in PACKED:
            linked(source.path, target)
            continue
        into = target.parent
        if source.kind in ARCHIVES and len(layout.tables) > 1:
            into = target.with_name(bare_name(target).removesuffix(".tar"))
        result = archives.unpack(source.path, source.kind, into, most)
        inside = result.rglob("*") if result.is_dir() else [result]
        total += sum(file.stat().st_size for file in inside if file.is_file())
        archives.check_size(layout.root, total, total, most)
        if len(layout.tables) == 1:
            root = result
    inner = look(root, settings, data.config)
    inner.notes = layout.notes + inner.notes
    return _usable(inner, title)


def _usable(layout: Layout, title: str) -> Layout:
    """Removes files that cannot be read or are empty from a layout, with notes. Raises DataError if none remains."""
    if len(layout.tables) == 1:
        (table,) = layout.tables
        if files.split_of(table.entry.path.name) not in (None, "train") and not layout.saved:
            layout.notes.append(
                Note.of(
                    "one-file-is-training",
                    "There is one file only, so it is the training split, whatever its name says.",
                )
            )
        layout.tables = [replace(table, split=table.split if layout.saved else "train")]
        return layout
    usable: list[Table] = []
    closed: list[Table] = []
    blank: list[Table] = []
    for table in layout.tables:
        try:
            with table.entry.path.open("rb") as file:
                (usable if file.read(4096).strip() or file.read(1) else blank).append(table)
        except OSError:
            closed.append(table)
    if closed:
        names = shortened([table.entry.name for table in closed])
        layout.notes.append(
            Note.of("files-not-opened", "Not read, as they cannot be opened: {files}.", "warning", files=names)
        )
    if blank:
        names = shortened([table.entry.name for table in blank])
        layout.notes.append(Note.of("files-empty", "Not read, as they are empty: {files}.", "warning", files=names))
    if layout.tables and not usable:
        raise DataError.of(
            "no-readable-file",
            "{title} has no file that can be read and is not empty; check their permissions",
            "data.path",
            title=title,
        )
    layout.tables = usable
    return layout


def units_of(layout: Layout, title: str, settings: Settings, folder: Path, progress: Progress) -> dict[str, Unit]:
    """Groups the tables of a layout into units; returns unique name → unit."""
    units: dict[tuple[object, ...], Unit] = {}
    for table in layout.tables:
        source = files.identify(table.entry.path)
        if source.kind in PACKED:
            raise DataError.of(
                "archive-in-archive",
                "{title} holds another archive, {file}; unpack that one first",
                "data.path",
                title=title,
                file=source.path.name,
            )
        if source.kind == ".arrow":
            source = _from_arrow(source.path, layout.saved, folder / f"arrow-{len(units)}", settings, progress)
        key = (table.split, table.values, _family(source))
        units.setdefault(key, Unit(table.split, table.values)).sources.append(source)
    splits = [unit.split for unit in units.values()]
    return {
        unit.split if splits.count(unit.split) == 1 else f"{unit.split} {number}": unit
        for number, unit in enumerate(units.values(), 1)
    }


def _family(source: Source) -> str:
    return next((f for f, kinds in FAMILIES.items() if source.kind in kinds), source.kind)


def _from_arrow(path: Path, saved: bool, folder: Path, settings: Settings, progress: Progress) -> Source:
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{len(list(folder.iterdir()))}.parquet"
    features = features_of(path) if saved else {}
    arrow.write(
        path, target, features, settings.max_unpacked_bytes, lambda share: progress(f"Reading {path.name}", share)
    )
    return Source(target, ".parquet")
