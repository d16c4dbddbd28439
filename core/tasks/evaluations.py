"""What judging a model leaves: evaluation.json, comparison.json and robustness.json, as every task has them.

A task adds what is its own, see its `results`. Extra fields are ignored and later fields have defaults, so that a file
of an earlier version reads with the same figures.

An example has a score, by the metric that the task names in `SCORE`: whether the answer is right, how far it is off.
A label and an answer stand in a file as the task has them: an id, a number or a text; `words` says them to people.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from core.spec.evaluation import FIRST_TASK
from core.store.certificate import Certificate
from core.store.json_models import Count, Interval, Label, MetricName, Metrics, Name, Number, Result, Text
from core.tasks.results import Baseline, Gap, McNemar, Overlap

Kind = Literal["validation", "test", "training", "other"]
Value = int | float | Text
"""A label or an answer."""


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

    kind: what it is a group by; score: the mean of its examples' scores; coverage: its share of all examples
    rows: some of its errors
    """

    name: Label
    kind: Label
    count: Count
    errors: Count
    score: float
    coverage: float
    p: float
    q: float
    rows: list[Count] = Field(default_factory=list)


class Slices(Result):
    """worst: groups harder than chance explains, the hardest first"""

    tried: Count
    groups: tuple[Group, ...]
    worst: tuple[Group, ...]


class Answer(Result):
    """An example and what the model answered. score: where it tells more than whether the answer is right

    confidence: the probability that the model gives its answer, where it gives one
    """

    row: Count
    label: Value
    prediction: Value
    score: Number = None
    confidence: Number = None


class BagOfWords(Result):
    """A linear model of TF-IDF. difference: the model's metric minus that of the bag of words"""

    metrics: Metrics
    intervals: dict[MetricName, Interval]
    difference: dict[MetricName, Gap]
    mcnemar: McNemar | None = None
    train_examples: Count | None = None
    examples: Count | None = None
    seconds: float


class Baselines(Result):
    """What simple models reach on the same examples. constant: always the same answer, `majority` in the file"""

    constant: Annotated[Baseline, Field(alias="majority")]
    bag_of_words: BagOfWords | None = None


class Evaluation(Result):
    """evaluation.json: a model judged on the examples of one split.

    kind: validation (the run chose its best by them), test, training, or other; held_out: whether the examples are a
    part of the training split that was kept out of training; notes: sentences on how they were read
    data: where they come from, a DataSpec as a tree; metric_names: those that have intervals and baselines
    mistakes: the answers to look at first; fast: what the fast answers cost, None where the model answered exactly
    """

    version: Literal[1]
    task: Name = FIRST_TASK
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
    metric_names: Annotated[list[MetricName], Field(min_length=1)]
    main_metric: MetricName
    metrics: Metrics
    intervals: dict[MetricName, Interval]
    slices: Slices
    baselines: Baselines
    mistakes: tuple[Answer, ...]
    overlap: Overlap | None = None
    fast: Certificate | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        names, bag = set(self.metric_names), self.baselines.bag_of_words
        if self.main_metric not in names or not names <= self.intervals.keys() & self.metrics.keys():
            raise ValueError("a metric has no value or no interval")
        if not names <= self.baselines.constant.metrics.keys():
            raise ValueError("a metric of the baseline is missing")
        if bag is not None and not names <= bag.metrics.keys() & bag.intervals.keys() & bag.difference.keys():
            raise ValueError("a metric of the bag of words is missing")
        if len(set(self.text_columns)) < len(self.text_columns):
            raise ValueError("two text columns have one name")
        return self

    @property
    def baseline_metrics(self) -> Metrics:
        return self.baselines.constant.metrics

    @property
    def baseline_label(self) -> str:
        """The answer that the baseline always gives."""
        return self.words(self.baselines.constant.label)

    def interval(self, name: str) -> Interval:
        """The 95 % interval of a metric; nothing where it has none."""
        return self.intervals.get(name, (None, None))

    def words(self, value: Value) -> str:
        """A label or an answer, for people."""
        return words_of(value)


class Compared(Result):
    """One of the models that are compared. evaluation: the run that judged it"""

    title: Label
    evaluation: Name
    kind: Name
    metrics: Metrics
    intervals: dict[MetricName, Interval]

    @property
    def beside_metrics(self) -> Mapping[str, Number]:
        """Figures that a table shows after the metrics, by their titles."""
        return {}


class Different(Result):
    """An example on which two models differ: its label, and their answers"""

    row: Count
    label: Value
    first: Value
    other: Value


class Pair(Result):
    """Another model against the first. wins, losses: some examples that only the other, or only the first, has right,
    or has better; `mcnemar` counts all of them
    """

    difference: dict[MetricName, Gap]
    mcnemar: McNemar
    wins: tuple[Different, ...]
    losses: tuple[Different, ...]


class Comparison(Result):
    """comparison.json: models on the examples that all of them were judged on.

    of: how many examples each was judged on; pairs: each model but the first, against the first
    agreement: share of the examples, (models, models); all_wrong: examples that are errors of every model
    """

    task: Name = FIRST_TASK
    examples: Count
    of: list[Count]
    metric_names: Annotated[list[MetricName], Field(min_length=1)]
    main_metric: MetricName
    split: Name
    dataset: DatasetIdentity
    data: dict[str, Any]
    text_columns: list[Label]
    models: Annotated[tuple[Compared, ...], Field(min_length=2, max_length=12)]
    pairs: tuple[Pair, ...]
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
        return self

    @property
    def decisive_metric(self) -> str:
        """The main metric where all models were measured by it, else the first that all have."""
        return self.main_metric if self.main_metric in self.metric_names else self.metric_names[0]

    def words(self, value: Value) -> str:
        """A label or an answer, for people."""
        return words_of(value)


class Disturbed(Result):
    """A prediction that a disturbance changed: its text before and after, its label, and both predictions"""

    row: Count | None = None
    text: Text
    disturbed: Text
    label: Value
    before: Value
    after: Value


class Disturbance(Result):
    """What one way of disturbing texts does. score: of the robustness's metric; change: of it, with its interval

    turned: how many predictions changed
    """

    name: Name = ""
    title: Label
    score: float
    change: float
    low: float
    high: float
    turned: Count
    mcnemar: McNemar
    examples: tuple[Disturbed, ...]

    @property
    def gap(self) -> Gap:
        return Gap(value=self.change, low=self.low, high=self.high)


class Robustness(Result):
    """robustness.json: the examples of an evaluation, disturbed in several ways and answered again.

    metric: the task's main one; score: its value for the texts as they are
    """

    task: Name = FIRST_TASK
    metric: MetricName
    score: float
    examples: Count
    kinds: Annotated[tuple[Disturbance, ...], Field(min_length=1)]

    def words(self, value: Value) -> str:
        """A label or an answer, for people."""
        return words_of(value)


def words_of(value: Value) -> str:
    """A label or an answer that means what it says: a number with four digits at most, or a text."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
