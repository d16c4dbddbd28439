"""The folder to deploy: what is in it, that it needs no more than it says, and that it shows the runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from core.cli.commands import main
from core.sharing.bundles import publish
from tests.sharing.test_bundle import SECRET, TOKEN, Shared, shared

__all__ = ["shared"]

# Imported in a process of its own, as on the server: what its requirements do not bring cannot be imported.
VISIT = """
import importlib.abc, json, os, sys

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in set(os.environ["MISSING"].split()):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
from streamlit.testing.v1 import AppTest
told = {}
for page, query in json.loads(os.environ["PAGES"]):
    app = AppTest.from_file("ui/app.py", default_timeout=60).run()
    for name, value in query.items():
        app.query_params[name] = value
    if page:
        app.switch_page(f"../pages/{page}.py").run()
    assert not app.exception, (page, app.exception)
    told[page] = " ".join(str(e.value) for e in [*app.title, *app.markdown, *app.caption, *app.metric])
print(json.dumps(told))
"""
MODULES = {
    "scikit-learn": "sklearn", "keras-hub": "keras_hub", "huggingface-hub": "huggingface_hub", "pyyaml": "yaml",
}  # fmt: skip


def packages(requirements: str) -> set[str]:
    return {re.split(r"[=\[]", line)[0].lower() for line in requirements.splitlines() if re.match(r"\w", line)}


@pytest.fixture(scope="module")
def site(shared: Shared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    ids = (shared.ids["one"], shared.ids["two"])
    run_id, summary = shared.work("publish", {"runs": ids, "texts": True, "mode": "viewer"})
    assert summary["runs"] == 2
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(shared.settings.run_dir(run_id) / summary["file"]) as archive:
        archive.extractall(folder)
    return folder


def test_what_is_in_it(site: Path, shared: Shared) -> None:
    assert {p.name for p in (site / "results").iterdir()} == {f"{shared.ids[name]}.zip" for name in ("one", "two")}
    for name in (
        "streamlit_app.py",
        "ui/app.py",
        "ui/icon.svg",
        "core/store/store.py",
        ".streamlit/config.toml",
        "LICENSE",
    ):
        assert (site / name).is_file(), name
    assert not [p for p in site.rglob("*") if p.suffix in (".pyc", ".sqlite3", ".safetensors") or p.name == "tests"]
    whole = b"".join(p.read_bytes() for p in site.rglob("*") if p.is_file()).decode("utf-8", "replace")
    for secret in (TOKEN, SECRET, str(shared.settings.home)):
        assert secret not in whole


def test_each_mode_asks_for_what_it_needs() -> None:
    viewer, demo = packages(publish.requirements("viewer")), packages(publish.requirements("demo"))
    assert {"streamlit", "plotly", "pandas", "duckdb", "apsw", "numpy"} <= viewer < demo
    assert not viewer & {"torch", "tensorflow", "transformers", "datasets", "authlib", "onnx"}
    assert {"torch", "transformers", "scikit-learn"} <= demo and not demo & {"tensorflow", "keras", "onnxruntime"}
    assert all("==" in line for line in publish.requirements("demo").splitlines() if re.match(r"\w", line))


def test_a_visitor_of_the_site(site: Path, shared: Shared, tmp_path: Path) -> None:
    everything = packages((Path(__file__).parents[2] / "requirements.txt").read_text())
    lacking = everything - packages((site / "requirements.txt").read_text())
    run = shared.ids["one"]
    pages = [
        ("", {}), ("train/runs", {}), ("train/run", {"run": run}), ("results/evaluate", {"run": run}),
        ("results/evaluate", {"run": run, "view": "mistakes"}), ("results/compare", {}),
        ("results/share", {"run": run}),
    ]  # fmt: skip
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TUNEDECK_")} | {
        "TUNEDECK_HOME": str(tmp_path / "home"),
        "PAGES": json.dumps(pages),
        "MISSING": " ".join(MODULES.get(name, name) for name in lacking),
    }
    done = subprocess.run([sys.executable, "-c", VISIT], cwd=site, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    texts = json.loads(done.stdout.splitlines()[-1])
    accuracy = f"{shared.store.run(run).summary['metrics']['accuracy']:.3f}"
    assert accuracy in texts["train/run"]
    assert "the most confident first" in texts["results/evaluate"], "the view of the link"
    assert "Start training" not in " ".join(texts.values())


def test_by_the_command_line(
    shared: Shared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TUNEDECK_HOME", str(shared.settings.home))
    folder = tmp_path / "site"
    assert main(["publish", shared.ids["one"], "--to", str(folder), "--mode", "demo", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert printed["texts"] is False and printed["mode"] == "demo"
    assert 'mode = "demo"' in (folder / "tunedeck.toml").read_text()
    assert "torch==" in (folder / "requirements.txt").read_text()
    assert main(["publish", "nosuchrun", "--to", str(tmp_path / "other")]) == 2
