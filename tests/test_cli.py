"""The command line, as its own process: what it prints, and its exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from core.settings import Settings
from core.store import Store

PROJECT = Path(__file__).resolve().parent.parent


def command(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "core", *arguments],
        cwd=PROJECT,
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
    )


def run(*arguments: str, stdin: str = "") -> tuple[int, Any, str]:
    """Exit status, the JSON object of the last line, standard error."""
    done = command(*arguments, "--json", stdin=stdin)
    lines = done.stdout.splitlines()
    return done.returncode, json.loads(lines[-1]) if lines else None, done.stderr


TINY = """
data: {source: sample, text_columns: [text], label_column: label, max_train_examples: 64, max_eval_examples: 32}
model: {name: scratch, max_length: 32}
training: {num_train_epochs: 1, learning_rate: 1e-3}
"""


@pytest.mark.slow
def test_train_show_list_delete(settings: Settings, tmp_path: Path) -> None:
    spec = tmp_path / "tiny.yaml"
    spec.write_text(TINY)
    status, result, errors = run("train", str(spec), "--set", "training.seed=7", "--name", "tiny")
    assert status == 0, errors
    assert result["status"] == "finished" and 0 <= result["metrics"]["accuracy"] <= 1
    assert (Path(result["model"]) / "model.safetensors").is_file()
    assert (settings.run_dir(result["run"]) / "spec.yaml").is_file()
    assert Store(settings.store_path).run(result["run"]).spec["training"]["seed"] == 7

    status, listed, _ = run("runs")
    assert status == 0 and [r["name"] for r in listed["runs"]] == ["tiny"]
    status, shown, _ = run("show", result["run"])
    assert status == 0 and shown["metrics"] == result["metrics"]
    status, _, errors = run("stop", result["run"])
    assert status == 2 and "already ended" in errors
    status, _, errors = run("resume", result["run"])
    assert status == 2 and "it is finished" in errors
    status, deleted, _ = run("delete", result["run"])
    assert status == 0 and deleted["deleted"] and not settings.run_dir(result["run"]).exists()
    assert run("runs")[1]["runs"] == []


@pytest.mark.slow
def test_a_person_reads_what_came_of_it_and_what_to_try_next(settings: Settings) -> None:
    done = command("train", "-", "--set", "training.learning_rate=5e-5", stdin=TINY)
    assert done.returncode == 0, done.stderr
    assert "training.learning_rate: low for new weights; about 1e-3 is usual" in done.stderr
    (trained,) = Store(settings.store_path).runs()
    report = json.loads((settings.run_dir(trained.id) / "report.json").read_text(encoding="utf-8"))
    lines = done.stdout.splitlines()
    assert lines[0] == "Judged on 32 examples it was not trained on"
    accuracy, always = report["metrics"]["accuracy"], report["baseline"]["metrics"]["accuracy"]
    assert f"{accuracy:.3f}  (always “{report['baseline']['label']}”: {always:.3f})" in lines[1]
    assert len(report["advice"]) == len([line for line in lines if line.startswith("  - ")]) > 0
    assert lines[-1] == f"The model is in {settings.run_dir(trained.id) / 'model'}"
    shown = command("show", trained.id).stdout.splitlines()
    assert shown[0].startswith(f"{trained.name} (train {trained.id}): finished, step 8 of 8, ") and shown[1:] == lines


@pytest.mark.parametrize(
    ("arguments", "stdin", "words"),
    [
        (("train", "missing.yaml"), "", ["missing.yaml", "no file"]),
        (("train", "-"), "training: {seed: -1}", ["training.seed", "-1", "least is 0"]),
        (("train", "-"), "not yaml: [", ["not YAML"]),
        (("train", "-", "--set", "training.sed=1"), "{}", ["training.sed", "no such field"]),
        (("train", "-", "--set", "engine=keras", "--set", "execution.precision=fp16"), "{}", ["fp16", "bf16 or fp32"]),
        (("show", "nonsense"), "", ["nonsense", "Runs page"]),
        (("resume", "nonsense"), "", ["nonsense", "Runs page"]),
        (("delete", "../../etc"), "", ["../../etc"]),
    ],
)
def test_bad_input_is_exit_2_with_a_sentence(
    settings: Settings, arguments: tuple[str, ...], stdin: str, words: list[str]
) -> None:
    status, result, errors = run(*arguments, stdin=stdin)
    assert status == 2
    for word in words:
        assert word in errors and word in result["error"]
    assert "Traceback" not in errors
    assert Store(settings.store_path).runs() == []


def test_a_run_that_cannot_work_is_exit_1(settings: Settings) -> None:
    status, result, errors = run("train", "-", stdin="data: {source: file, path: /nowhere/reviews.csv}")
    assert (status, result["status"]) == (1, "failed")
    assert "reviews.csv" in result["error"] and "reviews.csv" in errors


def test_a_reader_that_has_seen_enough_is_no_error(settings: Settings) -> None:
    store = Store(settings.store_path)
    for number in range(50):
        store.submit("train", f"run {number} " + "x" * 180, {})
    working = subprocess.Popen(
        [sys.executable, "-m", "core", "runs"],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert working.stdout is not None and working.stderr is not None
    working.stdout.close()
    assert working.wait(60) == 1
    assert working.stderr.read() == b""
    working.stderr.close()
