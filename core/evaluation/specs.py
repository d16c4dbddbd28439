"""What evaluating, predicting and comparing are made from: which model, on which examples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import SerializerFunctionWrapHandler, model_serializer, model_validator

from core.spec.data import DataSpec
from core.spec.section import Section, setting
from core.tasks.contract import Task, task_of_record

if TYPE_CHECKING:
    from core.store.record import Run
    from core.store.store import Store


class Subject(Section):
    """The model that is judged or asked: one that a run left, or any folder or Hub id."""

    run: str = setting("", "Run", max_length=40)
    """The id of the training run whose model it is. Empty for a model that was not trained here."""

    attempt: int = setting(0, "Attempt", ge=0, le=1_000_000)
    """Which attempt of the run left the model: one that is resumed leaves another one."""

    name: str = setting("", "Model", max_length=1000)
    """A Hub id or a local folder of a model that classifies texts. Empty for a run's model."""

    revision: str | None = setting(None, "Model revision", max_length=200)
    """The Hub model's branch, tag or commit. Empty takes the newest."""

    max_length: int | None = setting(None, "Longest text in tokens", "What the model was trained with.", ge=8, le=8192)
    """Longer texts are cut off after this many tokens."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if bool(self.run) == bool(self.name):
            raise ValueError("name either a run or a model, not both and not neither")
        return self


def task_of_subject(subject: Subject, store: Store) -> Task:
    """The task that a model was trained for; of one that was not trained here the first. Raises RunNotFound."""
    return task_of_record(store.run(subject.run).spec if subject.run else {})


Answers = Literal["exact", "fast", "fast_unproven"]
"""How a model answers. fast: with weights of 8 bits, where the loss is proven to be small; fast_unproven: also where
the examples were too few to prove it."""


class Answering(Section):
    """A spec of work in which a model answers. One that answers exactly reads as it did before there was a choice."""

    answers: Answers = setting("exact", "Answers", "Nothing is lost.")
    """Fast ones come from weights of 8 bits. What they lose must have been measured and be at most half a point;
    fast_unproven accepts a loss that too few examples could not prove to be that small."""

    @model_serializer(mode="wrap")
    def _as_before(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        tree: dict[str, Any] = write(self)
        if tree.get("answers") == "exact":
            del tree["answers"]
        return tree


class EvaluateSpec(Answering):
    """A model judged on the examples of one split."""

    model: Subject = setting(..., "Model")

    data: DataSpec | None = setting(None, "Data")
    """The dataset. Empty for the one that the run was trained on."""

    split: str = setting("", "Split", max_length=200)
    """The split whose examples are used. Empty for those that the run was evaluated on while it trained; of a dataset
    given in data for its only split, else for its test, else for its validation split."""

    max_examples: int | None = setting(None, "Examples", "All of them.", ge=1)
    """Judge on this many examples, chosen by shuffling with the data's seed. Empty takes all."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.data is None and not self.model.run:
            raise ValueError("a model that was not trained here has no dataset of its own; give one in data")
        return self


class PredictSpec(Answering):
    """What a model says of texts that nobody has labelled."""

    model: Subject = setting(..., "Model")
    data: DataSpec = setting(..., "Data")

    split: str = setting("", "Split", max_length=200)
    """The split to predict. Empty for all of them, one after the other."""

    form: Literal["csv", "parquet"] = setting("csv", "Format")
    """The format of the file with the predictions."""


class CertifySpec(Section):
    """What fast answers cost a model, measured on labelled examples."""

    model: Subject = setting(..., "Model")

    data: DataSpec | None = setting(None, "Data")
    """Labelled examples. Empty for those that the run was evaluated on while it trained."""

    split: str = setting("", "Split", max_length=200)
    """The split of these examples, see EvaluateSpec."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.data is None and not self.model.run:
            raise ValueError("a model that was not trained here has no dataset of its own; give one in data")
        return self


class RobustnessSpec(Section):
    """An evaluation's examples with typos, other case and the like, and what that costs."""

    evaluation: str = setting(..., "Evaluation", min_length=1, max_length=40)
    """The id of the evaluation whose model and examples are used."""

    examples: int = setting(500, "Examples", "Shares certain to about two points.", ge=10, le=100_000)
    """This many of them, chosen by shuffling."""


class CompareSpec(Section):
    """Models side by side on the examples that all of them were judged on."""

    evaluations: tuple[str, ...] = setting(..., "Evaluations", min_length=2, max_length=12)
    """The ids of the evaluations; each is compared with the first."""


class NeighboursSpec(Section):
    """The training texts as a run's own model sees them, to find those that are nearest to a text."""

    run: str = setting(..., "Run", min_length=1, max_length=40)
    """The id of the training run."""

    attempt: int = setting(0, "Attempt", ge=0, le=1_000_000)
    """Which attempt of it left the model."""


def owner_of_data(judged: Run, store: Store) -> str:
    """Whose data an evaluation is about: without data of its own it is that of the run that it judges."""
    if judged.spec.get("data") is None and (trained := judged.spec["model"].get("run")):
        return store.run(trained).owner
    return judged.owner
