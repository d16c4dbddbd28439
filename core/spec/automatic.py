"""Settings that are chosen before the start, from the data, the model and the machine: the word `auto` in a spec.

Until they are chosen, a spec keeps the ordinary default as their value, so that a value is always a number; its `auto`
names them. Documents that people write leave out what they do not care about: that is automatic too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.spec.section import value_at

AUTO = "auto"

AUTOMATIC: tuple[str, ...] = (
    "model.max_length",
    "model.initial_head",
    "training.per_device_train_batch_size",
    "training.learning_rate",
    "training.num_train_epochs",
    "training.warmup_steps",
    "training.class_weights",
    "evaluation.early_stopping_patience",
    "execution.torch_compile",
)


def taken_out(tree: dict[str, Any]) -> dict[str, Any]:
    """The tree of a spec without each `auto`; its key `auto` names where they stood.

    Raises ValueError where that key names a setting that has a value too.
    """
    named = tree.get(AUTO)
    for path in AUTOMATIC:
        if isinstance(named, list | tuple) and path in named and value_at(tree, path) not in (None, AUTO):
            raise ValueError(f"{path} is named as automatic and has a value; leave one of them out")
    names = [path for path in AUTOMATIC if value_at(tree, path) == AUTO]
    if not names:
        return tree
    copy = {key: dict(value) if isinstance(value, dict) else value for key, value in tree.items()}
    for path in names:
        section, _, leaf = path.partition(".")
        del copy[section][leaf]
    before = copy.get(AUTO, ())
    return copy | {AUTO: (*before, *names) if isinstance(before, list | tuple) else before}


def put_back(tree: dict[str, Any]) -> dict[str, Any]:
    """The opposite of `taken_out`."""
    for path in tree.pop(AUTO):
        section, _, leaf = path.partition(".")
        tree[section][leaf] = AUTO
    return tree


def completed(tree: Any) -> Any:
    """The tree of a document that a person wrote, with `auto` for each such setting that it does not name."""
    if not isinstance(tree, dict):
        return tree
    missing = [path for path in AUTOMATIC if not _names(tree, path)]
    copy = {key: dict(value) if isinstance(value, Mapping) else value for key, value in tree.items()}
    for path in missing:
        section, _, leaf = path.partition(".")
        if isinstance(inner := copy.setdefault(section, {}), dict):
            inner[leaf] = AUTO
    return copy


def _names(tree: dict[str, Any], path: str) -> bool:
    section, _, leaf = path.partition(".")
    inner = tree.get(section, {})
    return not isinstance(inner, dict) or leaf in inner
