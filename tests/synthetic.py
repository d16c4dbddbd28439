"""Runs as a worker leaves them in the store and on disk, written in an instant and without training."""

from __future__ import annotations

import json
import math
import os
import random
import time
from collections.abc import Sequence
from typing import Any

from core.runs import process
from core.runs.scheduler import wants
from core.settings import Settings
from core.spec.presets import PRESETS, SAMPLE
from core.store.record import Progress
from core.store.store import Store

STARS = ("1 star", "2 stars", "3 stars", "4 stars", "5 stars")


class Synthetic:
    """One run of this process's making. It is the run's worker as far as anybody can see."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        name: str = "A run",
        spec: dict[str, Any] | None = None,
        *,
        kind: str = "train",
        owner: str = "local",
    ) -> None:
        self._store, self._settings = store, settings
        self._random = random.Random(7)
        self._kind = kind
        self.spec = spec or PRESETS[SAMPLE].spec.model_dump(mode="json")
        self.id = store.submit(kind, name, self.spec, owner=owner)
        self.token = 1 + random.randrange(2**40)
        self.seen = 0
        self._claim()

    def _claim(self) -> None:
        me = process.identity()
        with self._store.atomic() as db:
            db.execute(
                "UPDATE runs SET status='starting', token=?, attempt=1, resource=?, host=?, boot=?, pid=?,"
                " pid_started=?, phase='Starting' WHERE id=?",
                (self.token, wants(self.spec, self._kind), me.host, me.boot, me.pid, me.started, self.id),
            )

    def working(self) -> Synthetic:
        self._store.begin(self.id, self.token, process.identity())
        return self

    def train(self, step: int, *, of: int, broken_from: int | None = None) -> None:
        """Report the steps up to `step`: a point every five, an evaluation every quarter, and the log to go with it."""
        metrics: list[tuple[str, int, float | None, float, float]] = []
        lines = []
        for at in range(self.seen + 1, step + 1):
            share, now = at / of, time.time()
            if at % 5 == 0:
                loss = 0.5 + 1.1 * math.exp(-3 * share) + self._random.gauss(0, 0.06)
                values = {"loss": loss, "learning_rate": 1e-3 * (1 - share), "grad_norm": 1 + self._random.random()}
                if broken_from is not None and at >= broken_from:
                    values["loss"] = math.nan
                metrics += [(name, at, share * 4, now, value) for name, value in values.items()]
                metrics += [("examples_per_second", at, share * 4, now, 210.0), ("cpu_percent", at, None, now, 187.0)]
                lines.append(f"12:00:00 step {at} of {of}: loss {loss:.4f}")
            if at % max(1, of // 4) == 0:
                metrics += [("eval_loss", at, share * 4, now, 1.5 - 0.6 * share)]
                metrics += [("eval_accuracy", at, share * 4, now, 0.25 + 0.4 * share)]
                metrics += [("eval_f1_macro", at, share * 4, now, 0.22 + 0.4 * share)]
        self.seen = step
        folder = self._settings.run_dir(self.id)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "worker.log").open("a") as log:
            log.writelines(f"{line}\n" for line in lines)
        self._store.write(self.id, self.token, Progress("Training", step, of, 4 * step / of), metrics)

    def say(self, text: str, level: str = "info") -> None:
        payload = {"text": text, "level": level, "code": "spoken", "arguments": {"characters": len(text)}}
        event = (time.time(), "message", payload)
        self._store.write(self.id, self.token, events=[event])

    def stop_requested(self) -> bool:
        return self._store.write(self.id, self.token) == "stopping"

    def finish(self, status: str = "finished", labels: Sequence[str] = STARS, right: float = 0.62) -> dict[str, Any]:
        """Leave a model and a report, and commit the final state."""
        folder = self._settings.run_dir(self.id)
        (folder / "model").mkdir(parents=True, exist_ok=True)
        (folder / "model" / "config.json").write_text("{}")
        (folder / "model" / "model.safetensors").write_bytes(os.urandom(2000))
        report = a_report(labels, right)
        (folder / "report.json").write_text(json.dumps(report))
        main = report["main_metric"]
        summary = {
            "main_metric": main,
            "value": report["metrics"][main],
            "baseline": report["baseline"]["metrics"][main],
            "metrics": report["metrics"],
            "train_examples": 4000,
            "eval_examples": report["examples"],
        }
        self._store.finish(self.id, self.token, status, summary=summary)
        return report

    def fail(self, error: str, detail: str = "") -> None:
        self._store.finish(self.id, self.token, "failed", error, detail)


def a_report(labels: Sequence[str], right: float = 0.62, each: int = 100) -> dict[str, Any]:
    """A report in which every class has `each` examples, and what is wrong is taken for the next class."""
    count, hits = len(labels), round(each * right)
    confusion = [[0] * count for _ in labels]
    for row in range(count):
        confusion[row][row] = hits
        confusion[row][(row + 1) % count] += each - hits
    names = ("accuracy", "f1_macro", "f1_weighted", "precision_macro", "recall_macro")
    chance = {"accuracy": 1 / count, "f1_macro": 0.1, "f1_weighted": 0.1, "precision_macro": 0.05, "recall_macro": 0.2}
    return {
        "examples": each * count,
        "eval_examples": each * count,
        "train_examples": 4000,
        "metrics": {"loss": 0.98, **dict.fromkeys(names, hits / each), "matthews_correlation": 0.5},
        "main_metric": "accuracy",
        "baseline": {"label": labels[0], "metrics": {**chance, "matthews_correlation": 0.0}},
        "labels": list(labels),
        "per_class": [
            {"label": label, "precision": right, "recall": right, "f1": right, "support": each} for label in labels
        ],
        "confusion": confusion,
        "truncated": {"train": 0.0, "eval": 0.0},
        "advice": ["The evaluation loss was still falling at the end: try two more epochs."],
        "device": "CPU",
        "precision": "fp32",
    }
