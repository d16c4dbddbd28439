"""A value of a dataset as the cell of a table shows it."""

from __future__ import annotations

import json
from typing import Any

from core.wording import counted

CELL_CHARACTERS = 300


def cell(value: Any, names: tuple[str, ...] | None = None) -> Any:
    """Numbers as they are, everything else as short text. names: those of the classes, if the column holds them"""
    value = named(value, names)
    value = value.tolist() if hasattr(value, "tolist") else value  # a list, as pandas has it
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (bytes, bytearray)):
        text = counted(len(value), "byte")
    elif isinstance(value, (list, tuple, dict)):
        text = json.dumps(
            value, ensure_ascii=False, default=lambda v: f"{len(v):,} bytes" if isinstance(v, bytes) else str(v)
        )
    else:
        text = str(value)
    return text if len(text) <= CELL_CHARACTERS else text[: CELL_CHARACTERS - 1] + "…"


def named(value: Any, names: tuple[str, ...] | None) -> Any:
    """The name of a class for its number, None for a number without a name; any other value as it is."""
    if names and isinstance(value, int) and not isinstance(value, bool):
        return names[value] if 0 <= value < len(names) else None
    return value
