"""Bundles of results from a dataset repository on the Hub, for those who only look."""

from __future__ import annotations

import re
from pathlib import Path

from core.errors import HubError
from core.hub.download import Progress, cached_commit, download, ignore, readable, repo_files
from core.hub.errors import cache_folder, check, explain, hub_errors, token, unreachable
from core.settings import Settings

BUNDLE = re.compile(r"(?:results/)?[A-Za-z0-9][A-Za-z0-9_.-]{0,150}\.zip")
MOST_BUNDLES = 200


def fetch_results(repo_id: str, revision: str | None, settings: Settings, progress: Progress = ignore) -> Path:
    """The folder with the repository's bundles: `*.zip` at its top or in `results/`, and nothing else of it.

    Bundles that are here already are not fetched again; when the Hub does not answer, those that were fetched before
    have to do. What is in a bundle is not looked at. Raises HubError, also if they are larger than an upload may be.
    """
    check(repo_id, revision)
    token()
    try:
        _, commit, sizes = repo_files("dataset", repo_id, revision)
        wanted = {path: size for path, size in sizes.items() if BUNDLE.fullmatch(path) and ".." not in path}
        _check_sizes(repo_id, wanted, settings)
        return _where(download("dataset", repo_id, revision, commit, wanted, progress))
    except hub_errors() as error:
        commit_here = cached_commit("dataset", repo_id, revision) if unreachable(error) else None
        folder = cache_folder() / f"datasets--{repo_id.replace('/', '--')}" / "snapshots" / (commit_here or "none")
        if commit_here is None or not _bundles(folder):
            raise explain(error, "dataset", repo_id, revision) from None
        return _where(folder)


def _check_sizes(repo_id: str, wanted: dict[str, int], settings: Settings) -> None:
    if not wanted:
        raise HubError(f"{repo_id!r} has no bundles, no .zip at its top or in results/; name another repository")
    if len(wanted) > MOST_BUNDLES:
        raise HubError(f"{repo_id!r} has {len(wanted)} bundles; {MOST_BUNDLES} at most are shown, take some away")
    largest = max(wanted, key=lambda path: wanted[path])
    if wanted[largest] > settings.max_upload_bytes:
        raise HubError(
            f"{largest} of {repo_id!r} has {readable(wanted[largest])}; a bundle may have "
            f"{readable(settings.max_upload_bytes)}, so take it away or make it smaller"
        )
    if (total := sum(wanted.values())) > settings.max_unpacked_bytes:
        raise HubError(
            f"The bundles of {repo_id!r} have {readable(total)} together; {readable(settings.max_unpacked_bytes)} at "
            "most are fetched, so take some away"
        )


def _bundles(folder: Path) -> list[Path]:
    return [*folder.glob("*.zip"), *folder.glob("results/*.zip")] if folder.is_dir() else []


def _where(folder: Path) -> Path:
    """The folder itself if bundles lie at its top, else its results/."""
    return folder if any(folder.glob("*.zip")) else folder / "results"
