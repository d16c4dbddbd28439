"""What the result files of a bundle hold, as models: no more is trusted of them than the pages and reports read."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from core.errors import DataError
from core.sharing.bundles.bundle_format import Count, Interval, Label, Metrics, Name, Number, first_problem

THRESHOLDS = 201  # of a class's curve: see core.tasks.text_classification.analysis


class Shape(BaseModel):
    """What the pages read of a result; it may have more."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class PerClass(Shape):
    label: Label
    precision: float
    recall: float
    f1: float
    support: Count


class Majority(Shape):
    label: Label | int
    metrics: Metrics


class ReportShape(Shape):
    """report.json: see core.evaluation.after_training"""

    examples: Count
    train_examples: Count
    metrics: Metrics
    main_metric: Name
    baseline: Majority
    labels: list[Label]
    per_class: list[PerClass]
    confusion: list[list[Count]]
    truncated: dict[str, float] = {}
    advice: list[Label] = []

    @model_validator(mode="after")
    def _fits(self) -> Self:
        _square(self.labels, self.per_class, self.confusion)
        if self.main_metric not in self.metrics:
            raise ValueError("the main metric has no value")
        return self


class Bin(Shape):
    """Of a reliability diagram: examples by confidence."""

    low: Annotated[float, Field(alias="from")]
    high: Annotated[float, Field(alias="to")]
    count: Count
    confidence: float
    accuracy: float


class Calibrated(Shape):
    bins: list[Bin]
    ece: float
    loss: Number = None


class Calibration(Shape):
    bins: list[Bin]
    ece: float
    temperature: float
    temperature_from: Literal["here", "validation"]
    after: Calibrated


class Confidence(Shape):
    edges: Annotated[list[float], Field(min_length=2)]
    right: list[Count]
    wrong: list[Count]


class Answer(Shape):
    row: Count
    label: Annotated[int, Field(ge=-1, le=1_000_000)]
    prediction: Count
    confidence: float


class Group(Shape):
    name: Label
    kind: Label
    count: Count
    errors: Count
    accuracy: float
    coverage: float
    p: float
    q: float
    rows: list[Count] = []


class Slices(Shape):
    tried: Count
    groups: list[Group]
    worst: list[Group]


class Curve(Shape):
    label: Count
    positives: Count
    auc: Number
    average_precision: Number
    roc: tuple[list[float], list[float]] | None = None
    pr: tuple[list[float], list[float]] | None = None
    found: list[Count]
    alarms: list[Count]


class Dataset(Shape):
    title: Label
    fingerprint: Name


class Gap(Shape):
    """The difference of a metric between two models, and its interval."""

    value: float
    low: float
    high: float


class McNemar(Shape):
    gains: Count
    losses: Count
    p: float


class Commonest(Shape):
    """The baseline of an evaluation; label: the number of a class"""

    label: Count
    metrics: Metrics


class BagOfWords(Shape):
    metrics: Metrics
    intervals: dict[Name, Interval]
    difference: dict[Name, Gap]
    seconds: float


class Baselines(Shape):
    majority: Commonest
    bag_of_words: BagOfWords | None = None


class FinalTest(Shape):
    content: Name
    looks: Count


class Tuned(Shape):
    temperature: float
    thresholds: dict[Name, Annotated[float, Field(ge=0, le=1)]] = {}


class Overlap(Shape):
    count: Count
    of: Count
    metrics_without: Metrics = {}


class Suspect(Shape):
    row: Count
    text_id: Name
    label: Count
    suggested: Count
    quality: float
    confidence: float


class LabelErrors(Shape):
    count: Count
    of: Count
    rows: list[Suspect]
    held_back: Label = ""


class EvaluationShape(Shape):
    """evaluation.json: see core.evaluation.evaluate"""

    version: Literal[1]
    title: Label
    kind: Literal["validation", "test", "training", "other"]
    notes: list[Label]
    split: Name
    held_out: bool = False
    dataset: Dataset
    data: dict[str, Any]
    final_test: FinalTest | None
    text_columns: Annotated[list[Label], Field(min_length=1, max_length=2)]
    label_column: Label
    examples: Annotated[int, Field(ge=1)]
    labels: Annotated[list[Label], Field(min_length=1)]
    metric_names: Annotated[list[Name], Field(min_length=1)]
    main_metric: Name
    metrics: Metrics
    intervals: dict[Name, Interval]
    per_class: list[PerClass]
    confusion: list[list[Count]]
    curves: list[Curve]
    calibration: Calibration
    confidence: Confidence
    mistakes: list[Answer]
    slices: Slices
    baselines: Baselines
    tuned: Tuned | None = None
    overlap: Overlap | None = None
    label_errors: LabelErrors | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        _square(self.labels, self.per_class, self.confusion)
        names, bag = set(self.metric_names), self.baselines.bag_of_words
        if self.main_metric not in names or not names <= self.intervals.keys() & self.metrics.keys():
            raise ValueError("a metric has no value or no interval")
        if not names <= self.baselines.majority.metrics.keys():
            raise ValueError("a metric of the baseline is missing")
        if bag is not None and not names <= bag.metrics.keys() & bag.intervals.keys() & bag.difference.keys():
            raise ValueError("a metric of the bag of words is missing")
        named = [self.baselines.majority.label, *(curve.label for curve in self.curves)]
        named += [max(answer.label, answer.prediction) for answer in self.mistakes]
        named += [max(s.label, s.suggested) for s in (self.label_errors.rows if self.label_errors else ())]
        if len(set(self.text_columns)) < len(self.text_columns):
            raise ValueError("two text columns have one name")
        if max(named) >= len(self.labels):
            raise ValueError("an answer is of a class that does not exist")
        if any(not len(curve.found) == len(curve.alarms) == THRESHOLDS for curve in self.curves):
            raise ValueError("a curve has too many or too few thresholds")
        return self


class Compared(Shape):
    title: Label
    evaluation: Name
    kind: Name
    metrics: Metrics
    intervals: dict[Name, Interval]
    ece: float


class Different(Shape):
    """An example on which two models differ."""

    row: Count
    label: Count
    first: Count
    other: Count


class Pair(Shape):
    difference: dict[Name, Gap]
    mcnemar: McNemar
    wins: list[Different]
    losses: list[Different]


class ComparisonShape(Shape):
    """comparison.json: see core.evaluation.compare"""

    examples: Count
    of: list[Count]
    labels: list[Label]
    metric_names: Annotated[list[Name], Field(min_length=1)]
    main_metric: Name
    split: Name
    dataset: Dataset
    data: dict[str, Any]
    text_columns: list[Label]
    models: Annotated[list[Compared], Field(min_length=2, max_length=12)]
    pairs: list[Pair]
    agreement: list[list[float]]
    all_wrong: Count

    @model_validator(mode="after")
    def _fits(self) -> Self:
        names, count = set(self.metric_names), len(self.models)
        if len(self.pairs) != count - 1 or len(self.agreement) != count != 0:
            raise ValueError("there are not as many pairs as models")
        if any(len(row) != count for row in self.agreement):
            raise ValueError("the table of agreement is not complete")
        if any(not names <= model.metrics.keys() & model.intervals.keys() for model in self.models):
            raise ValueError("a metric has no value or no interval")
        if any(not names <= pair.difference.keys() for pair in self.pairs):
            raise ValueError("a difference is missing")
        for pair in self.pairs:
            if any(max(e.label, e.first, e.other) >= len(self.labels) for e in (*pair.wins, *pair.losses)):
                raise ValueError("an answer is of a class that does not exist")
        return self


class Disturbed(Shape):
    """An answer that a disturbance changed."""

    text: Annotated[str, Field(max_length=100_000)]
    disturbed: Annotated[str, Field(max_length=100_000)]
    label: Count
    before: Count
    after: Count


class Disturbance(Shape):
    title: Label
    accuracy: float
    change: float
    low: float
    high: float
    turned: Count
    mcnemar: McNemar
    examples: list[Disturbed]


class RobustnessShape(Shape):
    """robustness.json: see core.evaluation.robustness"""

    accuracy: float
    examples: Count
    labels: list[Label]
    kinds: Annotated[list[Disturbance], Field(min_length=1)]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        answers = [answer for kind in self.kinds for answer in kind.examples]
        if any(max(a.label, a.before, a.after) >= len(self.labels) for a in answers):
            raise ValueError("an answer is of a class that does not exist")
        return self


class Hardware(Shape):
    system: Label = ""
    machine: Label = ""
    processor: Label = ""
    device: Label = ""
    precision: Label = ""
    cores: Count | None = None
    memory_gb: float | None = None
    threads: Count | None = None
    gpus: list[Label] = []


class Noted(Shape):
    """What environment.json notes of the dataset."""

    title: Label
    train_split: Label | None = None
    eval_split: Label | None = None
    label_column: Label | None = None
    label_names: list[Label] = []
    source_columns: list[Label] = []


class EnvironmentShape(Shape):
    """environment.json: see core.runs.environment"""

    python: Name = ""
    packages: dict[Name, Name]
    hardware: Hardware
    dataset: Noted


SHAPES: dict[str, type[Shape]] = {
    "report.json": ReportShape, "evaluation.json": EvaluationShape, "comparison.json": ComparisonShape,
    "robustness.json": RobustnessShape, "environment.json": EnvironmentShape,
}  # fmt: skip


def _square(labels: list[str], per_class: list[PerClass], confusion: list[list[int]]) -> None:
    if not len(labels) == len(per_class) == len(confusion) or any(len(row) != len(labels) for row in confusion):
        raise ValueError("the classes of the tables are not the same")


def check_shape(name: str, tree: Any, bundle: str) -> None:
    """Raises DataError if a result file would not be one that the pages can read."""
    try:
        SHAPES[name].model_validate_json(json.dumps(tree), strict=True)
    except ValidationError as error:
        said = f"{bundle} has a {name} that is not valid: {first_problem(error)}; export the run again"
        raise DataError(said) from None
