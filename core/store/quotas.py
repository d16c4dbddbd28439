"""How much disk space one person uses and may use. The operator and local mode have no limit."""

from __future__ import annotations

from core.errors import AccessDenied
from core.person import OPERATOR
from core.settings import Settings
from core.store.files import folder_bytes
from core.store.store import Store
from core.wording import size


def limited(settings: Settings) -> bool:
    """Whether the person has limits."""
    return settings.mode != "local" and settings.person != OPERATOR


def used_bytes(settings: Settings, store: Store) -> int:
    """The size of the person's runs and uploads on the disk."""
    runs = sum(folder_bytes(settings.run_dir(run_id)) for run_id in store.of_owner(settings.person.id))
    return runs + folder_bytes(settings.own_uploads)


def left(settings: Settings, store: Store) -> int:
    """How many more bytes the person may use; 2^63 without a limit."""
    return max(0, settings.limits.disk_bytes - used_bytes(settings, store)) if limited(settings) else 2**63


def check_disk(settings: Settings, store: Store, more: int = 0) -> None:
    """Raise AccessDenied unless the person may use the disk for another run, or for `more` bytes."""
    if not limited(settings):
        return
    used, most = used_bytes(settings, store), settings.limits.disk_bytes
    if used + more > most or used >= most:
        raise AccessDenied.of(
            "storage-limit",
            "your runs and uploads use {used}, and your limit is {most}; delete some runs first",
            used=size(used),
            most=size(most),
        )
