"""What the documents name is there: the README's tree, paths in the guides, commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
DOCUMENTS = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted((PROJECT / "docs").glob("*.md"))]
OURS = ("core/", "ui/", "pages/", "tests/", "benchmarks/", "tools/", "docs/")


def tree(text: str) -> Iterator[Path]:
    """The files and folders that a tree of a README names, relative to where it begins.

    A line's names stand before its first two blanks; a line that is indented further than a folder's lies in it.
    """
    parents: list[tuple[int, Path]] = []
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        names = re.split(r"\s{2,}", line.strip())[0].split()
        if not names or not re.search(r"(/|\.py)$", names[0]):
            continue  # a description that goes on
        parents = [(column, folder) for column, folder in parents if column < indent]
        above = parents[-1][1] if parents else Path()
        for name in names:
            yield above / name
        if names[0].endswith("/"):
            parents.append((indent, above / names[0]))


def readme_tree() -> set[Path]:
    block = re.search(r"## Where things are\n+```\n(.*?)```", (PROJECT / "README.md").read_text(encoding="utf-8"), re.S)
    assert block
    return set(tree(block[1]))


def folders() -> set[Path]:
    """The folders of core and ui that hold modules."""
    everything = [PROJECT / "core", PROJECT / "ui", *(PROJECT / "core").rglob("*/"), *(PROJECT / "ui").rglob("*/")]
    return {folder.relative_to(PROJECT) for folder in everything if any(folder.glob("*.py"))}


def test_the_tree_names_only_what_is_there() -> None:
    named = readme_tree()
    assert len(named) > 60
    assert not [str(path) for path in named if not (PROJECT / path).exists()]


def test_the_tree_names_every_room() -> None:
    assert not sorted(map(str, folders() - readme_tree()))


def test_a_tree_is_read() -> None:
    text = (
        "a.py b.py   two files\nroom/        a folder\n             that goes on\n  c.py\n  inner/ other/\nd/\n  e.py"
    )
    assert [str(path) for path in tree(text)] == [
        "a.py",
        "b.py",
        "room",
        "room/c.py",
        "room/inner",
        "room/other",
        "d",
        "d/e.py",
    ]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_paths_in_documents_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    named = {path.partition("#")[0] for path in re.findall(r"`([\w./-]+)`", text) if path.startswith(OURS)}
    linked = {link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link}
    missing = [path for path in named if not (PROJECT / path).exists()]
    missing += [link for link in linked if link and not (document.parent / link).exists()]
    assert not sorted(missing)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_modules_that_documents_run_exist(document: Path) -> None:
    names = set(re.findall(r"python -m ((?:core|benchmarks)[\w.]*)", document.read_text(encoding="utf-8")))
    files = {name: PROJECT / name.replace(".", "/") for name in names if not name.endswith((".", "NAME"))}
    assert not [name for name, path in files.items() if not (path.with_suffix(".py").exists() or path.is_dir())]


def test_every_benchmark_is_named() -> None:
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    scripts = [path for path in (PROJECT / "benchmarks").glob("*.py") if "ArgumentParser" in path.read_text()]
    assert len(scripts) > 10
    assert not sorted(
        path.stem for path in scripts if f"`{path.stem}`" not in text and f"benchmarks.{path.stem}" not in text
    )
