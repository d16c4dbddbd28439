"""Background work on a dataset: what the kinds import, inspect and profile do. Only a worker imports this."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.data.inspecting.problems.inspection import inspect
from core.data.inspecting.profile import profile_of
from core.data.prepare import prepare
from core.messages import Message
from core.settings import Settings
from core.spec.data import DataSpec
from core.spec.run import ProfileSpec
from core.store.summaries import Inspected, Opened, Profiled

if TYPE_CHECKING:
    from core.events import Reporter
    from core.store.record import Run


def import_dataset(spec: DataSpec, run: Run, settings: Settings, report: Reporter) -> Opened:
    """Bring a dataset to Parquet, so that pages can browse it. Raises DataError, HubError, PathError."""
    report.phase(Message("Opening the dataset", "opening-dataset"))
    prepared = prepare(spec, settings, report.fraction)
    rows = {name: split.rows for name, split in prepared.splits.items()}
    return Opened(fingerprint=prepared.fingerprint, rows=rows)


def inspect_dataset(spec: DataSpec, run: Run, settings: Settings, report: Reporter) -> Inspected:
    """Look for what in a dataset will hurt a model; the findings are kept with the dataset.

    Raises DataError, HubError, PathError.
    """
    report.phase(Message("Opening the dataset", "opening-dataset"))
    findings = inspect(prepare(spec, settings, report.fraction), spec, report.fraction)
    return Inspected(findings=len(findings))


def profile_dataset(spec: ProfileSpec, run: Run, settings: Settings, report: Reporter) -> Profiled:
    """What is in a dataset, in numbers; they are kept with the dataset. Raises DataError, HubError, PathError."""
    report.phase(Message("Opening the dataset", "opening-dataset"))
    profile = profile_of(spec, settings, report.fraction)
    return Profiled(rows=profile.rows, recommended_max_length=profile.recommended_max_length)
