"""Automatic settings against what else a person could take, on the same model, rows and evaluation examples.

    python -m benchmarks.opponents --sets FOLDER --model FOLDER [--results FILE] [--seeds 1 2 3] [--only SIDE ...]

FOLDER has a folder for each set, with train.csv and test.csv: columns `text`, or `text_a` and `text_b`, and `label`.

    ours        a run as a person starts it: train.csv and the model alone, all else automatic, a tenth of the rows
                held out to choose the best epoch; with its simpler models
    autotrain   AutoTrain's defaults: 128 tokens padded, 3 epochs, batch 8, 5e-5, warm-up 0.1, the last epoch counts
    autogluon   AutoGluon's published recipe: 1e-4 with layer decay 0.9, cosine, warm-up 0.1, batch 128, up to 20 epochs
                with patience on a fifth of the training rows, the mean of the three best weights
    frozen      logistic regression on the mean of the frozen model's last states
    bag         a bag of words with logistic regression, as our runs show it

Every run is a process of its own and writes its numbers to FILE at once, so that an interrupted benchmark continues
where it was. `seconds` is processor time of all threads, which a busy machine disturbs less; `wall` is the clock's.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import json
import math
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from benchmarks.quality import T_95
from core.runs.process import worker_environment
from core.settings import PROJECT, Settings

BATCH = 8
Rows = tuple[list[tuple[str, ...]], list[int]]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--results", type=Path, default=Path("build/opponents.jsonl"))
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--only", nargs="*", choices=SIDES, default=list(SIDES))
    parser.add_argument("--names", nargs="*", help="of sets; all by default")
    parser.add_argument("--one", nargs=3, metavar=("SET", "SIDE", "SEED"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        name, side, seed = options.one
        print(json.dumps(run_one(options.sets / name, options.model, side, int(seed))))
        return 0
    options.results.parent.mkdir(parents=True, exist_ok=True)
    names = options.names or sorted(path.parent.name for path in options.sets.glob("*/train.csv"))
    done = read(options.results)
    for seed in options.seeds:
        for name in names:
            for side in options.only:
                if (name, side, seed) not in done:
                    done[name, side, seed] = in_a_process(options, name, side, seed)
    print(json.dumps(summary(done)))
    return 0


def read(results: Path) -> dict[tuple[str, str, int], dict[str, Any]]:
    lines = results.read_text().splitlines() if results.exists() else []
    return {(r["set"], r["side"], r["seed"]): r for r in map(json.loads, lines)}


def in_a_process(options: argparse.Namespace, name: str, side: str, seed: int) -> dict[str, Any]:
    paths = [f"--{option}={getattr(options, option).resolve()}" for option in ("sets", "model")]
    out = subprocess.run(
        [sys.executable, "-m", "benchmarks.opponents", *paths, "--one", name, side, str(seed)],
        cwd=PROJECT,
        env=worker_environment("cpu"),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    result: dict[str, Any] = {"set": name, "side": side, "seed": seed, **json.loads(out.splitlines()[-1])}
    with options.results.open("a") as file:
        file.write(json.dumps(result) + "\n")
    shown = f"{name} {side} seed {seed}: {result['accuracy']:.3f}"
    print(f"{shown} in {result['seconds']:.0f} s of processor time, {result['wall']:.0f} s", file=sys.stderr)
    return result


def run_one(folder: Path, model: Path, side: str, seed: int) -> dict[str, Any]:
    import torch

    from core.machine import physical_cores

    for module in ("transformers.models.auto.modeling_auto", "core.engines.trainer"):  # no part of the time
        importlib.import_module(module)
    torch.set_num_threads(physical_cores())
    wall, used = time.perf_counter(), time.process_time()
    accuracy = SIDES[side](folder, model, seed)
    return {
        "accuracy": float(accuracy),
        "seconds": time.process_time() - used,
        "wall": time.perf_counter() - wall,
    }


def ours(folder: Path, model: Path, seed: int) -> float:
    import numpy as np

    from core.evaluation.specs import Subject
    from core.evaluation.trained_model import open_subject
    from core.runs import process
    from core.runs.worker import do
    from core.runs.writer import RunWriter
    from core.spec.run import from_yaml, replace
    from core.store.store import Store

    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home))
        store = Store(settings.store_path)
        spec = from_yaml("{}")
        spec = replace(
            spec,
            {
                "data.source": "file",
                "data.path": str(folder / "train.csv"),  # of which a tenth is held out; nobody sees the test rows
                "model.name": str(model),
                "training.seed": seed,
            },
        )
        run_id = store.submit("train", folder.name, spec.model_dump(mode="json"))
        with store.atomic() as db:
            db.execute("UPDATE runs SET status='starting', token=1, attempt=1 WHERE id=?", (run_id,))
        run = store.begin(run_id, 1, process.identity())
        settings.run_dir(run_id).mkdir(parents=True, exist_ok=True)
        report = RunWriter(store, run, 1)
        try:
            do(run, settings, report)
        finally:
            report.end_thread()
        trained = open_subject(Subject(run=run_id, attempt=1), settings)
        _, (texts, truth), _ = rows_of(folder)
        ids = np.array([sorted(trained.names).index(name) for name in trained.names])
        return float((ids[trained.logits(texts).argmax(1)] == np.array(truth)).mean())


def rows_of(folder: Path) -> tuple[Rows, Rows, int]:
    """Training and evaluation rows with class ids, and the number of classes."""
    parts = []
    for name in ("train", "test"):
        with (folder / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            parts.append(list(csv.DictReader(file)))
    ids = {label: i for i, label in enumerate(sorted({row["label"] for row in parts[0]}))}
    columns = [name for name in parts[0][0] if name != "label"]
    train, judged = (
        ([tuple(row[c] for c in columns) for row in part], [ids.get(row["label"], -1) for row in part])
        for part in parts
    )
    return train, judged, len(ids)


class Tuned:
    """A classifier of Transformers and what is done with it by hand."""

    def __init__(self, model: Path, classes: int, seed: int, most: int) -> None:
        from transformers import AutoModelForSequenceClassification, AutoTokenizer, set_seed

        self.tokenizer, self.most = AutoTokenizer.from_pretrained(model), most
        set_seed(seed)
        self.network = AutoModelForSequenceClassification.from_pretrained(model, num_labels=classes)

    def batch(self, texts: list[tuple[str, ...]], *, whole: bool = False) -> Any:
        columns = [list(column) for column in zip(*texts, strict=True)]
        padding = "max_length" if whole else True
        return self.tokenizer(*columns, truncation=True, max_length=self.most, padding=padding, return_tensors="pt")

    def accuracy(self, texts: list[tuple[str, ...]], labels: list[int]) -> float:
        import torch

        self.network.eval()
        right = 0
        with torch.inference_mode():
            for start in range(0, len(texts), 32):
                answers = self.network(**self.batch(texts[start : start + 32])).logits.argmax(-1)
                right += int((answers == torch.tensor(labels[start : start + 32])).sum())
        self.network.train()
        return right / len(texts)

    def learn(
        self, texts: list[tuple[str, ...]], labels: list[int], *, whole: bool = False, share: float = 1.0
    ) -> None:
        import torch

        outputs = self.network(**self.batch(texts, whole=whole), labels=torch.tensor(labels))
        (outputs.loss * share).backward()


def autotrain(folder: Path, model: Path, seed: int) -> float:
    import torch
    from transformers import get_scheduler

    (texts, labels), judged, classes = rows_of(folder)
    tuned = Tuned(model, classes, seed, 128)
    optimizer = torch.optim.AdamW(tuned.network.parameters(), lr=5e-5, weight_decay=0.0)
    steps = 3 * math.ceil(len(texts) / BATCH)
    schedule = get_scheduler("linear", optimizer, num_warmup_steps=steps // 10, num_training_steps=steps)
    tuned.network.train()
    for _ in range(3):
        order = torch.randperm(len(texts)).tolist()
        for start in range(0, len(order), BATCH):
            places = order[start : start + BATCH]
            tuned.learn([texts[i] for i in places], [labels[i] for i in places], whole=True)
            torch.nn.utils.clip_grad_norm_(tuned.network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    return tuned.accuracy(*judged)


def autogluon(folder: Path, model: Path, seed: int) -> float:
    import torch
    from sklearn.model_selection import train_test_split
    from transformers import get_scheduler

    whole, judged, classes = rows_of(folder)
    counts = [whole[1].count(label) for label in set(whole[1])]
    size = max(classes, len(whole[0]) // 5)
    stratify = whole[1] if min(counts) > 1 and size >= classes else None
    texts, held, labels, truth = train_test_split(*whole, test_size=size, random_state=seed, stratify=stratify)
    tuned = Tuned(model, classes, seed, 512)
    optimizer = torch.optim.AdamW(_layers_with_rates(tuned.network, 1e-4, 0.9), weight_decay=0.001)
    per_epoch = math.ceil(len(texts) / 128)
    schedule = get_scheduler("cosine", optimizer, num_warmup_steps=2 * per_epoch, num_training_steps=20 * per_epoch)
    best: list[tuple[float, dict[str, Any]]] = []
    waited = 0
    for _ in range(20):
        order = torch.randperm(len(texts)).tolist()
        for update in range(0, len(order), 128):
            places = order[update : update + 128]
            for start in range(0, len(places), BATCH):
                part = places[start : start + BATCH]
                tuned.learn([texts[i] for i in part], [labels[i] for i in part], share=len(part) / len(places))
            torch.nn.utils.clip_grad_norm_(tuned.network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        value = tuned.accuracy(held, truth)
        waited = 0 if not best or value > best[0][0] else waited + 1
        weights = {name: tensor.detach().clone() for name, tensor in tuned.network.state_dict().items()}
        best = sorted([*best, (value, weights)], key=lambda entry: -entry[0])[:3]
        if waited >= 5:
            break
    soup = {
        name: sum(weights[name] for _, weights in best) / len(best) if tensor.is_floating_point() else tensor
        for name, tensor in best[0][1].items()
    }
    tuned.network.load_state_dict(soup)
    return tuned.accuracy(*judged)


def _layers_with_rates(network: Any, rate: float, decay: float) -> list[dict[str, Any]]:
    """Each layer learns a little slower than the one above it."""
    count = network.config.num_hidden_layers
    groups: dict[int, list[Any]] = defaultdict(list)
    for name, parameter in network.named_parameters():
        depth = count + 1
        if ".embeddings." in name:
            depth = 0
        elif ".layer." in name:
            depth = int(name.split(".layer.")[1].split(".")[0]) + 1
        groups[depth].append(parameter)
    return [{"params": ps, "lr": rate * decay ** (count + 1 - depth)} for depth, ps in groups.items()]


def frozen(folder: Path, model: Path, seed: int) -> float:
    import numpy as np
    import torch
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    (texts, labels), (judged, truth), classes = rows_of(folder)
    tuned = Tuned(model, classes, seed, 256)
    tuned.network.eval()

    def means(rows: list[tuple[str, ...]]) -> np.ndarray:
        parts = []
        with torch.inference_mode():
            for start in range(0, len(rows), 32):
                batch = tuned.batch(rows[start : start + 32])
                states, mask = tuned.network.base_model(**batch)[0], batch["attention_mask"].unsqueeze(-1)
                parts.append(((states * mask).sum(1) / mask.sum(1)).numpy())
        return np.concatenate(parts)

    regression = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300))
    return float((regression.fit(means(texts), labels).predict(means(judged)) == np.array(truth)).mean())


def bag(folder: Path, model: Path, seed: int) -> float:
    import numpy as np

    from core.tasks.text_classification.baselines import answers

    (texts, labels), (judged, truth), _ = rows_of(folder)
    predicted = answers([" ".join(t) for t in texts], np.array(labels), [" ".join(t) for t in judged])
    return float((predicted == np.array(truth)).mean()) if predicted is not None else 0.0


SIDES: dict[str, Callable[[Path, Path, int], float]] = {
    "ours": ours,
    "autotrain": autotrain,
    "autogluon": autogluon,
    "frozen": frozen,
    "bag": bag,
}


def summary(done: dict[tuple[str, str, int], dict[str, Any]]) -> dict[str, Any]:
    """Of each set: the mean of each side, its seconds, and the paired difference to ours with its 95 % interval."""
    table, ranks = [], defaultdict(list)
    for name in sorted({key[0] for key in done}):
        values: dict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
        for (set_name, side, seed), result in done.items():
            if set_name == name:
                values[side][seed] = result
        means = {side: mean(r["accuracy"] for r in results.values()) for side, results in values.items()}
        for side, results in values.items():
            row = {
                "set": name,
                "side": side,
                "seeds": len(results),
                "accuracy": round(means[side], 4),
                "seconds": round(mean(r["seconds"] for r in results.values()), 1),
                "wall": round(mean(r["wall"] for r in results.values()), 1),
            }
            ranks[side].append(1 + sum(other > means[side] for other in means.values()))
            pairs = sorted(results.keys() & values["ours"].keys())
            if side != "ours" and pairs:
                differences = [values["ours"][s]["accuracy"] - results[s]["accuracy"] for s in pairs]
                row["ours_minus_it"] = round(mean(differences), 4)
                if len(pairs) > 1:
                    half = T_95[len(pairs) - 1] * stdev(differences) / math.sqrt(len(pairs))
                    row["half_interval"] = round(half, 4)
            table.append(row)
    lost = sum(row.get("ours_minus_it", 0) + row.get("half_interval", 0) < 0 for row in table)
    return {
        "benchmark": "opponents",
        "value": lost,
        "unit": "comparisons lost",
        "target": 0,
        "met": lost == 0,
        "mean_rank": {side: round(mean(each), 2) for side, each in ranks.items()},
        "table": table,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
