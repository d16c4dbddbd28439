"""The chapters that tasks name, in `CHAPTERS` of their rooms; every report has the others."""

from __future__ import annotations

from core.sharing.report.chapters import calibration, classes, failures
from core.sharing.report.chapters.chapter import Chapter
from core.sharing.report.content import Content

CHAPTERS: dict[str, Chapter] = {
    "answers": Chapter(failures=failures.answers),
    "calibration": Chapter(calibration.section, facts=calibration.facts, limits=calibration.limits),
    "classes": Chapter(
        classes.section,
        lead=classes.lead,
        data=classes.data,
        description=classes.description,
        uses=classes.uses,
        limits=classes.limits,
        results=classes.results,
    ),
    "confusions": Chapter(failures=classes.confusions),
    "groups": Chapter(failures=failures.groups),
    "groups by share": Chapter(failures=classes.groups, limits=classes.hard_groups_line),
    "label errors": Chapter(failures=classes.label_errors, limits=classes.doubtful),
    "mistakes": Chapter(failures=classes.mistakes),
}


def of(content: Content) -> list[Chapter]:
    """Those of the run's task, in its order."""
    return [CHAPTERS[name] for name in content.task.facts.CHAPTERS]
