"""What `make` calls on a bare machine: the environment, and the browser of the tests."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import browser, environment

PROJECT = Path(__file__).resolve().parent.parent
BROWSER_TESTS = "tests/browser/test_runs_page.py"


def test_a_python_without_ensurepip_is_told_the_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ensurepip" else real(name))
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}" if name == "apt-get" else None)
    monkeypatch.chdir(tmp_path)
    assert environment.make() == 1
    printed = capsys.readouterr().out
    assert f"sudo apt install python3.{sys.version_info.minor}-venv" in printed and printed.count("\n") == 1
    assert not (tmp_path / ".venv").exists()


def test_pip_is_told_in_a_line_and_a_failure_with_its_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".venv").mkdir()
    (tmp_path / "nothing.txt").write_text("")
    assert environment.install(["-r", "nothing.txt"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("Installed nothing.txt: nothing new in ")
    assert environment.install(["-r", "missing.txt"]) != 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= environment.TAIL + 2 and any("No such file" in line for line in lines)


def test_what_pip_says_is_understood(capsys: pytest.CaptureFixture[str]) -> None:
    line = environment.Line("Installing requirements.txt")
    doing = []
    for text in (
        "Collecting torch==2.13.0 (from -r requirements.txt (line 20))",
        "  Downloading torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl.metadata (31 kB)",
        "Installing collected packages: a, b, torch",
    ):
        line.tell(text)
        doing.append(line.doing)
    assert doing[0] == "1 package looked up, now torch" and doing[1] == "downloading torch (31 kB)"
    assert line.packages == 3
    line.end("Installed.")
    assert capsys.readouterr().out.splitlines()[-1] == "Installed."


def test_the_browser_that_was_chosen_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(browser.VARIABLE, raising=False)
    monkeypatch.setattr(browser, "NOTE", tmp_path / "browser")
    chosen = tmp_path / "chrome"
    chosen.write_text("")
    browser.NOTE.write_text(str(chosen))
    assert browser.find() == str(chosen)
    browser.NOTE.write_text("")  # none works
    assert browser.find() is None
    monkeypatch.setenv(browser.VARIABLE, sys.executable)
    assert browser.find() == sys.executable


def test_a_browser_that_does_not_start_is_not_taken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(browser, "NOTE", tmp_path / "browser")
    monkeypatch.setattr(browser, "LOG", tmp_path / "browser.log")
    monkeypatch.setattr(browser, "bring", lambda: None)  # what it would install is the machine's, not a test's
    monkeypatch.setenv(browser.VARIABLE, sys.executable)  # a program, but no browser
    assert browser.main() == 0
    assert "Browser tests are skipped" in capsys.readouterr().out
    assert browser.NOTE.read_text() == ""
    monkeypatch.setenv(browser.VARIABLE, str(tmp_path / "gone"))
    assert browser.main() == 2


@pytest.mark.parametrize("ci", [False, True])
def test_without_a_browser_tests_are_skipped_and_counted_but_fail_in_ci(ci: bool) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", BROWSER_TESTS]
    variables = {k: v for k, v in os.environ.items() if k != "CI" and not k.startswith("PYTEST_")}
    variables |= {browser.VARIABLE: "no-such-browser"} | ({"CI": "1"} if ci else {})
    done = subprocess.run(command, cwd=PROJECT, env=variables, capture_output=True, text=True)
    assert done.returncode == (1 if ci else 0), done.stdout
    if ci:
        assert "there is no Chromium; bring one with: " in done.stdout
    else:
        assert "5 browser tests were skipped, for no Chromium is here. To bring one: " in done.stdout
