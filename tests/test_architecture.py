"""Which module may import which: pages -> ui -> core, and nothing heavy on the way to a page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
HEAVY = ("torch", "tensorflow", "transformers", "keras", "evaluate", "datasets")


def modules(folder: str) -> list[str]:
    files = sorted((PROJECT / folder).rglob("*.py"))
    names = [".".join(f.relative_to(PROJECT).with_suffix("").parts) for f in files]
    return [n.removesuffix(".__init__") for n in names if not n.endswith("__main__")]


def imported_by(names: list[str]) -> set[str]:
    """Top-level modules that are loaded once `names` are imported, in an interpreter of their own."""
    code = f"import importlib, sys\nfor name in {names!r}: importlib.import_module(name)\nprint(*sys.modules)"
    with tempfile.TemporaryDirectory() as home:  # ui/app.py opens the store as it is imported
        environment = os.environ | {"TUNEDECK_HOME": home}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, env=environment
        )
    assert done.returncode == 0, done.stderr
    return {name.split(".")[0] for name in done.stdout.split()}


def what_pages_import() -> list[str]:
    sources = [*(PROJECT / "pages").rglob("*.py"), *(PROJECT / "ui").rglob("*.py"), PROJECT / "streamlit_app.py"]
    found: set[str] = set()
    for source in sources:
        for match in re.finditer(r"^from (core[\w.]*) import ([\w, ]+)|^import (core[\w.]*)", source.read_text(), re.M):
            package = match[1] or match[3]
            found.add(package)
            for name in (match[2] or "").split(","):
                if (PROJECT / package.replace(".", "/") / f"{name.strip()}.py").exists():
                    found.add(f"{package}.{name.strip()}")
    return sorted(found)


def test_core_imports_no_streamlit() -> None:
    assert "streamlit" not in imported_by(modules("core"))


def test_what_pages_import_is_light() -> None:
    names = what_pages_import()
    assert "core.store.store" in names and "core.spec.run" in names
    assert not imported_by(names + modules("ui")) & set(HEAVY)


@pytest.mark.parametrize("folder", ["core", "ui", "pages"])
def test_imports_point_one_way(folder: str) -> None:
    above = {"core": ("ui", "pages", "streamlit"), "ui": ("pages",), "pages": ("pages",)}[folder]
    for source in (PROJECT / folder).rglob("*.py"):
        for name in re.findall(r"^\s*(?:from|import) ([\w.]+)", source.read_text(), re.M):
            assert name.split(".")[0] not in above, f"{source.relative_to(PROJECT)} imports {name}"


def test_nothing_unpickles_or_runs_foreign_code() -> None:
    forbidden = re.compile(
        r"trust_remote_code\s*=\s*True|import pickle|pickle\.load|weights_only\s*=\s*False"
        r"|unsafe_allow_html\s*=\s*True|shell\s*=\s*True"
    )
    for folder in ("core", "ui", "pages"):
        for source in (PROJECT / folder).rglob("*.py"):
            code = re.sub(r'""".*?"""|#[^\n]*', "", source.read_text(), flags=re.S)
            assert not forbidden.search(code), source
