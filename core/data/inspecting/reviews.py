"""Labels that a person looked at and found right: they are not suspected again. Kept with the dataset."""

from __future__ import annotations

import json
from collections.abc import Iterable

from core.access.rules import check
from core.data.dataset import Prepared
from core.data.prepare import KEPT_BY_PEOPLE
from core.files import write_text
from core.settings import Settings

(NAME,) = KEPT_BY_PEOPLE


def reviewed(prepared: Prepared) -> set[str]:
    """The text ids whose labels were found right."""
    try:
        return set(map(str, json.loads((prepared.folder / NAME).read_text(encoding="utf-8"))))
    except (OSError, ValueError, TypeError):
        return set()


def keep(prepared: Prepared, text_ids: Iterable[str], settings: Settings) -> None:
    """Raises OSError if it cannot be written, AccessDenied."""
    check(settings, "review")
    write_text(prepared.folder / NAME, json.dumps(sorted(reviewed(prepared) | set(text_ids))))
