"""The tabs of the Evaluate page; a task names those that show something of its models."""

from __future__ import annotations

from core.tasks.contract import Task
from ui.components import linked_tabs
from ui.evaluate import calibration, confusion, curves, labels, overview, robustness, slices

VIEWS: linked_tabs.Views = {
    "verdict": (":material/verified: Verdict", overview.show),
    "confusion": (":material/grid_on: Confusion", confusion.confusion),
    "mistakes": (":material/error: Mistakes", confusion.mistakes),
    "curves": (":material/show_chart: Curves", curves.show),
    "calibration": (":material/balance: Calibration", calibration.show),
    "groups": (":material/groups: Groups", slices.show),
    "labels": (":material/label: Label errors", labels.show),
    "robustness": (":material/shield: Robustness", robustness.show),
}


def of(task: str) -> linked_tabs.Views:
    """Those of a task, in its order."""
    return {name: VIEWS[name] for name in Task(task).facts.VIEWS}
