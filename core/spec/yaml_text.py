"""YAML of people, read safely: no aliases, no objects, `5e-5` is a number, and `no` is a word, as in YAML 1.2."""

from __future__ import annotations

import re
from typing import Any

import yaml

from core.errors import Problem, SpecError


class _Loader(yaml.SafeLoader):
    """YAML without aliases (a few lines of them can expand to gigabytes); true and false alone are booleans, not the
    on, off, yes and no of YAML 1.1, which are settings and names of classes.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012 - as PyYAML has it
        letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
        for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: Any, index: int) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("a spec cannot use YAML aliases (*name); write the value out")
        return super().compose_node(parent, index)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
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
