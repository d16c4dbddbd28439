"""Where and from what a run was made: versions, hardware, the dataset's fingerprint, seeds. Written by its worker.

`environment.json` in a run's folder; no path, no user or host name, no variable of the environment is in it.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from core.files import write_text
from core.machine import physical_cores
from core.runs import process
from core.spec.run import RunSpec
from core.store.files import ENVIRONMENT

if TYPE_CHECKING:
    import numpy as np

    from core.data.loading.load import Loaded
    from core.runs.device import Device

PACKAGES = (
    "torch", "transformers", "accelerate", "datasets", "evaluate", "tokenizers", "safetensors", "huggingface-hub",
    "tensorflow", "keras", "keras-hub", "numpy", "scikit-learn", "scipy", "pandas", "pyarrow", "duckdb", "streamlit",
)  # fmt: skip


def write(folder: Path, spec: RunSpec, loaded: Loaded, ids: dict[str, np.ndarray], device: Device) -> None:
    """ids: of each part (train, eval) the hash of each example's text, uint64 (examples,)"""
    manifest = {
        "python": platform.python_version(),
        "packages": versions(),
        "hardware": hardware() | {
            "device": device.title, "precision": device.precision,
            "threads": spec.execution.threads or physical_cores(),
        },
        "dataset": {
            "title": loaded.prepared.title, "fingerprint": loaded.prepared.fingerprint,
            "train_split": loaded.train_split, "eval_split": loaded.eval_split,
            "label_names": list(loaded.label_names), "source_columns": list(loaded.source_columns),
            "label_column": loaded.label_column,
            "train": described(ids["train"], loaded.dataset["train"]["label"]),
            "eval": described(ids["eval"], loaded.dataset["eval"]["label"]),
        },
        "seeds": {"training": spec.training.seed, "data": spec.data.seed},
    }  # fmt: skip
    write_text(folder / ENVIRONMENT, json.dumps(manifest, ensure_ascii=False, indent=1))


def add(folder: Path, name: str, value: Any) -> None:
    """One more fact in the manifest that `write` wrote."""
    manifest = json.loads((folder / ENVIRONMENT).read_text(encoding="utf-8")) | {name: value}
    write_text(folder / ENVIRONMENT, json.dumps(manifest, ensure_ascii=False, indent=1))


def described(ids: np.ndarray, labels: Iterable[int]) -> dict[str, Any]:
    """How many examples, and what names their texts and labels, in their order."""
    import numpy as np

    digest = hashlib.blake2b(ids.astype("<u8").tobytes(), digest_size=16)
    digest.update(np.asarray(labels, dtype="<i8").tobytes())
    return {"examples": len(ids), "content": digest.hexdigest()}


def versions() -> dict[str, str]:
    """Of each package that matters for a result, the version installed here."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def hardware() -> dict[str, Any]:
    """System, processor, cores, memory in GB, GPUs."""
    return {
        "system": f"{platform.system()} {platform.release()}".strip(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": physical_cores(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "gpus": list(process.gpus()),
    }


def _processor() -> str:
    """The processor's name; where the system does not say, its family."""
    if sys.platform == "linux":
        try:
            lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            lines = []
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        if names:
            return names[0]
    return platform.processor() or platform.machine()
