"""Token ids of datasets that were tokenised before, by content and settings: a second run with them starts at once."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from core import seals
from core.files import replace_folder

if TYPE_CHECKING:
    from datasets import Dataset

FORMAT = 1  # another number when what is kept, or how it is made, changes
MOST_BYTES = 5e9
INFO = "info.json"
ROWS = 1_000


def key(dataset: dict[str, Dataset], columns: Sequence[str], tokenizer: Any, settings: dict[str, Any]) -> str:
    """Names what comes of tokenising these texts and labels with this tokenizer and these settings."""
    import pyarrow as pa

    versions = {name: version(name) for name in ("tokenizers", "transformers")}
    head = [FORMAT, versions, settings, list(columns), tokenizer.model_input_names, _tokenizer(tokenizer)]
    digest = hashlib.blake2b(json.dumps(head, sort_keys=True).encode(), digest_size=16)
    for split, rows in dataset.items():
        digest.update(split.encode())
        for batch in rows.select_columns([*columns, "label", "row"]).with_format("arrow").iter(ROWS):
            stream = pa.BufferOutputStream()
            with pa.ipc.new_stream(stream, batch.schema.remove_metadata()) as writer:
                writer.write_table(batch.combine_chunks().replace_schema_metadata())
            digest.update(stream.getvalue())
    return digest.hexdigest()


def _tokenizer(tokenizer: Any) -> str:
    if tokenizer.is_fast:
        tokenizer.backend_tokenizer.no_truncation()  # what an earlier call has left
        tokenizer.backend_tokenizer.no_padding()
        return str(tokenizer.backend_tokenizer.to_str())
    with TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)  # names files, too, that a tokenizer without a vocabulary does not write
        files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        return "\n".join(file.read_text(encoding="utf-8", errors="replace") for file in files)


def get(cache: Path, name: str) -> tuple[dict[str, Dataset], dict[str, Any]] | None:
    """What was kept under a key: datasets, mapped into memory, and the info; None if there is nothing, or damaged."""
    from datasets import Dataset

    folder = cache / name
    try:
        info = json.loads(seals.read_text(folder / INFO) or "null")
        if not all(seals.matches(folder / file, seals.Seal(**seal)) for file, seal in info["seals"].items()):
            return None
        splits = {split: Dataset.from_file(str(folder / f"{split}.arrow")) for split in info["rows"]}
        if {split: len(rows) for split, rows in splits.items()} != info["rows"]:
            return None
        os.utime(folder)
    except (OSError, ValueError, KeyError, TypeError):  # pyarrow's errors are among them
        return None
    return splits, info["info"]


def put(cache: Path, name: str, make: Callable[[Path], tuple[dict[str, int], dict[str, Any]]]) -> None:
    """Keep what `make` writes into a folder: `<split>.arrow` for each split; it returns their rows and the info."""
    cache.mkdir(parents=True, exist_ok=True)
    with replace_folder(cache / name) as partial:
        rows, info = make(partial)
        sealed = {path.name: asdict(seals.seal_of(path)) for path in partial.iterdir()}
        seals.write_text(partial / INFO, json.dumps({"rows": rows, "info": info, "seals": sealed}))
    _prune(cache, name)


def _prune(cache: Path, newest: str) -> None:
    """Delete what was not used for longest, until the rest is small enough; never the newest."""
    folders = sorted((f for f in cache.iterdir() if f.is_dir()), key=lambda f: f.stat().st_mtime, reverse=True)
    size = 0
    for folder in folders:
        size += sum(file.stat().st_size for file in folder.rglob("*"))
        if size > MOST_BYTES and folder.name != newest:
            gone = folder.with_name(f"{folder.name}.deleted")
            try:
                folder.rename(gone)  # on Windows not while a run reads it
            except OSError:
                continue
            shutil.rmtree(gone, ignore_errors=True)
