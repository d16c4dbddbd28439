"""Runs of all engines with many settings, their exported scripts, and what these came to; made once for all tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from core.models import loading as model_loading
from core.models import scratch
from core.runs import process
from core.runs.worker import do
from core.runs.writer import RunWriter
from core.settings import Settings
from core.sharing.code.pieces import without_marked
from core.spec import run as specs
from core.store.store import Store
from tests.learning.conftest import LABELS, make_texts

PROJECT = Path(__file__).resolve().parents[2]
HOSTILE_COLUMNS = ('a"""b\n{}', "c\\'+__import__('os').abort()+'")
HOSTILE_LABELS = ('"""\nraise SystemExit(3)', "{x}\\", "it's\r#\u202e'''")
HOSTILE_NAME = 'A run\nimport os; os.abort()\n"""\n# `<img src=x onerror=alert(1)>` {} \\'

# What each differs in from a short run on the CPU; `bert` and `roberta` are models of one layer, as if pretrained.
CASES: dict[str, dict[str, Any]] = {
    "trainer": {"training.max_grad_norm": 0.3, "training.num_train_epochs": 8.0},
    "trainer-mix": {
        "training.class_weights": "balanced", "training.label_smoothing_factor": 0.1, "training.warmup_steps": 0.2,
        "training.gradient_accumulation_steps": 3, "training.lr_scheduler_type": "cosine",
        "training.eval_strategy": "steps", "training.eval_steps": 4, "training.num_train_epochs": 2.5,
    },
    "trainer-frozen": {
        "training.trainable_layers": 0, "training.train_sampling_strategy": "random", "model.padding": "max_length",
        "training.class_weights": "custom", "training.custom_class_weights": {"bad": 3.0},
        "evaluation.early_stopping_patience": 1, "evaluation.early_stopping_threshold": 0.05,
        "training.num_train_epochs": 6.0, "training.max_grad_norm": 0.0,
    },
    "trainer-hostile": {"model.name": "scratch", "training.learning_rate": 1e-3},
    "torch": {"training.max_grad_norm": 0.3, "training.num_train_epochs": 8.0},
    "torch-mix": {
        "training.class_weights": "balanced", "training.label_smoothing_factor": 0.1, "training.warmup_steps": 3.0,
        "training.gradient_accumulation_steps": 3, "training.weight_decay": 0.01,
        "training.train_sampling_strategy": "random", "training.load_best_model_at_end": False,
    },
    "torch-budget": {
        "training.max_tokens_per_batch": 300, "training.num_train_epochs": 2.5, "training.trainable_layers": 1,
        "training.eval_strategy": "steps", "training.eval_steps": 5, "evaluation.early_stopping_patience": 2,
    },
    "torch-roberta": {"model.name": "roberta", "training.eval_strategy": "no", "training.max_grad_norm": 0.3},
    "torch-hostile": {
        "model.name": "scratch", "training.learning_rate": 1e-3, "training.class_weights": "custom",
        "training.custom_class_weights": {HOSTILE_LABELS[0]: 2.5},
    },
    "keras": {
        "training.label_smoothing_factor": 0.1, "training.class_weights": "balanced", "training.num_train_epochs": 8.0,
    },
    "keras-numpy": {
        "keras_input": "numpy", "model.name": "scratch", "training.learning_rate": 1e-3,
        "training.gradient_accumulation_steps": 2, "training.weight_decay": 0.01,
        "training.eval_strategy": "steps", "training.eval_steps": 4, "training.num_train_epochs": 1.5,
    },
    "trainer-stop": {}, "torch-stop": {},
    # With a learning rate that spoils what it starts from, so that the run returns to its start.
    "trainer-start": {
        "model.initial_head": "fitted", "training.learning_rate": 1.0, "evaluation.early_stopping_patience": 1,
    },
    "torch-start": {
        "model.initial_head": "fitted", "model.name": "roberta", "execution.precision": "bf16",
        "training.learning_rate": 1.0, "training.eval_strategy": "steps", "training.eval_steps": 5,
        "evaluation.early_stopping_patience": 2,
    },
    "keras-start": {"model.initial_head": "fitted"},
    "trainer-bf16": {"execution.precision": "bf16", "model.initial_head": "contrastive"},
}  # fmt: skip
STOPPED = {"trainer-stop": 17, "torch-stop": 5}  # after which of 24 steps, of which an epoch has 12


@dataclass(frozen=True)
class Done:
    """A run and its exported script, which has been run where it lies."""

    run: str
    run_dir: Path
    folder: Path
    report: dict[str, Any]

    @property
    def metrics(self) -> dict[str, float]:
        """What the script printed last."""
        return printed(self.folder)


def printed(folder: Path) -> dict[str, float]:
    """The metrics that the script of a folder printed last."""
    lines = (folder / "out.txt").read_text(encoding="utf-8").strip().splitlines()
    return dict(json.loads(lines[-1]))


class Workshop:
    """A home with a dataset and small models, in which runs are made and exported."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.settings = Settings(home=root / "home")
        self.settings.home.mkdir()
        self.store = Store(self.settings.store_path)
        self.bases = {kind: _base(root / "bases" / kind, kind) for kind in ("bert", "roberta")}
        self.data = {
            "plain": _reviews(root / "reviews", ("text",), LABELS),
            "hostile": _reviews(root / "pairs", HOSTILE_COLUMNS, HOSTILE_LABELS),
        }

    def work(self, kind: str, name: str, spec: dict[str, Any], stop_at: int | None = None) -> str:
        """A run of this kind, done here and now; stop_at: asks it to stop after this step."""
        run_id = self.store.submit(kind, name, spec)
        with self.store.atomic() as db:
            db.execute("UPDATE runs SET status='starting', token=7, attempt=1 WHERE id=?", (run_id,))
        run = self.store.begin(run_id, 7, process.identity())
        self.settings.run_dir(run_id).mkdir(parents=True, exist_ok=True)
        report = RunWriter(self.store, run, 7)
        if stop_at is not None:
            report.progress = _stopping(report, stop_at)  # type: ignore[method-assign]
        try:
            summary = do(run, self.settings, report).tree()
        finally:
            report.end_thread()
        report.flush()
        self.store.finish(run_id, 7, "finished", summary=summary)
        return run_id

    def train(self, case: str, name: str = HOSTILE_NAME) -> str:
        engine = case.split("-")[0]
        hostile = "hostile" in case
        changes = {
            "engine": engine, "model.name": "bert", "model.max_length": 48, "execution.device": "cpu",
            "execution.threads": 1, "execution.precision": "fp32", "training.learning_rate": 5e-3,
            "training.num_train_epochs": 2.0,
            "data.source": "file", "data.path": str(self.data["hostile" if hostile else "plain"]),
            "data.text_columns": HOSTILE_COLUMNS if hostile else ("text",), "data.label_column": "label",
        } | CASES[case]  # fmt: skip
        if changes["model.name"] in self.bases:
            changes["model.name"] = str(self.bases[changes["model.name"]])
        return self.work(
            "train", name, specs.replace(specs.RunSpec(), changes).model_dump(mode="json"), STOPPED.get(case)
        )

    def export(self, run_id: str, *, with_texts: bool = True) -> Path:
        """The run's code, unpacked, with its base model where the script looks for it."""
        spec = {"run": run_id, "attempt": 1, "with_texts": with_texts}
        code = self.work("code", "code", spec)
        folder = self.root / "code" / run_id
        with zipfile.ZipFile(self.settings.run_dir(code) / "code.zip") as zipped:
            zipped.extractall(folder)
        (folder / "base").mkdir()
        for kind, base in self.bases.items():
            (folder / "base" / kind).symlink_to(base)
        return folder

    def without_exact(self, folder: Path) -> Path:
        """The same script without its marked lines, in a folder of its own without exact.py."""
        plain = self.root / "plain" / folder.name
        plain.mkdir(parents=True)
        text = without_marked((folder / "train.py").read_text(encoding="utf-8"))
        (plain / "train.py").write_text(text, encoding="utf-8")
        for name in ("data", "base", *(path.name for path in folder.glob("*.safetensors"))):
            (plain / name).symlink_to(folder / name)
        return plain

    def made(self, run_id: str, folder: Path) -> Done:
        run_dir = self.settings.run_dir(run_id)
        return Done(run_id, run_dir, folder, json.loads((run_dir / "report.json").read_text(encoding="utf-8")))


def run_scripts(folders: list[Path], cache: Path) -> None:
    """Each script in its folder, all of them in one process that knows nothing of this project; out.txt has its words.

    Every script would start a process of its own; ten seconds of imports for each would be most of the suite.
    """
    code = (
        "import contextlib, os, runpy, sys\n"
        "for folder in sys.argv[1:]:\n"
        "    os.chdir(folder)\n"
        "    sys.path[0] = folder\n"
        "    sys.modules.pop('exact', None)\n"
        "    with open('out.txt', 'w', encoding='utf-8') as out, contextlib.redirect_stdout(out):\n"
        "        runpy.run_path('train.py', run_name='__main__')\n"
        "assert not [name for name in sys.modules if name.split('.')[0] in ('core', 'ui', 'streamlit')]\n"
    )
    run_python(["-c", code, *map(str, folders)], folders[0], cache)


def run_python(arguments: list[str], folder: Path, cache: Path) -> str:
    """What a Python of its own says; without this project on its path, the network or the user's own caches."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment |= {"HF_HOME": str(cache), "HF_HUB_OFFLINE": "1", "PYTHONUTF8": "1", "TQDM_DISABLE": "1"}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=540,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def _stopping(report: RunWriter, at: int) -> Callable[..., None]:
    progress = report.progress

    def told(step: int, total: int, epoch: float | None = None) -> None:
        progress(step, total, epoch)
        if step >= at:
            report._stop.set()

    return told


def _reviews(folder: Path, columns: tuple[str, ...], labels: tuple[str, ...]) -> Path:
    folder.mkdir(parents=True)
    for seed, (split, count) in enumerate((("train", 90), ("validation", 45))):
        texts, ids = make_texts(count, seed)
        frame = {column: [text if i == 0 else text[::-1] for text in texts] for i, column in enumerate(columns)}
        pd.DataFrame(frame | {"label": [labels[i] for i in ids]}).to_parquet(folder / f"{split}.parquet")
    return folder


def _base(folder: Path, kind: str) -> Path:
    """A model of one layer with many more rows in its embedding than the texts use."""
    from transformers import BertConfig, BertModel, RobertaConfig, RobertaModel, set_seed

    tokenizer = scratch.tokenizer(make_texts(300, 0)[0], 64)
    set_seed(0)
    sizes: dict[str, Any] = {
        "vocab_size": 3000, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 64, "max_position_embeddings": 70, "pad_token_id": tokenizer.pad_token_id,
    }  # fmt: skip
    model = (
        BertModel(BertConfig(**sizes)) if kind == "bert" else RobertaModel(RobertaConfig(type_vocab_size=2, **sizes))
    )
    model_loading.save(model, tokenizer, folder)
    return folder
