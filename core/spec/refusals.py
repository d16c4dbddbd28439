"""Errors of pydantic as sentences with the value, the rule and the fix."""

from __future__ import annotations

from typing import Any

from core.errors import Problem
from core.spec.section import Section


def excerpt(value: Any) -> str:
    """A value in at most 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def problem(error: Any, kind: type[Section]) -> Problem:
    """One pydantic error as a sentence with the value, the rule and the fix."""
    names = [part for part in error["loc"] if isinstance(part, str) and not part.startswith("function-")]
    path, value, context = ".".join(names), excerpt(error["input"]), error.get("ctx", {})
    match error["type"]:
        case "value_error":
            message = str(context["error"])
        case "extra_forbidden":
            message = f"there is no such field; check its spelling ({', '.join(_siblings(kind, names))})"
        case "literal_error":
            message = f"{value} is not one of {context['expected']}"
        case "union_tag_invalid":
            message = f"{context['tag']!r} is not one of {context['expected_tags']}"
        case "union_tag_not_found":
            message = f"{value} does not say what it is; give it a {context['discriminator'].strip(chr(39))}"
        case "greater_than":
            message = f"{value} is too small; it must be greater than {context['gt']}"
        case "greater_than_equal":
            message = f"{value} is too small; the least is {context['ge']}"
        case "less_than":
            message = f"{value} is too large; it must be less than {context['lt']}"
        case "less_than_equal":
            message = f"{value} is too large; the most is {context['le']}"
        case "int_parsing" | "int_type" | "int_from_float":
            message = f"{value} is not a whole number"
        case "float_parsing" | "float_type" | "finite_number":
            message = f"{value} is not a number"
        case _:
            message = f"{value}: {error['msg'][0].lower()}{error['msg'][1:]}"
    return Problem(path, message)


def _siblings(kind: type[Section], names: list[str]) -> list[str]:
    for name in names[:-1]:
        inner = kind.model_fields[name].annotation if name in kind.model_fields else None
        if isinstance(inner, type) and issubclass(inner, Section):
            kind = inner
    return list(kind.model_fields)
