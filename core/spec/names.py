"""What things are called when nobody gave them a name."""

from __future__ import annotations

from pathlib import PurePath

from core.spec.data import DataSpec
from core.spec.run import RunSpec


def dataset_name(data: DataSpec) -> str:
    """A short name: "Sample reviews", "train.csv", "yelp_review_full", "glue/cola", "train.csv (prepared)"."""
    match data.source:
        case "sample":
            name = "Sample reviews"
        case "file":
            name = PurePath(data.path.rstrip("/\\").replace("\\", "/")).name or data.path
        case _:
            name = f"{data.path}/{data.config}" if data.config else data.path
    return f"{name} (prepared)" if data.steps else name


def model_name(name: str) -> str:
    """The last part of a Hub id or folder."""
    return PurePath(name.rstrip("/\\").replace("\\", "/")).name or name


def run_name(spec: RunSpec) -> str:
    return f"{dataset_name(spec.data)} · {model_name(spec.model.name)}"
