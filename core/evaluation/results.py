"""The result files of a run, read by the type that its task has for them. A damaged file reads as None."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from pydantic_core import from_json

from core.spec.evaluation import FIRST_TASK
from core.store.json_models import Result
from core.tasks import TASKS
from core.tasks.contract import Task
from core.tasks.evaluations import Comparison, Evaluation, Robustness
from core.tasks.results import Report

REPORT, EVALUATION = "report.json", "evaluation.json"
COMPARISON, ROBUSTNESS = "comparison.json", "robustness.json"
TYPES: dict[str, type[Result]] = {
    REPORT: Report,
    EVALUATION: Evaluation,
    COMPARISON: Comparison,
    ROBUSTNESS: Robustness,
}
"""What each file is in general, see `type_of`."""


def type_of(name: str, tree: Any) -> type[Result]:
    """The type of a result file: its task's own. tree: its content. Raises ValueError for a task that is not known."""
    task = tree.get("task", FIRST_TASK) if isinstance(tree, dict) else FIRST_TASK
    if not isinstance(task, str) or task not in TASKS:
        raise ValueError(f"the task {str(task)[:40]!r} is not known; it is one of {', '.join(TASKS)}")
    types = Task(task).results
    own: dict[str, type[Result]] = {
        REPORT: types.REPORT,
        EVALUATION: types.EVALUATION,
        COMPARISON: types.COMPARISON,
        ROBUSTNESS: types.ROBUSTNESS,
    }
    return own[name]


def read(folder: Path, name: str) -> Result | None:
    """One of these files, by the type that its task has for it; None if it is not there or damaged."""
    try:
        tree = from_json((folder / name).read_bytes())
        return type_of(name, tree).model_validate(tree)
    except (OSError, ValueError):
        return None


def read_report(folder: Path) -> Report | None:
    """The report of a run's final evaluation; None if there is none, or it cannot be read."""
    return cast(Report | None, read(folder, REPORT))


def read_evaluation(folder: Path) -> Evaluation | None:
    """How a model was judged; None if there is nothing, or it cannot be read."""
    return cast(Evaluation | None, read(folder, EVALUATION))


def read_comparison(folder: Path) -> Comparison | None:
    """How models compare; None if there is nothing, or it cannot be read."""
    return cast(Comparison | None, read(folder, COMPARISON))


def read_robustness(folder: Path) -> Robustness | None:
    """What disturbed texts cost; None if it was not checked, or cannot be read."""
    return cast(Robustness | None, read(folder, ROBUSTNESS))
