"""The command line, as its own process: what it prints, and its exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from core.settings import Settings
from core.store.store import Store

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
    status, record, _ = run("show", result["run"])
    assert status == 0 and record["metrics"] == result["metrics"]
    status, _, errors = run("stop", result["run"])
    assert status == 2 and "already ended" in errors
    status, _, errors = run("resume", result["run"])
    assert status == 2 and "it is finished" in errors
    status, deleted, _ = run("delete", result["run"])
    assert status == 0 and deleted["deleted"] and not settings.run_dir(result["run"]).exists()
    assert run("runs")[1]["runs"] == []


@pytest.mark.slow
def test_what_was_odd_in_reading_a_file_is_told_everywhere(settings: Settings, tmp_path: Path) -> None:
    """Rows that do not fit the header: in profile, train, their JSON and the worker's log."""
    path = tmp_path / "odd.csv"
    rows = [f"words of row {i},{'good' if i % 2 else 'bad'}" for i in range(40)]
    path.write_text("\n".join(["text,label", *rows[:20], "one,two,three,four", *rows[20:]]) + "\n")
    status, profile, _ = run("profile", str(path))
    odd = [note for note in profile["notes"] if note["level"] == "warning"]
    assert status == 0 and odd
    printed = command("profile", str(path)).stdout
    assert f"Warning: {odd[0]['text']}" in printed
    spec = (
        TINY.replace("source: sample", f"source: file, path: '{path}'")
        .replace("64", "30")
        .replace("max_eval_examples: 32", "max_eval_examples: 4")
    )
    status, trained, errors = run("train", "-", stdin=spec)
    assert status == 0, errors
    assert odd[0] in trained["notes"] and f"Warning: {odd[0]['text']}" in errors
    assert odd[0]["text"] in (settings.run_dir(trained["run"]) / "worker.log").read_text(encoding="utf-8")
    assert trained["advice"] and all(isinstance(tip, str) for tip in trained["advice"])
    assert run("show", trained["run"])[1]["notes"] == trained["notes"]
    assert "hints" in trained


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["data.source=file", "data.path=no/such.csv"], "there is no file or folder 'no/such.csv'"),
        (["data.text_columns=[body]"], "has no column 'body'"),
        (["data.label_column=klass"], "has no column 'klass'"),
        (["data.eval_split=dev"], "there is no split 'dev'"),
        (["data.train_split=learn"], "has no split 'learn'"),
        (["model.name=./no_model"], "is not a folder"),
    ],
)
def test_nothing_is_queued_for_bad_input(settings: Settings, changes: list[str], message: str) -> None:
    sets = [word for change in changes for word in ("--set", change)]
    status, result, _ = run("train", "-", *sets, stdin=TINY)
    assert status == 2 and message in result["error"], result
    assert not Store(settings.store_path).runs()


@pytest.mark.parametrize("path", ["no_such_file.csv", "./thing", "../thing", "a/b/c", "core/thing", "x.zip", "t.tar"])
def test_a_path_to_nothing_is_not_taken_for_a_hub_id(settings: Settings, path: str) -> None:
    status, result, _ = run("profile", path)
    assert status == 2 and result["error"] == f"there is no file or folder {path!r}; check the spelling"


def test_what_may_be_a_hub_id_or_a_path_is_said_to_be_neither(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    status, result, errors = run("profile", "foo/bar")
    assert status == 2 and "nor is there a file or folder 'foo/bar' here" in result["error"]
    assert "so it is taken for a dataset of the Hub" in errors


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
    printed = command("show", trained.id).stdout.splitlines()
    assert (
        printed[0].startswith(f"{trained.name} (train {trained.id}): finished, step 8 of 8, ") and printed[1:] == lines
    )


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
    weights = TINY.replace("num_train_epochs: 1", "class_weights: custom, custom_class_weights: {nope: 2}")
    status, result, errors = run("train", "-", stdin=weights)
    assert (status, result["status"]) == (1, "failed")
    assert "there is no class 'nope'" in result["error"] and "there is no class 'nope'" in errors


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
