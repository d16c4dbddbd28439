"""Labels that a person reviewed and found right: kept with the dataset, and not reported as errors again."""

from __future__ import annotations

import json
from collections.abc import Iterable

from core.access.rules import check
from core.data.dataset import Prepared
from core.data.prepared_folder import KEPT_BY_PEOPLE
from core.files import write_text
from core.settings import Settings

(NAME,) = KEPT_BY_PEOPLE


def reviewed(prepared: Prepared) -> set[str]:
    """Returns the text ids whose labels a person found right."""
    try:
        return set(map(str, json.loads((prepared.folder / NAME).read_text(encoding="utf-8"))))
    except (OSError, ValueError, TypeError):
        return set()


def keep(prepared: Prepared, text_ids: Iterable[str], settings: Settings) -> None:
    """Adds text ids whose labels are right. Raises OSError if they cannot be written, AccessDenied."""
    check(settings, "review")
    write_text(prepared.folder / NAME, json.dumps(sorted(reviewed(prepared) | set(text_ids))))
