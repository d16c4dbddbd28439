"""YAML of people, read safely: no aliases, no objects, and `5e-5` is a number."""

from __future__ import annotations

import re
from typing import Any

import yaml

from core.errors import Problem, SpecError


class _Loader(yaml.SafeLoader):
    """YAML without aliases (a few lines of them can expand to gigabytes) and with `5e-5` as a number."""

    def compose_node(self, parent: Any, index: int) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("a spec cannot use YAML aliases (*name); write the value out")
        return super().compose_node(parent, index)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9][0-9_]*(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def read_yaml(text: str) -> Any:
    """The value in a YAML document. Raises SpecError."""
    try:
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError, TypeError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" (line {where.line + 1})" if where else ""
        why = getattr(error, "problem", None) or str(error)
        raise SpecError(
            [Problem.of("not-yaml", "this is not YAML{line}: {reason}", "", line=line, reason=why)]
        ) from None
