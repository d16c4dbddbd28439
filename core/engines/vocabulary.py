"""Training with the part of a model's token embedding that the data uses.

A dataset uses a few thousand of the 30,000 to 250,000 rows. The others get no gradient, and an Adam without decay
leaves them as they are; but it reads and writes them, and their two moments, at every step, which with short texts on a
CPU takes longer than the network itself. Without them the learning is the same, number by number.

Parts of this file are copied, as text, into the exact.py of exported scripts: see core/sharing/code.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from core.spec.training import TrainingSpec
from core.tasks.texts import Encoded

# Types that use a token's number for nothing but its row. In the second group padding must keep its number besides.
TYPES = {"bert", "distilbert", "albert", "electra", "modernbert", "deberta", "deberta-v2"}
PADDING_COUNTS = {"roberta", "xlm-roberta", "camembert", "mpnet"}
MOST_USED = 0.8  # above this share there is little to gain


class Vocabulary:
    """The rows that are used, and the number of each token among them; all rows and no change where that cannot be.

    rows: ascending token ids, (rows,), or None for all
    """

    def __init__(self, model: Any, encoded: Encoded, training: TrainingSpec) -> None:
        self.rows = None
        if model.config.model_type in TYPES | PADDING_COUNTS:  # others, as CANINE, may have no such table at all
            whole = model.get_input_embeddings()
            self.rows = _rows(model.config.model_type, whole, encoded, training)
        if self.rows is not None:
            self.numbers = np.zeros(whole.num_embeddings, dtype=np.int64)
            self.numbers[self.rows] = np.arange(len(self.rows))

    @contextmanager
    def only_used(self, model: Any) -> Iterator[None]:
        """A context in which the model has only these rows, and takes batches that `renumber` made."""
        if self.rows is None:
            yield
            return
        whole = model.get_input_embeddings()
        padding = None if whole.padding_idx is None else int(self.numbers[whole.padding_idx])
        part = nn.Embedding(len(self.rows), whole.embedding_dim, padding, _weight=whole.weight.detach()[self.rows])
        model.set_input_embeddings(part)
        try:
            yield
        finally:
            with torch.no_grad():
                whole.weight[self.rows] = part.weight.to(whole.weight.device)
            model.set_input_embeddings(whole.to(part.weight.device))

    def renumber(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """A padded batch with the numbers of the rows as input_ids."""
        return batch if self.rows is None else batch | {"input_ids": self.numbers[batch["input_ids"]]}


def _rows(kind: str, whole: nn.Embedding, encoded: Encoded, training: TrainingSpec) -> np.ndarray | None:
    frozen = not whole.weight.requires_grad
    if frozen or training.weight_decay:  # decay pulls at unused rows too
        return None
    used = np.zeros(whole.num_embeddings, dtype=bool)
    padding = {encoded.tokenizer.pad_token_id, whole.padding_idx} - {None}
    for token in padding:
        used[: token + 1 if kind in PADDING_COUNTS else 0] = True
        used[token] = True
    for split in (encoded.train, encoded.eval):
        for ids in split.data.column("input_ids").chunks:
            used[ids.flatten().to_numpy()] = True
    rows = np.flatnonzero(used)
    return rows if len(rows) < MOST_USED * len(used) else None
