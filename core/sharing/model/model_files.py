"""The files of a model's folder that others get, in a zip or on the Hub: an allow list, each file checked first.

Included: weights as safetensors, config.json, the tokenizer's files, calibration.json. Excluded: training files
(optimizer states, training_args.bin, checkpoints), logs, specs, and the targets of links in a run's folder.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.errors import ModelError
from core.hub import download as hub
from core.models.files import PART
from core.settings import Settings
from core.sharing import redact
from core.store.files import CALIBRATION

CARD = "README.md"
MOST_HEADER = 100 * 1024 * 1024  # bytes of a safetensors file's header; the format's own limit
MOST_TEXT = 200 * 1024 * 1024  # bytes
VOCABULARY = re.compile(r"tokenizer\.json|vocab\.(json|txt)|merges\.txt|added_tokens\.json|.*\.model")
LONG_SECRET = 16  # characters: a shorter secret may equal an ordinary word of a vocabulary
NOTES = {"format", "total_parameters", "total_size"}  # metadata that save_pretrained writes into a weights file
REMOTE_CODE = ("auto_map", "custom_pipelines")


def names(folder: Path, *, foreign: bool = False) -> list[str]:
    """The names of the files that others get.

    foreign: whether the model comes from elsewhere, not from a run; then links are allowed, as in the Hub's cache
    Raises ModelError for a folder that cannot be shared.
    """
    files = sorted(path.name for path in folder.iterdir() if path.is_file())
    chosen = hub.choose_files(folder.name, files) + [name for name in files if name == CALIBRATION]
    for name in chosen:
        if not foreign and (folder / name).is_symlink():
            raise ModelError.of(
                "model-file-is-link",
                "{file} in the model's folder is a link, and links are not followed; put the file there",
                file=name,
            )
    return chosen


def sizes(folder: Path) -> dict[str, int]:
    """The sizes of the files that others get, in bytes, by name."""
    return {name: (folder / name).stat().st_size for name in names(folder)}


def model_files(folder: Path, settings: Settings, *, foreign: bool = False) -> dict[str, Path | str]:
    """The files that others get, by name: the file itself, or its text without secrets and local paths.

    foreign: whether the model comes from elsewhere, not from a run; then its files may be links, and its weights may
    have other metadata. Raises ModelError for a folder with links, with weights that are not safetensors, or with a
    secret.
    """
    if not foreign and (folder.is_symlink() or not folder.resolve().is_relative_to(folder.parent.resolve())):
        raise ModelError.of(
            "model-folder-is-link", "the model's folder is a link, and links are not followed; train the model again"
        )
    return {name: _checked(folder / name, settings, foreign) for name in names(folder, foreign=foreign)}


def tokenizer_files(folder: Path, settings: Settings) -> dict[str, Path | str]:
    """The files of `model_files` that belong to the tokenizer."""
    others = ("config.json", f"{hub.WEIGHTS}.index.json", CALIBRATION)
    return {n: c for n, c in model_files(folder, settings).items() if not PART.fullmatch(n) and n not in others}


def folder_name(title: str) -> str:
    """A title as a file or folder name for any system: letters of any script, digits, dots and hyphens."""
    plain = re.sub(r"[^\w.]+|_+", "-", unicodedata.normalize("NFC", title)).strip("-.")
    return re.sub(r"\.{2,}", ".", plain)[:60].strip("-.") or "model"


def _checked(path: Path, settings: Settings, foreign: bool) -> Path | str:
    if path.suffix == ".safetensors":
        _check_safetensors(path, settings, foreign)
        return path
    if VOCABULARY.fullmatch(path.name):
        _check_vocabulary(path)
        return path
    return _cleaned(path, settings)


def _cleaned(path: Path, settings: Settings) -> str:
    """The text of a small JSON file without secrets, local paths and references to remote code."""
    tree = _tree(path)
    if isinstance(tree, dict):
        tree = {name: value for name, value in tree.items() if name not in REMOTE_CODE}
        for name in ("_name_or_path", "name_or_path"):
            if isinstance(tree.get(name), str) and redact.is_folder(tree[name], settings):
                tree[name] = Path(tree[name].replace("\\", "/")).name
    return json.dumps(redact.clean(tree, settings), ensure_ascii=False, indent=2) + "\n"


def _tree(path: Path) -> Any:
    try:
        if path.stat().st_size > MOST_TEXT:
            raise ModelError.of(
                "shared-file-too-large",
                "{file} is too large for such a file; train or download the model again",
                file=path.name,
            )
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise ModelError.of(
            "shared-file-not-json",
            "{file} of the model cannot be read as JSON; train or download the model again",
            file=path.name,
        ) from None


def _check_safetensors(path: Path, settings: Settings, foreign: bool) -> None:
    """Raise ModelError unless the file is safetensors and its metadata reveals nothing about this machine."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(MOST_HEADER, path.stat().st_size - 8):
                raise ValueError
            notes = json.loads(file.read(length)).get("__metadata__", {})
        public_notes = redact.clean(notes, settings)
    except (OSError, ValueError, AttributeError, RecursionError):
        raise ModelError.of(
            "not-safetensors",
            "{file} is not a safetensors file, and only those are shared; train or download the model again",
            file=path.name,
        ) from None
    if public_notes != notes or (not foreign and set(notes) - NOTES):
        raise ModelError.of(
            "safetensors-private-metadata",
            "{file} has private metadata in its header; save the model again",
            file=path.name,
        )


def _check_vocabulary(path: Path) -> None:
    """Raise ModelError for a vocabulary with a secret. It is never edited: that would change the tokenizer."""
    try:
        if path.suffix == ".json":
            text = "\n".join(_strings(_tree(path)))
        else:
            text = path.read_bytes().decode("utf-8", errors="replace")
    except OSError:
        raise ModelError.of(
            "shared-file-unreadable",
            "{file} of the model cannot be read; train or download the model again",
            file=path.name,
        ) from None
    if _secret(text):
        raise ModelError.of(
            "vocabulary-holds-secret",
            "{file} contains a secret of this machine; remove it from the training texts and train again",
            file=path.name,
        )


def _strings(tree: Any) -> Iterator[str]:
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, dict):
        for name, value in tree.items():
            yield name
            yield from _strings(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _strings(value)


def _secret(text: str) -> bool:
    return redact.SECRET_FORM.search(text) is not None or any(
        secret in text for secret in redact.secrets() if len(secret) >= LONG_SECRET
    )
