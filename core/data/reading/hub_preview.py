"""Searches datasets of the Hugging Face Hub, describes them, and shows their first rows before a download.

It reads the Hub's listing, the metadata of the card and the first bytes of a file; it runs no code and keeps nothing.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from core.errors import DataError
from core.hub.download import repo_files
from core.hub.errors import check, explain, hub_errors, token, unreachable
from core.wording import library_message

MOST_FOUND = 20
CARD_CHARACTERS = 4_000
HEAD_BYTES = 256 * 1024
PREVIEW_ROWS = 20
DATA_SUFFIXES = (".parquet", ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".txt", ".arrow", ".gz", ".zip", ".zst")
PREVIEWED = (".parquet", ".csv", ".tsv", ".json", ".jsonl", ".ndjson")


@dataclass(frozen=True)
class DatasetEntry:
    """A dataset in a list; `here` if this machine has it already."""

    name: str
    downloads: int
    likes: int
    gated: bool
    here: bool


@dataclass(frozen=True)
class Config:
    """A configuration. splits: name → rows, None if the card does not say"""

    name: str
    splits: dict[str, int | None]


@dataclass(frozen=True)
class DatasetOverview:
    """The Hub's information on a dataset. card: the readme without its metadata, shortened; size: bytes of the data"""

    name: str
    commit: str
    licence: str
    languages: tuple[str, ...]
    gated: bool
    card: str
    configs: tuple[Config, ...]
    size: int
    files: tuple[str, ...]


def search(words: str) -> tuple[list[DatasetEntry], bool]:
    """Searches datasets by name, the most downloaded first; also returns whether the Hub answered.

    If it did not, the datasets on this machine are searched. Raises HubError for any other refusal.
    """
    here = cached()
    try:
        return _search_hub(words, here), True
    except hub_errors() as error:
        if not unreachable(error):
            raise explain(error, "dataset", words or "datasets") from None
        names = [name for name in here if words.lower() in name.lower()]
        return [DatasetEntry(name, 0, 0, False, True) for name in names], False


def cached() -> list[str]:
    """Returns the names of the datasets on this machine, without using the network."""
    from huggingface_hub import CacheNotFound, scan_cache_dir

    try:
        return sorted(repo.repo_id for repo in scan_cache_dir().repos if repo.repo_type == "dataset")
    except CacheNotFound:
        return []


def overview(name: str, revision: str | None = None) -> DatasetOverview:
    """Describes a dataset without downloading it.

    Raises HubError, with the fix, if it is gated, private or missing, or the Hub is unreachable.
    """
    check(name, revision)
    try:
        listing = repo_files("dataset", name, revision)
        info = _info(listing.id, listing.commit)
        card = _card(listing.id, listing.commit) if "README.md" in listing.sizes else ""
    except hub_errors() as error:
        raise explain(error, "dataset", name, revision) from None
    data = {path: size for path, size in listing.sizes.items() if path.lower().endswith(DATA_SUFFIXES)}
    metadata, text = _split_card(card)
    licence = metadata.get("license") or _tag(info, "license:") or ""
    return DatasetOverview(
        name=listing.id,
        commit=listing.commit,
        licence=", ".join(_texts(licence)),
        languages=tuple(_texts(metadata.get("language"))),
        gated=bool(getattr(info, "gated", False)),
        card=text[:CARD_CHARACTERS] + ("…" if len(text) > CARD_CHARACTERS else ""),
        configs=_configs(metadata, data),
        size=sum(data.values()),
        files=tuple(sorted(data)),
    )


def preview(dataset: DatasetOverview, file: str) -> list[dict[str, Any]]:
    """Returns the first rows of a file, without downloading the rest. Raises HubError, DataError."""
    if file not in dataset.files or not file.lower().endswith(PREVIEWED):
        raise DataError.of("no-preview", "{file!r} has no preview; choose a Parquet, CSV or JSON file", file=file)
    try:
        if file.lower().endswith(".parquet"):
            return _parquet_rows(dataset, file)
        return _text_rows(dataset, file)
    except hub_errors() as error:
        raise explain(error, "dataset", dataset.name) from None


def _search_hub(words: str, here: Iterable[str]) -> list[DatasetEntry]:
    from huggingface_hub import HfApi

    known = set(here)
    items = HfApi().list_datasets(search=words or None, sort="downloads", limit=MOST_FOUND)
    return [DatasetEntry(i.id, i.downloads or 0, i.likes or 0, bool(i.gated), i.id in known) for i in items]


def _info(name: str, commit: str) -> Any:
    from huggingface_hub import HfApi, constants

    return HfApi().dataset_info(name, revision=commit, timeout=constants.HF_HUB_ETAG_TIMEOUT)


def _card(name: str, commit: str) -> str:
    from huggingface_hub import hf_hub_download

    path = hf_hub_download(name, "README.md", repo_type="dataset", revision=commit)
    with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - the cache's own path
        return file.read(20 * CARD_CHARACTERS)


def _split_card(card: str) -> tuple[dict[str, Any], str]:
    """Splits a readme into its metadata (YAML between two lines of dashes) and its text."""
    import yaml

    if not card.startswith("---"):
        return {}, card.strip()
    head, _, rest = card[3:].partition("\n---")
    try:
        metadata = yaml.safe_load(head)
    except yaml.YAMLError:
        metadata = None
    return metadata if isinstance(metadata, dict) else {}, rest.strip()


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [str(v) for v in values if isinstance(v, str | int | float) and str(v)][:20]


def _tag(info: Any, prefix: str) -> str:
    return next((tag.removeprefix(prefix) for tag in info.tags or [] if tag.startswith(prefix)), "")


def _configs(metadata: dict[str, Any], files: dict[str, int]) -> tuple[Config, ...]:
    """Returns the configurations and splits that the card names; if it names none, the splits in file names."""
    from core.data.reading.files import split_of

    rows: dict[str, dict[str, int | None]] = {}
    infos = metadata.get("dataset_info")
    for entry in infos if isinstance(infos, list) else [infos]:
        if isinstance(entry, dict):
            known = [s for s in entry.get("splits") or [] if isinstance(s, dict) and s.get("name")]
            counts = {str(s["name"]): n if isinstance(n := s.get("num_examples"), int) else None for s in known}
            rows[str(entry.get("config_name") or "default")] = counts
    for entry in metadata.get("configs") or []:
        if isinstance(entry, dict):
            parts = entry.get("data_files")
            named = (
                [str(f["split"]) for f in parts if isinstance(f, dict) and f.get("split")]
                if isinstance(parts, list)
                else []
            )
            rows.setdefault(str(entry.get("config_name") or "default"), dict.fromkeys(named))
    if not rows:
        splits = dict.fromkeys(split for path in files if (split := split_of(path.rsplit("/", 1)[-1])))
        rows["default"] = dict.fromkeys(splits or ["train"])
    return tuple(Config(name, counts) for name, counts in rows.items())


def _parquet_rows(dataset: DatasetOverview, file: str) -> list[dict[str, Any]]:
    """Returns the first rows of a Parquet file, fetching only its footer and first pages."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from huggingface_hub import HfFileSystem

    with HfFileSystem().open(f"datasets/{dataset.name}@{dataset.commit}/{file}", block_size=2**20) as stream:
        try:
            with pq.ParquetFile(stream) as table:
                batch = next(table.iter_batches(batch_size=PREVIEW_ROWS), None)
        except pa.ArrowException as error:
            raise DataError.of(
                "parquet-preview-failed",
                "{file} cannot be read as Parquet ({reason})",
                file=file,
                reason=library_message(error, 120),
            ) from None
    return [] if batch is None else list(batch.to_pylist())


def _text_rows(dataset: DatasetOverview, file: str) -> list[dict[str, Any]]:
    """Returns the rows in the complete lines of the first bytes of a CSV or JSON Lines file."""
    import csv

    from huggingface_hub import hf_hub_url

    head = _first_bytes(hf_hub_url(dataset.name, file, repo_type="dataset", revision=dataset.commit))
    text = head.decode("utf-8-sig", errors="replace")
    lines = text.splitlines() if len(head) < HEAD_BYTES else text.splitlines()[:-1]
    if file.lower().endswith((".csv", ".tsv")):
        delimiter = "\t" if file.lower().endswith(".tsv") else ","
        reader = csv.DictReader(io.StringIO("\n".join(lines)), delimiter=delimiter)
        return [{str(k): v for k, v in row.items()} for _, row in zip(range(PREVIEW_ROWS), reader, strict=False)]
    rows = []
    for line in lines[:PREVIEW_ROWS]:
        try:
            value = json.loads(line)
        except ValueError:
            break
        rows.append(value if isinstance(value, dict) else {"value": value})
    if not rows:
        raise DataError.of(
            "json-document-no-preview",
            "{file} is one JSON document, which has no first rows; download it to see them",
            file=file,
        )
    return rows


def _first_bytes(url: str) -> bytes:
    from huggingface_hub import constants, get_session
    from huggingface_hub.errors import HfHubHTTPError

    headers = {"Range": f"bytes=0-{HEAD_BYTES - 1}"} | ({"Authorization": f"Bearer {own}"} if (own := token()) else {})
    response = get_session().get(url, headers=headers, follow_redirects=True, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT)
    if response.is_error:
        raise HfHubHTTPError(f"{response.status_code} for {url}", response=response)
    return bytes(response.content[:HEAD_BYTES])
