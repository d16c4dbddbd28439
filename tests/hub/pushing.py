"""Functions that the tests of pushing call in another process: a real run of kind push, in its own home."""

from __future__ import annotations

import threading
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

from core.messages import Message
from core.store import final_tests


def make_run(home: str, *, extra: dict[str, bytes] | None = None, padding: int = 0) -> str:
    """A finished training run of the sample with a tiny model; `padding` makes its weights that many bytes larger."""
    import json

    import numpy as np
    from safetensors.numpy import save

    from core.settings import Settings
    from core.spec.run import RunSpec
    from core.store.store import Store
    from tests.hub_server.contents import bert_config, bert_weights, tokenizer

    settings = Settings(home=Path(home))
    store = Store(settings.store_path)
    run_id = store.submit("train", "Sample reviews · tiny", RunSpec().model_dump(mode="json"))
    with store.atomic() as db:
        db.execute("UPDATE runs SET status='finished', attempt=1 WHERE id=?", (run_id,))
    folder = settings.run_dir(run_id)
    model = folder / "model"
    model.mkdir(parents=True)
    weights = bert_weights(0) | {"padding": np.random.default_rng(0).integers(0, 255, padding, dtype=np.uint8)}
    config = bert_config(_name_or_path=f"{home}/models/mine", id2label={"0": "bad", "1": "good"})
    files = {
        "model.safetensors": save(weights, metadata={"format": "pt"}),
        "config.json": json.dumps(config).encode(),
        "tokenizer.json": tokenizer().to_str(pretty=True).encode(),
        "tokenizer_config.json": json.dumps(
            {"tokenizer_class": "BertTokenizer", "model_max_length": 128, "name_or_path": home}
        ).encode(),
        "calibration.json": b'{"temperature": 1.5}',
        "training_args.bin": b"pickle",
        "optimizer.pt": b"pickle",
    }
    for name, content in (files | (extra or {})).items():
        (model / name).write_bytes(content)
    (folder / "worker.log").write_text("a log")
    (folder / "checkpoints").mkdir()
    return run_id


def push(home: str, spec: dict[str, Any], *, stop_after_s: float | None = None, patient: bool = True) -> dict[str, Any]:
    """Do a push as its worker does: its final state, its error, its summary, and what it said on the way.

    patient: with the library's waits between its tries, 23 s until it gives up
    """
    from core.runs import process, worker, writer
    from core.settings import Settings
    from core.store.store import Store

    settings = Settings(home=Path(home))
    store = Store(settings.store_path)
    run_id = store.submit("push", "push", spec)
    with store.atomic() as db:
        db.execute("UPDATE runs SET status='starting', token=7, attempt=1 WHERE id=?", (run_id,))
    run = store.begin(run_id, 7, process.identity())
    settings.run_dir(run_id).mkdir(parents=True, exist_ok=True)
    report = writer.RunWriter(store, run, 7)
    phases: list[str] = []
    tell = report.fraction

    def fraction(text: str | Message, done: float | None = None) -> None:
        phases.append(str(text))
        tell(text, done)

    report.fraction = fraction  # type: ignore[method-assign]
    if stop_after_s is not None:
        threading.Timer(stop_after_s, store.stop, (run_id,)).start()
    began = time.monotonic()
    with nullcontext() if patient else patch("huggingface_hub.utils._http.time.sleep", lambda _: None):
        status, error, detail, summary = worker._work(run, settings, report)
    report.end_thread()
    report.flush()
    store.finish(run_id, 7, status, error, detail, summary)
    return {
        "status": status,
        "error": str(error),
        "detail": detail,
        "summary": summary,
        "phases": phases,
        "messages": [e.payload["text"] for e in store.events_since(run_id) if e.kind == "message"],
        "seconds": time.monotonic() - began,
        "left": [p.name for p in settings.run_dir(run_id).iterdir()],
    }


def set_aside(home: str, split: str) -> None:
    """Make a split of the sample a final test."""
    from core.data.loading import holdout
    from core.data.prepare import prepare
    from core.settings import Settings
    from core.spec.data import DataSpec
    from core.store.store import Store

    settings = Settings(home=Path(home))
    prepared = prepare(DataSpec(), settings)
    final_tests.set_aside(Store(settings.store_path), *holdout.describe(prepared, split, ("text",)))


def features(name: str, **more: Any) -> dict[str, Any]:
    """Loads a Hub dataset with `datasets`."""
    from datasets import load_dataset

    loaded = load_dataset(name, **more)
    return {split: (len(rows), getattr(rows.features.get("label"), "names", None)) for split, rows in loaded.items()}


def classify(name: str) -> tuple[int, ...]:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    batch = AutoTokenizer.from_pretrained(name)("the food was wonderful", return_tensors="pt")
    return tuple(AutoModelForSequenceClassification.from_pretrained(name)(**batch).logits.shape)


def fetch(home: str, name: str, most: int | None = None) -> list[str]:
    from dataclasses import replace

    from core.settings import Settings
    from core.sharing.hub.fetch import fetch_results

    settings = Settings(home=Path(home))
    settings = settings if most is None else replace(settings, max_upload_bytes=most)
    return sorted(path.name for path in fetch_results(name, None, settings).iterdir())


def whoami() -> tuple[str, tuple[str, ...], bool]:
    from core.sharing.hub.hub_account import whoami as ask

    account = ask()
    return account.name, account.orgs, account.may_write


def library(name: str, folder: str) -> dict[str, Any]:
    """Writes to the Hub in every way of the unmodified huggingface_hub."""
    from huggingface_hub import HfApi

    api = HfApi()
    url = api.create_repo(name, private=True)
    first = api.upload_folder(repo_id=name, folder_path=folder, commit_message="All of it")
    again = api.upload_folder(repo_id=name, folder_path=folder)
    api.upload_file(path_or_fileobj=b"more", path_in_repo="notes/more.txt", repo_id=name)
    api.delete_file("notes/more.txt", repo_id=name)
    api.create_branch(name, branch="v1")
    files = api.list_repo_files(name)
    was = api.repo_info(name).private
    api.update_repo_settings(name, visibility="public")
    answers = {"url": str(url), "same": first.oid == again.oid, "files": files, "private": was}
    answers |= {"public": not api.repo_info(name).private, "exists": api.repo_exists(name)}
    api.delete_repo(name)
    return answers | {"gone": not api.repo_exists(name)}
