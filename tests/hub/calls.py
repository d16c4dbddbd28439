"""Functions that the tests of the Hub call in another process; they return plain values only."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from core.spec.data import DataSpec


def fetch_model(name: str, revision: str | None = None) -> dict[str, Any]:
    from core.hub import download as hub

    phases: list[tuple[str, float | None]] = []
    notes: list[str] = []
    folder = hub.fetch_model(
        name, revision, lambda text, share: phases.append((text, share)), lambda note: notes.append(note.text)
    )
    files = {path.name: path.stat().st_size for path in folder.iterdir()}
    return {"folder": folder, "files": files, "progress": phases, "notes": notes}


def prepare(name: str, config: str | None = None, revision: str | None = None) -> dict[str, Any]:
    """Prepares a Hub dataset and reads its Parquet files with pyarrow alone."""
    import pyarrow.parquet as pq

    from core.data.reading.hub import prepare_hub

    phases: list[tuple[str, float | None]] = []
    notes: list[str] = []
    data = DataSpec(source="hub", path=name, config=config, revision=revision)
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare_hub(
            data, Path(folder), lambda text, share: phases.append((text, share)), lambda note: notes.append(note.text)
        )
        splits = {}
        for split in prepared:
            table = pq.read_table(split.paths[0])
            splits[split.name] = {
                "rows": table.num_rows,
                "columns": table.column_names,
                "first": table.slice(0, 1).to_pylist()[0],
                "metadata": (table.schema.metadata or {}).get(b"huggingface", b"").decode(),
                "label": list(split.names["label"]) if "label" in split.names else None,
            }
    return {"splits": splits, "progress": phases, "notes": notes}


def labels(name: str) -> dict[str, Any]:
    """Returns the labels of a prepared Hub dataset, row by row, and the notes on them."""
    from core.data import prepare as datasets
    from core.data.browsing import browse
    from core.settings import Settings

    with tempfile.TemporaryDirectory() as folder:
        prepared = datasets.prepare(DataSpec(source="hub", path=name), Settings(home=Path(folder)))
        names = {split: browse.page(prepared, split, 0, 1000)["label"].tolist() for split in prepared.splits}
        left = sorted(path.name for path in prepared.folder.iterdir())
    columns = [column.name for column in prepared.columns]
    return {"names": names, "notes": [note.text for note in prepared.notes], "files": left, "columns": columns}


def tokenizer_json(name: str, revision: str | None = None) -> dict[str, Any]:
    from core.hub import download as hub

    before = hub.cached_file(name, "tokenizer.json", revision)
    fetched = hub.fetch_tokenizer_json(name, revision)
    after = hub.cached_file(name, "tokenizer.json", revision)
    return {"before": before, "fetched": fetched, "after": after, "datasets": "datasets" in sys.modules}


def cached_tokenizer_json(name: str, revision: str | None = None) -> Path | None:
    from core.hub import download as hub

    return hub.cached_file(name, "tokenizer.json", revision)


def token() -> str | None:
    from core.hub import download as hub

    return hub.token()


def load_with_transformers(name_or_folder: str) -> dict[str, Any]:
    """Loads a model and tokenizer with transformers alone, without our code."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(name_or_folder)
    model, info = AutoModelForSequenceClassification.from_pretrained(
        name_or_folder, num_labels=2, output_loading_info=True
    )
    batch = tokenizer("the food was wonderful", return_tensors="pt")
    return {
        "tokens": tokenizer.convert_ids_to_tokens(batch["input_ids"][0]),
        "missing": sorted(info["missing_keys"]),
        "logits": tuple(model(**batch).logits.shape),
    }


def load_with_datasets(name: str, config: str | None = None) -> dict[str, int]:
    from datasets import load_dataset

    return {split: len(rows) for split, rows in load_dataset(name, config).items()}


def search(words: str) -> dict[str, list[str]]:
    from huggingface_hub import HfApi

    api = HfApi()
    return {
        "models": [model.id for model in api.list_models(search=words)],
        "datasets": [dataset.id for dataset in api.list_datasets(search=words)],
        "you": [api.whoami()["name"]],
    }


def light_import() -> dict[str, Any]:
    """Measures the cost of core.hub.download and a look into the cache, in a process with the imports of a page."""
    import psutil
    import pydantic  # noqa: F401

    process = psutil.Process()
    memory, start = process.memory_info().rss, time.perf_counter()
    from core.hub import download as hub

    hub.cached_file("tiny/bert", "tokenizer.json")
    seconds = time.perf_counter() - start
    heavy = {"torch", "transformers", "datasets", "tensorflow", "pandas", "pyarrow"} & set(sys.modules)
    return {"seconds": seconds, "bytes": process.memory_info().rss - memory, "heavy": heavy}


def find_datasets(words: str) -> dict[str, Any]:
    from core.data.reading import hub_preview as hub_browse

    hits, answered = hub_browse.search(words)
    return {"found": {f.name: f.here for f in hits}, "answered": answered}


def look(name: str, revision: str | None = None) -> dict[str, Any]:
    from dataclasses import asdict

    from core.data.reading import hub_preview as hub_browse

    return asdict(hub_browse.overview(name, revision))


def preview(name: str, file: str) -> list[dict[str, Any]]:
    from core.data.reading import hub_preview as hub_browse

    return hub_browse.preview(hub_browse.overview(name), file)
