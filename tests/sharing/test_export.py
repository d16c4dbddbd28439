"""Models to take away: what is in the zip, that it answers as the model does, and what is refused."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import ModelError, PathError, SpecError
from core.evaluation.fast import onnx_file
from core.evaluation.trained_model import TrainedModel
from core.models import loading as model_loading
from core.models import scratch
from core.runs import process
from core.settings import Settings
from core.sharing.model import export as exports
from core.sharing.model import model_files, onnx_model
from core.sharing.model.export_spec import ExportSpec
from core.sharing.model.inputs import Inputs
from core.spec.run import build
from core.store import files as results
from core.store.store import Store
from core.tasks.text_classification.predictions import softmax
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
    path = exports.zip_of(store.run(run), settings)
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
            "source": "file",
            "path": str(reviews(train=60, validation=80)),
            "text_columns": ["text"],
            "label_column": "label",
        },
        "model": {"name": str(classifier), "max_length": 48},
    }
    run = Synthetic(store, settings, "Stars <b>& more</b>", build(spec).model_dump(mode="json")).working()
    shutil.copytree(classifier, settings.run_dir(run.id) / "model")
    store.finish(run.id, run.token, "finished")
    return run.id


@pytest.fixture(scope="session")
def written(classifier: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Any, Path], None]:
    """In the place of `onnx_model.write`, which takes its time: the classifier's own file, written once."""
    folder = tmp_path_factory.mktemp("written")
    onnx_model.write(TrainedModel(classifier, 48, device="cpu"), folder)

    def copied(model: Any, target: Path) -> None:
        shutil.copy(folder / "model.onnx", target)

    return copied


def test_safetensors(work: Work, trained: str, settings: Settings, store: Store, tmp_path: Path) -> None:
    model = settings.run_dir(trained) / "model"
    results.save_temperature(model, 1.7)
    run, summary = work("export", ask("safetensors", trained))
    assert summary["temperature"] == 1.7 and summary["bytes"] > 10_000
    folder = unpacked(run, settings, store, tmp_path / "out")
    mine, packed = TrainedModel(model, 48), TrainedModel(folder, 48)
    texts = [(text,) for text in make_texts(20, 3)[0]]
    np.testing.assert_array_equal(mine.logits(texts), packed.logits(texts))
    assert packed.temperature == 1.7 and packed.names == LABELS
    readme = (folder / "README.txt").read_text()
    assert f"from_pretrained('{folder.name}')" in readme and "bad, middling, good" in readme and "1.7000" in readme


def test_the_same_model_makes_the_same_bytes(work: Work, trained: str, settings: Settings, store: Store) -> None:
    first, _ = work("export", ask("safetensors", trained))
    path = exports.zip_of(store.run(first), settings)
    assert path is not None
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    for file in (settings.run_dir(trained) / "model").iterdir():
        os.utime(file, (1, 1))
    second, _ = work("export", ask("safetensors", trained))
    again = exports.zip_of(store.run(second), settings)
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
        "README.md",
        "README.txt",
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert TrainedModel(folder, 48).names == LABELS


@pytest.mark.parametrize("form", ["safetensors", "onnx"])
def test_a_secret_word_and_a_link_keep_a_model_here(
    form: str, work: Work, trained: str, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", SECRET)
    model = settings.run_dir(trained) / "model"
    (model / "vocab.txt").write_text(f"[PAD]\n{SECRET}\n")
    with pytest.raises(ModelError, match=r"vocab\.txt contains a secret of this machine"):
        work("export", ask(form, trained))
    (model / "vocab.txt").unlink()
    (tmp_path / "mine.txt").write_text("[PAD]\n")
    (model / "vocab.txt").symlink_to(tmp_path / "mine.txt")
    with pytest.raises(ModelError, match=r"vocab\.txt in the model's folder is a link"):
        work("export", ask(form, trained))
    assert not list(settings.home.rglob("*.zip"))


def test_onnx(work: Work, trained: str, settings: Settings, store: Store, tmp_path: Path) -> None:
    model = settings.run_dir(trained) / "model"
    results.save_temperature(model, 0.8)
    run, summary = work("export", ask("onnx", trained))
    against_torch = summary["against_torch"]
    assert against_torch["texts"] == against_torch["same_class"] == 80 and against_torch["max_difference"] < 1e-5
    assert against_torch["of"] == "evaluation examples of the run" and summary["speed"]["onnx"] > 0
    folder = unpacked(run, settings, store, tmp_path / "out")
    assert {path.name for path in folder.iterdir()} == {
        "README.txt",
        "check.json",
        "labels.json",
        "model.onnx",
        "predict.py",
        "tokenizer.json",
    }
    assert json.loads((folder / "check.json").read_text())["against_torch"] == against_torch
    raw = (folder / "model.onnx").read_bytes()
    for path in ("site-packages", ".py", str(settings.home), "/work/"):
        assert path.encode() not in raw, "the exporter writes where a model's code lies"

    texts = [*make_texts(7, 5)[0], "bad", "good " * 200]
    shares = softmax(TrainedModel(model, 48).logits([(t,) for t in texts]) / 0.8)
    code = "import json, predict, sys; print(json.dumps(predict.predict(json.load(sys.stdin)).tolist()))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    np.testing.assert_allclose(json.loads(done.stdout), shares, atol=1e-5)
    process = subprocess.run(
        [sys.executable, "predict.py", "word1 good word2"], cwd=folder, capture_output=True, text=True, check=True
    )
    assert process.stdout.startswith("good ") and process.stdout.endswith("word1 good word2\n")


def test_int8(
    work: Work,
    trained: str,
    settings: Settings,
    store: Store,
    tmp_path: Path,
    written: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(onnx_model, "write", written)
    run, summary = work("export", ask("onnx", trained, int8=True))
    int8 = summary["int8"]
    assert int8["bytes"] < 0.3 * int8["fp32_bytes"]
    assert int8["texts"] == 80 and int8["same_class"] >= 70 and 0 < int8["max_difference"] < 0.5
    accuracy = int8["metrics"]["accuracy"]
    gap = accuracy["difference"]
    assert gap["low"] <= gap["value"] <= gap["high"]
    assert accuracy["int8"] - accuracy["fp32"] == pytest.approx(gap["value"])
    assert summary["speed"]["int8"] > 0 and summary["against_torch"]["max_difference"] < 1e-5
    folder = unpacked(run, settings, store, tmp_path / "out")
    assert (folder / "model.onnx").stat().st_size == int8["bytes"]
    assert "8 bits" in (folder / "README.txt").read_text()


SMALL: dict[str, Any] = {
    "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 48,
    "max_position_embeddings": 60, "pad_token_id": 0,
}  # fmt: skip
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "roberta": SMALL | {"type_vocab_size": 1},
    "distilbert": {"dim": 32, "n_layers": 1, "n_heads": 4, "hidden_dim": 48, "max_position_embeddings": 60},
    "albert": SMALL | {"embedding_size": 16},
    "modernbert": SMALL | {"num_hidden_layers": 2, "local_attention": 16, "global_attn_every_n_layers": 2},
}


def tiny(kind: str, folder: Path, **saving: Any) -> Path:
    """A classifier of this architecture with random weights, large enough that its answers differ."""
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification, set_seed

    tokenizer = scratch.tokenizer(make_texts(200, 0)[0], 48)
    if kind != "albert":
        tokenizer.model_input_names = ["input_ids", "attention_mask"]
    set_seed(0)
    named = {"id2label": dict(enumerate(LABELS)), "label2id": {n: i for i, n in enumerate(LABELS)}}
    config = AutoConfig.for_model(kind, vocab_size=len(tokenizer), **named, **ARCHITECTURES[kind])
    model = AutoModelForSequenceClassification.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    model.save_pretrained(folder, **saving)
    tokenizer.save_pretrained(folder)
    return folder


def quiet(text: str, share: float | None) -> None: ...


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_architectures(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of them is in shards, one has its weights in a file of their own, two have no token types."""
    sharded, apart = kind == "roberta", kind == "distilbert"
    source = tiny(kind, tmp_path / "model", **({"max_shard_size": "20KB"} if sharded else {}))
    assert (source / "model.safetensors.index.json").exists() == sharded
    if apart:
        monkeypatch.setattr(onnx_file, "LARGEST_FILE", 0)
    model = TrainedModel(source, 48, device="cpu")
    out = tmp_path / "making" / "out"
    out.mkdir(parents=True)
    texts = Inputs([(text,) for text in [*make_texts(60, 1)[0], "good", "word1 " * 90]], None, "texts")
    known = onnx_model.reference(model, texts, 500, quiet)
    assert known.probabilities.std(axis=0).max() > 0.01, "it does not answer all of them alike"
    onnx_model.write(model, out)
    onnx_model.write_tokenizer(model, out / "tokenizer.json")
    against_torch = onnx_model.check(model, out, texts, known, quiet)
    assert against_torch["same_class"] == against_torch["texts"] == 62 and against_torch["max_difference"] < 1e-5
    assert against_torch["tokens"][0] < 5 and against_torch["tokens"][1] == 48
    assert (out / "model.onnx.data").exists() == apart
    if apart:
        onnx_model.quantise(out, "small")
        probabilities = onnx_model.Runtime(out).probabilities(texts.texts, onnx_model.like_batches(texts.texts), quiet)
        assert probabilities.shape == (62, 3) and np.isfinite(probabilities).all()


def test_a_file_that_answers_otherwise_is_not_left(
    work: Work, trained: str, settings: Settings, store: Store, written: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was made before the temperature was saved, which changes every probability and no class."""
    monkeypatch.setattr(onnx_model, "write", written)
    results.save_temperature(settings.run_dir(trained) / "model", 1.1)
    with pytest.raises(ModelError, match="predicts differently from torch") as refused:
        work("export", ask("onnx", trained))
    assert "\n" not in str(refused.value)
    (run,) = store.runs(kind="export")
    assert not list(settings.run_dir(run.id).iterdir())


def test_a_failure_of_the_exporter_is_one_sentence(work: Work, trained: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("\n  unsupported operator\n  many\n  lines")

    monkeypatch.setattr(torch.onnx, "export", fails)
    with pytest.raises(ModelError) as refused:
        work("export", ask("onnx", trained))
    assert str(refused.value) == (
        "Stars <b>& more</b> could not be converted to ONNX (unsupported operator); export it as safetensors"
    )


@pytest.mark.parametrize("kind", sorted(onnx_file.NOT_EXPORTED))
def test_kinds_that_have_no_onnx_form_are_told_before_anything_is_done(kind: str, classifier: Path) -> None:
    model = TrainedModel(classifier, 48, "the model", device="cpu")
    onnx_model.check_kind(model)
    model.model.config.model_type = kind
    with pytest.raises(ModelError, match=f"of type {kind}, which cannot be converted to ONNX; export it as safetens"):
        onnx_model.check_kind(model)


def test_data_that_is_gone_costs_the_labels_alone(trained: str, settings: Settings, store: Store) -> None:
    from core.runs.writer import RunWriter
    from core.sharing.model import inputs

    shutil.rmtree(store.run(trained).spec["data"]["path"])
    shutil.rmtree(settings.datasets, ignore_errors=True)
    run = Synthetic(store, settings, kind="export").working()
    report = RunWriter(store, store.run(run.id), run.token)
    texts = inputs.gather(build(ask("onnx", trained), ExportSpec).model, LABELS, 100, settings, report)
    report.end_thread()
    report.flush()
    assert len(texts.texts) == 100 and texts.labels is None and texts.source == "generated reviews"
    (event,) = [e for e in store.events_since(run.id) if e.kind == "message"]
    assert "cannot be loaded" in event.payload["text"]


def test_labels_of_the_data_find_the_classes_of_the_model(trained: str, settings: Settings, store: Store) -> None:
    """The model's are bad, middling, good; the data's come in the order of the alphabet."""
    from core.runs.writer import RunWriter
    from core.sharing.model import inputs

    run = Synthetic(store, settings, kind="export").working()
    report = RunWriter(store, store.run(run.id), run.token)
    texts = inputs.gather(build(ask("onnx", trained), ExportSpec).model, LABELS, 50, settings, report)
    report.end_thread()
    assert texts.labels is not None and len(texts.labels) == len(texts.texts) == 50
    assert all(LABELS[label] in text for (text,), label in zip(texts.texts, texts.labels, strict=True))


def test_what_cannot_be(work: Work, trained: str, settings: Settings, store: Store, classifier: Path) -> None:
    with pytest.raises(SpecError, match="only for ONNX"):
        ask("safetensors", trained, int8=True)
    with pytest.raises(SpecError, match="only a run trained with Keras"):
        ask("keras", name=str(classifier))
    with pytest.raises(ModelError, match="Keras did not train it"):
        work("export", ask("keras", trained))
    assert exports.zip_of(store.run(trained), settings) is None


def test_a_folder_that_no_run_made(work: Work, classifier: Path, settings: Settings, store: Store) -> None:
    run, _ = work("export", ask("safetensors", name=str(classifier)))
    archive = exports.zip_of(store.run(run), settings)
    assert archive is not None and archive.name == "classifier-safetensors.zip" and zipfile.is_zipfile(archive)


def test_links_in_a_folder_lead_nowhere_else(classifier: Path, tmp_path: Path, home: Path) -> None:
    shutil.copytree(classifier, tmp_path / "root" / "model")
    (tmp_path / "mine.txt").write_text("secret")
    (tmp_path / "root" / "model" / "README.md").symlink_to(tmp_path / "mine.txt")
    team = Settings(home, mode="team", roots=(tmp_path / "root",))
    subject = build(ask("safetensors", name=str(tmp_path / "root" / "model")), ExportSpec).model
    with pytest.raises(PathError, match="outside the folders"):
        exports._check_inside(tmp_path / "root" / "model", subject, team)


def test_a_stop_leaves_nothing(trained: str, settings: Settings, store: Store) -> None:
    from core.runs.worker import do
    from core.runs.writer import RunWriter, Stopped

    run_id = store.submit("export", "x", ask("safetensors", trained))
    with store.atomic() as db:
        db.execute("UPDATE runs SET status='stopping', token=7, attempt=1 WHERE id=?", (run_id,))
    run = store.begin(run_id, 7, process.identity())
    settings.run_dir(run_id).mkdir(parents=True)
    report = RunWriter(store, run, 7)
    with pytest.raises(Stopped):
        do(run, settings, report)
    report.end_thread()
    assert not list(settings.run_dir(run_id).iterdir())


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Yelp · bert-base", "Yelp-bert-base"), ("../../etc/passwd", "etc-passwd"), ("レビュー 2", "レビュー-2"),
        ("\u202e😀", "model"), ("a" * 200, "a" * 60), ("CON\x00..\\x", "CON-.-x"), ("", "model"), (".hidden", "hidden"),
    ],
)  # fmt: skip
def test_names_of_folders(title: str, name: str) -> None:
    assert model_files.folder_name(title) == name


def test_a_keras_file(
    work: Work, trained: str, settings: Settings, store: Store, classifier: Path, tmp_path: Path
) -> None:
    """Trained by Keras, loaded by a process that knows nothing of this project; of another model it is refused."""
    spec = store.run(trained).spec | {"engine": "keras"}
    spec["training"] |= {"num_train_epochs": 1, "per_device_train_batch_size": 32}
    spec["execution"] |= {"device": "cpu"}
    by_keras, _ = work("train", spec)
    model = settings.run_dir(by_keras) / "model"
    results.save_temperature(model, 1.3)
    run, summary = work("export", ask("keras", by_keras))
    assert summary["against_torch"]["max_difference"] < 3e-3 and summary["against_torch"]["texts"] == 80
    folder = unpacked(run, settings, store, tmp_path / "out")
    assert {"model.keras", "predict.py", "labels.json", "tokenizer.json", "README.txt"} <= {
        path.name for path in folder.iterdir()
    }
    with zipfile.ZipFile(folder / "model.keras") as inside:
        config = inside.read("config.json").decode()
    assert str(settings.home) not in config and str(tmp_path) not in config and "Lambda" not in config

    texts = [*make_texts(5, 5)[0], "bad", "good " * 100]
    code = "import json, predict, sys; print(json.dumps(predict.predict(json.load(sys.stdin)).tolist()))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    asked = TrainedModel(model, 48)
    probabilities = np.array(json.loads(done.stdout.splitlines()[-1]))
    np.testing.assert_allclose(probabilities, softmax(asked.logits([(t,) for t in texts]) / 1.3), atol=3e-3)

    asked.model.classifier.weight.data.neg_()
    model_loading.save(asked.model, asked.tokenizer, model)
    with pytest.raises(ModelError, match=r"the Keras file of .* predicts differently from torch"):
        work("export", ask("keras", by_keras))
