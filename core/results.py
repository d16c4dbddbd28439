"""What a run left behind: its report, its model, and how much room its files take."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import scheduler
from core.files import write_text
from core.store import ACTIVE, Run, Store

CALIBRATION = "calibration.json"  # in a model's folder
MOST_TEMPERATURE = 100.0


def read_report(folder: Path) -> dict[str, Any] | None:
    """The report of a run's final evaluation; None if there is none, or it cannot be read."""
    try:
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return report if isinstance(report, dict) and isinstance(report.get("metrics"), dict) else None


def read_evaluation(folder: Path) -> dict[str, Any] | None:
    """What an evaluation found (see `core.evaluation.evaluate`); None if there is nothing, or it cannot be read."""
    try:
        found = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and "metrics" in found else None


def model_folder(folder: Path) -> Path | None:
    """Where a run's model lies; None if it has none."""
    model = folder / "model"
    return model if (model / "config.json").is_file() else None


def folder_bytes(folder: Path) -> int:
    """The size of all files below a folder; files that vanish meanwhile do not count."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total


@dataclass(frozen=True)
class Place:
    """Where a waiting run stands. ahead: runs that start before it; holders: runs that use what it waits for."""

    ahead: int
    holders: tuple[Run, ...]


def place_in_queue(store: Store, run: Run) -> Place:
    lane = scheduler.wants(run.spec, run.kind)
    queued = store.runs(statuses=("queued",))
    ahead = [r for r in queued if r.created < run.created and scheduler.wants(r.spec, r.kind) == lane]
    holders = [r for r in store.runs(statuses=ACTIVE) if (r.resource or "").split(":")[0] == lane]
    return Place(len(ahead), tuple(holders))


def load_code(model: Path) -> str:
    """Three lines of Python that load a model and its tokenizer."""
    return (
        "from transformers import AutoModelForSequenceClassification, AutoTokenizer\n"
        f"tokenizer = AutoTokenizer.from_pretrained({str(model)!r})\n"
        f"model = AutoModelForSequenceClassification.from_pretrained({str(model)!r})"
    )


def read_temperature(model: Path) -> float:
    """What the logits of a model in this folder are divided by; 1, which changes nothing, if none was saved."""
    try:
        value = float(json.loads((model / CALIBRATION).read_text(encoding="utf-8"))["temperature"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return 1.0
    return value if MOST_TEMPERATURE >= value >= 1 / MOST_TEMPERATURE else 1.0


def save_temperature(model: Path, temperature: float) -> None:
    """Keep with a model what its logits are to be divided by; 1 removes it."""
    if temperature == 1.0:
        (model / CALIBRATION).unlink(missing_ok=True)
    else:
        write_text(model / CALIBRATION, json.dumps({"temperature": temperature}))


def vectors_of(folder: Path, attempt: int) -> Path:
    """Where a run keeps how its model sees its training texts (see `core.evaluation.neighbours`)."""
    return folder / f"training_vectors-{attempt}.npz"
