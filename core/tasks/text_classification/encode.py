"""Text classification: from typed examples (texts, the id of a class) to token ids."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.events import Reporter
from core.spec.run import RunSpec
from core.tasks.texts import Encoded, encode_texts

if TYPE_CHECKING:
    from core.data.loading.load import Loaded


def encode(loaded: Loaded, spec: RunSpec, tokenizer: Any, report: Reporter, cache: Path | None = None) -> Encoded:
    """Tokenise both splits of `loaded`; `labels` are class ids. See `core.tasks.texts.encode_texts`."""
    encoded = encode_texts(loaded, spec, tokenizer, report, cache)
    _warn_unbalanced(encoded, report)
    return encoded


def _warn_unbalanced(encoded: Encoded, report: Reporter) -> None:
    counts = np.bincount(encoded.train["labels"], minlength=len(encoded.label_names))
    least, most = int(counts.argmin()), int(counts.argmax())
    if counts[most] >= 10 * max(1, counts[least]):
        report.message(
            f"The classes are unbalanced: {encoded.label_names[most]!r} has {counts[most]:,} training examples, "
            f"{encoded.label_names[least]!r} has {counts[least]:,}. Look at the macro F1, which counts each class "
            "the same, besides the accuracy.",
            level="notice",
            code="class-imbalance",
            most=encoded.label_names[most],
            most_examples=int(counts[most]),
            least=encoded.label_names[least],
            least_examples=int(counts[least]),
        )
