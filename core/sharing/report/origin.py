"""What a model comes from, for its card: the base model on the Hub, its licence, and the languages of the data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from core.data.dataset import Prepared
from core.data.inspecting.language import NONE, sampled
from core.data.prepare import find_prepared
from core.errors import HubError, ModelError, PathError, SpecError, TunedeckError
from core.models import names as models
from core.settings import Settings
from core.sharing import redact
from core.spec.run import RunSpec

LANGUAGE_TEXTS, LANGUAGE_SHARE = 100, 0.1


def base_model(spec: RunSpec, settings: Settings) -> str:
    """The base model's Hub id. A bare name may be that of a folder elsewhere: it counts if the Hub's cache has it."""
    from core.hub import download as hub

    name = spec.model.name
    try:
        if redact.is_folder(name, settings) or models.kind_of(name, settings) != "hub":
            return ""
        return name if "/" in name or hub.cached_file(name, "config.json", spec.model.revision) else ""
    except (ModelError, HubError):
        return ""


def licence(spec: RunSpec, settings: Settings) -> str:
    """The base model's licence: as its own card says it if that is here, else as we know it."""
    from core.hub import download as hub
    from core.sharing.report import hub_rules

    name = base_model(spec, settings)
    if not name:
        return ""
    try:
        card = hub.cached_file(name, "README.md", spec.model.revision)
        named = hub_rules.metadata(card.read_text(encoding="utf-8", errors="replace")).get("license") if card else None
    except (OSError, HubError, SpecError):
        named = None
    return named if isinstance(named, str) and named in hub_rules.LICENCES else hub_rules.KNOWN_MODELS.get(name, "")


def languages(spec: RunSpec, settings: Settings) -> tuple[str, ...]:
    """The languages of a tenth of the texts or more, the commonest first: by the profile, else by a sample."""
    try:
        prepared = find_prepared(spec.data, settings)
    except PathError:
        prepared = None
    if prepared is None:
        return ()
    counts = _profiled(prepared) or _sampled(prepared, spec)
    total = sum(counts.values())
    known = sorted(((n, code) for code, n in counts.items() if n >= LANGUAGE_SHARE * total), reverse=True)
    return tuple(code for _, code in known if code != NONE)


def _profiled(prepared: Prepared) -> dict[str, int]:
    for path in sorted(prepared.folder.glob("profile-*.json")):
        for split in ((_read(path) or {}).get("splits") or {}).values():
            if counts := (split.get("languages") or {}).get("counts"):
                return {str(code): int(n) for code, n in counts.items()}
    return {}


def _sampled(prepared: Prepared, spec: RunSpec) -> dict[str, int]:
    columns = spec.data.text_columns or prepared.text_guess
    split = next((name for name, part in prepared.splits.items() if part.rows), None)
    if split is None or not columns:
        return {}
    try:
        return sampled(prepared, split, columns, LANGUAGE_TEXTS)
    except TunedeckError:
        return {}


def _read(path: Path) -> dict[str, Any] | None:
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return tree if isinstance(tree, dict) else None
