"""What results say of classes: the parts of report.json, evaluation.json and the others that are this task's own.

A class is named by its id, its place in `labels`. An example's score is whether it is right; the mean is the accuracy,
and files call it so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from core.store.json_models import Count, Label, MetricName, Name, Number, Result
from core.tasks.evaluations import (
    Answer,
    Baselines,
    Compared,
    Comparison,
    Different,
    Disturbance,
    Disturbed,
    Evaluation,
    Group,
    Pair,
    Robustness,
    Slices,
    Value,
)
from core.tasks.results import Baseline, Overlap, Report

THRESHOLD_COUNT = 201  # from 0 to 1
Share = Annotated[float, Field(ge=0, le=1)]


class PerClass(Result):
    """support: how many examples are of the class"""

    label: Label
    precision: float
    recall: float
    f1: float
    support: Count


class ClassTables(Result):
    """Each class's figures, and the confusion: [true class][predicted class] -> examples."""

    labels: list[Label]
    per_class: list[PerClass]
    confusion: list[list[Count]]

    @model_validator(mode="after")
    def _square(self) -> Self:
        classes = len(self.labels)
        if not classes == len(self.per_class) == len(self.confusion):
            raise ValueError("the classes of the tables are not the same")
        if any(len(row) != classes for row in self.confusion):
            raise ValueError("the classes of the tables are not the same")
        return self

    @property
    def accuracy(self) -> float:
        """The share of all examples that is right, whatever the main metric is."""
        examples = sum(map(sum, self.confusion))
        return sum(row[i] for i, row in enumerate(self.confusion)) / examples if examples else 0.0


class ClassReport(Report, ClassTables):
    """report.json of a text classifier."""


REPORT = ClassReport


class Bin(Result):
    """A bin of a reliability diagram: the examples with a confidence in (low, high], and the share that is right."""

    low: Annotated[float, Field(alias="from")]
    high: Annotated[float, Field(alias="to")]
    count: Count
    confidence: float
    accuracy: float


class Curve(Result):
    """A class against the rest. auc, average_precision, roc, pr: None where none or all examples are of the class

    roc: false and true positive rates; pr: recall and precision
    true_positives, false_positives: how many examples have at least each threshold as probability of the class
    """

    label: Count
    positives: Count
    auc: Number
    average_precision: Number
    roc: tuple[list[float], list[float]] | None = None
    pr: tuple[list[float], list[float]] | None = None
    true_positives: Annotated[list[Count], Field(alias="found", min_length=THRESHOLD_COUNT, max_length=THRESHOLD_COUNT)]
    false_positives: Annotated[
        list[Count], Field(alias="alarms", min_length=THRESHOLD_COUNT, max_length=THRESHOLD_COUNT)
    ]


class Calibrated(Result):
    """The reliability of the probabilities after a temperature."""

    bins: list[Bin]
    ece: float
    loss: Number = None


class Calibration(Result):
    """Confidence against being right. ece: expected calibration error

    temperature_from: fitted on these examples, or on those that the run was evaluated on while it trained
    """

    bins: list[Bin]
    ece: float
    temperature: float
    temperature_from: Literal["here", "validation"]
    after: Calibrated

    @property
    def effect(self) -> Literal["none", "softens", "sharpens"]:
        """What the temperature does to the probabilities."""
        if self.temperature == 1.0:
            return "none"
        return "softens" if self.temperature > 1 else "sharpens"


class Confidence(Result):
    """Right and wrong answers by confidence, in bins between the edges."""

    edges: Annotated[list[float], Field(min_length=2)]
    right: list[Count]
    wrong: list[Count]


class ClassAnswer(Answer):
    """An example and the class that was predicted for it. label: -1 where there is none"""

    label: Annotated[int, Field(ge=-1, le=1_000_000)]
    prediction: Count
    confidence: float


class Majority(Baseline):
    """Always the most common class."""

    label: Count


class ClassBaselines(Baselines):
    """The most common class, and logistic regression of a bag of words."""

    constant: Annotated[Majority, Field(alias="majority")]


class ClassGroup(Group):
    score: Annotated[float, Field(alias="accuracy")]


class ClassSlices(Slices):
    groups: tuple[ClassGroup, ...]
    worst: tuple[ClassGroup, ...]


class ClassOverlap(Overlap):
    score_of_seen: Annotated[float | None, Field(alias="accuracy_of_seen")] = None


class Tuned(Result):
    """What was fitted on the run's own evaluation examples. thresholds: class id -> the one with the highest F1"""

    temperature: float
    thresholds: dict[Name, Share | None] = Field(default_factory=dict)
    examples: Count | None = None


class Suspect(Result):
    """A label that may be wrong. quality: the model's probability of it; confidence: that of the suggested class"""

    row: Count
    text_id: Name
    label: Count
    suggested: Count
    quality: float
    confidence: float


class LabelErrors(Result):
    """rows: the worst first; held_back: why no label is doubted, where the model is too weak to doubt one"""

    count: Count
    of: Count
    rows: list[Suspect]
    held_back: Label = ""


class ClassEvaluation(Evaluation, ClassTables):
    """evaluation.json of a text classifier. labels: at least one"""

    labels: Annotated[list[Label], Field(min_length=1)]
    curves: list[Curve]
    calibration: Calibration
    confidence: Confidence
    mistakes: tuple[ClassAnswer, ...]
    slices: ClassSlices
    baselines: ClassBaselines
    overlap: ClassOverlap | None = None
    tuned: Tuned | None = None
    label_errors: LabelErrors | None = None

    @model_validator(mode="after")
    def _classes_exist(self) -> Self:
        ids = [self.baselines.constant.label, *(curve.label for curve in self.curves)]
        ids += [max(answer.label, answer.prediction) for answer in self.mistakes]
        if self.label_errors is not None:
            ids += [max(suspect.label, suspect.suggested) for suspect in self.label_errors.rows]
        _check_ids(ids, self.labels)
        return self

    def words(self, value: Value) -> str:
        return _class_name(value, self.labels)


EVALUATION = ClassEvaluation


class ClassCompared(Compared):
    """ece: expected calibration error"""

    ece: float

    @property
    def beside_metrics(self) -> Mapping[str, Number]:
        return {"Calibration error": self.ece}


class ClassDifferent(Different):
    """An example on which two models differ: their classes, and their probabilities of the true one"""

    label: Count
    first: Count
    other: Count
    first_share: float | None = None
    other_share: float | None = None


class ClassPair(Pair):
    wins: tuple[ClassDifferent, ...]
    losses: tuple[ClassDifferent, ...]


class ClassComparison(Comparison):
    """comparison.json of text classifiers."""

    labels: list[Label]
    models: Annotated[tuple[ClassCompared, ...], Field(min_length=2, max_length=12)]
    pairs: tuple[ClassPair, ...]

    @model_validator(mode="after")
    def _classes_exist(self) -> Self:
        answers = [answer for pair in self.pairs for answer in (*pair.wins, *pair.losses)]
        _check_ids([max(answer.label, answer.first, answer.other) for answer in answers], self.labels)
        return self

    def words(self, value: Value) -> str:
        return _class_name(value, self.labels)


COMPARISON = ClassComparison


class ClassDisturbed(Disturbed):
    label: Count
    before: Count
    after: Count


class ClassDisturbance(Disturbance):
    score: Annotated[float, Field(alias="accuracy")]
    examples: tuple[ClassDisturbed, ...]


class ClassRobustness(Robustness):
    """robustness.json of a text classifier."""

    metric: MetricName = "accuracy"
    score: Annotated[float, Field(alias="accuracy")]
    labels: list[Label]
    kinds: Annotated[tuple[ClassDisturbance, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _classes_exist(self) -> Self:
        answers = [answer for kind in self.kinds for answer in kind.examples]
        _check_ids([max(answer.label, answer.before, answer.after) for answer in answers], self.labels)
        return self

    def words(self, value: Value) -> str:
        return _class_name(value, self.labels)


ROBUSTNESS = ClassRobustness


def _check_ids(ids: Sequence[int], labels: Sequence[str]) -> None:
    if ids and max(ids) >= len(labels):
        raise ValueError("an answer is of a class that does not exist")


def _class_name(value: Value, labels: Sequence[str]) -> str:
    """The class with this id; nothing for the -1 of an example without label."""
    return labels[int(value)] if int(value) >= 0 else ""
