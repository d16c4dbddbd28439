"""What a spec amounts to, told before it starts: its examples and steps, and what is plainly wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.data.browsing.label_counts import EMPTY, MAX_LABELS, OTHER
from core.data.dataset import Prepared
from core.data.inspecting import label_check, vocabulary_fit
from core.data.inspecting.label_check import Doubt
from core.data.inspecting.language import main_language
from core.data.loading.choices import choose_columns, choose_train
from core.data.selection import final_tests, splits_used
from core.errors import DataError, ModelError, PathError, Problem, TunedeckError
from core.models import folder as model_folder
from core.models import names as models
from core.settings import Settings
from core.spec import engines as support
from core.spec.automatic import AUTOMATIC
from core.spec.data import DataSpec
from core.spec.recommended import WITHOUT_WARM_UP, any_length
from core.spec.run import RunSpec, replace
from core.spec.training import TrainingSpec

if TYPE_CHECKING:
    import pandas as pd

    from core.store.record import Holdout

LEAST_CLASSES = 2

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


def suggested(model: str) -> dict[str, Any]:
    """The training values, by dotted path, that suit a model of this name."""
    return SCRATCH if model == "scratch" else PRETRAINED


def start_from(data: DataSpec, *, automatic: bool = True) -> RunSpec:
    """A spec to begin with on this dataset: new weights, which need no download.

    automatic: whether its settings are chosen before the start; else they are those that suit new weights
    """
    return RunSpec(data=data, auto=AUTOMATIC) if automatic else replace(RunSpec(data=data), SCRATCH)


def outlook(spec: RunSpec, prepared: Prepared, holdouts: Sequence[Holdout] = ()) -> Outlook | None:
    """How much a run will do; None if its training split does not exist."""
    data, training = spec.data, spec.training
    train_split, eval_split = splits_used(data, prepared, final_tests(data, prepared, holdouts))
    if train_split is None:
        return None
    train = prepared.splits[train_split].rows
    if eval_split is None:
        evaluation = max(1, round(train * data.validation_fraction))
        train -= evaluation
    else:
        evaluation = prepared.splits[eval_split].rows
    train = min(train, data.max_train_examples or train)
    evaluation = min(evaluation, data.max_eval_examples or evaluation)
    batches = math.ceil(train / training.per_device_train_batch_size)
    per_epoch = max(1, math.ceil(batches / training.gradient_accumulation_steps))
    return Outlook(train, evaluation, math.ceil(per_epoch * training.num_train_epochs), eval_split is None)


def whole_arrays(examples: int, spec: RunSpec) -> int:
    """Bytes that the Keras engine's NumPy input takes at most: three arrays of int32, and once more while it learns."""
    return 2 * 3 * 4 * examples * spec.model.max_length


def problems(
    spec: RunSpec, prepared: Prepared | None, settings: Settings, holdouts: Sequence[Holdout] = ()
) -> list[Problem]:
    """What would make this run fail, as far as it can be seen in a moment and without the network."""
    return [*(_data_problems(spec.data, prepared, holdouts) if prepared else ()), *_model_problems(spec, settings)]


def language(data: DataSpec, prepared: Prepared) -> str:
    """The language of most training texts; empty if there is none, or it cannot be detected."""
    split, _ = splits_used(data, prepared)
    return main_language(data, prepared, split, data.text_columns or prepared.text_guess) if split else ""


def label_doubt(data: DataSpec, prepared: Prepared) -> Doubt | None:
    """What the label column really holds, where some rows tell that it is no class of each text."""
    split, _ = splits_used(data, prepared)
    texts = data.text_columns or prepared.text_guess
    label = data.label_column or (prepared.label_guess if prepared.label_guess not in texts else None)
    return label_check.doubt(prepared, split, label, texts) if split and label else None


def unread(spec: RunSpec, prepared: Prepared, settings: Settings) -> Problem | None:
    """What is to be said of a model whose tokenizer cannot read most texts, without the network; takes a second."""
    split, _ = splits_used(spec.data, prepared)
    texts = spec.data.text_columns or prepared.text_guess
    try:
        path = models.tokenizer_json(spec.model, settings)
        if path is None or split is None or not texts:
            return None
        reading = vocabulary_fit.read_split(prepared, split, texts, path)
    except TunedeckError:
        return None  # what is wrong with the columns or the model is said elsewhere
    if vocabulary_fit.warning(reading, spec.model.name) is None:
        return None
    message = vocabulary_fit.warning(reading, spec.model.name, language(spec.data, prepared))
    return Problem.from_message("model.name", message) if message else None


def advice(spec: RunSpec, language: str = "", prepared: Prepared | None = None) -> list[Problem]:
    """What is allowed, but seldom meant: settings that do not suit the model, or that another one makes void.

    language: the code of that of most training texts, if it is known; prepared: the dataset, if it is here
    """
    training, problems = spec.training, []
    rate, scratch = training.learning_rate, spec.model.name == "scratch"
    if prepared is not None and (doubt := label_doubt(spec.data, prepared)) is not None and not doubt.fatal:
        problems.append(Problem.from_message("data.label_column", doubt.message))
    if hint := models.foreign_to(spec.model.name, language):
        problems.append(Problem("model.name", hint))
    chosen_by_hand = "training.learning_rate" not in spec.auto
    if chosen_by_hand and not scratch and rate > MOST_PRETRAINED_RATE:
        problems.append(
            Problem.of(
                "learning-rate-high", "high for pretrained weights; 1e-5 to 5e-5 is usual", "training.learning_rate"
            )
        )
    if chosen_by_hand and scratch and rate < LEAST_SCRATCH_RATE:
        problems.append(
            Problem.of("learning-rate-low", "low for new weights; about 1e-3 is usual", "training.learning_rate")
        )
    warm_up = training.warmup_steps if "training.warmup_steps" not in spec.auto else 0
    if warm_up and training.lr_scheduler_type == WITHOUT_WARM_UP:
        problems.append(
            Problem.of(
                "warm-up-void",
                "the constant scheduler has no warm-up; choose constant with warmup for one",
                "training.warmup_steps",
            )
        )
    if training.budget_minutes is not None and not {"training.num_train_epochs", "model.max_length"} & set(spec.auto):
        problems.append(
            Problem.of(
                "budget-void",
                "the number of epochs and the longest text are set, so that nothing follows from a budget; leave the "
                "epochs automatic",
                "training.budget_minutes",
            )
        )
    if training.eval_strategy == "no" and training.load_best_model_at_end:
        problems.append(
            Problem.of(
                "last-model-kept",
                "without evaluations during training the last model is kept",
                "training.load_best_model_at_end",
            )
        )
    return problems


def label_problem(column: str, counts: pd.DataFrame) -> tuple[Problem | None, Problem | None]:
    """What makes a label column useless, and what makes it doubtful. `counts`: as `label_counts` has them."""
    real = counts[~counts["label"].isin([EMPTY, OTHER])]
    field, rows = "data.label_column", int(counts["count"].sum())
    if rows and len(real) < LEAST_CLASSES:
        if len(real):
            return Problem.of(
                "one-label-everywhere",
                "every row has the same value in {column!r}, so there is nothing to learn; choose another column",
                field,
                column=column,
            ), None
        return Problem.of(
            "label-column-empty",
            "{column!r} is empty in every row, so there is nothing to learn; choose another column",
            field,
            column=column,
        ), None
    if (counts["label"] == OTHER).any():
        return None, Problem.of(
            "column-many-values",
            "{column!r} has more than {most} different values; is it a class?",
            field,
            column=column,
            most=MAX_LABELS,
        )
    empty = int(counts.loc[counts["label"] == EMPTY, "count"].sum())
    if empty:
        return None, Problem.of(
            "rows-without-value",
            "{count:,} of {rows:,} rows have no value in {column!r}; they are left out",
            field,
            count=empty,
            rows=rows,
            column=column,
        )
    return None, None


def data_problem(error: TunedeckError) -> Problem:
    """What opening a dataset said, as a problem of the field to look at."""
    return Problem.from_message((error.field if isinstance(error, DataError) else "") or "data", error.message)


def _data_problems(data: DataSpec, prepared: Prepared, holdouts: Sequence[Holdout]) -> list[Problem]:
    problems = []
    for choose in (choose_columns, choose_train):
        try:
            choose(prepared, data, [])
        except DataError as error:
            problems.append(data_problem(error))
    if (doubt := label_doubt(data, prepared)) is not None and doubt.fatal:
        problems.append(Problem.from_message("data.label_column", doubt.message))
    aside = final_tests(data, prepared, holdouts)
    train, evaluation = splits_used(data, prepared, aside)
    for field, split in (("data.train_split", train), ("data.eval_split", data.eval_split)):
        if split in aside:
            problems.append(
                Problem.of(
                    "split-set-aside",
                    "{split!r} is set aside as the final test; choose another split",
                    field,
                    split=split,
                )
            )
    if data.eval_split and train is not None:
        if evaluation is None:
            listed = ", ".join(prepared.splits)
            problems.append(
                Problem.of(
                    "no-evaluation-split",
                    "there is no split {split!r}; the splits are {splits}",
                    "data.eval_split",
                    split=data.eval_split,
                    splits=listed,
                )
            )
        elif evaluation == train:
            problems.append(
                Problem.of(
                    "evaluation-is-training-split",
                    "{split!r} is the training split; leave this empty to hold a part out",
                    "data.eval_split",
                    split=train,
                )
            )
    return problems


def _model_problems(spec: RunSpec, settings: Settings) -> list[Problem]:
    if unsupported := support.problems(spec, models.known_type(spec.model.name, spec.model.revision, settings)):
        return unsupported
    try:
        match models.kind_of(spec.model.name, settings):
            case "folder":
                model_folder.check_folder(models.folder_of(spec.model.name, settings), any_length(spec).max_length)
            case "hub":
                models.check_no_run(spec.model.name, settings)
    except (ModelError, PathError) as error:
        field = "model.max_length" if "model.max_length" in str(error) else "model.name"
        return [Problem.from_message(field, error.message)]
    return []
