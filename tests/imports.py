"""What the files of a project import, and what is wrong with it: the order of folders, circles, crowded folders.

Read from the source and never run, so imports inside functions and under TYPE_CHECKING count like all others.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

FOLDERS = ("core", "ui", "pages")
Graph = dict[str, set[str]]
"""Of each module the modules of this project that it imports."""


def modules(root: Path) -> dict[str, Path]:
    """The files of the project by their dotted names; a package by that of its folder."""
    files = sorted(file for folder in FOLDERS for file in (root / folder).rglob("*.py"))
    return {".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


def names_imported(source: str, package: str) -> Iterator[str]:
    """The dotted names that a file imports: of `from a import b` both `a` and `a.b`, either of which may be the module.

    package: the one that the file lies in, for relative imports
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def imports(root: Path) -> Graph:
    """The imports between the project's own modules. A package counts only if its own file is what was asked for."""
    files = modules(root)
    graph: Graph = {}
    for name, file in files.items():
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        names = set(names_imported(file.read_text(encoding="utf-8"), package))
        targets = {target for target in names & files.keys() if target != name}
        graph[name] = {target for target in targets if not _only_on_the_way(target, targets, files)}
    return graph


def _only_on_the_way(target: str, targets: set[str], files: dict[str, Path]) -> bool:
    return files[target].name == "__init__.py" and any(other.startswith(f"{target}.") for other in targets)


def outside_imports(root: Path, name: str) -> set[str]:
    """The modules below which a library of this name is imported."""
    return {
        module
        for module, file in modules(root).items()
        for imported in names_imported(file.read_text(encoding="utf-8"), module)
        if imported.split(".")[0] == name
    }


def against_order(graph: Graph, order: Sequence[Sequence[str]]) -> list[str]:
    """Imports that point upwards, or between two folders of one row, or that are of a folder which the order lacks.

    order: rows of folders, the highest first; a module belongs to the folder that has the longest name in front of it
    """
    rows = {folder: row for row, folders in enumerate(order) for folder in folders}
    homes = {name: _home(name, rows) for name in graph}
    problems = [f"{name} lies in no folder of the order" for name, home in homes.items() if home is None]
    for name, targets in sorted(graph.items()):
        for target in sorted(targets):
            here, there = homes[name], homes[target]
            if here is None or there is None or here == there or rows[here] < rows[there]:
                continue
            problems.append(f"{name} imports {target}, but {there} does not lie below {here}")
    return problems


def _home(name: str, rows: dict[str, int]) -> str | None:
    """The folder of the order that a module lies in: itself, or one above it. A file of `core` lies in `core` alone.

    The file of a package may have a row of its own: "core.tasks.__init__".
    """
    if f"{name}.__init__" in rows:
        return f"{name}.__init__"
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        folder = ".".join(parts[:length])
        if folder in rows and (folder != "core" or length >= len(parts) - 1):
            return folder
    return None


def circles(graph: Graph) -> list[list[str]]:
    """Groups of modules each of which leads back to itself through the others (Tarjan's algorithm)."""
    index: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    groups: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = lowest[name] = len(index)
        stack.append(name)
        for target in sorted(graph[name]):
            if target not in index:
                visit(target)
                lowest[name] = min(lowest[name], lowest[target])
            elif target in stack:
                lowest[name] = min(lowest[name], index[target])
        if lowest[name] == index[name]:
            place = stack.index(name)
            group = sorted(stack[place:])
            del stack[place:]
            if len(group) > 1:
                groups.append(group)

    for name in sorted(graph):
        if name not in index:
            visit(name)
    return groups


def crowded(root: Path, most: int) -> list[str]:
    """Folders with more modules than that; the file that makes a folder a package is none."""
    counts: dict[Path, int] = {}
    for file in modules(root).values():
        if file.name != "__init__.py":
            counts[file.parent] = counts.get(file.parent, 0) + 1
    return [f"{folder.relative_to(root)} holds {count} modules" for folder, count in counts.items() if count > most]


MODULE = re.compile(r"(core|ui)(\.\w+)+(:\w+)?")
IN_PROSE = re.compile(r"(?<![\w./])(?:core|ui)(?:\.[A-Za-z_]\w*)+")


def modules_in_strings(source: str) -> set[str]:
    """Strings that are nothing but the name of a module: "core.a.b", or of something in one: "core.a.b:name"."""
    constants = (node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant))
    return {value for value in constants if isinstance(value, str) and MODULE.fullmatch(value)}


def modules_in_prose(text: str) -> set[str]:
    """What comments, docstrings and documents call a module, or something in one: `core.a.b.name`."""
    return set(IN_PROSE.findall(text))


def exists(name: str, files: dict[str, Path]) -> bool:
    """Whether a dotted name is a module, a package, or a name that stands in the file of one."""
    name = name.replace(":", ".")
    if name in files or any(module.startswith(f"{name}.") for module in files):
        return True
    module, _, last = name.rpartition(".")
    while module and module not in files:
        module, _, last = module.rpartition(".")
    return bool(module) and re.search(rf"\b{last}\b", files[module].read_text(encoding="utf-8")) is not None
