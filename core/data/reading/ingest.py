"""From each source to Parquet files in one folder, and the manifest that describes them. Called by `prepare`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.data.dataset import Prepared, Progress
from core.data.notes import Note
from core.data.reading import files
from core.data.reading.aligning.parts import Part, part_of
from core.data.reading.aligning.storing import UNPACKED
from core.data.reading.files import Source
from core.data.reading.folders.layout import look
from core.data.reading.json_sources import read_json
from core.data.reading.manifest import Manifest, align_parts, describe, split_column_note, ticker
from core.data.reading.tables import bounded, parquet, structs
from core.data.reading.text_sources import read_tables, read_texts
from core.data.reading.units import Unit, units_of, unpacked
from core.settings import Settings
from core.spec.data import DataSpec
from core.spec.steps import Rename, SplitBy, step_words


def sample(folder: Path, progress: Progress) -> Manifest:
    """The embedded sample of reviews."""
    from core.data.reading import sample as reviews

    progress("Writing the sample", None)
    manifest = Manifest("Sample reviews", notes=[Note(reviews.NOTE, id="sample-reviews")])
    parts = [part_of(name, path, name) for name, path in reviews.write(folder).items()]
    return align_parts(manifest, parts, folder, progress)


def hub(data: DataSpec, folder: Path, progress: Progress) -> Manifest:
    """A dataset of the Hugging Face Hub."""
    from core.data.reading.hub import prepare_hub

    manifest = Manifest(f"{data.path} ({data.config})" if data.config else data.path)
    splits = prepare_hub(data, folder, progress, lambda message: manifest.notes.append(Note.from_message(message)))
    parts: list[Part] = []
    for split in splits:
        for number, path in enumerate(split.paths):
            path = _flat(path, folder / UNPACKED / f"flat-{len(parts)}-{number}", manifest, split.name, progress)
            parts.append(part_of(split.name, path, split.name if len(split.paths) == 1 else path.name, split.names))
    return align_parts(manifest, parts, folder, progress)


def files_of(data: DataSpec, settings: Settings, folder: Path, progress: Progress) -> Manifest:
    """A file, an archive, or a folder with files for training, validation and testing."""
    path = files.resolve(data.path, settings)
    manifest = Manifest(path.name or str(path))
    inside = folder / UNPACKED
    layout = unpacked(data, look(path, settings, data.config), manifest.title, settings, inside, progress)
    manifest.notes += layout.notes
    units = units_of(layout, manifest.title, settings, inside, progress)
    paths: dict[str, Path] = {}
    by_unit = {name: unit.sources for name, unit in units.items()}
    read_tables(by_unit, data.read, folder, manifest, paths, settings.max_unpacked_bytes, progress)
    read_json(by_unit, data.read, folder, manifest, paths, progress)
    if layout.texts:
        read_texts(layout.texts, data.read, folder, manifest, paths, progress)
        return align_parts(manifest, [part_of(split, path, split) for split, path in paths.items()], folder, progress)
    _check_parquet(by_unit, inside, manifest, progress)
    return align_parts(manifest, _parts(units, paths, inside), folder, progress)


def by_step(prepared: Prepared, step: Any, folder: Path, progress: Progress) -> Manifest:
    """What a step makes of a prepared dataset."""
    from core.data.preparing import transform

    manifest = Manifest(prepared.title, reading=prepared.reading, notes=list(prepared.notes))
    if isinstance(step, SplitBy):
        manifest.notes = [note for note in manifest.notes if note != split_column_note(step.column)]
    paths, names, left_out = transform.apply(prepared, step, folder, progress)
    added = {column.name: column.added for column in prepared.columns}
    describe(manifest, paths, folder, names, {n: tuple(c for c in added.get(n, ()) if c in names[n]) for n in names})
    manifest.notes.append(
        Note.of(
            "step-result",
            "{step}: {count:row|rows}.",
            step=step_words(step),
            count=sum(s["rows"] for s in manifest.splits),
        )
    )
    manifest.notes += [Note.from_message(left_out, "warning")] if left_out else []
    renamed = step.names if isinstance(step, Rename) else {}
    there = {column.name for column in manifest.columns}
    texts = tuple(renamed.get(name, name) for name in prepared.text_guess)
    label = renamed.get(prepared.label_guess or "", prepared.label_guess)
    if there.issuperset(texts):
        manifest.text_guess = texts or manifest.text_guess
    if label in there:
        manifest.label_guess = label
    return manifest


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


def _check_parquet(splits: dict[str, list[Source]], folder: Path, manifest: Manifest, progress: Progress) -> None:
    """Refuses Parquet files that are too much, and puts those whose structs became columns in the place of others."""
    for place, (name, members) in enumerate(splits.items()):
        for number, source in enumerate(members):
            if source.kind != ".parquet":
                continue
            path = _flat(source.path, folder / f"flat-{place}-{number}", manifest, name, progress)
            members[number] = Source(path, ".parquet")


def _flat(path: Path, folder: Path, manifest: Manifest, split: str, progress: Progress) -> Path:
    """The file, or one in `folder` in which its structs became columns. Raises DataError for what is too much."""
    bounded.check(path)
    folder.mkdir(parents=True)
    flat = folder / path.name
    note = structs.flattened(path, flat, ticker(progress, f"Taking structs of {split} apart"))
    if note is None:
        return path
    manifest.notes += [note] if note not in manifest.notes else []
    return flat
