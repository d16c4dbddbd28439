"""Where Tunedeck keeps its things and what this installation allows. The one module that reads TUNEDECK_* variables."""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import platformdirs
import psutil

from core.errors import PathError, TunedeckError

NETWORK_FILESYSTEMS = {
    "nfs",
    "nfs4",
    "cifs",
    "smbfs",
    "smb3",
    "afpfs",
    "webdav",
    "davfs",
    "9p",
    "fuse.sshfs",
    "glusterfs",
}
PROJECT = Path(__file__).resolve().parent.parent
CONFIGURATION = "tunedeck.toml"
SYNCED_FOLDERS = re.compile(
    r"dropbox|onedrive|google ?drive|icloud|mobile documents|nextcloud|syncthing", re.IGNORECASE
)


@dataclass(frozen=True)
class Settings:
    """One installation.

    home: the folder that holds the store, the runs, uploads and caches
    mode: `local` (one person's own machine: any readable path), else only uploads and `roots`
    roots: folders whose files may be opened in every mode
    stop_grace_s: seconds a stopped run may take to end its step and save before it is terminated
    hung_after_s: seconds without a heartbeat after which a worker is given up
    spare_worker: whether a dashboard keeps a worker ready, so that a run starts at once; about 1 GB of memory
    max_upload_bytes: the largest upload
    max_unpacked_bytes: the most that an archive may unpack to
    results: the folder whose bundles viewer and demo mode show
    results_repo: a dataset repository of the Hub whose bundles they show besides; none if empty
    """

    home: Path
    mode: str = "local"
    roots: tuple[Path, ...] = ()
    stop_grace_s: float = 60.0
    hung_after_s: float = 120.0
    spare_worker: bool = True
    max_upload_bytes: int = 1024 * 1024**2
    max_unpacked_bytes: int = 8 * 1024**3
    results: Path = PROJECT / "results"
    results_repo: str = ""

    @property
    def store_path(self) -> Path:
        return self.home / "store.sqlite3"

    @property
    def uploads(self) -> Path:
        return self.home / "uploads"

    @property
    def datasets(self) -> Path:
        """Prepared datasets: a folder of Parquet files each, named by content and reading."""
        return self.home / "datasets"

    @property
    def encoded(self) -> Path:
        """Token ids of datasets that were tokenised, by content and settings; safe to delete."""
        return self.home / "encoded"

    def run_dir(self, run_id: str) -> Path:
        """The folder of a run's files. Raises PathError for an id that is none (it may come from a link)."""
        if not re.fullmatch(r"[a-z0-9]{4,40}", run_id):
            raise PathError(f"{run_id[:60]!r} is not the id of a run; an id has letters a to z and digits alone")
        return self.home / "runs" / run_id


def from_environment() -> Settings:
    """The settings that TUNEDECK_* variables describe; the home folder is made if it is not there."""
    _configure(PROJECT / CONFIGURATION)
    home = Path(os.environ.get("TUNEDECK_HOME") or platformdirs.user_data_dir("tunedeck", appauthor=False))
    try:
        home = home.expanduser().resolve()
        home.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise PathError(f"{home} cannot be Tunedeck's folder ({error}); set TUNEDECK_HOME to one of yours") from None
    roots = os.environ.get("TUNEDECK_ROOTS", "")
    return Settings(
        home=home,
        mode=os.environ.get("TUNEDECK_MODE", "local"),
        roots=tuple(Path(r).expanduser().resolve() for r in roots.split(os.pathsep) if r),
        stop_grace_s=_seconds("TUNEDECK_STOP_GRACE_S", 60.0),
        hung_after_s=_seconds("TUNEDECK_HUNG_AFTER_S", 120.0),
        spare_worker=_switch("TUNEDECK_SPARE_WORKER", True),
        results=Path(os.environ.get("TUNEDECK_RESULTS") or PROJECT / "results").expanduser().resolve(),
        results_repo=os.environ.get("TUNEDECK_RESULTS_REPO", "").strip(),
    )


def _configure(path: Path) -> None:
    """Give the environment what the file says (`mode` is TUNEDECK_MODE), for this process and its workers.

    What the environment says itself goes first. Published folders have such a file; there is no other use for it.
    """
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise TunedeckError(f"{path.name} cannot be read ({error}); mend it, or publish the runs again") from None
    for name, value in said.items():
        if not isinstance(value, str | int | float):
            raise TunedeckError(f"{path.name} gives {name} a value that is neither text nor number; give it one")
        os.environ.setdefault(f"TUNEDECK_{name.upper()}", str(value))


def _seconds(name: str, default: float) -> float:
    text = os.environ.get(name) or str(default)
    try:
        return float(text)
    except ValueError:
        raise TunedeckError(f"{name} is {text!r}, which is no number of seconds; set it to one such as 60") from None


def _switch(name: str, default: bool) -> bool:
    text = os.environ.get(name, "").strip().lower()
    if text in ("", "on", "off", "1", "0", "true", "false"):
        return text in ("on", "1", "true") if text else default
    raise TunedeckError(f"{name} is {text!r}, which is neither on nor off; set it to one of them")


def allowed_path(settings: Settings, path: str) -> Path:
    """`path` as an absolute path that this mode may read, links resolved. Raises PathError."""
    try:
        resolved = Path(path).expanduser().resolve()
        resolved.exists()  # what is too long or closed to us says so here
    except (OSError, ValueError, RuntimeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise PathError(f"{path[:100]!r} cannot be opened ({why}); check the path") from None
    if settings.mode == "local" or any(
        resolved.is_relative_to(root) for root in (settings.uploads.resolve(), *settings.roots)
    ):
        return resolved
    raise PathError(f"{Path(path).name!r} lies outside the folders that may be opened here; upload the file instead")


@lru_cache(maxsize=8)
def home_warning(home: Path) -> str | None:
    """A sentence if the home folder lies on a network or synced folder, where SQLite can lose data; else None."""
    if SYNCED_FOLDERS.search(str(home)):
        return (
            f"{home} looks like a synced folder; syncing can damage the run store. Set TUNEDECK_HOME to a local folder."
        )
    mounts = [p for p in psutil.disk_partitions(all=True) if home.is_relative_to(p.mountpoint)]
    nearest = max(mounts, key=lambda p: len(p.mountpoint), default=None)
    if nearest and nearest.fstype.lower() in NETWORK_FILESYSTEMS:
        return f"{home} is on a network drive ({nearest.fstype}); the run store needs a local disk. Set TUNEDECK_HOME."
    return None
