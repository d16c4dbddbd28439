"""How much of this installation one person uses, and may use. The operator, and local mode, know no limit."""

from __future__ import annotations

from core.errors import AccessDenied
from core.person import OPERATOR
from core.settings import Settings
from core.store.files import folder_bytes
from core.store.store import Store
from core.wording import size


def limited(settings: Settings) -> bool:
    return settings.mode != "local" and settings.person != OPERATOR


def used_bytes(settings: Settings, store: Store) -> int:
    """What the person's runs and uploads take on the disk."""
    runs = sum(folder_bytes(settings.run_dir(run_id)) for run_id in store.of_owner(settings.person.id))
    return runs + folder_bytes(settings.own_uploads)


def left(settings: Settings, store: Store) -> int:
    """How many bytes more the person may take; 2^63 for who knows no limit."""
    return max(0, settings.limits.disk_bytes - used_bytes(settings, store)) if limited(settings) else 2**63


def check_disk(settings: Settings, store: Store, more: int = 0) -> None:
    """Whether there is room for the person's next run, or an upload of so many bytes. Raises AccessDenied."""
    if not limited(settings):
        return
    used, most = used_bytes(settings, store), settings.limits.disk_bytes
    if used + more > most or used >= most:
        raise AccessDenied(
            f"your runs and uploads take {size(used)} of the {size(most)} that are yours here; delete some runs first"
        )
