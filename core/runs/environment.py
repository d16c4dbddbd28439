"""The environment of a run: versions, hardware, the dataset's fingerprint, seeds. Written by its worker.

`environment.json` in a run's folder; no path, no user or host name, no variable of the environment is in it.
"""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import psutil
from pydantic import Field

from core.machine import physical_cores
from core.runs import process
from core.settings import Settings
from core.spec import run as specs
from core.spec.data import DataSpec
from core.spec.run import RunSpec
from core.store.json_models import Count, Label, Name, Result
from core.store.record import Run

if TYPE_CHECKING:
    import numpy as np

    from core.data.loading.load import Loaded
    from core.runs.device import Device

ENVIRONMENT = "environment.json"
PACKAGES = (
    "torch", "transformers", "accelerate", "datasets", "evaluate", "tokenizers", "safetensors", "huggingface-hub",
    "tensorflow", "keras", "keras-hub", "numpy", "scikit-learn", "scipy", "pandas", "pyarrow", "duckdb", "streamlit",
)  # fmt: skip


class Hardware(Result):
    """device: as people call it; memory_gb: main memory, in powers of ten"""

    system: Label = ""
    machine: Label = ""
    processor: Label = ""
    cores: Count | None = None
    memory_gb: float | None = None
    gpus: tuple[Label, ...] = ()
    device: Label = ""
    precision: Label = ""
    threads: Count | None = None


class Examples(Result):
    """The examples of one part. content: a digest of their texts and labels, in their order"""

    examples: Count
    content: Name


class TrainedDataset(Result):
    """The dataset, with the splits and columns that the worker chose where the spec left them open."""

    title: Label
    fingerprint: Name = ""
    train_split: Label | None = None
    eval_split: Label | None = None
    label_names: tuple[Label, ...] = ()
    source_columns: tuple[Label, ...] = ()
    label_column: Label | None = None
    train: Examples | None = None
    eval: Examples | None = None


class HeadChange(Result):
    """How a head was fitted to other classes. rows: of each class the row of the old head that it took, None for a
    new one; dimensions: parameter -> the dimension that runs over the classes"""

    rows: list[Count | None]
    dimensions: dict[Name, int]


class Environment(Result):
    """environment.json. packages: name -> version; tokens: embeddings after new ones were added; padding_free: whether
    the batches had no padding
    """

    python: Name = ""
    packages: dict[Name, Name]
    hardware: Hardware
    dataset: TrainedDataset
    seeds: dict[Name, int] = Field(default_factory=dict)
    head: HeadChange | None = None
    tokens: Count | None = None
    padding_free: bool = False


def write(folder: Path, spec: RunSpec, loaded: Loaded, ids: dict[str, np.ndarray], device: Device) -> None:
    """ids: of each part (train, eval) the hash of each example's text, uint64 (examples,)"""
    environment = Environment(
        python=platform.python_version(),
        packages=versions(),
        hardware=hardware(device, spec.execution.threads or physical_cores()),
        dataset=TrainedDataset(
            title=loaded.prepared.title,
            fingerprint=loaded.prepared.fingerprint,
            train_split=loaded.train_split,
            eval_split=loaded.eval_split,
            label_names=tuple(loaded.label_names),
            source_columns=tuple(loaded.source_columns),
            label_column=loaded.label_column,
            train=described(ids["train"], loaded.dataset["train"]["label"]),
            eval=described(ids["eval"], loaded.dataset["eval"]["label"]),
        ),
        seeds={"training": spec.training.seed, "data": spec.data.seed},
    )
    environment.save(folder / ENVIRONMENT, indent=1)


def add(folder: Path, name: str, value: Any) -> None:
    """One more fact in the environment that `write` wrote: its head, its tokens, or that it has no padding."""
    environment = read_environment(folder)
    assert environment is not None, "written at the start of the run"
    changed = Environment.model_validate(environment.tree() | {name: value})
    changed.save(folder / ENVIRONMENT, indent=1)


def read_environment(folder: Path) -> Environment | None:
    """None for a run of an older version, or one that ended before its data was loaded."""
    return Environment.load(folder / ENVIRONMENT)


def trained_data(run: Run, settings: Settings) -> DataSpec:
    """The data spec of a training run, with the columns that were guessed filled in.

    The recorded guess counts, because a later version may guess differently. Raises SpecError, PathError.
    """
    data = cast(RunSpec, specs.build(run.spec)).data
    environment = read_environment(settings.run_dir(run.id))
    if environment is None or (data.text_columns and data.label_column):
        return data
    columns = {
        "text_columns": data.text_columns or environment.dataset.source_columns,
        "label_column": data.label_column or environment.dataset.label_column,
    }
    return cast(DataSpec, specs.build(data.model_dump() | columns, DataSpec))


def described(ids: np.ndarray, labels: Iterable[int]) -> Examples:
    """How many examples, and a digest of their texts and labels, in their order."""
    import numpy as np

    digest = hashlib.blake2b(ids.astype("<u8").tobytes(), digest_size=16)
    values = np.asarray(labels)
    digest.update(values.astype("<f8" if values.dtype.kind == "f" else "<i8").tobytes())
    return Examples(examples=len(ids), content=digest.hexdigest())


def versions() -> dict[str, str]:
    """The installed version of each package that matters for a result."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def hardware(device: Device | None = None, threads: int | None = None) -> Hardware:
    """This machine, and what a run computes on."""
    machine = Hardware(
        system=f"{platform.system()} {platform.release()}".strip(),
        machine=platform.machine(),
        processor=_processor(),
        cores=physical_cores(),
        memory_gb=round(psutil.virtual_memory().total / 1e9, 1),
        gpus=tuple(process.gpus()),
    )
    if device is None:
        return machine
    return machine.model_copy(update={"device": device.title, "precision": device.precision, "threads": threads})


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
