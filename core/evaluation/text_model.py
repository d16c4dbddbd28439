"""What trained models of every kind share: texts in, outputs out, in batches of like length.

Texts are taken a few thousand at a time, sorted by length, and computed in batches of about as many tokens: nearly no
padding, and the memory of one batch, however many texts there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.models import folder as model_folder
from core.models import loading as model_loading
from core.store.files import read_temperature
from core.tasks.contract import Task

AT_ONCE = 4096  # texts tokenised and sorted together
TOKENS = 2048  # of a batch on a CPU
MOST_TEXTS = 128  # of a batch
LONGEST = 512  # for a model that names no limit

Progress = Callable[[str, float | None], None]


def ignore(text: str, share: float | None) -> None:
    """A progress callback for those who do not watch."""


class TextModel:
    """The text side of a trained model: its tokenizer, its classes and its longest text.

    config: as transformers reads it; names: the classes in the order of their ids, if its task has classes
    temperature: what its logits are divided by before the softmax; 1 where they are none
    mode: how it computes, for results that say so
    """

    mode = "exact"
    budget = TOKENS

    def __init__(self, folder: Path, config: Any, max_length: int | None, title: str, task: str) -> None:
        """Raises ModelError for a tokenizer that cannot be loaded, and a config that is not of the task."""
        self.folder, self.title, self.config = folder, title or folder.name, config
        self.tokenizer = model_loading.open_tokenizer(folder, self.title)
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        own = Task(task).model
        own.check_trained(config, model_folder.read_config(folder), self.title)
        config.pad_token_id = self.tokenizer.pad_token_id
        self.names = own.names(config)
        self.max_length = max_length or self._limit()
        self.temperature = read_temperature(folder)

    def _limit(self) -> int:
        limit = model_folder.position_limit(self.config.to_dict())
        return min(limit or LONGEST, self.tokenizer.model_max_length, LONGEST)

    def compute(self, examples: Sequence[dict[str, Any]]) -> np.ndarray:
        """The outputs for one batch of token ids: float32 (examples, outputs)."""
        raise NotImplementedError

    def encode(self, texts: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
        """Token ids of texts, each a row of one text or a pair."""
        columns = [list(column) for column in zip(*texts, strict=True)]
        with model_loading.tokenizer_failures(f"the tokenizer of {self.title} cannot read these texts"):
            encoding = self.tokenizer(*columns, truncation=True, max_length=self.max_length)
        names = [name for name in ("input_ids", "attention_mask", "token_type_ids") if name in encoding]
        return [dict(zip(names, row, strict=True)) for row in zip(*(encoding[n] for n in names), strict=True)]

    def reads(self, texts: Sequence[Sequence[str]]) -> list[dict[str, int]]:
        """How the model reads each text: its number of tokens without the special ones, how many of them are unknown
        to the vocabulary, and how many the model reads before the text is cut off.
        """
        columns = [list(column) for column in zip(*texts, strict=True)]
        special = self.tokenizer.num_special_tokens_to_add(pair=len(columns) > 1)
        unknown = self.tokenizer.unk_token_id
        with model_loading.tokenizer_failures(f"the tokenizer of {self.title} cannot read these texts"):
            ids = self.tokenizer(*columns, add_special_tokens=False, verbose=False)["input_ids"]
        room = max(0, self.max_length - special)
        return [{"tokens": len(row), "unknown": row.count(unknown), "read": min(len(row), room)} for row in ids]

    def logits(self, texts: Sequence[Sequence[str]], progress: Progress = ignore) -> np.ndarray:
        """float32 (texts, outputs). What `progress` raises ends it."""
        outputs = np.empty((len(texts), len(self.config.id2label)), dtype=np.float32)
        for start in range(0, len(texts), AT_ONCE):
            examples = self.encode(texts[start : start + AT_ONCE])
            done = start
            for places in self.batches([len(e["input_ids"]) for e in examples]):
                outputs[start + places] = self.compute([examples[i] for i in places])
                done += len(places)
                progress("Predicting", done / len(texts))
        return outputs

    def batches(self, lengths: Sequence[int]) -> list[np.ndarray]:
        """Places of texts of like length, the longest first: memory runs out at once or never."""
        order = np.argsort(-np.asarray(lengths), kind="stable")
        batches, start = [], 0
        while start < len(order):
            count = min(MOST_TEXTS, max(1, self.budget // lengths[order[start]]))
            batches.append(order[start : start + count])
            start += count
        return batches
