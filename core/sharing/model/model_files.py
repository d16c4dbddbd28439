"""What of a model's folder may go into a zip for others."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from core.errors import ModelError
from core.model_folder import INDEX, TOKENIZER_FILES, WEIGHTS
from core.results import CALIBRATION
from core.settings import Settings
from core.sharing.private import clean

SETTINGS_FILES = (
    "config.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    INDEX, CALIBRATION,
)  # fmt: skip
VOCABULARIES = (*TOKENIZER_FILES, "merges.txt")
CARD = "README.md"
NAMES_A_FOLDER = ("_name_or_path", "name_or_path")


def model_files(folder: Path, settings: Settings) -> dict[str, Path | str]:
    """What of a model's folder others get: weights, settings without paths and secrets, vocabulary, card.

    Everything else that lies there stays where it is. Vocabularies are copied byte for byte: a word of one that
    happens to be a password of this machine too would, once hidden, make it another model.
    """
    found: dict[str, Path | str] = {}
    for path in sorted(folder.iterdir()):
        if not path.is_file():
            continue
        if WEIGHTS.fullmatch(path.name) or path.name in VOCABULARIES:
            found[path.name] = path
        elif path.name in SETTINGS_FILES:
            found[path.name] = cleaned_json(path, settings)
        elif path.name == CARD:
            found[path.name] = clean(path.read_text(encoding="utf-8", errors="replace"), settings)
    return found


def tokenizer_files(folder: Path, settings: Settings) -> dict[str, Path | str]:
    """Those of `model_files` that a tokenizer is made of."""
    others = ("config.json", INDEX, CALIBRATION, CARD)
    return {n: c for n, c in model_files(folder, settings).items() if not WEIGHTS.fullmatch(n) and n not in others}


def cleaned_json(path: Path, settings: Settings) -> str:
    """A file of settings as others may see it: no secret, no path, and not where the model once lay."""
    try:
        tree: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path.name} of the model cannot be read ({error}); train or download it again") from None
    if isinstance(tree, dict):
        tree = {key: value for key, value in tree.items() if key not in NAMES_A_FOLDER}
    return json.dumps(clean(tree, settings), ensure_ascii=False, indent=2) + "\n"


def folder_name(title: str) -> str:
    """A title as the name of a file or folder on any system: letters, digits, dots and hyphens."""
    plain = re.sub(r"[^A-Za-z0-9.]+", "-", title).strip("-.")
    return re.sub(r"\.{2,}", ".", plain)[:60].strip("-.") or "model"
