"""Reads datasets that Hugging Face's `save_to_disk` wrote: Arrow files that state.json names, a folder per split."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

from core.data.reading.folders.walk import Entry
from core.errors import DataError

MAX_JSON = 8 * 1024**2


def splits(entries: list[Entry]) -> dict[str, list[Entry]] | None:
    """Returns the Arrow files of each split, in order; None if the folder is not a saved dataset. Raises DataError."""
    by_name = {entry.name: entry for entry in entries}
    if "dataset_dict.json" in by_name:
        names = _json(by_name["dataset_dict.json"]).get("splits")
        if not isinstance(names, list) or not all(isinstance(n, str) and n for n in names):
            raise DataError.of(
                "saved-splits-unnamed",
                "dataset_dict.json does not name its splits; save the dataset again",
                "data.path",
            )
        return {name: _files(by_name, f"{name}/") for name in names}
    if "state.json" in by_name and any(e.inner.suffix == ".arrow" for e in entries):
        if "_data_files" not in _json(by_name["state.json"]):
            return None
        return {"train": _files(by_name, "")}
    return None


def features(arrow: Path) -> dict[str, Any]:
    """Returns the features in the dataset_info.json beside an Arrow file: column → type; empty if there are none."""
    path = arrow.with_name("dataset_info.json")
    try:
        if path.stat().st_size > MAX_JSON:
            return {}
        tree = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    columns = tree.get("features") if isinstance(tree, dict) else None
    return columns if isinstance(columns, dict) else {}


def _files(by_name: dict[str, Entry], prefix: str) -> list[Entry]:
    state = by_name.get(f"{prefix}state.json")
    tree = _json(state) if state else {}
    if any(value for key, value in tree.items() if key.startswith("_indices")):
        raise DataError.of(
            "saved-dataset-with-indices",
            "the saved dataset is of an old version of datasets and chooses its rows by a file of "
            "indices, which is not read here; load it there, call flatten_indices() and save it again",
            "data.path",
        )
    listed = tree.get("_data_files")
    names = [f.get("filename") for f in listed or () if isinstance(f, dict)] if isinstance(listed, list) else []
    if not names:
        raise DataError.of(
            "saved-state-missing",
            "the saved dataset is incomplete: {prefix}state.json is missing, or names no files; copy or save it again",
            "data.path",
            prefix=prefix,
        )
    if missing := [name for name in names if f"{prefix}{name}" not in by_name]:
        raise DataError.of(
            "saved-file-missing",
            "the saved dataset is incomplete: its file {prefix}{file} is missing; copy or save it again",
            "data.path",
            prefix=prefix,
            file=missing[0],
        )
    return [by_name[f"{prefix}{PurePosixPath(str(name))}"] for name in names]


def _json(entry: Entry) -> dict[str, Any]:
    try:
        if entry.size > MAX_JSON:
            raise ValueError("it is too large")
        tree = json.loads(entry.path.read_text(encoding="utf-8"))
        if not isinstance(tree, dict):
            raise ValueError("it is not a JSON object")
    except (OSError, ValueError, RecursionError) as error:
        raise DataError.of(
            "saved-file-unreadable",
            "{file} cannot be read ({reason}); save the dataset again",
            "data.path",
            file=entry.name,
            reason=error,
        ) from None
    return tree
