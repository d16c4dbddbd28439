"""The files that make up a push."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.settings import Settings
from core.sharing import redact
from core.sharing.model.model_files import CARD, model_files

LARGE = 10 * 1024 * 1024  # bytes: smaller files are sent together


@dataclass(frozen=True)
class Outgoing:
    """A file for a repository. path: in the repository; source: its content, or the local file; size: in bytes"""

    path: str
    source: bytes | Path
    size: int


def of_model(folder: Path, card: str, settings: Settings) -> list[Outgoing]:
    """A model's files for others; a non-empty `card` becomes README.md. Raises ModelError."""
    files = [_file(name, content) for name, content in model_files(folder, settings).items()]
    if card.strip():
        files.append(as_text(CARD, redact.clean(card, settings)))
    return files


def as_text(path: str, text: str) -> Outgoing:
    content = text.encode()
    return Outgoing(path, content, len(content))


def _file(name: str, content: Path | str) -> Outgoing:
    if isinstance(content, str):
        return as_text(name, content)
    size = content.stat().st_size
    return Outgoing(name, content.read_bytes() if size < LARGE and content.suffix != ".safetensors" else content, size)
