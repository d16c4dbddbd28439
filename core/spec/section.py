"""What every part of a spec is made of: frozen models whose fields carry the words of their form."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


def setting(default: Any, title: str, reason: str = "", *, main: bool = False, **rules: Any) -> Any:
    """A spec field: its default, its title, why that default, and its bounds in pydantic's terms."""
    return Field(default, title=title, json_schema_extra={"reason": reason, "main": main}, **rules)


class Section(BaseModel):
    """What all parts of a spec share: frozen, no unknown fields, the sentence under a field is its description."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True)


def value_at(tree: Any, path: str) -> Any:
    """The value at a dotted path of nested dicts; None if there is none."""
    for part in path.split("."):
        tree = tree.get(part) if isinstance(tree, dict) else None
    return tree
