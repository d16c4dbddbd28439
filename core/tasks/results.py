"""What result files of every task are made of."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from core.messages import Message
from core.spec.evaluation import FIRST_TASK
from core.store.json_models import Count, Interval, Label, MetricName, Metrics, Name, Result


class Gap(Result):
    """The difference of a metric between two models on the same examples, and its 95 % interval. p: two-sided"""

    value: float
    low: float
    high: float
    p: float | None = None


class McNemar(Result):
    """McNemar's exact test. gains, losses: examples that only the second, or only the first, model answers rightly

    Of scores other than right and wrong it is the sign test: gains are the examples that the second answers better.
    """

    gains: Count
    losses: Count
    p: float


class Overlap(Result):
    """Examples whose text was in training, and the metrics without them; rows: some of their row numbers

    score_of_seen: the mean of their scores
    """

    count: Count
    of: Count
    rows: list[Count] = Field(default_factory=list)
    metrics_without: Metrics = Field(default_factory=dict)
    score_of_seen: float | None = None


class Baseline(Result):
    """What always giving the same answer reaches. label: that answer; from_training: whether it is that of training"""

    label: Label | int | float
    metrics: Metrics
    from_training: bool = True


def _written_advice(value: Any) -> Any:
    """A sentence alone, as earlier versions wrote; arguments without numbers that JSON cannot hold (NaN)."""
    if isinstance(value, str):
        return {"text": value}
    if isinstance(value, dict) and isinstance(arguments := value.get("arguments"), dict):
        return value | {"arguments": {name: argument for name, argument in arguments.items() if argument is not None}}
    return value


def _bounded(message: Message) -> Message:
    if len(message.text) + sum(len(f"{name}{value}") for name, value in message.arguments.items()) > MOST_ADVICE:
        raise ValueError("the advice is too long")
    return message


MOST_ADVICE = 10_000  # characters of a sentence with its arguments
Advice = Annotated[Message, BeforeValidator(_written_advice), AfterValidator(_bounded)]
"""A sentence on what to try next."""


class Rival(Result):
    """What a simpler model reaches on the same examples. train_examples: that it learned from"""

    metrics: Metrics
    train_examples: Count
    examples: Count
    seconds: float


class FrozenEncoder(Rival):
    """A linear classifier on the pretrained model as it was. pooling: what it read of a text: what the head reads, or
    the mean of all tokens"""

    pooling: Literal["model", "mean"] = "model"


class Start(FrozenEncoder):
    """The note in start.safetensors: what a model with a fitted head reaches before anything else of it is trained.

    data: the fingerprint of the encoded examples; config: what else its config says than that of the pretrained model
    frozen: what a head on the model as it was reaches, where a contrastive stage came before this one was fitted
    """

    data: Name
    frozen: FrozenEncoder | None = None
    config: dict[Name, int | str] = Field(default_factory=dict)


class Rivals(Result):
    """rivals.json: what simpler models reach on the data of a run; None where there is none."""

    bag_of_words: Rival | None = None
    frozen_encoder: FrozenEncoder | None = None


class Report(Result):
    """report.json: the final evaluation of a training run. A task adds what is its own, see its `results`.

    task: the name of its task; the first one where a file of an earlier version names none
    examples: how many were judged, of eval_examples; fewer where the run was stopped
    rivals: simpler models on the same data
    truncated: part of the data -> share of its texts that were cut off
    advice: the most useful first; a report of an earlier version has the sentences without id and arguments
    """

    task: Name = FIRST_TASK
    examples: Count
    eval_examples: Count | None = None
    train_examples: Count
    metrics: Metrics
    main_metric: MetricName
    baseline: Baseline
    rivals: Rivals = Rivals()
    truncated: dict[str, float] = Field(default_factory=dict)
    device: Label = ""
    precision: Label = ""
    advice: tuple[Advice, ...] = ()

    @model_validator(mode="after")
    def _has_main_metric(self) -> Self:
        if self.main_metric not in self.metrics:
            raise ValueError("the main metric has no value")
        return self

    @property
    def baseline_metrics(self) -> Metrics:
        return self.baseline.metrics

    @property
    def baseline_label(self) -> str:
        """The answer that the baseline always gives."""
        return str(self.baseline.label)

    def interval(self, name: str) -> Interval:
        """A report has no intervals."""
        return None, None
