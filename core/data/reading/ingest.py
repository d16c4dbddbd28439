"""From each source to Parquet files in one folder and what the manifest says about them. Called by `prepare`."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.data.notes import Note
from core.data.prepared import Column, Prepared, Progress
from core.data.reading import archives, delimited, files, guess, parquet
from core.data.reading.columns import Possible, common_kind, retype, together
from core.data.reading.delimited import TextFile
from core.data.reading.files import JSON_SUFFIXES, TEXT_SUFFIXES, Source
from core.data.reading.json import table as jsonfiles
from core.errors import DataError
from core.settings import Settings
from core.spec import DataSpec, ReadSpec
from core.steps import step_words
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
    return _described(made, reviews.write(folder), folder)


def hub(data: DataSpec, folder: Path, progress: Progress) -> Made:
    """A dataset of the Hugging Face Hub."""
    from core.data.reading.hub import prepare_hub

    made = Made(f"{data.path} ({data.config})" if data.config else data.path)
    found = prepare_hub(data, folder, progress, lambda text: made.notes.append(Note(text)))
    names = {}
    for _, _, features in found:
        for name, feature in features.items():
            if type(feature).__name__ == "ClassLabel" and feature.names:
                names[name] = tuple(feature.names)
    return _described(made, {name: Path(path) for name, path, _ in found}, folder, names)


def files_of(data: DataSpec, settings: Settings, folder: Path, progress: Progress) -> Made:
    """A file, an archive, or a folder with files for training, validation and testing."""
    path = files.resolve(data.path, settings)
    made = Made(path.name or str(path))
    root, sources = _sources(path, settings, folder / "unpacked", progress)
    groups, notes = files.splits([s.path for s in sources], root)
    made.notes += notes
    if len(sources) == 1:
        if files.split_of(sources[0].path.name) not in (None, "train"):
            made.notes.append(Note("There is one file only, so it is the training split, whatever its name says."))
        groups = {"train": [sources[0].path]}
    kinds = {s.path: s for s in sources}
    paths: dict[str, Path] = {}
    by_split = {name: [kinds[p] for p in members] for name, members in groups.items()}
    _read_text(by_split, data.read, folder, made, paths, progress)
    class_names = _read_json(by_split, data.read, folder, made, paths, progress)
    _read_parquet(by_split, folder, paths, progress)
    shutil.rmtree(folder / "unpacked", ignore_errors=True)
    return _described(made, {name: paths[name] for name in by_split}, folder, class_names)


def by_step(prepared: Prepared, step: Any, folder: Path, progress: Progress) -> Made:
    """What a step makes of a prepared dataset."""
    from core.data import transform

    made = Made(prepared.title, reading=prepared.reading, notes=list(prepared.notes))
    paths, names = transform.apply(prepared, step, folder, progress)
    _described(made, paths, folder, names)
    made.notes.append(Note(f"{step_words(step)}: {sum(s['rows'] for s in made.splits):,} rows."))
    there = {column.name for column in made.columns}
    made.text_guess = tuple(name for name in prepared.text_guess if name in there) or made.text_guess
    if prepared.label_guess in there:
        made.label_guess = prepared.label_guess
    return made


def _sources(path: Path, settings: Settings, unpacked: Path, progress: Progress) -> tuple[Path, list[Source]]:
    """The files of a dataset with what each is, after unpacking, and the folder they lie in."""
    root = path if path.is_dir() else path.parent
    found = [files.identify(p) for p in files.data_files(path, settings)]
    if not any(s.kind in (".gz", ".zip") for s in found):
        return root, found
    budget = settings.max_unpacked_bytes
    result: list[Source] = []
    for source in found:
        progress(f"Unpacking {source.path.name}", None)
        into = unpacked / source.path.relative_to(root).parent
        if source.kind not in (".gz", ".zip"):
            into.mkdir(parents=True, exist_ok=True)
            target = into / source.path.name
            shutil.copyfile(source.path, target)
        else:
            target = archives.unpack(source.path, source.kind, into, budget)
        members = sorted(p for p in target.rglob("*") if p.is_file()) if target.is_dir() else [target]
        budget -= sum(p.stat().st_size for p in members)
        result += [files.identify(p) for p in members if p not in {s.path for s in result}]
    for source in result:
        if source.kind in (".gz", ".zip"):
            raise DataError(
                f"{path.name} holds another archive, {source.path.name}; unpack that one first", "data.path"
            )
    return unpacked, result


def _read_text(
    splits: dict[str, list[Source]],
    read: ReadSpec,
    folder: Path,
    made: Made,
    paths: dict[str, Path],
    progress: Progress,
) -> None:
    """CSV and TSV: each file to strings, then all splits to the types that their values have in common."""
    texts = {name: members for name, members in splits.items() if members[0].kind in TEXT_SUFFIXES}
    staged: dict[str, list[tuple[TextFile, Any]]] = {}
    known: list[str] | None = None
    for name, members in texts.items():
        for number, source in enumerate(members):
            _same_family(source, TEXT_SUFFIXES, members)
            file = delimited.examine(source.path, source.kind, read, known)
            known = known or file.names
            if staged.get(name) and staged[name][0][0].names != file.names:
                raise _differ(name, members[0].path, staged[name][0][0].names, source.path, file.names)
            tick = _ticker(progress, f"Reading {source.path.name}")
            staged.setdefault(name, []).append(delimited.write(file, folder / f"text-{name_of(name)}-{number}", tick))
            made.notes += delimited.notes(staged[name][-1][0], source.path.name)
    if not staged:
        return
    types = {
        split: {n: together([c.possible[n] for _, c in parts]) for n in parts[0][0].names}
        for split, parts in staged.items()
    }
    kinds_of = {name: _kind_of(name, [t[name] for t in types.values() if name in t], made) for name in _names(types)}
    for number, (split, parts) in enumerate(staged.items()):
        paths[split] = folder / f"{len(paths)}-{name_of(split)}.parquet"
        kinds = {n: kinds_of[n] for n in types[split]}
        retype([c.path for _, c in parts], paths[split], kinds, _ticker(progress, "Writing columns"))
        if number == 0:
            made.reading = _reading(parts[0][0])


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


def _reading(file: TextFile) -> dict[str, Any]:
    dialect = file.dialect
    return {
        "encoding": file.detected.encoding,
        "delimiter": dialect.delimiter,
        "quoting": dialect.quoting,
        "header": dialect.header,
    }


def _read_json(
    splits: dict[str, list[Source]],
    read: ReadSpec,
    folder: Path,
    made: Made,
    paths: dict[str, Path],
    progress: Progress,
) -> dict[str, tuple[str, ...]]:
    """JSON of all splits to Parquet, with one set of types. Returns the classes that a file gives beside its rows."""
    jsons = {name: members for name, members in splits.items() if members[0].kind in JSON_SUFFIXES}
    layouts = {}
    for members in jsons.values():
        for source in members:
            _same_family(source, JSON_SUFFIXES, members)
            progress(f"Looking through {source.path.name}", None)
            layouts[source.path] = jsonfiles.examine(source.path, source.kind, read)
    if not layouts:
        return {}
    everything = jsonfiles.columns_of(list(layouts.values()))
    for name, members in jsons.items():
        here = [layouts[source.path] for source in members]
        columns = jsonfiles.columns_in(here, everything)
        paths[name] = folder / f"{len(paths)}-{name_of(name)}.parquet"
        jsonfiles.write(here, columns, paths[name], _ticker(progress, f"Reading {members[0].path.name}"))
        for layout in here:
            made.notes += jsonfiles.notes(layout, jsonfiles.columns_in([layout], columns))
    made.reading = made.reading or jsonfiles.reading(next(iter(layouts.values())))
    return jsonfiles.class_names(list(layouts.values()), everything)


def _read_parquet(splits: dict[str, list[Source]], folder: Path, paths: dict[str, Path], progress: Progress) -> None:
    """Parquet stays where it is, unless it was unpacked or comes in several files."""
    for name, members in splits.items():
        if members[0].kind != ".parquet":
            continue
        for source in members:
            _same_family(source, {".parquet"}, members)
            parquet.open_file(source.path).close()
        target = folder / f"{len(paths)}-{name_of(name)}.parquet"
        if len(members) > 1:
            parquet.join([s.path for s in members], target, _ticker(progress, f"Joining the files of {name}"))
            paths[name] = target
        elif members[0].path.is_relative_to(folder):
            paths[name] = members[0].path.rename(target)
        elif any(c in "*?[" for c in str(members[0].path)):
            paths[name] = _linked(members[0].path, target)  # readers would take the path for a pattern
        else:
            paths[name] = members[0].path


def _linked(path: Path, target: Path) -> Path:
    try:
        target.hardlink_to(path)
    except OSError:  # another disk, or one that has no links
        shutil.copyfile(path, target)
    return target


def _described(
    made: Made, paths: dict[str, Path], folder: Path, class_names: dict[str, tuple[str, ...]] | None = None
) -> Made:
    """Adds rows, columns and guesses to the manifest, as the Parquet files have them."""
    columns: dict[str, Column] = {}
    for name, path in paths.items():
        with parquet.open_file(path) as file:
            rows, schema = file.metadata.num_rows, file.schema_arrow
        if len(set(schema.names)) < len(schema.names):
            raise DataError(f"{path.name} has two columns of the same name; rename one of them", "data.path")
        relative = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)
        made.splits.append({"name": name, "path": relative, "rows": rows})
        nulls = parquet.null_counts(path)
        for column, kind, names in parquet.describe(schema):
            names = names or (class_names or {}).get(column)
            before = columns.get(column)
            columns[column] = Column(
                column,
                before.kind if before else "class" if names else kind,  # type: ignore[arg-type]
                nulls[column] + (before.nulls if before else 0),
                before.names if before else names,
            )
    if not any(s["rows"] for s in made.splits):
        raise DataError(f"{made.title} has no rows; choose a dataset with at least one", "data.path")
    made.columns = list(columns.values())
    first = paths.get("train") or next(iter(paths.values()))
    table = parquet.head(first)
    kinds: dict[str, str] = {n: columns[n].kind for n in table.column_names}
    made.text_guess, made.label_guess = guess.guess(table, kinds)
    return made


def name_of(split: str) -> str:
    """A split's name as part of a file name that every file system takes."""
    return "".join(c if (c.isascii() and c.isalnum()) or c in "-_" else "_" for c in split)[:60]


def _ticker(progress: Progress, text: str) -> Callable[[float], None]:
    return lambda share: progress(text, share)


def _same_family(source: Source, family: set[str], members: list[Source]) -> None:
    if source.kind not in family:
        raise DataError(
            f"{members[0].path.name} and {source.path.name} belong to one split but have different formats; "
            "bring them to the same one",
            "data.path",
        )


def _differ(split: str, a: Path, names: list[str], b: Path, others: list[str]) -> DataError:
    return DataError(
        f"the files of the split {split} differ in their columns: {a.name} has {', '.join(names[:8])}, "
        f"{b.name} has {', '.join(others[:8])}; give them the same ones",
        "data.path",
    )
