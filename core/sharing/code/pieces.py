"""What an exported script is put together from: sections, code of our own modules, and the imports that both need.

Nothing that comes from outside (names, labels, titles) becomes code here: values go through `repr`, words into comments
of one line.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.tasks.code import Section

CORE = Path(__file__).parents[2]
LINE = 120
MOST_SHOWN = 160
MARK = "  # exact"


def one_line(text: str) -> str:
    """Any text as what may stand in a comment: printable, on one line, not long."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= MOST_SHOWN else f"{line[: MOST_SHOWN - 1]}…"


def source(sections: Sequence[Section], opening: str) -> str:
    """A whole script: a line of comment leads each part. opening: docstring, comments and imports"""
    parts = [opening]
    for section in sections:
        heading = f"# {one_line(section.title)}\n" if section.title else ""
        parts.append(heading + section.code.strip("\n"))
    return spaced("\n\n".join(part for part in parts if part)) + "\n"


def marked(line: str) -> str:
    """A line of train.py that only makes it repeat the run, and that can be deleted."""
    return line + MARK


def without_marked(text: str) -> str:
    """A script without the lines that only make it repeat the run."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.rstrip("\n").endswith(MARK))


def literal(value: str | Sequence[str]) -> str:
    """A string or a list of them as Python has it, in double quotes where these need no escapes."""
    if not isinstance(value, str):
        return f"[{', '.join(map(literal, value))}]"
    text = repr(value)
    return f'"{value}"' if text == f"'{value}'" and '"' not in value else text


def imports_of(sections: Sequence[Section]) -> str:
    """All imports of these parts."""
    return imports(line for part in sections for line in part.imports)


def spaced(code: str) -> str:
    """Two blank lines around functions and classes, as everybody writes them."""
    lines_out: list[str] = []
    block = after = False  # whether the last statement was a function or class, and whether a comment leads one
    lines = re.sub(r"\n{3,}", "\n\n", code).split("\n")
    for number, line in enumerate(lines):
        top = bool(line) and not line[0].isspace() and line[0] not in ")]}"
        leads = line.startswith("#") and bool(re.match(r"def |class |@", "".join(lines[number + 1 : number + 2])))
        begins = top and (leads or bool(re.match(r"def |class |@", line)))
        if top and lines_out and (begins or block) and not after:
            while lines_out[-1] == "":
                lines_out.pop()
            lines_out += ["", ""]
        if top:
            after, block = line.startswith(("#", "@")), begins or (block and line.startswith("#"))
        lines_out.append(line)
    return "\n".join(lines_out)


def imports(statements: Iterable[str]) -> str:
    """Import statements as one block: merged, sorted, the standard library first."""
    plain: set[str] = set()
    named: dict[str, set[str]] = {}
    for statement in statements:
        for node in ast.parse(statement).body:
            if isinstance(node, ast.ImportFrom):
                named.setdefault(str(node.module), set()).update(map(_alias, node.names))
            elif isinstance(node, ast.Import):
                plain.update(map(_alias, node.names))
    groups: tuple[list[str], ...] = ([], [])
    for name in sorted(plain, key=str.lower):
        groups[_group(name)].append(f"import {name}")
    for module in sorted(named, key=str.lower):
        groups[_group(module)].append(_from(module, sorted(named[module], key=_kind)))
    return "\n\n".join("\n".join(group) for group in groups if group)


def _alias(node: ast.alias) -> str:
    return f"{node.name} as {node.asname}" if node.asname else node.name


def _kind(name: str) -> tuple[int, str]:
    """Constants, then classes, then the rest, as isort has it."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2), name


def _group(name: str) -> int:
    first = name.split(" ")[0].split(".")[0]
    return 0 if first in sys.stdlib_module_names else 1


def _from(module: str, names: Sequence[str]) -> str:
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= LINE:
        return line
    return "\n".join([f"from {module} import (", *(f"    {name}," for name in names), ")"])


@lru_cache(maxsize=32)
def _module(path: str) -> tuple[str, ast.Module]:
    text = (CORE / path).read_text(encoding="utf-8")
    return text, ast.parse(text)


def taken(path: str, *names: str, without: Sequence[str] = ()) -> tuple[str, tuple[str, ...]]:
    """Functions, classes and constants of a module of core as they stand there, with all that they use of it.

    path: below core; without: names that are there already. Returns code in the order of the module, and the imports
    that it needs. Nothing is imported.
    """
    text, tree = _module(path)
    places = {name: node for node in tree.body for name in _defined(node) if name not in without}
    wanted, waiting = set(), list(names)
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting += [other for other in _used(places[name]) if other in places]
    chosen = [node for node in tree.body if wanted & set(_defined(node)) or _concerns(node, wanted, set(places))]
    code = "\n\n".join(_text(text, node) for node in chosen)
    code = re.sub(r"(?<=\n\n)(?=def |class |@)", "\n", re.sub(r"\n\n(?=\w+ = |\w+, \w+ = )", "\n", code))
    return code, _imports_of(tree, {name for node in chosen for name in _used(node)})


def entry(path: str, table: str, key: str) -> tuple[str, tuple[str, ...]]:
    """One value of a literal dict in a module of core, as it stands there, and the names that it uses of the module."""
    text, tree = _module(path)
    for node in tree.body:
        if isinstance(node, ast.Assign) and table in _defined(node) and isinstance(node.value, ast.Dict):
            for at, value in zip(node.value.keys, node.value.values, strict=True):
                if isinstance(at, ast.Constant) and at.value == key:
                    segment = ast.get_source_segment(text, value)
                    assert segment is not None
                    own = {name for other in tree.body for name in _defined(other)}
                    return segment, tuple(sorted(set(_used(value)) & own))
    raise KeyError(key)


def constant(path: str, name: str) -> Any:
    """The value of a constant in a module of core, where it is a literal."""
    for node in _module(path)[1].body:
        if isinstance(node, ast.Assign) and _defined(node) == [name]:
            return ast.literal_eval(node.value)
    raise KeyError(name)


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [n.id for target in node.targets for n in ast.walk(target) if isinstance(n, ast.Name)]
    return []


def _used(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def _concerns(node: ast.stmt, wanted: set[str], own: set[str]) -> bool:
    """Whether it is a call made at the module's top about nothing but what is wanted."""
    if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        return False
    return bool(_used(node) & own) and _used(node) & own <= wanted


def _text(text: str, node: ast.stmt) -> str:
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
    lines = text.splitlines()
    while lines[first - 2].startswith("#"):
        first -= 1
    return "\n".join(lines[first - 1 : node.end_lineno])


def _imports_of(tree: ast.Module, used: set[str]) -> tuple[str, ...]:
    imports = []
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and not str(node.module).startswith(("core", "__future__")):
            names = [_alias(a) for a in node.names if (a.asname or a.name) in used]
            imports += [f"from {node.module} import {', '.join(names)}"] if names else []
        elif isinstance(node, ast.Import):
            imports += [f"import {_alias(a)}" for a in node.names if (a.asname or a.name).split(".")[0] in used]
    return tuple(imports)
