"""Delimited text, workbooks and folders of texts: each file to strings, then all splits to types that they share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from core.data.dataset import Progress
from core.data.notes import Note
from core.data.reading.aligning.columns import Possible, StringColumns, common_kind, retype, together
from core.data.reading.aligning.storing import name_of
from core.data.reading.files import Source
from core.data.reading.folders import plain_texts
from core.data.reading.folders.texts import Texts
from core.data.reading.manifest import Manifest, ticker
from core.data.reading.tables import workbook
from core.data.reading.text import delimited, textfile, textnotes
from core.data.reading.units import FAMILIES
from core.errors import DataError
from core.spec.data import ReadSpec
from core.wording import listed


def read_tables(
    splits: dict[str, list[Source]],
    read: ReadSpec,
    folder: Path,
    manifest: Manifest,
    paths: dict[str, Path],
    most: int,
    progress: Progress,
) -> None:
    """CSV, TSV and Excel: each file to strings, then all splits to the types that their values have in common."""
    texts = {name: members for name, members in splits.items() if members[0].kind in FAMILIES["text"]}
    staged: dict[str, list[StringColumns]] = {}
    known: list[str] | None = None
    for name, members in texts.items():
        for number, source in enumerate(members):
            target = folder / f"text-{name_of(name)}-{number}"
            columns = _strings(
                source, read, known, target, manifest, most, ticker(progress, f"Reading {source.path.name}")
            )
            known = known or columns.names
            if staged.get(name) and sorted(staged[name][0].names) != sorted(columns.names):
                raise _differ(name, members[0].path, staged[name][0].names, source.path, columns.names)
            staged.setdefault(name, []).append(columns)
    _typed(staged, folder, manifest, paths, progress)


def read_texts(
    texts: Texts, read: ReadSpec, folder: Path, manifest: Manifest, paths: dict[str, Path], progress: Progress
) -> None:
    """Texts by class: text and label, with the types that the classes of all splits have in common."""
    staged: dict[str, list[StringColumns]] = {}
    for split in texts.splits:
        target = folder / f"text-{name_of(split)}-{len(staged)}"
        tick = ticker(progress, f"Reading the texts of {split}")
        columns, notes = plain_texts.write(texts, split, target, read.encoding, tick)
        staged[split] = [columns]
        manifest.notes += notes
    _typed(staged, folder, manifest, paths, progress)


def _strings(
    source: Source,
    read: ReadSpec,
    known: list[str] | None,
    target: Path,
    manifest: Manifest,
    most: int,
    tick: Callable[[float], None],
) -> StringColumns:
    """One file as columns of strings, and what is to be said of it."""
    if source.kind == ".xlsx":
        columns, sheet = workbook.write(source.path, target, read, known, most, tick)
        manifest.notes += workbook.notes(sheet, source.path.name)
        manifest.reading = manifest.reading or sheet.reading
        return columns
    file = textfile.examine(source.path, source.kind, read, known)
    file, columns = delimited.write(file, target, tick, read)
    manifest.notes += textnotes.notes(file, source.path.name)
    manifest.reading = manifest.reading or textnotes.reading(file)
    return columns


def _typed(
    staged: dict[str, list[StringColumns]], folder: Path, manifest: Manifest, paths: dict[str, Path], progress: Progress
) -> None:
    """Columns of strings to the types that all splits have in common."""
    possible = {
        split: {n: together([c.possible[n] for c in parts]) for n in parts[0].names} for split, parts in staged.items()
    }
    kinds_of = {
        name: _kind_of(name, [columns[name] for columns in possible.values() if name in columns], manifest)
        for name in dict.fromkeys(name for columns in possible.values() for name in columns)
    }
    for split, parts in staged.items():
        paths[split] = folder / f"{len(paths)}-{name_of(split)}.parquet"
        kinds = {n: kinds_of[n] for n in possible[split]}
        retype([c.path for c in parts], paths[split], kinds, ticker(progress, "Writing columns"))


def _kind_of(name: str, parts: list[Possible], manifest: Manifest) -> str:
    """The kind of a column in all splits, and a note on words such as None in it."""
    kind = common_kind([part.kind for part in parts if part.seen] or ["text"])
    column = together(parts)
    if kind == "text" or not column.words:
        return kind
    words, count = listed(sorted(column.words)), column.words.total()
    others = "true and false" if kind == "boolean" else "numbers"
    if column.has_null_class:
        share = f"{count / column.values:.0%}"
        manifest.notes.append(
            Note.of(
                "word-counts-as-value",
                "{name}: {words} ({count:row|rows}, {share}) counts as a value beside the {others}, as text.",
                name=name,
                words=words,
                count=count,
                share=share,
                others=others,
            )
        )
        return "text"
    manifest.notes.append(
        Note.of(
            "word-read-as-missing",
            "{name}: {words} ({count:row|rows}) was read as no value, as the rest are {others}.",
            "warning",
            name=name,
            words=words,
            count=count,
            others=others,
        )
    )
    return kind


def _differ(split: str, a: Path, names: list[str], b: Path, others: list[str]) -> DataError:
    return DataError.of(
        "split-files-differ",
        "the files of the split {split} differ in their columns: {file} has {columns}, {other} has "
        "{other_columns}; give them the same ones",
        "data.path",
        split=split,
        file=a.name,
        columns=", ".join(names[:8]),
        other=b.name,
        other_columns=", ".join(others[:8]),
    )
