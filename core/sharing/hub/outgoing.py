"""What of a run's model goes out to others: an allow list, each file looked at before it leaves.

Weights as safetensors, config.json, the tokenizer's files, calibration.json and README.md. Never what only training
needs (optimizer states, training_args.bin, checkpoints), never a log or a spec, never what a link points to.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import hub
from core.errors import ModelError
from core.results import CALIBRATION
from core.settings import Settings
from core.sharing import private

CARD = "README.md"
MOST_HEADER = 100 * 1024 * 1024  # of a safetensors file; the format's own limit
MOST_TEXT = 200 * 1024 * 1024
VOCABULARY = re.compile(r"tokenizer\.json|vocab\.(json|txt)|merges\.txt|added_tokens\.json|.*\.model")
LARGE = 10 * 1024 * 1024  # bytes: what is smaller goes out together with the other small files
LONG_SECRET = 16  # characters: shorter ones are found in vocabularies as words that they happen to be


@dataclass(frozen=True)
class Outgoing:
    """A file for a repository: its path there, its content or the file that has it, its size in bytes."""

    path: str
    source: bytes | Path
    size: int


def model_names(folder: Path) -> list[str]:
    """The files of a model's folder that go out, README.md aside. Raises ModelError if it is none to share."""
    files = sorted(path.name for path in folder.iterdir() if path.is_file())
    names = hub.choose_files(folder.name, files) + [name for name in files if name == CALIBRATION]
    for name in names:
        if (folder / name).is_symlink():
            raise ModelError(f"{name} in the model's folder is a link, and links are not followed; put the file there")
    return names


def model_sizes(folder: Path) -> dict[str, int]:
    """The same with their sizes in bytes, for those who look before they push."""
    return {name: (folder / name).stat().st_size for name in model_names(folder)}


def model_files(folder: Path, card: str, settings: Settings) -> list[Outgoing]:
    """A model's files as others get them; `card` becomes README.md if there is one.

    Raises ModelError for a folder that holds links, weights that are no safetensors, or a secret.
    """
    run = folder.parent
    if folder.is_symlink() or not folder.resolve().is_relative_to(run.resolve()):
        raise ModelError("the model's folder is a link, and links are not followed; train the model again")
    files = [_file(folder / name, settings) for name in model_names(folder)]
    if card.strip():
        files.append(as_text(CARD, private.clean(card, settings)))
    return files


def as_text(path: str, text: str) -> Outgoing:
    content = text.encode()
    return Outgoing(path, content, len(content))


def _file(path: Path, settings: Settings) -> Outgoing:
    if path.suffix == ".safetensors":
        _check_safetensors(path)
        return Outgoing(path.name, path, path.stat().st_size)
    if VOCABULARY.fullmatch(path.name):
        _check_vocabulary(path)
        size = path.stat().st_size
        return Outgoing(path.name, path.read_bytes() if size < LARGE else path, size)
    return as_text(path.name, _cleaned(path, settings))


def _cleaned(path: Path, settings: Settings) -> str:
    """A small JSON file without secrets and without ways into this machine."""
    tree = _tree(path)
    if isinstance(tree, dict):
        tree = {name: value for name, value in tree.items() if name not in ("auto_map", "custom_pipelines")}
        for name in ("_name_or_path", "name_or_path"):
            if isinstance(tree.get(name), str) and private.is_folder(tree[name]):
                tree[name] = Path(tree[name].replace("\\", "/")).name
    return json.dumps(private.clean(tree, settings), ensure_ascii=False, indent=2) + "\n"


def _tree(path: Path) -> Any:
    try:
        if path.stat().st_size > MOST_TEXT:
            raise ModelError(f"{path.name} is larger than any such file; train the model again")
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ModelError(f"{path.name} of the model cannot be read as JSON; train the model again") from None


def _check_safetensors(path: Path) -> None:
    """That a file is what its name says, and tells nothing but tensors: its header is JSON, its notes are short."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(MOST_HEADER, path.stat().st_size - 8):
                raise ValueError
            header = json.loads(file.read(length))
        notes = header.get("__metadata__", {})
    except (OSError, ValueError, AttributeError):
        raise ModelError(f"{path.name} is not a safetensors file, and nothing else goes out; train it again") from None
    if set(notes) - {"format", "total_parameters", "total_size"} or _secret(" ".join(map(str, notes.values()))):
        raise ModelError(f"{path.name} has notes in its header that are not for others; save the model anew")


def _check_vocabulary(path: Path) -> None:
    """A vocabulary goes out as it is, for one that is changed is another tokenizer; but not with a secret in it."""
    try:
        if path.suffix == ".json":
            text = "\n".join(_strings(_tree(path)))
        else:
            text = path.read_bytes().decode("utf-8", errors="replace")
    except OSError:
        raise ModelError(f"{path.name} of the model cannot be read; train the model again") from None
    if _secret(text):
        raise ModelError(
            f"{path.name} holds a secret of this machine; take it out of the training texts and train anew"
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
    return private.SECRET_FORM.search(text) is not None or any(
        secret in text for secret in private.secrets() if len(secret) >= LONG_SECRET
    )
