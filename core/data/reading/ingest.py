"""From each source to Parquet files in one folder and what the manifest says about them. Called by `prepare`."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.data.dataset import Column, Prepared, Progress
from core.data.notes import Note
from core.data.reading import files
from core.data.reading.aligning import types
from core.data.reading.aligning.alignment import align
from core.data.reading.aligning.columns import Possible, StringColumns, check_width, common_kind, retype, together
from core.data.reading.aligning.parts import Part, part_of
from core.data.reading.aligning.storing import UNPACKED, name_of, store
from core.data.reading.aligning.types import Kind
from core.data.reading.files import JSON_SUFFIXES, Source
from core.data.reading.folders import plain_texts
from core.data.reading.folders.layout import look
from core.data.reading.folders.texts import Texts
from core.data.reading.guessing import guess
from core.data.reading.json import table as jsonfiles
from core.data.reading.tables import bounded, parquet, structs, workbook
from core.data.reading.text import delimited, textfile, textnotes
from core.data.reading.units import FAMILIES, Unit, units_of, unpacked
from core.errors import DataError
from core.settings import Settings
from core.spec.run import DataSpec, ReadSpec
from core.spec.steps import Rename, SplitBy, step_words
from core.wording import counted, listed


@dataclass
class Made:
    """The manifest: like `Prepared`, with paths as text (relative ones lie in its folder)."""

    title: str
    splits: list[dict[str, Any]] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    reading: dict[str, Any] = field(default_factory=dict)
    text_guess: tuple[str, ...] = ()
    label_guess: str | None = None


def sample(folder: Path, progress: Progress) -> Made:
    """The embedded sample of reviews."""
    from core.data.reading import sample as reviews

    progress("Writing the sample", None)
    made = Made("Sample reviews", notes=[Note(reviews.NOTE)])
    parts = [part_of(name, path, name) for name, path in reviews.write(folder).items()]
    return _aligned(made, parts, folder, progress)


def hub(data: DataSpec, folder: Path, progress: Progress) -> Made:
    """A dataset of the Hugging Face Hub."""
    from core.data.reading.hub import prepare_hub

    made = Made(f"{data.path} ({data.config})" if data.config else data.path)
    splits = prepare_hub(data, folder, progress, lambda text: made.notes.append(Note(text)))
    parts: list[Part] = []
    for split in splits:
        for number, path in enumerate(split.paths):
            path = _flat(path, folder / UNPACKED / f"flat-{len(parts)}-{number}", made, split.name, progress)
            parts.append(part_of(split.name, path, split.name if len(split.paths) == 1 else path.name, split.names))
    return _aligned(made, parts, folder, progress)


def files_of(data: DataSpec, settings: Settings, folder: Path, progress: Progress) -> Made:
    """A file, an archive, or a folder with files for training, validation and testing."""
    path = files.resolve(data.path, settings)
    made = Made(path.name or str(path))
    inside = folder / UNPACKED
    layout = unpacked(data, look(path, settings, data.config), made.title, settings, inside, progress)
    made.notes += layout.notes
    units = units_of(layout, made.title, settings, inside, progress)
    paths: dict[str, Path] = {}
    by_unit = {name: unit.sources for name, unit in units.items()}
    _read_text(by_unit, data.read, folder, made, paths, settings.max_unpacked_bytes, progress)
    _read_json(by_unit, data.read, folder, made, paths, progress)
    if layout.texts:
        _read_plain_texts(layout.texts, data.read, folder, made, paths, progress)
        return _aligned(made, [part_of(split, path, split) for split, path in paths.items()], folder, progress)
    _check_parquet(by_unit, inside, made, progress)
    return _aligned(made, _parts(units, paths, inside), folder, progress)


def by_step(prepared: Prepared, step: Any, folder: Path, progress: Progress) -> Made:
    """What a step makes of a prepared dataset."""
    from core.data.preparing import transform

    made = Made(prepared.title, reading=prepared.reading, notes=list(prepared.notes))
    if isinstance(step, SplitBy):
        made.notes = [note for note in made.notes if note != _proposal(step.column)]
    paths, names, left_out = transform.apply(prepared, step, folder, progress)
    added = {column.name: column.added for column in prepared.columns}
    _described(made, paths, folder, names, {n: tuple(c for c in added.get(n, ()) if c in names[n]) for n in names})
    made.notes.append(Note(f"{step_words(step)}: {counted(sum(s['rows'] for s in made.splits), 'row')}."))
    made.notes += [Note(left_out, "warning")] if left_out else []
    renamed = step.names if isinstance(step, Rename) else {}
    there = {column.name for column in made.columns}
    texts = tuple(renamed.get(name, name) for name in prepared.text_guess)
    label = renamed.get(prepared.label_guess or "", prepared.label_guess)
    if there.issuperset(texts):
        made.text_guess = texts or made.text_guess
    if label in there:
        made.label_guess = label
    return made


def _parts(units: dict[str, Unit], paths: dict[str, Path], folder: Path) -> list[Part]:
    """The Parquet files of all units, with the columns that folders named. paths: of units that were read to one"""
    kinds = parquet.kinds_of_values([dict(unit.values) for unit in units.values()])
    files_in = [unit.split for name, unit in units.items() for _ in unit.sources if name not in paths]
    files_in += [unit.split for name, unit in units.items() if name in paths]
    parts: list[Part] = []
    for name, unit in units.items():
        read = (
            [(paths[name], unit.sources[0].path.name)]
            if name in paths
            else [(s.path, s.path.name) for s in unit.sources]
        )
        for path, title in read:
            if unit.values:
                folder.mkdir(exist_ok=True)
                target = folder / f"values-{len(parts)}.parquet"
                parquet.with_values(path, target, {key: (value, kinds[key]) for key, value in unit.values})
                if name in paths:
                    path.unlink()
                path = target
            alone = files_in.count(unit.split) == 1
            parts.append(part_of(unit.split, path, unit.split if alone else title))
    return parts


def _read_plain_texts(
    texts: Texts, read: ReadSpec, folder: Path, made: Made, paths: dict[str, Path], progress: Progress
) -> None:
    """Texts by class: text and label, with the types that the classes of all splits have in common."""
    staged: dict[str, list[StringColumns]] = {}
    for split in texts.splits:
        target = folder / f"text-{name_of(split)}-{len(staged)}"
        tick = _ticker(progress, f"Reading the texts of {split}")
        columns, notes = plain_texts.write(texts, split, target, read.encoding, tick)
        staged[split] = [columns]
        made.notes += notes
    _typed(staged, folder, made, paths, progress)


def _read_text(
    splits: dict[str, list[Source]],
    read: ReadSpec,
    folder: Path,
    made: Made,
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
                source, read, known, target, made, most, _ticker(progress, f"Reading {source.path.name}")
            )
            known = known or columns.names
            if staged.get(name) and sorted(staged[name][0].names) != sorted(columns.names):
                raise _differ(name, members[0].path, staged[name][0].names, source.path, columns.names)
            staged.setdefault(name, []).append(columns)
    _typed(staged, folder, made, paths, progress)


def _strings(
    source: Source,
    read: ReadSpec,
    known: list[str] | None,
    target: Path,
    made: Made,
    most: int,
    tick: Callable[[float], None],
) -> StringColumns:
    """One file as columns of strings, and what is to be said of it."""
    if source.kind == ".xlsx":
        columns, sheet = workbook.write(source.path, target, read, known, most, tick)
        made.notes += workbook.notes(sheet, source.path.name)
        made.reading = made.reading or sheet.reading
        return columns
    file = textfile.examine(source.path, source.kind, read, known)
    file, columns = delimited.write(file, target, tick, read)
    made.notes += textnotes.notes(file, source.path.name)
    made.reading = made.reading or textnotes.reading(file)
    return columns


def _typed(
    staged: dict[str, list[StringColumns]], folder: Path, made: Made, paths: dict[str, Path], progress: Progress
) -> None:
    """Columns of strings to the types that all splits have in common."""
    types = {
        split: {n: together([c.possible[n] for c in parts]) for n in parts[0].names} for split, parts in staged.items()
    }
    kinds_of = {name: _kind_of(name, [t[name] for t in types.values() if name in t], made) for name in _names(types)}
    for split, parts in staged.items():
        paths[split] = folder / f"{len(paths)}-{name_of(split)}.parquet"
        kinds = {n: kinds_of[n] for n in types[split]}
        retype([c.path for c in parts], paths[split], kinds, _ticker(progress, "Writing columns"))


def _names(types: dict[str, dict[str, Possible]]) -> list[str]:
    return list(dict.fromkeys(name for columns in types.values() for name in columns))


def _kind_of(name: str, parts: list[Possible], made: Made) -> str:
    """The kind of a column in all splits, and a note on words such as None in it."""
    kind = common_kind([part.kind for part in parts if part.seen] or ["text"])
    column = together(parts)
    if kind == "text" or not column.words:
        return kind
    words, count = listed(sorted(column.words)), column.words.total()
    others = "true and false" if kind == "boolean" else "numbers"
    if column.has_null_class:
        share = f"{count / column.values:.0%}"
        made.notes.append(
            Note(f"{name}: {words} ({counted(count, 'row')}, {share}) counts as a value beside the {others}, as text.")
        )
        return "text"
    made.notes.append(
        Note(f"{name}: {words} ({counted(count, 'row')}) was read as no value, as the rest are {others}.", "warning")
    )
    return kind


def _read_json(
    splits: dict[str, list[Source]],
    read: ReadSpec,
    folder: Path,
    made: Made,
    paths: dict[str, Path],
    progress: Progress,
) -> None:
    """JSON of all splits to Parquet, with one set of types."""
    jsons = {name: members for name, members in splits.items() if members[0].kind in JSON_SUFFIXES}
    layouts = {}
    for members in jsons.values():
        for source in members:
            progress(f"Looking through {source.path.name}", None)
            layouts[source.path] = jsonfiles.examine(source.path, source.kind, read)
    if not layouts:
        return
    everything = jsonfiles.columns_of(list(layouts.values()))
    for name, members in jsons.items():
        here = [layouts[source.path] for source in members]
        columns = jsonfiles.columns_in(here, everything)
        paths[name] = folder / f"{len(paths)}-{name_of(name)}.parquet"
        jsonfiles.write(here, columns, paths[name], _ticker(progress, f"Reading {members[0].path.name}"))
        for layout in here:
            made.notes += jsonfiles.notes(layout, jsonfiles.columns_in([layout], columns))
    made.reading = made.reading or jsonfiles.reading(next(iter(layouts.values())))


def _check_parquet(splits: dict[str, list[Source]], folder: Path, made: Made, progress: Progress) -> None:
    """Refuses Parquet files that are too much, and puts those whose structs became columns in the place of others."""
    for place, (name, members) in enumerate(splits.items()):
        for number, source in enumerate(members):
            if source.kind != ".parquet":
                continue
            path = _flat(source.path, folder / f"flat-{place}-{number}", made, name, progress)
            members[number] = Source(path, ".parquet")


def _flat(path: Path, folder: Path, made: Made, split: str, progress: Progress) -> Path:
    """The file, or one in `folder` in which its structs became columns. Raises DataError for what is too much."""
    bounded.check(path)
    folder.mkdir(parents=True)
    flat = folder / path.name
    note = structs.flattened(path, flat, _ticker(progress, f"Taking structs of {split} apart"))
    if note is None:
        return path
    made.notes += [note] if note not in made.notes else []
    return flat


def _aligned(made: Made, parts: list[Part], folder: Path, progress: Progress) -> Made:
    """The manifest of some Parquet files, after their columns hold the same everywhere."""
    for part in parts:
        check_width(part.title, len(part.schema))
    aligned = align(parts)
    made.notes += aligned.notes
    paths = store(parts, aligned, folder, progress)
    shutil.rmtree(folder / UNPACKED, ignore_errors=True)
    return _described(made, paths, folder, aligned.names, aligned.added)


def _described(
    made: Made,
    paths: dict[str, Path],
    folder: Path,
    names: Mapping[str, tuple[str, ...]],
    added: Mapping[str, tuple[str, ...]],
) -> Made:
    """Adds rows, columns and guesses to the manifest, as the Parquet files have them. names, added: see `Column`"""
    columns: dict[str, Column] = {}
    for split, path in paths.items():
        with parquet.open_file(path) as file:
            rows, schema = file.metadata.num_rows, file.schema_arrow
        check_width(made.title, len(schema))
        relative = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)
        made.splits.append({"name": split, "path": relative, "rows": rows})
        nulls = parquet.null_counts(path)
        for column in schema:
            name = column.name
            kind: Kind = "class" if names.get(name) else types.kind_of(column.type)
            before = columns.get(name)
            if before is not None:
                kind = before.kind if before.kind != "empty" else kind
            total = nulls[name] + (before.nulls if before else 0)
            columns[name] = Column(name, kind, total, names.get(name) or None, added.get(name) or ())
    if not any(s["rows"] for s in made.splits):
        raise DataError(f"{made.title} has no rows; choose a dataset with at least one", "data.path")
    made.columns = list(columns.values())
    first = paths.get("train") or next(iter(paths.values()))
    table = parquet.head(first)
    kinds: dict[str, str] = {n: columns[n].kind for n in table.column_names}
    guessed = guess.guess(table, kinds)
    made.text_guess, made.label_guess = guessed.texts, guessed.label
    notes = [Note(text) for text in guessed.notes]
    if len(made.splits) == 1:
        notes += [_proposal(name) for name in guess.split_columns(table, kinds)]
    made.notes += [note for note in notes if note not in made.notes]
    return made


def _proposal(column: str) -> Note:
    return Note(
        f"The values of {column} name splits, such as train and test, but all rows are in one split: Prepare makes "
        "splits of them (split_by).",
        "notice",
    )


def _ticker(progress: Progress, text: str) -> Callable[[float], None]:
    return lambda share: progress(text, share)


def _differ(split: str, a: Path, names: list[str], b: Path, others: list[str]) -> DataError:
    return DataError(
        f"the files of the split {split} differ in their columns: {a.name} has {', '.join(names[:8])}, "
        f"{b.name} has {', '.join(others[:8])}; give them the same ones",
        "data.path",
    )
