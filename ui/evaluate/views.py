"""The tabs of the Evaluate page; a task names those that show something of its models."""

from __future__ import annotations

from core.tasks.contract import Task
from core.wording import listed
from ui.components import linked_tabs
from ui.evaluate import examples, overview, robustness, slices
from ui.evaluate.text_classification import calibration, confusion, curves, labels

VIEWS: linked_tabs.Views = {
    "verdict": (":material/verified: Verdict", overview.show),
    "confusion": (":material/grid_on: Confusion", confusion.confusion),
    "mistakes": (":material/error: Mistakes", examples.mistakes),
    "curves": (":material/show_chart: Curves", curves.show),
    "calibration": (":material/balance: Calibration", calibration.show),
    "groups": (":material/groups: Groups", slices.show),
    "labels": (":material/label: Label errors", labels.show),
    "robustness": (":material/shield: Robustness", robustness.show),
}


def of(task: str) -> linked_tabs.Views:
    """Those of a task, in its order."""
    return {name: VIEWS[name] for name in Task(task).facts.VIEWS}


def absent(task: str, view: str) -> str:
    """Why a link to a view opens another one: a sentence; empty where the task has it, or nothing has."""
    facts = Task(task).facts
    if view in facts.VIEWS or view not in VIEWS:
        return ""
    return f"A model of the task “{facts.TITLE}” has no view “{view}”; it has {listed(facts.VIEWS)}."
