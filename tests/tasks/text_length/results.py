from __future__ import annotations

from core.tasks.evaluations import Comparison, Evaluation, Robustness
from core.tasks.results import Report


class LengthReport(Report):
    """report.json: worst is the row with the answer that is furthest off."""

    worst: int


REPORT = LengthReport
EVALUATION, COMPARISON, ROBUSTNESS = Evaluation, Comparison, Robustness
