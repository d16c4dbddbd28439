"""Which module may import which: pages -> ui -> core, and nothing heavy on the way to a page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from core.tasks import TASKS
from tests.imports import (
    Graph,
    against_order,
    circles,
    crowded,
    exists,
    imports,
    modules_in_prose,
    modules_in_strings,
    outside_imports,
)
from tests.imports import modules as modules_of

PROJECT = Path(__file__).resolve().parent.parent
MOST_MODULES = 15
# Each folder imports those of the rows below it, and itself; folders of one row do not import each other.
ORDER = (
    ("pages",),
    ("ui",),
    ("core.__main__",),
    ("core.cli",),
    ("core.guarded_store",),
    ("core.sharing", "core.playground"),
    ("core.engines",),
    ("core.evaluation",),
    ("core.runs",),
    ("core.tasks",),
    ("core.data",),
    ("core.store",),
    ("core.models", "core.access"),
    ("core.hub", "core.spec", "core.figures"),
    ("core",),  # its own files: errors, settings, files, wording …
    ("core.tasks.__init__",),  # the table of tasks and metrics: it names their rooms and imports nothing
)
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
    modules: set[str] = set()
    for source in sources:
        for match in re.finditer(r"^from (core[\w.]*) import ([\w, ]+)|^import (core[\w.]*)", source.read_text(), re.M):
            package = match[1] or match[3]
            modules.add(package)
            for name in (match[2] or "").split(","):
                if (PROJECT / package.replace(".", "/") / f"{name.strip()}.py").exists():
                    modules.add(f"{package}.{name.strip()}")
    return sorted(modules)


def test_what_pages_import_is_light() -> None:
    names = what_pages_import()
    assert "core.store.store" in names and "core.spec.run" in names
    assert not imported_by(names + modules("ui")) & set(HEAVY)


@pytest.fixture(scope="module")
def graph() -> Graph:
    return imports(PROJECT)


def test_imports_keep_the_order_of_the_folders(graph: Graph) -> None:
    assert len(graph) > 200 and "core.store.record" in graph["core.runs.scheduler"]
    assert not against_order(graph, ORDER)


def test_no_two_files_import_each_other_in_a_circle(graph: Graph) -> None:
    assert not circles(graph)


def test_only_what_a_task_names_knows_its_room(graph: Graph) -> None:
    """The room itself, its folder of views and parts, and its chapters of a report."""
    for room in TASKS.values():
        users = {user for user, targets in graph.items() if any(f"{t}.".startswith(f"{room}.") for t in targets)}
        named = (f"{room}.", f"ui.evaluate.{room.rpartition('.')[2]}.", "core.sharing.report.chapters.")
        assert f"{room}.evaluation" in users and not {user for user in users if not f"{user}.".startswith(named)}


def test_pages_do_not_import_each_other(graph: Graph) -> None:
    assert not {name for name, targets in graph.items() if any(target.startswith("pages.") for target in targets)}


def test_no_file_of_core_names_streamlit() -> None:
    users = outside_imports(PROJECT, "streamlit")
    assert "ui.pages" in users and not {name for name in users if name.startswith("core")}


def test_a_folder_can_be_read_at_a_glance() -> None:
    assert not crowded(PROJECT, MOST_MODULES)


def test_modules_that_strings_name_exist() -> None:
    """Engines, kinds of work and child processes are imported by name."""
    files = modules_of(PROJECT)
    named = {name for file in files.values() for name in modules_in_strings(file.read_text(encoding="utf-8"))}
    assert {"core.runs.worker", "core.engines.trainer", "core.engines.training_run:train"} <= named
    assert not {name for name in named if not exists(name, files)}


@pytest.mark.parametrize("folder", ["core", "ui", "pages", "docs", "tools", "benchmarks", "."])
def test_modules_that_words_name_exist(folder: str) -> None:
    """In comments, docstrings, documents and the build."""
    files = modules_of(PROJECT)
    every = (PROJECT / folder).glob("*") if folder == "." else (PROJECT / folder).rglob("*")
    texts = [
        path for path in every if path.suffix in (".py", ".md", ".toml") or path.name in ("Makefile", "Dockerfile")
    ]
    assert texts
    wrong = {
        f"{path.relative_to(PROJECT)}: {name}"
        for path in texts
        for name in modules_in_prose(path.read_text(encoding="utf-8"))
        if not exists(name, files)
    }
    assert not wrong


# Each check on a small project with one fault in it. A check that finds nothing there would find nothing here either.

SOUND = {
    "pages/start.py": "from ui.runs import table",
    "ui/__init__.py": "",
    "ui/runs/__init__.py": "",
    "ui/runs/table.py": "import core.runs.kinds as kinds",
    "core/__init__.py": "",
    "core/errors.py": "",
    "core/runs/__init__.py": "",
    "core/runs/kinds.py": "from core.store import record",
    "core/store/__init__.py": "",
    "core/store/record.py": "from core.errors import Problem",
}
BESIDE = {"core/spec/run.py": "from core.tasks import TASKS", "core/tasks/__init__.py": "", "core/tasks/texts.py": ""}
UPWARD = [
    "import core.runs.kinds",
    "from core.runs import kinds",
    "from core.runs.kinds import KINDS",
    "from ..runs import kinds",
    "from ..runs.kinds import KINDS",
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from core.runs.kinds import KINDS",
    "def late():\n    from core.runs import kinds",
    "class Record:\n    def late(self):\n        if self:\n            import core.runs.kinds as kinds",
]


def plant(root: Path, files: dict[str, str]) -> Path:
    for name, source in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(source, encoding="utf-8")
    return root


def test_a_sound_project_passes(tmp_path: Path) -> None:
    root = plant(tmp_path, SOUND)
    graph = imports(root)
    assert graph["pages.start"] == {"ui.runs.table"} and graph["core.store.record"] == {"core.errors"}
    assert not against_order(graph, ORDER) and not circles(graph) and not crowded(root, MOST_MODULES)


@pytest.mark.parametrize("source", UPWARD)
def test_an_import_upwards_is_found(tmp_path: Path, source: str) -> None:
    root = plant(tmp_path, {**SOUND, "core/store/record.py": source})
    assert against_order(imports(root), ORDER) == [
        "core.store.record imports core.runs.kinds, but core.runs does not lie below core.store"
    ]
    assert circles(imports(root)) == [["core.runs.kinds", "core.store.record"]]


@pytest.mark.parametrize(
    ("file", "source", "problem"),
    [
        ("core/errors.py", "from core.store import record", "core.store does not lie below core"),
        ("core/store/record.py", "from ui.runs import table", "ui does not lie below core.store"),
        ("ui/runs/table.py", "import pages.start", "pages does not lie below ui"),
        ("core/hub/download.py", "from core.spec import run", "core.spec does not lie below core.hub"),
        ("core/sweeps/plan.py", "", "core.sweeps.plan lies in no folder of the order"),
        ("core/tasks/__init__.py", "import core.errors", "core does not lie below core.tasks.__init__"),
        ("core/spec/run.py", "from core.tasks import texts", "core.tasks does not lie below core.spec"),
    ],
)
def test_other_breaches_of_the_order_are_found(tmp_path: Path, file: str, source: str, problem: str) -> None:
    (breach,) = against_order(imports(plant(tmp_path, {**SOUND, **BESIDE, file: source})), ORDER)
    assert problem in breach


def test_a_long_circle_is_found(tmp_path: Path) -> None:
    """Also one that lies within a folder, in which every import is allowed by itself."""
    chain = {f"core/store/part{n}.py": f"from core.store import part{(n + 1) % 5}" for n in range(5)}
    graph = imports(plant(tmp_path, {**SOUND, **chain}))
    assert circles(graph) == [[f"core.store.part{n}" for n in range(5)]] and not against_order(graph, ORDER)


def test_a_crowded_folder_is_found(tmp_path: Path) -> None:
    root = plant(tmp_path, {**SOUND, **{f"core/store/part{n}.py": "" for n in range(MOST_MODULES - 1)}})
    assert not crowded(root, MOST_MODULES)
    (root / "core/store/one_more.py").touch()
    assert crowded(root, MOST_MODULES) == [f"{Path('core/store')} holds {MOST_MODULES + 1} modules"]


def test_a_module_that_is_not_there_is_found(tmp_path: Path) -> None:
    files = modules_of(plant(tmp_path, {**SOUND, "core/runs/kinds.py": "KINDS = {}"}))
    there = modules_in_strings('WORK = "core.runs.kinds:KINDS", "core.store", "core.store.record"')
    assert len(there) == 3 and all(exists(name, files) for name in there)
    gone = modules_in_strings('WORK = "core.kinds", "core.runs.kinds:Kind", "core.store.runs.table"')
    assert len(gone) == 3 and not any(exists(name, files) for name in gone)
    assert modules_in_prose("see `core.store.record`, core.kinds and kept/core.zip") == {
        "core.store.record",
        "core.kinds",
    }


def test_nothing_unpickles_or_runs_foreign_code() -> None:
    forbidden = re.compile(
        r"trust_remote_code\s*=\s*True|import pickle|pickle\.load|weights_only\s*=\s*False"
        r"|unsafe_allow_html\s*=\s*True|shell\s*=\s*True"
    )
    for folder in ("core", "ui", "pages"):
        for source in (PROJECT / folder).rglob("*.py"):
            code = re.sub(r'""".*?"""|#[^\n]*', "", source.read_text(), flags=re.S)
            assert not forbidden.search(code), source
