"""Reads the names of files and folders: the split, the shard of a table, and the values of key=value folders."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from core.data.reading.files import PART, SPLIT_WORDS, bare_name, split_of, stem_of
from core.data.reading.folders.walk import KEY_VALUE

SPLIT_KEYS = {"split", "subset", "set", "fold", "partition", "dataset", "part", "usage"}
NO_VALUE = {"__HIVE_DEFAULT_PARTITION__", "__DEFAULT_PARTITION__"}
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
WRITTEN = re.compile(  # a whole name by Spark, Hive, Hadoop or DuckDB that only numbers the part
    rf"part-([mr]-)?\d+(-tid-\d+)?(-{UUID}|-[0-9a-f]{{32}})?(-\d+)*([-.]c\d+)?(\.(snappy|gz|zstd?|lz4|lzo|bz2?|uncompressed))*"
    rf"|\d{{6}}_\d+(_copy_\d+)?|(data_|part[-_.]?|chunk[-_]?|shard[-_]?)\d+|0\d*|\d{{1,3}}|{UUID}(-\d+)?|[0-9a-f]{{32}}(-\d+)?",
    re.IGNORECASE,
)
SHARD = re.compile(  # train.v1 and train.v2 are no shards but two versions
    r"(?<![-_.]v)(?<!\d)[-_.]?(part|shard|chunk)?[-_.]?\d+([-_]of[-_]\d+)?$", re.IGNORECASE
)
CODEC = re.compile(r"\.(snappy|gz|zstd|zst|lz4|lzo|br|uncompressed)$", re.IGNORECASE)  # of a Parquet file: a.gz.parquet


def is_split_word(name: str) -> bool:
    """Whether a name is only the name of a split."""
    return any(name.lower() in words for words in SPLIT_WORDS.values())


def key_values(inner: PurePosixPath) -> tuple[tuple[str, str | None], ...]:
    """Returns the columns that the folders of a path name, as in `label=pos/split=train/a.csv`; None for no value."""
    pairs = []
    for part in inner.parts[:-1]:
        if KEY_VALUE.fullmatch(part):
            key, _, value = part.partition("=")
            pairs.append((unquote(key), None if value in NO_VALUE else unquote(value)))
    return tuple(dict(pairs).items())


def split_key(paths: Iterable[PurePosixPath]) -> str | None:
    """Returns the key of key=value folders whose values are all names of splits; None if there is no such key."""
    values: dict[str, set[str | None]] = {}
    for path in paths:
        for key, value in key_values(path):
            values.setdefault(key, set()).add(value)
    keys = [k for k, all_ in values.items() if k.lower() in SPLIT_KEYS and all(v and is_split_word(v) for v in all_)]
    return keys[0] if keys else None


def whole_stem(inner: Path | PurePosixPath) -> str:
    """Returns a file's name without its suffixes of format and packing; other dots stay."""
    if PART.fullmatch(bare_name(inner)) and not re.search(r"\.[a-z]+$", inner.name, re.IGNORECASE):
        return bare_name(inner)
    stem = stem_of(inner)
    while CODEC.search(stem):
        stem = CODEC.sub("", stem)
    return stem


def splits(paths: list[PurePosixPath], by_key: str | None) -> dict[PurePosixPath, str]:
    """Returns the split of each file: by a word in its name, else in its folders' names, else its own name.

    Shards of one table get the same split. by_key: the key of key=value folders that name splits, or None
    """
    shards: dict[tuple[str | None, str], int] = {}
    groups: dict[PurePosixPath, tuple[str | None, str, bool]] = {}
    for path in paths:
        word, in_name = _word(path, by_key)
        stem = _base(path)
        shards[word, stem] = shards.get((word, stem), 0) + 1
        groups[path] = (word, stem, in_name)
    keys: dict[PurePosixPath, tuple[str, str]] = {}
    for path, (word, stem, in_name) in groups.items():
        name = stem if shards[word, stem] > 1 or not stem else whole_stem(path)
        keys[path] = (word or name or "train", name if in_name else "")
    words = [word for word, _ in set(keys.values())]
    if len(words) == 1 and not any(word for word, _, _ in groups.values()):
        return dict.fromkeys(paths, "train")
    return {path: word if words.count(word) == 1 else stem or word for path, (word, stem) in keys.items()}


def _base(path: PurePosixPath) -> str:
    """Returns the common part of the names of a table's shards; empty for names that only number the parts."""
    stem = whole_stem(path)
    if WRITTEN.fullmatch(stem):
        return ""
    return SHARD.sub("", stem) or stem


def _word(path: PurePosixPath, by_key: str | None) -> tuple[str | None, bool]:
    """Returns the split that a path contains, and whether it is in the file's own name."""
    own = split_of(whole_stem(path))
    if own:
        return own, True
    if by_key:
        value = dict(key_values(path)).get(by_key)
        return (split_of(value) if value else None), False
    folders = [part for part in reversed(path.parts[:-1]) if not KEY_VALUE.fullmatch(part)]
    return next((word for word in map(split_of, folders) if word), None), False
