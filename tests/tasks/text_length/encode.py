from __future__ import annotations

from pathlib import Path
from typing import Any

from core.tasks.texts import Encoded, encode_texts


def encode(loaded: Any, spec: Any, tokenizer: Any, report: Any, cache: Path | None = None) -> Encoded:
    return encode_texts(loaded, spec, tokenizer, report, cache, "float32")
