"""The evaluation section of a spec: how the model is judged, by the metrics of its task."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, field_validator, model_validator
from pydantic_core import PydanticKnownError

from core.spec.section import Section, setting
from core.tasks import TASKS, main_metric, metrics_of

FIRST_TASK = "text-classification"


def _one_of(value: Any, names: Iterable[str]) -> Any:
    """The value, refused as a Literal of these names would refuse it."""
    known = [repr(name) for name in names]
    if repr(value) not in known:
        expected = " or ".join([*([", ".join(known[:-1])] if known[:-1] else []), known[-1]])
        raise PydanticKnownError("literal_error", {"expected": expected})
    return value


# Tables of core.tasks, which are asked when a spec is validated: a task that is added there needs no change here.
TaskName = Annotated[str, BeforeValidator(lambda name: _one_of(name, TASKS))]
MetricName = Annotated[
    str, BeforeValidator(lambda name: _one_of(name, [n for task in TASKS for n in metrics_of(task)]))
]


class EvaluationSpec(Section):
    """How the model is judged."""

    metrics: tuple[MetricName, ...] = setting(
        tuple(metrics_of(FIRST_TASK)), "Metrics", "They cost nothing beside training.", min_length=1
    )
    """The metrics computed at each evaluation."""

    metric_for_best_model: MetricName = setting(
        main_metric(FIRST_TASK), "Main metric", "What most people mean by how good."
    )
    """The metric that decides which checkpoint is best and that lists show first."""

    early_stopping_patience: int | None = setting(None, "Early stopping", "Trains to the end.", ge=1, le=1000)
    """End the run after this many evaluations in a row without a better main metric; 0 trains to the end."""

    early_stopping_threshold: float = setting(0.0, "Least improvement", "EarlyStoppingCallback's default.", ge=0, le=1)
    """With early stopping: by how much the main metric must rise to count as better."""

    @field_validator("early_stopping_patience", mode="before")
    @classmethod
    def _zero_is_off(cls, patience: Any) -> Any:
        """A form's empty field is automatic, so that off needs a number."""
        return None if isinstance(patience, int | float) and patience == 0 else patience

    @model_validator(mode="after")
    def _main_is_computed(self) -> Self:
        if self.metric_for_best_model not in self.metrics:
            raise ValueError(
                f"the main metric is {self.metric_for_best_model!r}, which is not among the metrics "
                f"{', '.join(self.metrics)}; add it or choose one of them"
            )
        return self
