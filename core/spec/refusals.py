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
            return Problem(path, str(context["error"]))
        case "extra_forbidden":
            fields = _siblings(kind, names)
            return Problem.of(
                "unknown-field", "there is no such field; check its spelling ({fields})", path, fields=fields
            )
        case "literal_error":
            return Problem.of(
                "not-one-of", "{value} is not one of {expected}", path, value=value, expected=context["expected"]
            )
        case "union_tag_invalid":
            tag, tags = context["tag"], context["expected_tags"]
            return Problem.of("tag-not-one-of", "{tag!r} is not one of {expected}", path, tag=tag, expected=tags)
        case "union_tag_not_found":
            name = context["discriminator"].strip("'")
            return Problem.of(
                "without-tag", "{value} does not say what it is; give it a {name}", path, value=value, name=name
            )
        case "greater_than":
            return Problem.of(
                "not-greater-than",
                "{value} is too small; it must be greater than {least}",
                path,
                value=value,
                least=context["gt"],
            )
        case "greater_than_equal":
            return Problem.of(
                "below-least", "{value} is too small; the least is {least}", path, value=value, least=context["ge"]
            )
        case "less_than":
            return Problem.of(
                "not-less-than",
                "{value} is too large; it must be less than {most}",
                path,
                value=value,
                most=context["lt"],
            )
        case "less_than_equal":
            return Problem.of(
                "above-most", "{value} is too large; the most is {most}", path, value=value, most=context["le"]
            )
        case "int_parsing" | "int_type" | "int_from_float":
            return Problem.of("not-whole-number", "{value} is not a whole number", path, value=value)
        case "float_parsing" | "float_type" | "finite_number":
            return Problem.of("not-a-number", "{value} is not a number", path, value=value)
    reason = f"{error['msg'][0].lower()}{error['msg'][1:]}"
    return Problem.of("value-refused", "{value}: {reason}", path, value=value, reason=reason)


def _siblings(kind: type[Section], names: list[str]) -> list[str]:
    for name in names[:-1]:
        inner = kind.model_fields[name].annotation if name in kind.model_fields else None
        if isinstance(inner, type) and issubclass(inner, Section):
            kind = inner
    return list(kind.model_fields)
