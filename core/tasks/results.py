"""What result files are made of: their frozen base, bounded texts and numbers, and figures that every task has.

One definition serves the worker that writes a file, the pages and reports that read it, and the import of a bundle,
which holds a stranger's file to the same bounds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from core.files import write_text
from core.messages import Message
from core.models.label_names import LONGEST

Name = Annotated[str, StringConstraints(max_length=200)]
Label = Annotated[str, StringConstraints(max_length=LONGEST)]
Text = Annotated[str, StringConstraints(max_length=100_000)]
Count = Annotated[int, Field(ge=0, le=2**53)]


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_finite)]
"""None where it is not finite: JSON has no NaN."""

Metrics = Mapping[Name, Number]
Interval = tuple[Number, Number]
"""Low and high of a 95 % interval."""


class Result(BaseModel):
    """A result file, or a part of one. A field that this version does not know is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, validate_by_name=True)

    def tree(self) -> dict[str, Any]:
        """As it stands in the file: only what was given, under the file's names."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)

    def save(self, path: Path, indent: int | None = None) -> None:
        """Write it as JSON, all of it or nothing. Raises OSError."""
        write_text(path, self.model_dump_json(by_alias=True, exclude_unset=True, indent=indent))

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """Read it from JSON; None if the file is not there or damaged."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValueError):
            return None


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

    task: Name = "text-classification"
    examples: Count
    eval_examples: Count | None = None
    train_examples: Count
    metrics: Metrics
    main_metric: Name
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
