"""The spec of a run: one tree of frozen models. The form, the command line, the YAML file and the record come from it.

Every field carries a title, a description (the sentence under it), bounds and a default; `reason` says why that
default. Where Hugging Face has a name for a thing, that is the name. Fields marked `main` are the few a person looks
at first; the rest is "Advanced".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self, cast

import yaml
from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import InitErrorDetails, PydanticCustomError

from core.errors import Problem, SpecError
from core.spec import automatic
from core.spec.automatic import AUTO, AUTOMATIC
from core.spec.data import DataSpec
from core.spec.evaluation import FIRST_TASK, EvaluationSpec, TaskName
from core.spec.execution import ExecutionSpec
from core.spec.model import ModelSpec
from core.spec.refusals import excerpt, problem
from core.spec.section import Section, setting
from core.spec.training import TrainingSpec
from core.spec.yaml_text import read_yaml
from core.tasks import TASKS, main_metric, metrics_of

MAX_SPEC_CHARACTERS = 200_000


class RunSpec(Section):
    """Everything a training run is made from."""

    task: TaskName = setting(FIRST_TASK, "Task", "The first task Tunedeck knows.")
    """What the model learns to do."""

    data: DataSpec = setting(DataSpec(), "Data")
    model: ModelSpec = setting(ModelSpec(), "Model")

    engine: Literal["trainer", "torch", "keras"] = setting("trainer", "Engine", "The tutorial's first way.", main=True)
    """What trains the model: the Transformers Trainer, a native PyTorch loop, or Keras on TensorFlow."""

    keras_input: Literal["tf_data", "numpy"] = setting("tf_data", "Keras input", "Pads each batch only.", main=True)
    """With the Keras engine: a tf.data pipeline that pads each batch, or whole arrays padded to the longest text."""

    training: TrainingSpec = setting(TrainingSpec(), "Training")
    evaluation: EvaluationSpec = setting(EvaluationSpec(), "Evaluation")
    execution: ExecutionSpec = setting(ExecutionSpec(), "Execution")

    auto: tuple[str, ...] = Field(default=(), max_length=len(AUTOMATIC))
    """Paths of the settings that are chosen before the start; in a document they have the value `auto`."""

    @model_validator(mode="before")
    @classmethod
    def _take_auto_out(cls, tree: Any) -> Any:
        return automatic.taken_out(tree) if isinstance(tree, dict) else tree

    @field_validator("auto")
    @classmethod
    def _can_be_automatic(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        for path in paths:
            if path not in AUTOMATIC:
                raise ValueError(f"{path!r} cannot be automatic; these can: {', '.join(AUTOMATIC)}")
        return tuple(path for path in AUTOMATIC if path in paths)

    @model_serializer(mode="wrap")
    def _put_auto_back(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return automatic.put_back(handler(self))

    @model_validator(mode="before")
    @classmethod
    def _metrics_of_the_task(cls, tree: Any) -> Any:
        """A spec of another task than the first that names no metrics takes all of its task's."""
        task = tree.get("task", FIRST_TASK) if isinstance(tree, dict) else FIRST_TASK
        evaluation = tree.get("evaluation", {}) if isinstance(tree, dict) else {}
        if task == FIRST_TASK or not isinstance(task, str) or task not in TASKS or not isinstance(evaluation, dict):
            return tree
        defaults = {"metrics": list(metrics_of(task)), "metric_for_best_model": main_metric(task)}
        return {**tree, "evaluation": defaults | evaluation}

    @model_validator(mode="after")
    def _metrics_fit_the_task(self) -> Self:
        known = metrics_of(self.task)
        for number, name in enumerate(self.evaluation.metrics):
            if name not in known:
                message = f"{name!r} is no metric of the task {self.task}; choose of {', '.join(known)}"
                problem = InitErrorDetails(
                    type=PydanticCustomError("value_error", "{error}", {"error": message}),
                    loc=("evaluation", "metrics", number),
                    input=name,
                )
                raise ValidationError.from_exception_data("RunSpec", [problem])
        return self


class ProfileSpec(Section):
    """What a profile of a dataset is made from."""

    data: DataSpec = setting(DataSpec(), "Data")
    model: ModelSpec = setting(ModelSpec(), "Model")

    exact: bool = setting(False, "All tokens", "A sample tells as much in a fraction of the time.")
    """Count the tokens of all rows, not of a sample of 100,000."""


def spec_fields(model: type[Section] = RunSpec, prefix: str = "") -> Iterable[tuple[str, FieldInfo]]:
    """Every leaf field of a spec with its dotted path, in order: what forms and documentation are made from."""
    for name, info in model.model_fields.items():
        kind = info.annotation
        if name == AUTO:
            continue
        if isinstance(kind, type) and issubclass(kind, Section):
            yield from spec_fields(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", info


def choices(path: str, task: str = FIRST_TASK) -> tuple[str, ...]:
    """The names that a field takes which its task decides; empty for every other field."""
    match path:
        case "task":
            return tuple(TASKS)
        case "evaluation.metrics" | "evaluation.metric_for_best_model":
            return tuple(metrics_of(task))
    return ()


def main_metric_of(tree: Mapping[str, Any]) -> str:
    """The main metric of a spec as the record keeps it: the one that it names, else its task's."""
    named = tree.get("evaluation", {}).get("metric_for_best_model")
    return str(named or main_metric(tree.get("task", FIRST_TASK)))


def get_field(spec: Section, path: str) -> Any:
    """The value at a dotted path."""
    value: Any = spec
    for part in path.split("."):
        value = getattr(value, part)
    return value


def build(tree: Any, kind: type[Section] = RunSpec) -> Any:
    """The spec that `tree` (nested dicts) describes. Raises SpecError with one sentence per broken field."""
    if not isinstance(tree, dict):
        raise SpecError(
            [
                Problem.of(
                    "spec-not-a-mapping",
                    "a spec is a mapping of fields to values, but this is {value}",
                    "",
                    value=excerpt(tree),
                )
            ]
        )
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        raise SpecError([problem(e, kind) for e in error.errors(include_url=False)]) from None


def replace(spec: RunSpec, changes: dict[str, Any]) -> RunSpec:
    """The spec with the values at some dotted paths changed; validated anew. Raises SpecError."""
    tree = spec.model_dump()
    for path, value in changes.items():
        _set(tree, path, value)
    return cast(RunSpec, build(tree))


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """`["training.seed=1", …]` as `{path: value}`, each value read as YAML. Raises SpecError."""
    changes: dict[str, Any] = {}
    for text in assignments:
        path, equals, value = text.partition("=")
        if not equals or not re.fullmatch(r"\w+(\.\w+)*", path.strip()):
            raise SpecError(
                [Problem.of("not-an-assignment", "{value!r} is not of the form section.field=value", "", value=text)]
            )
        changes[path.strip()] = read_yaml(value)
    return changes


def from_yaml(text: str) -> RunSpec:
    """The spec in a YAML document; what it leaves out and can be automatic is so. Raises SpecError."""
    if len(text) > MAX_SPEC_CHARACTERS:
        raise SpecError(
            [
                Problem.of(
                    "spec-too-long",
                    "a spec has at most {most:,} characters, this has {characters:,}",
                    "",
                    most=MAX_SPEC_CHARACTERS,
                    characters=len(text),
                )
            ]
        )
    return cast(RunSpec, build(automatic.completed(read_yaml(text))))


def to_yaml(spec: Section) -> str:
    """The whole spec as YAML, defaults included, so that a later change of a default changes no old run."""
    return yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=100)


def _set(tree: dict[str, Any], path: str, value: Any) -> None:
    *parents, leaf = path.split(".")
    for part in parents:
        if not isinstance(tree.get(part), dict):
            raise SpecError(
                [
                    Problem.of(
                        "no-such-field-sections",
                        "there is no such field; the sections are {sections}",
                        path,
                        sections=", ".join(tree),
                    )
                ]
            )
        tree = tree[part]
    if leaf not in tree:
        raise SpecError(
            [Problem.of("no-such-field", "there is no such field; here are {fields}", path, fields=", ".join(tree))]
        )
    tree[leaf] = value
