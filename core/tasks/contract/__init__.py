"""What a task's room holds: the modules that worker, engines, evaluation, sharing and pages ask, with the same names.

    core/tasks/NAME/__init__.py     what the task is called, the engines that can train it: light, for pages and specs
    core/tasks/NAME/metrics.py      the table of metrics, the main one, and how they are computed: light until it is
    core/tasks/NAME/encode.py       typed examples to token ids and labels
    core/tasks/NAME/columns.py      the data of a spec as the typed splits that the task trains and is judged on
    core/tasks/NAME/model.py        the head, what config.json says of it, and the loss of each framework
    core/tasks/NAME/predictions.py  what a model answered, as files and back
    core/tasks/NAME/evaluation.py   what answers to labelled examples are worth
    core/tasks/NAME/results.py      the types of its result files
    core/tasks/NAME/analysis.py     the report of a run, from its outputs
    core/tasks/NAME/advice.py       what to try next, as far as it depends on the task
    core/tasks/NAME/script.py       what an exported script has of the task; only if the room offers "script"
    core/tasks/NAME/answers.py      what logits say; only if the room offers "playground" or "onnx"
    core/tasks/NAME/rivals.py       simpler models to measure a run by; only if the room offers "rivals"

No base class: a room is a package with these modules, and `tests/tasks` holds each of them to the protocols beside
this page: `learning` (how a task learns), `judging` (how it is judged) and `offers` (what it may do beyond). What
tasks share stands beside the rooms and is called: `texts` (tokenising, padding), `batches`, `token_cache`,
`running_metrics`.

Outputs are what a model gives for examples: `outputs.logits`, float32 (examples, ...). Labels are the column `labels`
of an `Encoded`, (examples, ...). Which shapes they have is the task's own business.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from core.spec.evaluation import FIRST_TASK
from core.tasks import TASKS

if TYPE_CHECKING:
    from core.spec.run import RunSpec
    from core.tasks.contract.judging import Advice, Analysis, Evaluating, PredictionsFile, Results
    from core.tasks.contract.learning import Columns, Encode, Facts, Metrics, Model
    from core.tasks.contract.offers import Rivals, Script, Shares


@dataclass(frozen=True)
class Task:
    """One task's room. Each part is imported when it is asked for, so that a page imports no model."""

    name: str

    @property
    def facts(self) -> Facts:
        return cast("Facts", importlib.import_module(TASKS[self.name]))

    @property
    def metrics(self) -> Metrics:
        return cast("Metrics", self._part("metrics"))

    @property
    def encode(self) -> Encode:
        return cast("Encode", self._part("encode"))

    @property
    def model(self) -> Model:
        return cast("Model", self._part("model"))

    @property
    def columns(self) -> Columns:
        return cast("Columns", self._part("columns"))

    @property
    def predictions(self) -> PredictionsFile:
        return cast("PredictionsFile", self._part("predictions"))

    @property
    def results(self) -> Results:
        return cast("Results", self._part("results"))

    @property
    def analysis(self) -> Analysis:
        return cast("Analysis", self._part("analysis"))

    @property
    def evaluation(self) -> Evaluating:
        return cast("Evaluating", self._part("evaluation"))

    @property
    def advice(self) -> Advice:
        return cast("Advice", self._part("advice"))

    @property
    def script(self) -> Script:
        """Only of a room that offers "script"."""
        return cast("Script", self._part("script"))

    @property
    def answers(self) -> Shares:
        """Only of a room that offers "playground" or "onnx"."""
        return cast("Shares", self._part("answers"))

    @property
    def rivals(self) -> Rivals:
        """Only of a room that offers "rivals"."""
        return cast("Rivals", self._part("rivals"))

    def _part(self, name: str) -> Any:
        return importlib.import_module(f"{TASKS[self.name]}.{name}")


def task_of(spec: RunSpec) -> Task:
    """The task of a run's spec."""
    return Task(spec.task)


def task_of_record(spec: Mapping[str, Any]) -> Task:
    """The same of a spec as the record keeps it; the first task where an earlier version named none."""
    return Task(str(spec.get("task", FIRST_TASK)))
