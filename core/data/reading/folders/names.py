"""What names of files and folders say: the split, which of several shards, and the values of key=value folders."""

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
WRITTEN = re.compile(  # by Spark, Hive, Hadoop, DuckDB: a whole name that says which part it is and nothing else
    rf"part-([mr]-)?\d+(-tid-\d+)?(-{UUID}|-[0-9a-f]{{32}})?(-\d+)*([-.]c\d+)?(\.(snappy|gz|zstd?|lz4|lzo|bz2?|uncompressed))*"
    rf"|\d{{6}}_\d+(_copy_\d+)?|(data_|part[-_.]?|chunk[-_]?|shard[-_]?)\d+|0\d*|\d{{1,3}}|{UUID}(-\d+)?|[0-9a-f]{{32}}(-\d+)?",
    re.IGNORECASE,
)
SHARD = re.compile(  # but train.v1 and train.v2 are two versions
    r"(?<![-_.]v)(?<!\d)[-_.]?(part|shard|chunk)?[-_.]?\d+([-_]of[-_]\d+)?$", re.IGNORECASE
)
CODEC = re.compile(r"\.(snappy|gz|zstd|zst|lz4|lzo|br|uncompressed)$", re.IGNORECASE)  # of a Parquet file: a.gz.parquet


def is_split_word(name: str) -> bool:
    """Whether a name is a split's and nothing else."""
    return any(name.lower() in words for words in SPLIT_WORDS.values())


def key_values(inner: PurePosixPath) -> tuple[tuple[str, str | None], ...]:
    """The columns that the folders of a path name, `label=pos/split=train/a.csv`; None is an empty value."""
    pairs = []
    for part in inner.parts[:-1]:
        if KEY_VALUE.fullmatch(part):
            key, _, value = part.partition("=")
            pairs.append((unquote(key), None if value in NO_VALUE else unquote(value)))
    return tuple(dict(pairs).items())


def split_key(paths: Iterable[PurePosixPath]) -> str | None:
    """The key of key=value folders whose values are the names of splits and nothing else."""
    values: dict[str, set[str | None]] = {}
    for path in paths:
        for key, value in key_values(path):
            values.setdefault(key, set()).add(value)
    keys = [k for k, all_ in values.items() if k.lower() in SPLIT_KEYS and all(v and is_split_word(v) for v in all_)]
    return keys[0] if keys else None


def whole_stem(inner: Path | PurePosixPath) -> str:
    """A file's name without suffix and without what says how it is packed; dots stay."""
    if PART.fullmatch(bare_name(inner)) and not re.search(r"\.[a-z]+$", inner.name, re.IGNORECASE):
        return bare_name(inner)
    stem = stem_of(inner)
    while CODEC.search(stem):
        stem = CODEC.sub("", stem)
    return stem


def splits(paths: list[PurePosixPath], by_key: str | None) -> dict[PurePosixPath, str]:
    """The split of each file of a folder, by words in its name, else in its folders' names, else its own name.

    Shards of one table get the same name. by_key: the key=value folders that name splits, if any do
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
    """What the shards of one table have in common in their names; empty where a tool has numbered the parts only."""
    stem = whole_stem(path)
    if WRITTEN.fullmatch(stem):
        return ""
    return SHARD.sub("", stem) or stem


def _word(path: PurePosixPath, by_key: str | None) -> tuple[str | None, bool]:
    """The split that a path speaks of, and whether the file's own name does."""
    own = split_of(whole_stem(path))
    if own:
        return own, True
    if by_key:
        value = dict(key_values(path)).get(by_key)
        return (split_of(value) if value else None), False
    folders = [part for part in reversed(path.parts[:-1]) if not KEY_VALUE.fullmatch(part)]
    return next((word for word in map(split_of, folders) if word), None), False
