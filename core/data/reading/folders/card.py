"""Reads which files a dataset card names: the `configs` at the head of README.md, as the Hub reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

import yaml

from core.data.reading.folders.walk import Entry
from core.errors import DataError

MAX_CARD = 2 * 1024**2
MAX_PATTERNS = 1000


@dataclass(frozen=True)
class Named:
    """The files of each split of one configuration, and the names of all configurations."""

    config: str
    configs: tuple[str, ...]
    splits: dict[str, list[Entry]]


class _Loader(yaml.SafeLoader):
    """A YAML loader that refuses aliases, as a few lines of them can expand to gigabytes."""

    def compose_node(self, parent: Any, index: int) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not read")
        return super().compose_node(parent, index)


def named(entries: list[Entry], data: list[Entry], config: str | None) -> Named | None:
    """Returns the data files that a folder's card names for a configuration; None if it names none of them.

    Raises DataError for a configuration that the card does not have.
    """
    card = next((entry for entry in entries if entry.name.lower() == "readme.md"), None)
    configs = {str(c.get("config_name", "default")): c for c in _configs(card) if isinstance(c, dict)} if card else {}
    configs = {name: c for name, c in configs.items() if c.get("data_files")}
    if not configs:
        return None
    if config is not None and config not in configs:
        raise DataError.of(
            "no-such-configuration-in-card",
            "the dataset's card (README.md) has no configuration {configuration!r}; it has "
            "{configurations}. Choose one of them, or leave it empty",
            "data.config",
            configuration=config,
            configurations=", ".join(list(configs)[:30]),
        )
    marked = next((name for name, c in configs.items() if c.get("default") is True), None)
    name = config or marked or ("default" if "default" in configs else next(iter(configs)))
    chosen = configs[name]
    prefix = str(chosen.get("data_dir") or "").strip("/")
    splits = {split: _matching(patterns, prefix, data) for split, patterns in _patterns(chosen["data_files"]).items()}
    splits = {split: files for split, files in splits.items() if files}
    return Named(name, tuple(configs), splits) if splits else None


def _configs(card: Entry) -> list[Any]:
    try:
        text = card.path.read_text(encoding="utf-8", errors="replace") if card.size <= MAX_CARD else ""
        head = re.match(r"\ufeff?---[ \t]*\r?\n(.{0,500000}?)\r?\n---[ \t]*(\r?\n|$)", text, re.DOTALL)
        tree = yaml.load(head.group(1), _Loader) if head else None
    except (OSError, yaml.YAMLError, ValueError, RecursionError):
        return []
    configs = tree.get("configs") if isinstance(tree, dict) else None
    return configs if isinstance(configs, list) else []


def _patterns(data_files: Any) -> dict[str, list[str]]:
    """Returns patterns by split. As on the Hub: one pattern, a list of patterns, or a list of splits with paths."""
    items = data_files if isinstance(data_files, list) else [data_files]
    result: dict[str, list[str]] = {}
    for item in items[:MAX_PATTERNS]:
        split, paths = (
            ("train", item) if not isinstance(item, dict) else (str(item.get("split", "train")), item.get("path"))
        )
        result.setdefault(split, []).extend(str(p) for p in (paths if isinstance(paths, list) else [paths]) if p)
    return result


def _matching(patterns: list[str], prefix: str, data: list[Entry]) -> list[Entry]:
    rules = [PurePosixPath(f"{prefix}/{p}" if prefix else p).parts[:20] for p in patterns[:MAX_PATTERNS]]
    return [entry for entry in data if any(_fits(rule, entry.inner.parts) for rule in rules)]


def _fits(rule: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    """Whether a path matches a pattern, in which `*` stays within a folder and `**` spans folders."""
    reached = {0}  # how many parts of the path the pattern may have matched so far
    for piece in rule:
        if piece == "**":
            reached = {n for start in reached for n in range(start, len(parts) + 1)}
        else:
            reached = {n + 1 for n in reached if n < len(parts) and fnmatchcase(parts[n], piece)}
    return len(parts) in reached
