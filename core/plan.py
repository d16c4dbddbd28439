"""What a spec amounts to, told before it starts: its examples and steps, and what is plainly wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from core import models
from core.data.prepared import Prepared
from core.errors import DataError, ModelError, PathError, Problem, TunedeckError
from core.settings import Settings, allowed_path
from core.spec import DataSpec, RunSpec, TrainingSpec, replace

TRAIN_SPLITS = ("train", "training")
EVAL_SPLITS = ("validation", "valid", "val", "dev", "test")

# What suits new weights and pretrained ones; the form moves between the two with the model.
LEAST_SCRATCH_RATE, MOST_PRETRAINED_RATE = 2e-4, 2e-4
SCRATCH = {"training.learning_rate": 1e-3, "training.per_device_train_batch_size": 32}
PRETRAINED = {
    "training.learning_rate": TrainingSpec().learning_rate,
    "training.per_device_train_batch_size": TrainingSpec().per_device_train_batch_size,
}


@dataclass(frozen=True)
class Outlook:
    """train, evaluation: examples; steps: optimizer steps; held_out: whether the latter is cut off the former."""

    train: int
    evaluation: int
    steps: int
    held_out: bool


def same_source(one: DataSpec, other: DataSpec) -> bool:
    """Whether two specs read the same rows in the same way, whatever is then chosen of them."""
    return source_only(one) == source_only(other)


def source_only(data: DataSpec) -> DataSpec:
    """The spec of the whole dataset: where it is and how it is read, without a choice of columns, splits or rows."""
    return DataSpec(source=data.source, path=data.path, config=data.config, revision=data.revision, read=data.read)


def suggested(model: str) -> dict[str, Any]:
    """The training values, by dotted path, that suit a model of this name."""
    return SCRATCH if model == "scratch" else PRETRAINED


def start_from(data: DataSpec) -> RunSpec:
    """A spec to begin with on this dataset: new weights, which need no download, with the settings that suit them."""
    return replace(RunSpec(data=data), SCRATCH)


def splits_used(data: DataSpec, prepared: Prepared) -> tuple[str | None, str | None]:
    """The training and evaluation split that a spec uses; None where there is none of that name."""
    names = list(prepared.splits)
    train = data.train_split or next((n for n in TRAIN_SPLITS if n in names), names[0] if names else None)
    evaluation = data.eval_split or next((n for n in EVAL_SPLITS if n in names and n != train), None)
    return (train if train in names else None), (evaluation if evaluation in names else None)


def outlook(spec: RunSpec, prepared: Prepared) -> Outlook | None:
    """How much a run will do; None if its training split does not exist."""
    data, training = spec.data, spec.training
    train_split, eval_split = splits_used(data, prepared)
    if train_split is None:
        return None
    train = prepared.splits[train_split].rows
    if eval_split is None or eval_split == train_split:
        evaluation = max(1, round(train * data.validation_fraction))
        train -= evaluation
    else:
        evaluation = prepared.splits[eval_split].rows
    train = min(train, data.max_train_examples or train)
    evaluation = min(evaluation, data.max_eval_examples or evaluation)
    batches = math.ceil(train / training.per_device_train_batch_size)
    per_epoch = max(1, math.ceil(batches / training.gradient_accumulation_steps))
    return Outlook(train, evaluation, math.ceil(per_epoch * training.num_train_epochs), eval_split is None)


def problems(spec: RunSpec, prepared: Prepared | None, settings: Settings) -> list[Problem]:
    """What would make this run fail, as far as it can be seen in a moment and without the network."""
    return [*(_data_problems(spec.data, prepared) if prepared else ()), *_model_problems(spec, settings)]


def advice(spec: RunSpec) -> list[Problem]:
    """What is allowed, but seldom meant: settings that do not suit the model, or that another one makes void."""
    training, found = spec.training, []
    rate, scratch = training.learning_rate, spec.model.name == "scratch"
    if not scratch and rate > MOST_PRETRAINED_RATE:
        found.append(Problem("training.learning_rate", "high for pretrained weights; 1e-5 to 5e-5 is usual"))
    if scratch and rate < LEAST_SCRATCH_RATE:
        found.append(Problem("training.learning_rate", "low for new weights; about 1e-3 is usual"))
    if training.eval_strategy == "no" and training.load_best_model_at_end:
        found.append(
            Problem("training.load_best_model_at_end", "without evaluations during training the last model is kept")
        )
    return found


def data_problem(error: TunedeckError) -> Problem:
    """What opening a dataset said, as a problem of the field to look at."""
    return Problem((error.field if isinstance(error, DataError) else "") or "data", str(error))


def _data_problems(data: DataSpec, prepared: Prepared) -> list[Problem]:
    columns = {c.name: c for c in prepared.columns}
    listed = _listed(columns)
    found = [
        Problem(field, f"there is no split {name!r}; this dataset has {_listed(prepared.splits)}")
        for field, name in (("data.train_split", data.train_split), ("data.eval_split", data.eval_split))
        if name and name not in prepared.splits
    ]
    missing = [name for name in data.text_columns if name not in columns]
    if missing:
        found.append(Problem("data.text_columns", f"there is no column {missing[0]!r}; the columns are {listed}"))
    elif not data.text_columns and not prepared.text_guess:
        found.append(Problem("data.text_columns", "no column looks like text; choose the one to read"))
    label = data.label_column
    if label and label not in columns:
        found.append(Problem("data.label_column", f"there is no column {label!r}; the columns are {listed}"))
    elif not label and not prepared.label_guess:
        found.append(Problem("data.label_column", "no column looks like a label; choose the one to predict"))
    elif (column := columns.get(label or prepared.label_guess or "")) is not None and column.kind in ("list", "other"):
        found.append(
            Problem("data.label_column", f"{column.name!r} holds {column.kind} values; a label is a text or a number")
        )
    return found


def _model_problems(spec: RunSpec, settings: Settings) -> list[Problem]:
    try:
        if models.kind_of(spec.model.name) == "folder":
            models.check_folder(allowed_path(settings, spec.model.name), spec.model.max_length)
    except (ModelError, PathError) as error:
        field = "model.max_length" if "model.max_length" in str(error) else "model.name"
        return [Problem(field, str(error))]
    return []


def _listed(names: Any, most: int = 12) -> str:
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(repr(name) for name in names[:most]) + more
