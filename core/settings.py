"""The settings of one installation: its folders, limits and roles. The only module that reads TUNEDECK_* variables."""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import platformdirs
import psutil

from core import hosts
from core.errors import PathError, TunedeckError
from core.person import OPERATOR, Person, Role

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
MODES = ("local", "team", "viewer", "demo")
HOME_NAME = "TUNEDECK_HOME"  # replaces the home folder in paths that people see
SYNCED_FOLDERS = re.compile(
    r"dropbox|onedrive|google ?drive|icloud|mobile documents|nextcloud|syncthing", re.IGNORECASE
)


@dataclass(frozen=True)
class Limits:
    """The limits per person in every mode except local. The operator's own runs have no limits.

    disk_bytes: the size of their run folders and uploads together
    queued: the number of their runs that wait or work at once
    run_s: seconds that one run may take; then it is stopped gracefully and keeps its model
    """

    disk_bytes: int = 20 * 1024**3
    queued: int = 10
    run_s: float = 24 * 3600.0


@dataclass(frozen=True)
class Demo:
    """The limits of training in demo mode.

    examples, epochs, length: the maximum of each; length in tokens
    waiting: the number of runs of all visitors that wait or work at once
    keep_s: seconds after which a visitor's run is deleted
    """

    examples: int = 4000
    epochs: float = 5.0
    length: int = 128
    waiting: int = 20
    keep_s: float = 6 * 3600.0


LIMITS = {
    "team": Limits(),
    "demo": Limits(disk_bytes=200 * 1024**2, queued=1, run_s=180.0),
}


@dataclass(frozen=True)
class Settings:
    """One installation, and the person who uses it now.

    home: the folder that holds the store, the runs, uploads and caches
    mode: one of `MODES`; in `local` any readable path may be opened, in the others only uploads and `roots`
    roots: folders whose files may be opened in every mode
    stop_grace_s: seconds that a stopped run has to finish its step and save; then it is terminated
    hung_after_s: seconds without a heartbeat after which a worker counts as hung
    spare_worker: whether a dashboard keeps a worker ready, so that a run starts at once; about 1 GB of memory
    max_upload_bytes: the largest upload, and the most that one session may hold in memory
    upload_memory_bytes: the most that the uploads of all sessions may hold in memory
    max_unpacked_bytes: the largest size of an unpacked archive
    results: the folder whose bundles viewer and demo mode show
    results_repo: a dataset repository on the Hub whose bundles they also show; none if empty
    roles: the roles in team mode, each with an e-mail address, *@domain, or * for everybody who signs in
    role_claim: the claim of a sign-in that gives roles, none if empty; claim_roles: its values with their roles
    allowed_hosts: host names of the dashboard besides those of this machine; see `core.hosts`
    embed_origins: origins of pages that may embed the dashboard in a frame
    person: the person on whose behalf the program acts; except in local mode, only their uploads may be read
    """

    home: Path
    mode: str = "local"
    roots: tuple[Path, ...] = ()
    stop_grace_s: float = 60.0
    hung_after_s: float = 120.0
    spare_worker: bool = True
    max_upload_bytes: int = 1024 * 1024**2
    upload_memory_bytes: int = 2 * 1024 * 1024**2
    max_unpacked_bytes: int = 8 * 1024**3
    results: Path = PROJECT / "results"
    results_repo: str = ""
    roles: tuple[tuple[str, Role], ...] = ()
    role_claim: str = ""
    claim_roles: tuple[tuple[str, Role], ...] = tuple((role.title, role) for role in Role)
    limits: Limits = Limits()
    demo: Demo = Demo()
    allowed_hosts: tuple[str, ...] = ()
    embed_origins: tuple[str, ...] = ()
    person: Person = OPERATOR

    def on_behalf_of(self, owner: str) -> Settings:
        """These settings for work on a run of this owner."""
        if self.mode == "local" or owner == OPERATOR.id:
            return replace(self, person=OPERATOR)
        return replace(self, person=Person(owner, owner, Role.TRAINER))

    @property
    def store_path(self) -> Path:
        return self.home / "store.sqlite3"

    @property
    def uploads(self) -> Path:
        return self.home / "uploads"

    @property
    def own_uploads(self) -> Path:
        """The folder of the person's uploads; in local mode the folder of all uploads."""
        return self.uploads if self.mode == "local" else self.uploads / self.person.key

    @property
    def datasets(self) -> Path:
        """Prepared datasets: one folder of Parquet files each, named by content and reading options."""
        return self.home / "datasets"

    @property
    def encoded(self) -> Path:
        """Token ids of tokenised datasets, by content and settings; safe to delete."""
        return self.home / "encoded"

    def run_dir(self, run_id: str) -> Path:
        """The folder of a run's files. Raises PathError for a malformed id (ids may come from links)."""
        if not re.fullmatch(r"[a-z0-9]{4,40}", run_id):
            raise PathError.of(
                "not-a-run-id",
                "{run!r} is not the id of a run; an id has only letters a to z and digits",
                run=run_id[:60],
            )
        return self.home / "runs" / run_id


def from_environment() -> Settings:
    """The settings from the TUNEDECK_* variables. Creates the home folder. Raises PathError, TunedeckError."""
    _configure(PROJECT / CONFIGURATION)
    home = Path(os.environ.get("TUNEDECK_HOME") or platformdirs.user_data_dir("tunedeck", appauthor=False))
    try:
        home = home.expanduser().resolve()
        home.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise PathError.of(
            "home-unusable",
            "{folder} cannot be Tunedeck's folder ({reason}); set TUNEDECK_HOME to a folder that you can write to",
            folder=home,
            reason=error,
        ) from None
    roots = os.environ.get("TUNEDECK_ROOTS", "")
    mode = _mode()
    upload_mb = _number("TUNEDECK_MAX_UPLOAD_MB", 1024)
    return Settings(
        home=home,
        mode=mode,
        roots=tuple(Path(r).expanduser().resolve() for r in roots.split(os.pathsep) if r),
        stop_grace_s=_seconds("TUNEDECK_STOP_GRACE_S", 60.0),
        hung_after_s=_seconds("TUNEDECK_HUNG_AFTER_S", 120.0),
        spare_worker=_switch("TUNEDECK_SPARE_WORKER", True) and mode in ("local", "team"),
        max_upload_bytes=int(upload_mb * 1024**2),
        upload_memory_bytes=int(_number("TUNEDECK_UPLOAD_MEMORY_MB", 2 * upload_mb) * 1024**2),
        roles=tuple(
            (who, role)
            for role, name in ((Role.ADMIN, "ADMINS"), (Role.TRAINER, "TRAINERS"), (Role.VIEWER, "VIEWERS"))
            for who in _people(f"TUNEDECK_{name}")
        ),
        role_claim=os.environ.get("TUNEDECK_ROLE_CLAIM", "").strip(),
        claim_roles=_claim_roles(),
        limits=_limits(LIMITS.get(mode, Limits())),
        demo=_demo(),
        allowed_hosts=hosts.names_of(os.environ.get("TUNEDECK_ALLOWED_HOSTS", ""), "TUNEDECK_ALLOWED_HOSTS"),
        embed_origins=_embed_origins(mode),
        results=Path(os.environ.get("TUNEDECK_RESULTS") or PROJECT / "results").expanduser().resolve(),
        results_repo=os.environ.get("TUNEDECK_RESULTS_REPO", "").strip(),
    )


def _configure(path: Path) -> None:
    """Set the variables from a file (`mode` is TUNEDECK_MODE), for this process and its workers.

    Variables that are already set stay as they are. Only published folders have such a file.
    """
    try:
        variables = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise TunedeckError.of(
            "app-settings-unreadable",
            "{file} cannot be read ({reason}); correct it, or publish the runs again",
            file=path.name,
            reason=error,
        ) from None
    for name, value in variables.items():
        if not isinstance(value, str | int | float):
            raise TunedeckError.of(
                "app-setting-not-a-value",
                "{file} sets {setting} to neither a text nor a number; set it to one of them",
                file=path.name,
                setting=name,
            )
        os.environ.setdefault(f"TUNEDECK_{name.upper()}", str(value))


def _mode() -> str:
    mode = os.environ.get("TUNEDECK_MODE", "").strip().lower() or "local"
    if mode not in MODES:
        raise TunedeckError.of(
            "mode-unknown",
            "TUNEDECK_MODE is {mode!r}; it must be one of {modes}",
            mode=mode[:40],
            modes=", ".join(MODES),
        )
    return mode


def _embed_origins(mode: str) -> tuple[str, ...]:
    """The origins that the operator names; else, for public pages, those of Community Cloud."""
    text = os.environ.get("TUNEDECK_EMBED_ORIGINS", "").strip()
    if text:
        return hosts.origins_of(text, "TUNEDECK_EMBED_ORIGINS")
    return hosts.CLOUD if mode in ("viewer", "demo") else ()


def _limits(default: Limits) -> Limits:
    return Limits(
        disk_bytes=int(_number("TUNEDECK_USER_DISK_GB", default.disk_bytes / 1024**3) * 1024**3),
        queued=int(_number("TUNEDECK_USER_QUEUED", default.queued)),
        run_s=_number("TUNEDECK_RUN_HOURS", default.run_s / 3600) * 3600,
    )


def _demo() -> Demo:
    default = Demo()
    return Demo(
        examples=int(_number("TUNEDECK_DEMO_EXAMPLES", default.examples)),
        epochs=_number("TUNEDECK_DEMO_EPOCHS", default.epochs),
        length=int(_number("TUNEDECK_DEMO_LENGTH", default.length)),
        waiting=int(_number("TUNEDECK_DEMO_WAITING", default.waiting)),
        keep_s=_number("TUNEDECK_DEMO_KEEP_HOURS", default.keep_s / 3600) * 3600,
    )


def _people(name: str) -> list[str]:
    """Read e-mail addresses, *@domain or *, separated by commas or spaces. Raises TunedeckError."""
    people = [who.casefold() for who in re.split(r"[\s,;]+", os.environ.get(name, "")) if who]
    for who in people:
        if who != "*" and not re.fullmatch(r"(\*|[^@*]+)@[^@*]+", who):
            raise TunedeckError.of(
                "not-an-email",
                "{variable} has {address!r}, which is not an e-mail address; give addresses such as "
                "ada@example.org, *@example.org for a whole domain, or * for everybody who signs in",
                variable=name,
                address=who[:80],
            )
        if who == "*" and name != "TUNEDECK_VIEWERS":
            raise TunedeckError.of(
                "everybody-not-allowed",
                "{variable} is *, which would admit everybody; only TUNEDECK_VIEWERS may be *",
                variable=name,
            )
    return people


def _claim_roles() -> tuple[tuple[str, Role], ...]:
    """Read the roles of a claim's values from `value=role, …`; without the variable, each role's name is its value."""
    text = os.environ.get("TUNEDECK_CLAIM_ROLES", "").strip()
    if not text:
        return Settings.claim_roles
    roles = []
    for pair in filter(None, (part.strip() for part in text.split(","))):
        value, equals, role = (part.strip() for part in pair.rpartition("="))
        if not equals or not value or role.upper() not in Role.__members__:
            raise TunedeckError.of(
                "claim-role-unknown",
                "TUNEDECK_CLAIM_ROLES has {pair!r}; write value=role with a role of {roles}, such as ml-team=trainer",
                pair=pair[:80],
                roles=", ".join(r.title for r in Role),
            )
        roles.append((value, Role[role.upper()]))
    return tuple(roles)


def _number(name: str, default: float) -> float:
    text = os.environ.get(name, "").strip()
    try:
        value = float(text or default)
    except ValueError:
        value = -1.0
    if not 0 < value < 1e9:
        raise TunedeckError.of(
            "setting-not-positive",
            "{variable} is {value!r}; set it to a number above 0, such as {default:g}",
            variable=name,
            value=text[:40],
            default=default,
        )
    return value


def _seconds(name: str, default: float) -> float:
    text = os.environ.get(name) or str(default)
    try:
        return float(text)
    except ValueError:
        raise TunedeckError.of(
            "setting-not-seconds",
            "{variable} is {value!r}, which is not a number of seconds; set it to one such as 60",
            variable=name,
            value=text,
        ) from None


def _switch(name: str, default: bool) -> bool:
    text = os.environ.get(name, "").strip().lower()
    if text in ("", "on", "off", "1", "0", "true", "false"):
        return text in ("on", "1", "true") if text else default
    raise TunedeckError.of(
        "setting-not-on-or-off", "{variable} is {value!r}; it must be on or off", variable=name, value=text
    )


def allowed_path(settings: Settings, path: str) -> Path:
    """`path` as an absolute path with links resolved, if this mode and person may read it; else raises PathError."""
    try:
        resolved = _real_path(settings, path).resolve()
        resolved.exists()  # raises for a path that is too long or not accessible
    except (OSError, ValueError, RuntimeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise PathError.of(
            "path-unusable", "{path!r} cannot be opened ({reason}); check the path", path=path[:100], reason=why
        ) from None
    if settings.mode == "local" or any(
        resolved.is_relative_to(root) for root in (settings.own_uploads.resolve(), *settings.roots)
    ):
        return resolved
    raise PathError.of(
        "path-outside",
        "{file!r} lies outside the folders that may be opened here; upload the file instead",
        file=Path(path).name,
    )


def _real_path(settings: Settings, path: str) -> Path:
    """Undo the abbreviation of paths on a server, where people see and write a root's name instead of its path."""
    if settings.mode == "local":
        return Path(path).expanduser()
    head, _, rest = path.partition("/")
    named = _named(settings)
    return named[head] / rest if head in named else Path(path)


def begins_with_root(settings: Settings, path: str) -> bool:
    """Whether a path is written with a root's name in place of its path, as on a server."""
    return settings.mode != "local" and path.partition("/")[0] in _named(settings)


def _named(settings: Settings) -> dict[str, Path]:
    return {root.name: root for root in settings.roots} | {HOME_NAME: settings.home}


@lru_cache(maxsize=8)
def home_warning(home: Path) -> str | None:
    """A warning if the home folder is on a network drive or in a synced folder, where SQLite can lose data."""
    if SYNCED_FOLDERS.search(str(home)):
        return (
            f"{home} looks like a synced folder; syncing can damage the run store. Set TUNEDECK_HOME to a local folder."
        )
    mounts = [p for p in psutil.disk_partitions(all=True) if home.is_relative_to(p.mountpoint)]
    nearest = max(mounts, key=lambda p: len(p.mountpoint), default=None)
    if nearest and nearest.fstype.lower() in NETWORK_FILESYSTEMS:
        return f"{home} is on a network drive ({nearest.fstype}); the run store needs a local disk. Set TUNEDECK_HOME."
    return None
