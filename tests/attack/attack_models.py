"""Folders of models, and checkpoints, that would run code, read files or fill the memory when they are opened."""

from __future__ import annotations

import base64
import json
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from core.data.browsing import token_child, token_process
from core.data.browsing.token_child import MOST_TEXT
from core.data.browsing.token_process import open_limited
from core.data.browsing.tokens import tokens_of
from core.errors import ModelError, TunedeckError
from core.evaluation.neighbours import nearest
from core.evaluation.trained_model import TrainedModel
from core.models import folder as model_folder
from core.models import names as models
from core.runs import process
from core.runs.checkpoints import SIZES
from core.runs.worker import _work
from core.runs.writer import RunWriter
from core.settings import PROJECT
from core.spec.run import build
from core.store import files as results
from tests.attack.cases import case
from tests.attack.pickled import Planted
from tests.attack.place import TOM, Place
from tests.evaluation.conftest import reviews_in

EVIL = "open({mark!r}, 'w').close()\n"


def copied(place: Place, classifier: Path, **config: Any) -> Path:
    """A good model to spoil, in the place of a model that somebody was given."""
    folder = place.root / "models" / "given"
    shutil.copytree(classifier, folder)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | config))
    return folder


def refused(place: Place, folder: Path, says: str) -> None:
    """It is refused before it is loaded, or while it is; what is in it never runs."""
    place.refused(lambda: TrainedModel(folder, 32, "the model"), says, local=True, error=ModelError)


@case("a model with its weights in a pickle")
def _pickled_weights(place: Place, classifier: Path) -> None:
    folder, planted = copied(place, classifier), Planted(place.root / "ran")
    (folder / "model.safetensors").unlink()
    for name in ("pytorch_model.bin", "model.pt", "weights.ckpt"):
        (folder / name).write_bytes(planted.pickle())
        refused(place, folder, "pickled file, which can run code")
        (folder / name).unlink()
    assert not planted.ran


@case("a pickle by the name of safetensors")
def _pickle_renamed(place: Place, classifier: Path) -> None:
    folder, planted = copied(place, classifier), Planted(place.root / "ran")
    (folder / "model.safetensors").write_bytes(planted.pickle())
    refused(place, folder, "cannot be loaded")
    assert not planted.ran


@case("a pickle beside good weights")
def _pickle_beside(place: Place, classifier: Path) -> None:
    """It is not opened; the model answers."""
    folder, planted = copied(place, classifier), Planted(place.root / "ran")
    for name in ("pytorch_model.bin", "training_args.bin", "optimizer.pt", "rng_state.pth"):
        (folder / name).write_bytes(planted.pickle())
    with place.untouched():
        assert TrainedModel(folder, 32).logits([["good"]]).shape == (1, 3)
    assert not planted.ran


@case("a model that brings its own code")
def _auto_map(place: Place, classifier: Path) -> None:
    mark = place.root / "ran"
    classes = {"AutoConfig": "evil.Config", "AutoModelForSequenceClassification": "evil.Model"}
    folder = copied(place, classifier, auto_map=classes, model_type="evil", trust_remote_code=True)
    (folder / "evil.py").write_text(EVIL.format(mark=str(mark)))
    refused(place, folder, "needs code of its own")
    assert not mark.exists()


@case("code for a kind of model that is known")
def _auto_map_known(place: Place, classifier: Path) -> None:
    """The code is not run; the library's own is."""
    mark = place.root / "ran"
    folder = copied(place, classifier, auto_map={"AutoModelForSequenceClassification": "evil.Model"})
    (folder / "evil.py").write_text(EVIL.format(mark=str(mark)))
    with place.untouched():
        assert TrainedModel(folder, 32).logits([["good"]]).shape == (1, 3)
    assert not mark.exists()


@case("a tokenizer that brings its own code")
def _tokenizer_code(place: Place, classifier: Path) -> None:
    folder, mark = copied(place, classifier), place.root / "ran"
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text()) | {
        "auto_map": {"AutoTokenizer": ["evil.Tokens", "evil.Tokens"]},
        "tokenizer_class": "EvilTokens",
    }
    path.write_text(json.dumps(config))
    (folder / "evil.py").write_text(EVIL.format(mark=str(mark)))
    with place.untouched():
        try:
            TrainedModel(folder, 32, "the model")
        except ModelError as error:
            place.harmless(str(error), local=True)
    assert not mark.exists()


@case("a model of Keras with code in a layer")
def _keras_lambda(place: Place) -> None:
    folder = place.root / "keras"
    folder.mkdir()
    planted = Planted(place.root / "ran")
    (folder / "model.keras").write_bytes(planted.pickle())
    (folder / "model.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    refused(place, folder, "no config.json")
    assert not planted.ran


@case("weights whose header is larger than the file")
def _huge_header(place: Place, classifier: Path) -> None:
    folder = copied(place, classifier)
    for size in (2**63 - 1, 2**40, 100_000_000):
        (folder / "model.safetensors").write_bytes(struct.pack("<Q", size) + b"{}")
        refused(place, folder, "cannot be loaded")


@case("weights that lie outside of their file")
def _outside(place: Place, classifier: Path) -> None:
    folder = copied(place, classifier)
    header = json.dumps({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    refused(place, folder, "cannot be loaded")


@case("weights that are a link to a file of the server")
def _linked_weights(place: Place, classifier: Path) -> None:
    folder = copied(place, classifier)
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").symlink_to(place.canary / "secret.csv")
    refused(place, folder, "cannot be loaded")


@case("a config of a thousand million layers")
def _many_layers(place: Place, classifier: Path) -> None:
    for config in (
        {"num_hidden_layers": 10**9},
        {"hidden_size": 10**9},
        {"vocab_size": 10**12},
        {"num_hidden_layers": -1},
    ):
        folder = copied(place, classifier, **config)
        refused(place, folder, "the most that is loaded here")
        shutil.rmtree(folder)


@case("a config whose numbers are something else")
def _odd_config(place: Place, classifier: Path) -> None:
    for config in (
        {"model_type": ["bert"]}, {"model_type": {"a": 1}}, {"hidden_size": "64"}, {"num_hidden_layers": [2]},
        {"hidden_act": "__import__('os')"}, {"id2label": "x"}, {"max_position_embeddings": "1e9"},
    ):  # fmt: skip
        folder = copied(place, classifier, **config)
        with place.untouched():
            try:
                model_folder.check_folder(folder, 32)
                TrainedModel(folder, 32, "the model")
            except ModelError as error:
                place.harmless(str(error), local=True)
        shutil.rmtree(folder)
    folder = copied(place, classifier, model_type="roberta", pad_token_id="one")
    with place.untouched():
        model_folder.check_folder(folder, 32)


@case("a config nested without end")
def _deep_config(place: Place, classifier: Path) -> None:
    folder = copied(place, classifier)
    (folder / "config.json").write_text("[" * 100_000)
    refused(place, folder, "cannot be read|cannot be opened")
    assert models.known_limit(build({"model": {"name": str(folder)}}).model, place.settings()) is None


@case("an adapter for a model that is somewhere else")
def _adapter(place: Place, classifier: Path) -> None:
    folder = copied(place, classifier)
    (folder / "config.json").rename(folder / "adapter_config.json")
    refused(place, folder, "adapter, not a whole model")


@case("a temperature that is no number")
def _temperature(place: Place, classifier: Path) -> None:
    folder = copied(place, classifier)
    for text in ('{"temperature": NaN}', '{"temperature": "nan"}', f'{{"temperature": 1{"0" * 400}}}', "[" * 100_000,
                 '{"temperature": -1}', '{"temperature": [1]}', "[]", '{"temperature": 1e999}', "\x00"):  # fmt: skip
        (folder / results.CALIBRATION).write_text(text)
        with place.untouched():
            assert results.read_temperature(folder) == 1.0


@case("a table of neighbours with a pickle")
def _neighbours(place: Place, classifier: Path) -> None:
    path, planted = place.home / "training_vectors-1.npz", Planted(place.root / "ran")
    with path.open("wb") as file:
        np.savez(file, vectors=np.array([planted], dtype=object), rows=np.array([1]), labels=np.array([1]))
    with place.untouched():
        assert nearest(TrainedModel(classifier, 32), path, ["good"]) == []
    assert not planted.ran


SPEC: dict[str, Any] = {
    "model": {"max_length": 16}, "execution": {"device": "cpu", "threads": 1},
    "training": {
        "num_train_epochs": 1, "per_device_train_batch_size": 8, "save_strategy": "steps", "save_steps": 1,
        "save_total_limit": 3, "eval_strategy": "no", "load_best_model_at_end": False,
    },
}  # fmt: skip


def interrupted(place: Place, engine: str) -> tuple[str, Path]:
    """A run of three steps that was cut off after the second; its id and its checkpoint."""
    folder = reviews_in(place.root)(train=24, test=6)
    data = {"source": "file", "path": str(folder), "text_columns": ["text"], "label_column": "label"}
    run_id = place.plain.submit("train", "Cut off", {**SPEC, "engine": engine, "data": data})
    status, error, *_ = work(place, run_id)
    assert status == "finished", error
    run_dir = place.settings().run_dir(run_id)
    shutil.rmtree(run_dir / "checkpoints" / "checkpoint-3")
    shutil.rmtree(run_dir / "model")
    with place.plain.atomic() as db:
        db.execute("UPDATE runs SET status='stopped', ended=1 WHERE id=?", (run_id,))
    return run_id, run_dir / "checkpoints" / "checkpoint-2"


def work(place: Place, run_id: str) -> tuple[str, str, str, dict[str, Any]]:
    """What a worker does with a run that waits."""
    with place.plain.atomic() as db:
        db.execute("UPDATE runs SET status='starting', token=7, attempt=attempt+1 WHERE id=?", (run_id,))
    run = place.plain.begin(run_id, 7, process.identity())
    place.settings().run_dir(run_id).mkdir(parents=True, exist_ok=True)
    report = RunWriter(place.plain, run, 7)
    try:
        status, error, detail, summary = _work(run, place.settings(), report)
        return status, str(error), detail, summary
    finally:
        report.end_thread()


def resumed(place: Place, engine: str, plant: Callable[[Path, Planted], None]) -> None:
    run_id, checkpoint = interrupted(place, engine)
    planted = Planted(place.root / "ran")
    plant(checkpoint, planted)
    (checkpoint / SIZES).unlink()  # as an attacker would, who knows that sizes are looked at
    place.plain.resume(run_id, 2)
    status, error, detail, _ = work(place, run_id)
    assert not planted.ran and status == "failed", (status, error)
    assert "could run code" in error and not detail, error
    place.harmless(error)
    assert not (place.settings().run_dir(run_id) / "model").exists()
    place.checked += 1


@case("a checkpoint of the PyTorch loop with a pickle")
def _torch_checkpoint(place: Place) -> None:
    resumed(place, "torch", lambda folder, planted: _write(folder / "training_state.pt", planted))


@case("a checkpoint of the Trainer with a pickle")
def _trainer_checkpoint(place: Place) -> None:
    resumed(place, "trainer", lambda folder, planted: _write(folder / "optimizer.pt", planted))


@case("a state of random numbers with a pickle")
def _random_state(place: Place) -> None:
    resumed(place, "trainer", lambda folder, planted: _write(folder / "rng_state.pth", planted))


def _write(path: Path, planted: Planted) -> None:
    assert path.exists(), sorted(p.name for p in path.parent.iterdir())
    path.write_bytes(planted.pickle())


@case("a checkpoint of Keras with a pickle")
def _keras_checkpoint(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.runs import checkpoints

    folder, planted = place.home / "checkpoint-2", Planted(place.root / "ran")
    folder.mkdir()
    with (folder / "state.npz").open("wb") as file:
        np.savez(file, arr_0=np.array([planted], dtype=object))
    with (
        place.untouched(),
        pytest.raises(ValueError, match="allow_pickle"),
        np.load(folder / "state.npz", allow_pickle=False) as saved,
    ):
        saved["arr_0"]
    assert not planted.ran and "could run code" in str(checkpoints.damaged(folder))


def replacing(pattern: dict[str, str], content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": content}


def table(*parts: bytes) -> str:
    return base64.b64encode(b"".join(parts)).decode()


GROWING: dict[str, dict[str, Any]] = {
    "one letter by two, forty times": {"normalizers": [replacing({"String": "a"}, "aa")] * 40},
    "any letter by two, forty times": {"normalizers": [replacing({"Regex": "."}, "aa")] * 40},
    "to and fro": {"normalizers": [replacing({"String": "a"}, "b"), replacing({"String": "b"}, "aa")] * 40},
    "between all letters": {"normalizers": [replacing({"Regex": "x*"}, " ")] * 40},
    "a letter by a novel": replacing({"String": "a"}, "x" * 1_000_000),
    "a beginning, a thousand times": {"normalizers": [{"type": "Prepend", "prepend": "x" * 1000}] * 1000},
    "bytes of bytes": {"normalizers": [{"type": "ByteLevel"}] * 40},
    "a table that makes one letter a page": {
        "type": "Precompiled",
        "precompiled_charsmap": table(b"\x04\0\0\0", b"\0" * 4, b"y" * 5000),
    },
    "sequences in sequences": {"normalizers": [{"normalizers": [replacing({"String": "a"}, "aa")] * 20}] * 2},
    "more of what was written than was written at once": {
        "normalizers": [
            replacing({"String": "a"}, "b" * 20),
            replacing({"String": "b" * 21}, "c" * 420),
            replacing({"String": "c" * 421}, "d" * 8420),
        ],
    },
    "capitals that become small": {
        "normalizers": [
            rule
            for pair in ("aB", "bC", "cD", "dE")
            for rule in (replacing({"String": pair[0]}, pair[1] * 20), {"type": "Lowercase"})
        ],
    },
    "one table after the other": {
        "normalizers": [
            {"type": "Precompiled", "precompiled_charsmap": table(b"\x04\0\0\0", b"\0" * 4, b"y" * 60)},
        ]
        * 4,
    },
}


def with_rules(folder: Path, normalizer: dict[str, Any]) -> Path:
    """A tokenizer that works on a text by these rules first."""
    path = folder / "tokenizer.json"
    rules = normalizer if "type" in normalizer else {"type": "Sequence", **normalizer}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"normalizer": rules}))
    return path


@case("a tokenizer that makes gigabytes of a line")
def _growing_tokenizer(place: Place, classifier: Path) -> None:
    for rules in GROWING.values():
        folder = copied(place, classifier)
        path = with_rules(folder, rules)
        used = psutil.Process().memory_info().rss
        says = "rules that can make a text more than 1,000 times as long|damaged"
        place.refused(lambda: tokens_of(["a line " * 20], path, 32), says, local=True)  # noqa: B023
        refused(place, folder, says)
        assert psutil.Process().memory_info().rss - used < 200e6, "it grew in this process"
        shutil.rmtree(folder)


@case("a tokenizer whose growth is just allowed, and a long text")
def _memory_of_a_tokenizer(place: Place, classifier: Path) -> None:
    folder = copied(place, classifier)
    path = with_rules(folder, replacing({"String": "a"}, "x" * 900))
    used = psutil.Process().memory_info().rss
    place.refused(lambda: tokens_of(["a" * 6_000_000], path, 32), "memory", local=True)
    assert psutil.Process().memory_info().rss - used < 200e6, "it grew in this process"
    assert len(tokens_of(["bad or good"], classifier / "tokenizer.json", 32)) > 3, "the next one is answered"


@case("a tokenizer whose name for what it does not know is a book")
def _long_answers(place: Place, classifier: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each word of a text would come back as long as that."""
    folder = copied(place, classifier)
    path, unknown = folder / "tokenizer.json", "U" * 4000
    model = {"type": "WordLevel", "vocab": {unknown: 0, "x": 1}, "unk_token": unknown}
    tree = json.loads(path.read_text()) | {"model": model, "added_tokens": [], "post_processor": None}
    path.write_text(json.dumps(tree))
    used = psutil.Process().memory_info().rss
    tokens = tokens_of(["y " * 50_000], path, 32)
    assert psutil.Process().memory_info().rss - used < 150e6, "it grew in this process"
    assert len(tokens) == 50_000 and max(len(token.text) for token in tokens) == MOST_TEXT + 1
    monkeypatch.setattr(token_process, "MOST_ANSWER", 100_000)
    place.refused(lambda: open_limited(path).ids([["y " * 50_000]]), "makes more than", local=True)
    assert len(tokens_of(["bad or good"], classifier / "tokenizer.json", 32)) > 3, "the next one is answered"


@case("a tokenizer at work for somebody who is killed")
def _orphan(place: Place, classifier: Path) -> None:
    """Nobody is left to end it: it ends itself."""
    folder = copied(place, classifier)
    slow = [replacing({"Regex": f"[bc]{{1,5000}}[x-z]{{{i + 1}}}"}, "c") for i in range(3000)]
    question: dict[str, Any] = {
        "do": "tokens",
        "path": str(with_rules(folder, {"normalizers": slow})),
        "texts": ["b" * 50_000],
    }
    question |= {"max_length": 32, "most": 10, "seconds": 1 - token_child.GRACE_S}
    command = [sys.executable, "-m", "core.data.browsing.token_child"]
    child = subprocess.Popen(
        command, stdin=subprocess.PIPE, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        assert child.stdin is not None
        child.stdin.write(json.dumps(question).encode() + b"\n")
        child.stdin.flush()
        with place.untouched():
            assert child.wait(20) != 0
    finally:
        child.kill()


@case("a tokenizer with patterns that take for ever")
def _slow_tokenizer(place: Place, classifier: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_process, "PAGE_S", 2.0)
    folder = copied(place, classifier)
    path = with_rules(folder, {"normalizers": [replacing({"Regex": f"(b|b|bb)+{i}"}, "c") for i in range(3000)]})
    started = time.monotonic()
    place.refused(lambda: tokens_of(["b" * 50_000], path, 32), "did not answer|search error", local=True)
    assert time.monotonic() - started < 15
    started = time.monotonic()
    place.refused(lambda: tokens_of(["b" * 50_000], path, 32), "did not answer|search error", local=True)
    assert time.monotonic() - started < 3, "it is not tried again at once"
    assert len(tokens_of(["bad or good"], classifier / "tokenizer.json", 32)) > 3


@case("a tokenizer on which the library itself breaks")
def _panic(place: Place, classifier: Path) -> None:
    """What Rust calls a panic is no Exception in Python, and ends a page that only expects those."""
    for charsmap in (table(b"\x08\0\0\0", b"\xff" * 8, b"abc\0"), table(b"\xff" * 12), "", "AAAA", "%%%"):
        folder = copied(place, classifier)
        path = with_rules(folder, {"type": "Precompiled", "precompiled_charsmap": charsmap})
        with place.untouched():
            for attempt in (lambda: tokens_of(["é à la carte"], path, 32), lambda: answered(folder)):  # noqa: B023
                try:
                    attempt()
                except TunedeckError as error:
                    place.harmless(str(error), local=True)
        shutil.rmtree(folder)


def answered(folder: Path) -> None:
    TrainedModel(folder, 32, "the model").logits([["é à la carte"]])


@case("a tokenizer that puts a book around each text")
def _long_surroundings(place: Place, classifier: Path) -> None:
    folder = copied(place, classifier)
    path = folder / "tokenizer.json"
    tree = json.loads(path.read_text())
    ids = {"id": "[CLS]", "ids": [1] * 50_000, "tokens": ["[CLS]"] * 50_000}
    piece, text = {"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}
    for single in ([piece, text], [text] * 5000):
        processor = {"type": "TemplateProcessing", "single": single, "pair": single, "special_tokens": {"[CLS]": ids}}
        path.write_text(json.dumps(tree | {"post_processor": processor}))
        place.refused(lambda: tokens_of(["a line"], path, 32), "tokens around each text", local=True)
        refused(place, folder, "tokens around each text")


@case("a tokenizer that fills texts up without end")
def _endless_padding(place: Place, classifier: Path) -> None:
    """It is asked not to fill up."""
    folder = copied(place, classifier)
    path = folder / "tokenizer.json"
    padding = {
        "strategy": {"Fixed": 10**12}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0,
        "pad_token": "[PAD]",
    }  # fmt: skip
    path.write_text(json.dumps(json.loads(path.read_text()) | {"padding": padding}))
    with place.untouched():
        assert len(tokens_of(["bad or good"], path, 32)) < 20
        assert TrainedModel(folder, 32).logits([["good"]]).shape == (1, 3)


@case("a tokenizer of gigabytes")
def _huge_tokenizer(place: Place, classifier: Path) -> None:
    folder = copied(place, classifier)
    with (folder / "tokenizer.json").open("r+b") as file:
        file.truncate(3 * 1024**3)  # a hole: nothing is written
    place.refused(lambda: tokens_of(["a"], folder / "tokenizer.json", 32), "the most that is loaded here", local=True)
    with (folder / "tokenizer.json").open("r+b") as file:
        file.truncate(0)
    refused(place, folder, "is empty")


@case("a model of another's in a place that is not for models")
def _not_a_model(place: Place) -> None:
    settings = place.settings("team", TOM)
    for name in (str(place.home), str(place.home / "uploads"), f"{place.home}/runs/x/../../uploads", "~/.cache"):
        place.refused(lambda: models.folder_of(name, settings), "lies outside", local=True)  # noqa: B023
