"""The folder of a prepared dataset: opened if it is whole, written with a manifest, put into its place.

A folder with a manifest is complete: it is made under a temporary name, synced and renamed. The manifest seals the
files that were made (see core.seals): a folder in which one has changed counts as missing.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core import seals
from core.data.dataset import Column, Prepared, Split
from core.data.notes import Note
from core.files import sync, write_text

FORMAT = 4  # raise it when prepared folders of older versions must not be used any more
MANIFEST = "manifest.json"
KEPT_BY_PEOPLE = ("labels-reviewed.json",)  # survives when the rest of a damaged folder is made again
STALE_S = 24 * 3600


def open_folder(folder: Path) -> Prepared | None:
    """The prepared dataset in a folder; None if there is none, or a file of it is gone or not what it was."""
    try:
        tree = json.loads((folder / MANIFEST).read_text(encoding="ascii"))
        checksum = tree.pop("checksum", None)
        if tree["format"] != FORMAT or checksum not in (None, _checksum(tree)):
            return None
        prepared = prepared_of(tree, folder)
        sealed = {folder / path: seals.Seal(**seal) for path, seal in tree.get("seals", {}).items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    whole = all(seals.matches(path, seal) for path, seal in sealed.items())
    return prepared if whole and all(s.path.is_file() for s in prepared.splits.values()) else None


def prepared_of(tree: dict[str, Any], folder: Path) -> Prepared:
    """The dataset that a manifest describes. tree: the manifest as plain data, its paths relative to the folder"""
    columns = tuple(
        Column(c["name"], c["kind"], c["nulls"], tuple(c["names"]) if c["names"] else None, tuple(c["added"]))
        for c in tree["columns"]
    )
    return Prepared(
        fingerprint=tree["fingerprint"],
        folder=folder,
        title=tree["title"],
        splits={s["name"]: Split(s["name"], folder / s["path"], s["rows"]) for s in tree["splits"]},
        columns=columns,
        notes=tuple(Note(**note) for note in tree["notes"]),
        reading=tree["reading"],
        text_guess=tuple(tree["text_guess"]),
        label_guess=tree["label_guess"],
    )


def write_manifest(folder: Path, fingerprint: str, manifest: dict[str, Any]) -> None:
    """Seal the files of a folder and write its manifest last. manifest: see `core.data.reading.manifest.Manifest`"""
    for path in folder.rglob("*"):
        sync(path)
    own = [split["path"] for split in manifest["splits"] if not Path(split["path"]).is_absolute()]
    sealed = {path: asdict(seals.seal_of(folder / path)) for path in own}
    tree = {"format": FORMAT, "fingerprint": fingerprint, "seals": sealed, **manifest}
    text = json.dumps({**tree, "checksum": _checksum(tree)}, ensure_ascii=True, indent=1)
    write_text(folder / MANIFEST, text)


def _checksum(manifest: dict[str, Any]) -> str:
    text = json.dumps(manifest, ensure_ascii=True, sort_keys=True)
    return hashlib.blake2b(text.encode("ascii"), digest_size=16).hexdigest()


def take_over_reviews(folder: Path, datasets: Path) -> None:
    """Copy what people reviewed in this dataset under an earlier `FORMAT`. It names texts by their content, so that it
    still holds.
    """
    (name,) = KEPT_BY_PEOPLE
    title = json.loads((folder / MANIFEST).read_text(encoding="ascii"))["title"]
    reviewed: set[str] = set()
    for path in datasets.glob(f"*/{name}"):
        with suppress(OSError, ValueError, TypeError, KeyError):
            manifest = json.loads((path.parent / MANIFEST).read_text(encoding="ascii"))
            if manifest["format"] < FORMAT and manifest["title"] == title:
                reviewed.update(map(str, json.loads(path.read_text(encoding="utf-8"))))
    if reviewed:
        write_text(folder / name, json.dumps(sorted(reviewed)))


def publish(temporary: Path, folder: Path) -> None:
    """Renames a finished folder to its name, unless another process was faster."""
    try:
        temporary.rename(folder)
    except OSError:
        if open_folder(folder) is None:  # only what a person has done there is of use
            for name in KEPT_BY_PEOPLE:
                with suppress(OSError):
                    (folder / name).rename(temporary / name)
            shutil.rmtree(folder, ignore_errors=True)
            temporary.rename(folder)
    sync(folder.parent)


def sweep(folder: Path) -> None:
    """Remove the temporary folders of processes that died."""
    for path in folder.glob(".*-*"):
        try:
            if time.time() - path.stat().st_mtime > STALE_S:
                shutil.rmtree(path, ignore_errors=True)
        except OSError:
            pass
