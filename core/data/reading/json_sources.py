"""JSON files of all splits to Parquet, with types that all splits share."""

from __future__ import annotations

from pathlib import Path

from core.data.dataset import Progress
from core.data.reading.aligning.storing import name_of
from core.data.reading.files import JSON_SUFFIXES, Source
from core.data.reading.json import table as jsonfiles
from core.data.reading.manifest import Manifest, ticker
from core.spec.data import ReadSpec


def read_json(
    splits: dict[str, list[Source]],
    read: ReadSpec,
    folder: Path,
    manifest: Manifest,
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
        jsonfiles.write(here, columns, paths[name], ticker(progress, f"Reading {members[0].path.name}"))
        for layout in here:
            manifest.notes += jsonfiles.notes(layout, jsonfiles.columns_in([layout], columns))
    manifest.reading = manifest.reading or jsonfiles.reading(next(iter(layouts.values())))
