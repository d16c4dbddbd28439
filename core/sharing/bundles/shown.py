"""What viewer and demo mode show: bundles in a folder or on the Hub, taken in when the app starts."""

from __future__ import annotations

import logging
from pathlib import Path

from core.errors import TunedeckError
from core.runs.scheduler import remove_run
from core.settings import Settings
from core.sharing.bundles.bundle_format import MANIFEST
from core.sharing.bundles.importing import import_bundle
from core.sharing.hub.fetch import fetch_results
from core.store.store import Store

logger = logging.getLogger(__name__)
PUBLISHED = "published"  # the owner of what was taken in


def take_in(store: Store, settings: Settings) -> list[str]:
    """Import every bundle, zip or folder, of the results' folder and Hub repository; forget those no longer there.

    Returns a sentence for each that could not be shown; the others are. While the Hub says no, nothing is forgotten.
    """
    problems: list[str] = []
    there: set[str] = set()
    bundles = _bundles(settings, problems)
    answered = not problems
    for path in bundles:
        try:
            run = import_bundle(path, store, settings, PUBLISHED)
        except TunedeckError as error:
            logger.warning("%s", error)
            problems.append(str(error))
        else:
            assert run.imported is not None
            there.add(run.imported["bundle"])
    for run in store.runs() if answered else ():
        if run.owner == PUBLISHED and run.imported is not None and run.imported["bundle"] not in there:
            remove_run(store, settings, run.id)
    return problems


def _bundles(settings: Settings, problems: list[str]) -> list[Path]:
    folders = [settings.results]
    if settings.results_repo:
        try:
            folders.append(fetch_results(settings.results_repo, None, settings))
        except TunedeckError as error:
            problems.append(str(error))
    paths = [path for folder in folders if folder.is_dir() for path in sorted(folder.iterdir())]
    return [path for path in paths if path.suffix == ".zip" or (path / MANIFEST).is_file()]
