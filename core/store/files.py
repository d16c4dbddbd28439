"""The files of a run: its model and temperature, and their size."""

from __future__ import annotations

import json
from pathlib import Path

from core.access.rules import check
from core.files import write_text
from core.settings import Settings
from core.store.record import Run

CALIBRATION = "calibration.json"  # in a model's folder
MOST_TEMPERATURE = 100.0


def model_folder(folder: Path) -> Path | None:
    """The folder of a run's model; None if it has no model."""
    model = folder / "model"
    return model if (model / "config.json").is_file() else None


def folder_bytes(folder: Path) -> int:
    """The total size of the files below a folder; files that vanish meanwhile do not count."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total


def load_code(model: Path | str, auto_class: str) -> str:
    """Three lines of Python that load a model and its tokenizer.

    model: its folder, or a placeholder for it; auto_class: of transformers, as its task's head has it
    """
    return (
        f"from transformers import {auto_class}, AutoTokenizer\n"
        f"tokenizer = AutoTokenizer.from_pretrained({str(model)!r})\n"
        f"model = {auto_class}.from_pretrained({str(model)!r})"
    )


def read_temperature(model: Path) -> float:
    """The temperature by which the logits of this folder's model are divided; 1 if none was saved."""
    try:
        value = float(json.loads((model / CALIBRATION).read_text(encoding="utf-8"))["temperature"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return 1.0
    return value if MOST_TEMPERATURE >= value >= 1 / MOST_TEMPERATURE else 1.0


def save_temperature(model: Path, temperature: float) -> None:
    """Save the temperature by which a model's logits are divided; 1 removes it."""
    if temperature == 1.0:
        (model / CALIBRATION).unlink(missing_ok=True)
    else:
        write_text(model / CALIBRATION, json.dumps({"temperature": temperature}))


def keep_temperature(settings: Settings, run: Run, temperature: float) -> None:
    """`save_temperature` for a run's model, if the person may change it. Raises AccessDenied, OSError."""
    check(settings, "calibrate", run)
    save_temperature(settings.run_dir(run.id) / "model", temperature)


def vectors_of(folder: Path, attempt: int) -> Path:
    """The file of a run's training texts as vectors of its model (see `core.evaluation.neighbours`)."""
    return folder / f"training_vectors-{attempt}.npz"
