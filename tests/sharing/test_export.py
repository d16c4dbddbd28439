"""Models to take away: what is in the zip, that it answers as the model does, and what is refused."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import models, results, scratch
from core.errors import ModelError, PathError, SpecError, WrongStatus
from core.evaluation.predictions import softmax
from core.inference import Classifier
from core.settings import Settings
from core.sharing import export as exports
from core.sharing import pack
from core.sharing.export import ExportSpec
from core.sharing.inputs import Inputs
from core.spec import build
from core.store import Store
from tests.evaluation.conftest import LABELS, make_texts
from tests.synthetic import Synthetic

Work = Callable[..., tuple[str, dict[str, Any]]]
SECRET = "hunter2-planted-value"


def ask(form: str, run: str = "", **more: Any) -> dict[str, Any]:
    """The spec of an export. more: int8, or name for a model that is no run's"""
    model = {"run": run, "attempt": 1} if run else {"name": more.pop("name"), "max_length": 48}
    return build({"model": model, "form": form, **more}, ExportSpec).model_dump(mode="json")


def unpacked(run: str, settings: Settings, store: Store, to: Path) -> Path:
    """The one folder in the zip that a run left."""
    path = exports.made_by(store.run(run), settings)
    assert path is not None
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        archive.extractall(to)
    (folder,) = to.iterdir()
    return folder


@pytest.fixture
def trained(store: Store, settings: Settings, classifier: Path, reviews: Callable[..., Path]) -> str:
    """A run of kind train whose model is the classifier."""
    spec = {
        "data": {
            "source": "file", "path": str(reviews(train=60, validation=80)), "text_columns": ["text"],
            "label_column": "label",
        },
        "model": {"name": str(classifier), "max_length": 48},
    }  # fmt: skip
    run = Synthetic(store, settings, "Stars <b>& more</b>", build(spec).model_dump(mode="json")).working()
    shutil.copytree(classifier, settings.run_dir(run.id) / "model")
    store.finish(run.id, run.token, "finished")
    return run.id


def test_safetensors(work: Work, trained: str, settings: Settings, store: Store, tmp_path: Path) -> None:
    model = settings.run_dir(trained) / "model"
    results.save_temperature(model, 1.7)
    run, summary = work("export", ask("safetensors", trained))
    assert summary["temperature"] == 1.7 and summary["bytes"] > 10_000
    folder = unpacked(run, settings, store, tmp_path / "out")
    mine, packed = Classifier(model, 48), Classifier(folder, 48)
    texts = [(text,) for text in make_texts(20, 3)[0]]
    np.testing.assert_array_equal(mine.logits(texts), packed.logits(texts))
    assert packed.temperature == 1.7 and packed.names == LABELS
    readme = (folder / "README.txt").read_text()
    assert f"from_pretrained('{folder.name}')" in readme and "bad, middling, good" in readme and "1.7000" in readme


def test_the_same_model_makes_the_same_bytes(work: Work, trained: str, settings: Settings, store: Store) -> None:
    first, _ = work("export", ask("safetensors", trained))
    path = exports.made_by(store.run(first), settings)
    assert path is not None
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    for file in (settings.run_dir(trained) / "model").iterdir():
        os.utime(file, (1, 1))
    second, _ = work("export", ask("safetensors", trained))
    again = exports.made_by(store.run(second), settings)
    assert again is not None and hashlib.sha256(again.read_bytes()).hexdigest() == digest
    assert not path.exists(), "one zip of a form is enough"


def test_nothing_secret_and_nothing_else_goes_along(
    work: Work, trained: str, settings: Settings, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", SECRET)
    model = settings.run_dir(trained) / "model"
    config = json.loads((model / "config.json").read_text())
    config |= {"_name_or_path": "/srv/secret-project/bert", "note": f"{SECRET} in {settings.home}/runs"}
    (model / "config.json").write_text(json.dumps(config))
    (model / "training_args.bin").write_bytes(b"pickled")
    (model / "notes.txt").write_text("mine alone")
    (model / "README.md").write_text(f"# A card\n{SECRET} {Path.home()}/x")
    run, _ = work("export", ask("safetensors", trained))
    folder = unpacked(run, settings, store, tmp_path / "out")
    whole = b"".join(path.read_bytes() for path in folder.iterdir())
    for hidden in (SECRET, "secret-project", str(settings.home), str(tmp_path), "pickled", "mine alone"):
        assert hidden.encode() not in whole
    assert {path.name for path in folder.iterdir()} == {
        "README.md", "README.txt", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    }  # fmt: skip
    assert Classifier(folder, 48).names == LABELS


def test_onnx(work: Work, trained: str, settings: Settings, store: Store, tmp_path: Path) -> None:
    model = settings.run_dir(trained) / "model"
    results.save_temperature(model, 0.8)
    run, summary = work("export", ask("onnx", trained))
    told = summary["against_torch"]
    assert told["texts"] == told["same_class"] == 80 and told["max_difference"] < 1e-5
    assert told["of"] == "evaluation examples of the run" and summary["speed"]["onnx"] > 0
    folder = unpacked(run, settings, store, tmp_path / "out")
    assert {path.name for path in folder.iterdir()} == {
        "README.txt", "check.json", "labels.json", "model.onnx", "predict.py", "tokenizer.json",
    }  # fmt: skip
    assert json.loads((folder / "check.json").read_text())["against_torch"] == told
    raw = (folder / "model.onnx").read_bytes()
    for path in ("site-packages", ".py", str(settings.home), "/work/"):
        assert path.encode() not in raw, "the exporter writes where a model's code lies"

    texts = [*make_texts(7, 5)[0], "bad", "good " * 200]
    shares = softmax(Classifier(model, 48).logits([(t,) for t in texts]) / 0.8)
    code = "import json, predict, sys; print(json.dumps(predict.predict(json.load(sys.stdin)).tolist()))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    np.testing.assert_allclose(json.loads(done.stdout), shares, atol=1e-5)
    shown = subprocess.run(
        [sys.executable, "predict.py", "word1 good word2"], cwd=folder, capture_output=True, text=True, check=True
    )
    assert shown.stdout.startswith("good ") and shown.stdout.endswith("word1 good word2\n")


def test_int8(work: Work, trained: str, settings: Settings, store: Store, tmp_path: Path) -> None:
    run, summary = work("export", ask("onnx", trained, int8=True))
    told = summary["int8"]
    assert told["bytes"] < 0.3 * told["fp32_bytes"]
    assert told["texts"] == 80 and told["same_class"] >= 70 and 0 < told["max_difference"] < 0.5
    accuracy = told["metrics"]["accuracy"]
    gap = accuracy["difference"]
    assert gap["low"] <= gap["value"] <= gap["high"]
    assert accuracy["int8"] - accuracy["fp32"] == pytest.approx(gap["value"])
    assert summary["speed"]["int8"] > 0 and summary["against_torch"]["max_difference"] < 1e-5
    folder = unpacked(run, settings, store, tmp_path / "out")
    assert (folder / "model.onnx").stat().st_size == told["bytes"]
    assert "8 bits" in (folder / "README.txt").read_text()
