"""Fetches result bundles from a dataset repository on the Hub, for viewer and demo mode."""

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
    """Download a repository's bundles (`*.zip` at its top or in `results/`) and return their folder.

    Cached bundles are not fetched again; when the Hub does not answer, the cached ones are used. Bundles are not
    opened here. Raises HubError, also for bundles that are too many or too large.
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
        raise HubError.of(
            "repository-without-bundles",
            "{repository!r} has no bundles (.zip files at its top or in results/); name another repository",
            repository=repo_id,
        )
    if len(wanted) > MOST_BUNDLES:
        raise HubError.of(
            "repository-too-many-bundles",
            "{repository!r} has {count} bundles; at most {most} are shown, so remove some",
            repository=repo_id,
            count=len(wanted),
            most=MOST_BUNDLES,
        )
    largest = max(wanted, key=lambda path: wanted[path])
    if wanted[largest] > settings.max_upload_bytes:
        raise HubError.of(
            "repository-bundle-too-large",
            "{file} in {repository!r} has {size}; a bundle may have at most {most}, so remove it or make it smaller",
            file=largest,
            repository=repo_id,
            size=readable(wanted[largest]),
            most=readable(settings.max_upload_bytes),
        )
    if (total := sum(wanted.values())) > settings.max_unpacked_bytes:
        raise HubError.of(
            "repository-bundles-too-large",
            "The bundles of {repository!r} have {size} together; at most {most} are fetched, so remove some",
            repository=repo_id,
            size=readable(total),
            most=readable(settings.max_unpacked_bytes),
        )


def _bundles(folder: Path) -> list[Path]:
    return [*folder.glob("*.zip"), *folder.glob("results/*.zip")] if folder.is_dir() else []


def _where(folder: Path) -> Path:
    """The folder itself if it has bundles, else its subfolder results/."""
    return folder if any(folder.glob("*.zip")) else folder / "results"
