"""What viewer and demo mode show: the bundles in a folder, taken in when the app starts."""

from __future__ import annotations

import logging
from pathlib import Path

from core.errors import TunedeckError
from core.scheduler import remove_run
from core.settings import Settings
from core.sharing.bundle_format import MANIFEST
from core.sharing.importing import import_bundle
from core.store import Store

logger = logging.getLogger(__name__)
PUBLISHED = "published"  # the owner of what was taken in


def take_in(folder: Path, store: Store, settings: Settings) -> list[str]:
    """Import every bundle in `folder`, zips and folders, and forget published ones that are no longer there.

    Returns a sentence for each that could not be shown; the others are.
    """
    problems, there = [], set()
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.suffix != ".zip" and not (path / MANIFEST).is_file():
            continue
        try:
            run = import_bundle(path, store, settings, PUBLISHED)
        except TunedeckError as error:
            logger.warning("%s", error)
            problems.append(str(error))
        else:
            assert run.imported is not None
            there.add(run.imported["bundle"])
    for run in store.runs():
        if run.owner == PUBLISHED and run.imported is not None and run.imported["bundle"] not in there:
            remove_run(store, settings, run.id)
    return problems
