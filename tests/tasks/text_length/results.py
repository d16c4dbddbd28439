from __future__ import annotations

from core.tasks.results import Report


class LengthReport(Report):
    """report.json: worst is the row with the answer that is furthest off."""

    worst: int


REPORT = LengthReport
