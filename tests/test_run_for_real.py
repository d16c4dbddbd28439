"""Whole runs through the command line, the scheduler and the worker, with real training on tiny models."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.evaluation.after_training import RIVALS
from core.evaluation.results import read_report
from core.runs import checkpoints, process
from core.runs.scheduler import Scheduler
from core.settings import Settings
from core.spec.recommended import MOST_FROM_FITTED
from core.spec.run import build, from_yaml
from core.store.record import Run
from core.store.store import Store
from core.tasks.results import Rivals
from tests.hub_server.server import LoopbackHub

pytestmark = pytest.mark.slow
PROJECT = Path(__file__).resolve().parent.parent

TINY = """
data: {source: sample, text_columns: [text], label_column: label, max_train_examples: 512, max_eval_examples: 64}
model: {name: scratch, max_length: 64}
training: {num_train_epochs: 200, logging_steps: 1, eval_strategy: 'no', learning_rate: 1e-4}
"""


def command(*arguments: str, env: dict[str, str], stdin: str = "") -> tuple[int, dict[str, Any], str]:
    done = subprocess.run(
        [sys.executable, "-m", "core", *arguments, "--json"],
        cwd=PROJECT,
        env=env,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=400,
    )
    return done.returncode, json.loads(done.stdout.splitlines()[-1]), done.stderr


def wait_for_step(store: Store, run_id: str, step: int) -> Run:
    end = time.monotonic() + 300
    while (run := store.run(run_id)).step < step:
        assert not run.is_final and time.monotonic() < end, run
        time.sleep(0.05)
    return run


def test_a_dataset_and_a_model_of_the_hub(settings: Settings, hub: LoopbackHub, tmp_path: Path) -> None:
    env = {k: v for k, v in os.environ.items() if not k.startswith("HF_")} | hub.env(tmp_path / "hf")
    spec = """
        data: {source: hub, path: tiny/reviews}
        model: {name: tiny/bert, max_length: 32}
        training: {num_train_epochs: 1}
    """
    status, result, errors = command("train", "-", env=env, stdin=spec)
    assert status == 0, errors
    assert (Path(result["model"]) / "model.safetensors").is_file()
    assert not [r for r in hub.requests if r.method == "GET" and r.path.endswith((".py", ".bin"))]

    _settings_and_rivals(Store(settings.store_path).run(result["run"]), settings.run_dir(result["run"]), result)

    status, result, errors = command("train", "-", "--set", "model.name=odd/pickled", env=env, stdin=spec)
    assert status == 1 and "pickled" in result["error"], errors
    status, result, errors = command("train", "-", "--set", "data.path=nobody/nothing", env=env, stdin=spec)
    assert status == 1 and "nobody/nothing" in result["error"], errors


def _settings_and_rivals(run: Run, folder: Path, result: dict[str, Any]) -> None:
    """The record has numbers where the document had nothing, each told with its reason; simpler models stand beside."""
    spec = from_yaml((folder / "spec.yaml").read_text(encoding="utf-8"))
    assert spec.auto == () and build(run.spec) == spec
    assert spec.training.warmup_steps == 0.1 and spec.training.num_train_epochs == 1.0
    assert spec.training.learning_rate == MOST_FROM_FITTED
    ids = {note["id"] for note in result["notes"]}
    assert {
        "auto-rate-fitted",
        "auto-batch",
        "auto-warm-up",
        "auto-weights-off",
        "bag-of-words",
        "frozen-encoder",
    } <= ids
    assert not [name for name in ids if name.startswith("auto-epochs")], "given by hand"
    report = read_report(folder)
    assert report is not None and report.rivals == Rivals.load(folder / RIVALS)
    for rival in (report.rivals.bag_of_words, report.rivals.frozen_encoder):
        assert rival is not None and 0 <= (rival.metrics["accuracy"] or -1) <= 1 and rival.train_examples


def test_kill_in_the_middle_of_training_then_the_next_run_works(settings: Settings) -> None:
    """The detached command line starts the run and leaves; the next command finds its worker dead, and goes on."""
    store = Store(settings.store_path)
    seed = 11
    moment = random.Random(seed).randint(5, 60)
    status, started, errors = command("train", "-", "--detach", env=dict(os.environ), stdin=TINY)
    assert status == 0 and started["status"] in ("starting", "running"), errors
    before = wait_for_step(store, started["run"], moment)
    committed = {m.step: m.value for m in store.metrics_since(before.id) if m.name == "loss"}
    assert before.process is not None and len(committed) > 1
    psutil.Process(before.process.pid).kill()

    quick = ("--set", "training.num_train_epochs=1", "--set", "data.max_train_examples=16")
    status, result, errors = command("train", "-", *quick, env=dict(os.environ), stdin=TINY)
    assert (status, result["status"]) == (0, "finished"), errors
    after = store.run(before.id)
    print(f"seed {seed}, killed at step >= {moment}: {before.status} at {before.step} -> {after.status}: {after.error}")
    assert after.status == "lost" and after.error and after.detail
    kept = {m.step: m.value for m in store.metrics_since(before.id) if m.name == "loss"}
    assert committed.items() <= kept.items()
    assert process.is_dead(before.process)


STEADY = """
data: {source: sample, text_columns: [text], label_column: label, max_train_examples: 160, max_eval_examples: 32}
model: {name: scratch, max_length: 32}
training: {num_train_epochs: 8, logging_steps: 1, learning_rate: 1e-4, save_strategy: steps, save_steps: 7}
execution: {threads: 1}
"""


@pytest.mark.parametrize("kind", ["trainer", "torch", "keras-tf_data", "keras-numpy"])
def test_a_killed_run_resumes_to_the_same_end(kind: str, settings: Settings) -> None:
    """kill -9 at a random step; then the `resume` command. Nothing is measured twice, and the losses are the same."""
    engine, _, keras_input = kind.partition("-")
    chosen = ["--set", f"engine={engine}", *(["--set", f"keras_input={keras_input}"] if keras_input else [])]
    store, env = Store(settings.store_path), dict(os.environ)
    status, undisturbed, errors = command("train", "-", *chosen, env=env, stdin=STEADY)
    assert status == 0, errors

    moment = random.Random(kind).randint(10, 120)
    status, started, errors = command("train", "-", "--detach", *chosen, env=env, stdin=STEADY)
    assert status == 0, errors
    before = wait_for_step(store, started["run"], moment)
    assert before.process is not None
    psutil.Process(before.process.pid).kill()
    reached = max(m.step for m in store.metrics_since(before.id) if m.name == "loss")
    until_lost(store, settings, before.id)
    with store.atomic() as db:  # the worst moment: right after a checkpoint, before its metrics are written
        last = checkpoints.steps(settings.run_dir(before.id))[-1]
        db.execute("DELETE FROM metrics WHERE run=? AND step>?", (before.id, last - 4))
    status, resumed, errors = command("resume", before.id, env=env)
    print(f"{kind}: killed at step >= {moment} (had told of {reached}); {errors.splitlines()[:2]}")
    assert (status, resumed["status"]) == (0, "finished"), errors
    assert "goes on after step" in errors and "Resumed after step" in errors
    assert store.run(before.id).attempt == 2

    tolerance = 1e-3 if engine == "keras" else 1e-9
    losses = [
        {(m.name, m.step): m.value for m in store.metrics_since(run) if m.name in ("loss", "eval_loss", "grad_norm")}
        for run in (undisturbed["run"], before.id)
    ]
    assert losses[0].keys() == losses[1].keys()
    for point, value in losses[0].items():
        assert losses[1][point] == pytest.approx(value, rel=tolerance, abs=tolerance), point
    names = [(m.name, m.step) for m in store.metrics_since(before.id)]
    assert len(names) == len(set(names))
    assert resumed["metrics"]["loss"] == pytest.approx(undisturbed["metrics"]["loss"], abs=tolerance)


def until_lost(store: Store, settings: Settings, run_id: str) -> None:
    """Any scheduler finds that the worker is dead."""
    scheduler = Scheduler(store, settings)
    scheduler.start()
    try:
        end = time.monotonic() + 30
        while store.run(run_id).status != "lost":
            assert time.monotonic() < end, store.run(run_id)
            time.sleep(0.05)
    finally:
        scheduler.close()


def test_stop_in_the_middle_of_training_keeps_a_model_that_loads(settings: Settings) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    store = Store(settings.store_path)
    _, started, errors = command("train", "-", "--detach", env=dict(os.environ), stdin=TINY)
    wait_for_step(store, started["run"], 5)
    assert command("stop", started["run"], env=dict(os.environ))[0] == 0, errors
    end = time.monotonic() + 60
    while not (run := store.run(started["run"])).is_final:
        assert time.monotonic() < end, run
        time.sleep(0.1)
    assert (run.status, run.error) == ("stopped", None)
    assert 5 <= run.step < run.total
    model = settings.run_dir(run.id) / "model"
    loaded = AutoModelForSequenceClassification.from_pretrained(model)
    tokens = AutoTokenizer.from_pretrained(model)("lovely food", return_tensors="pt")
    assert loaded(**tokens).logits.shape == (1, 5)
    assert loaded.config.id2label[0] == "1 star"
