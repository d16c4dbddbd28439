"""What an evaluation leaves: report.json of a training run, evaluation.json and the others of later work.

Fields of classes come from the task's own models. Extra fields are ignored and later fields have defaults, so that a
file of an earlier version reads with the same figures. A damaged file reads as None.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import from_json

from core.spec.evaluation import FIRST_TASK
from core.tasks import TASKS
from core.tasks.contract import Task
from core.tasks.results import Count, Gap, Interval, Label, McNemar, Metrics, Name, Overlap, Report, Result, Text
from core.tasks.text_classification.results import ClassAnalysis

REPORT, EVALUATION = "report.json", "evaluation.json"
COMPARISON, ROBUSTNESS = "comparison.json", "robustness.json"
Kind = Literal["validation", "test", "training", "other"]


class DatasetIdentity(Result):
    title: Label
    fingerprint: Name


class FinalTest(Result):
    """The final test that was looked at. looks: how often by then, this one included"""

    content: Name
    looks: Count
    title: Label = ""
    split: Label = ""


class Group(Result):
    """A group of examples. p: chance of so many errors in it by luck; q: p corrected for all groups that were tried

    kind: what it is a group by; coverage: its share of all examples; rows: some of its mistakes
    """

    name: Label
    kind: Label
    count: Count
    errors: Count
    accuracy: float
    coverage: float
    p: float
    q: float
    rows: list[Count] = Field(default_factory=list)


class Slices(Result):
    """worst: groups harder than chance explains, the hardest first"""

    tried: Count
    groups: list[Group]
    worst: list[Group]


class Evaluation(ClassAnalysis):
    """evaluation.json: a model judged on the examples of one split.

    kind: validation (the run chose its best by them), test, training, or other; held_out: whether the examples are a
    part of the training split that was kept out of training; notes: sentences on how they were read
    data: where they come from, a DataSpec as a tree; metric_names: those that have intervals and baselines
    """

    version: Literal[1]
    title: Label
    kind: Kind
    notes: list[Label]
    split: Name
    held_out: bool = False
    dataset: DatasetIdentity
    data: dict[str, Any]
    final_test: FinalTest | None
    text_columns: Annotated[list[Label], Field(min_length=1, max_length=2)]
    label_column: Label
    examples: Annotated[int, Field(ge=1)]
    metric_names: Annotated[list[Name], Field(min_length=1)]
    main_metric: Name
    metrics: Metrics
    intervals: dict[Name, Interval]
    slices: Slices
    overlap: Overlap | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        names, bag = set(self.metric_names), self.baselines.bag_of_words
        if self.main_metric not in names or not names <= self.intervals.keys() & self.metrics.keys():
            raise ValueError("a metric has no value or no interval")
        if not names <= self.baselines.majority.metrics.keys():
            raise ValueError("a metric of the baseline is missing")
        if bag is not None and not names <= bag.metrics.keys() & bag.intervals.keys() & bag.difference.keys():
            raise ValueError("a metric of the bag of words is missing")
        if len(set(self.text_columns)) < len(self.text_columns):
            raise ValueError("two text columns have one name")
        return self

    @property
    def baseline_metrics(self) -> Metrics:
        return self.baselines.majority.metrics

    @property
    def baseline_label(self) -> str:
        """The answer that the baseline always gives."""
        return self.labels[self.baselines.majority.label]

    def interval(self, name: str) -> Interval:
        """The 95 % interval of a metric; nothing where it has none."""
        return self.intervals.get(name, (None, None))


class Compared(Result):
    """One of the models that are compared. evaluation: the run that judged it"""

    title: Label
    evaluation: Name
    kind: Name
    metrics: Metrics
    intervals: dict[Name, Interval]
    ece: float


class Different(Result):
    """An example on which two models differ: their classes, and their probabilities of the true one"""

    row: Count
    label: Count
    first: Count
    other: Count
    first_share: float | None = None
    other_share: float | None = None


class Pair(Result):
    """Another model against the first. wins, losses: examples that only the other, or only the first, has right"""

    difference: dict[Name, Gap]
    mcnemar: McNemar
    wins: list[Different]
    losses: list[Different]


class Comparison(Result):
    """comparison.json: models on the examples that all of them were judged on.

    of: how many examples each was judged on; pairs: each model but the first, against the first
    agreement: share of the examples, (models, models); all_wrong: examples that no model has right
    """

    examples: Count
    of: list[Count]
    labels: list[Label]
    metric_names: Annotated[list[Name], Field(min_length=1)]
    main_metric: Name
    split: Name
    dataset: DatasetIdentity
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

    @property
    def decisive_metric(self) -> str:
        """The main metric where all models were measured by it, else the first that all have."""
        return self.main_metric if self.main_metric in self.metric_names else self.metric_names[0]


class Disturbed(Result):
    """A prediction that a disturbance flipped: its text before and after, its true class, and both predictions"""

    row: Count | None = None
    text: Text
    disturbed: Text
    label: Count
    before: Count
    after: Count


class Disturbance(Result):
    """What one way of disturbing texts does. change: of the accuracy, with its interval; turned: flipped predictions"""

    name: Name = ""
    title: Label
    accuracy: float
    change: float
    low: float
    high: float
    turned: Count
    mcnemar: McNemar
    examples: list[Disturbed]

    @property
    def gap(self) -> Gap:
        return Gap(value=self.change, low=self.low, high=self.high)


class Robustness(Result):
    """robustness.json: the examples of an evaluation, disturbed in several ways and answered again."""

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


def read_report(folder: Path) -> Report | None:
    """The report of a run's final evaluation, as its task has it; None if there is none, or it cannot be read."""
    try:
        tree = from_json((folder / REPORT).read_bytes())
        return report_type(tree).model_validate(tree)
    except (OSError, ValueError):
        return None


def report_type(tree: Any) -> type[Report]:
    """The type of the report that this tree is: its task's own. Raises ValueError for a task that is not known."""
    name = tree.get("task", FIRST_TASK) if isinstance(tree, dict) else FIRST_TASK
    if not isinstance(name, str) or name not in TASKS:
        raise ValueError(f"the task {str(name)[:40]!r} is not known; it is one of {', '.join(TASKS)}")
    return Task(name).results.REPORT


def read_evaluation(folder: Path) -> Evaluation | None:
    """What an evaluation found; None if there is nothing, or it cannot be read."""
    return Evaluation.load(folder / EVALUATION)


def read_comparison(folder: Path) -> Comparison | None:
    """How models compare; None if there is nothing, or it cannot be read."""
    return Comparison.load(folder / COMPARISON)


def read_robustness(folder: Path) -> Robustness | None:
    """What disturbed texts cost; None if it was not checked, or cannot be read."""
    return Robustness.load(folder / ROBUSTNESS)
