"""Made texts for benchmarks that download nothing: token ids with the lengths of real texts, and a model to train."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Tokens of 8,000 texts each, at 0, 5, … 100 % of them: Yelp reviews, AG News, CLINC150, with the tokenizer of BERT.
LENGTHS = {
    "reviews": (3, 24, 37, 49, 60, 71, 82, 93, 105, 117, 130, 144, 160, 178, 199, 223, 253, 291, 348, 449, 1260),
    "news": (9, 24, 28, 30, 32, 34, 36, 37, 38, 40, 41, 42, 44, 45, 47, 48, 50, 53, 58, 70, 341),
    "requests": (3, 6, 7, 8, 8, 9, 9, 9, 10, 10, 11, 11, 11, 12, 12, 13, 14, 15, 16, 17, 32),
}
CLASSES, TELLING = 5, 0.4  # of the tokens of a text, this share says what the class is


@dataclass(frozen=True)
class Size:
    """What all sides learn, and from which model."""

    rows: int
    judged: int
    batch: int
    epochs: int
    longest: int
    rate: float
    warm_up: int
    model: dict[str, Any]


class MadeTexts:
    """Texts as token ids, with classes that can be learned from them, and the model that all sides start from."""

    def __init__(self, size: Size, rows: int, quantiles: tuple[int, ...], device: str) -> None:
        import numpy as np
        from transformers import BertTokenizer

        self.size, self.rows, self.device = size, rows, device
        words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{i}" for i in range(size.model["vocab_size"] - 5))]
        self.tokenizer = BertTokenizer(vocab={word: number for number, word in enumerate(words)})
        self.drawn = np.random.default_rng(0)
        self.quantiles = np.array(quantiles)
        self.train, self.eval = self._split(rows), self._split(size.judged)

    @property
    def _part(self) -> int:
        """The tokens that tell one class, which lie in the first tenth of all, one class after the other."""
        return int(self.size.model["vocab_size"]) // 10 // CLASSES - 1

    def _split(self, rows: int) -> Any:
        """Lengths between the quantiles; frequent tokens as in a language; CLS first, SEP last, as BERT has it."""
        import numpy as np
        from datasets import Dataset, Features, List, Value

        drawn, vocabulary, part = self.drawn, self.size.model["vocab_size"], self._part
        lengths = np.interp(drawn.uniform(0, 1, rows), np.linspace(0, 1, len(self.quantiles)), self.quantiles)
        lengths = np.clip(lengths.astype(int), 4, self.size.longest)
        labels = drawn.integers(0, CLASSES, rows)
        common = vocabulary // 10
        ids = []
        for length, label in zip(lengths, labels, strict=True):
            tokens = 5 + (drawn.zipf(1.3, length) % (vocabulary - 5 - common)) + common
            telling = drawn.random(length) < TELLING
            tokens[telling] = 5 + label * part + drawn.integers(0, part, telling.sum())
            tokens = np.minimum(tokens, vocabulary - 1)
            tokens[0], tokens[-1] = 2, 3
            ids.append(tokens.tolist())
        columns = {
            "input_ids": ids, "attention_mask": [[1] * len(line) for line in ids], "labels": labels.tolist(),
            "length": lengths.tolist(), "row": list(range(rows)),
        }  # fmt: skip
        kinds = {name: List(Value(kind)) for name, kind in (("input_ids", "int32"), ("attention_mask", "int8"))}
        rest = {"labels": Value("int64"), "length": Value("int32"), "row": Value("int64")}
        return Dataset.from_dict(columns, features=Features(kinds | rest))

    def model(self) -> Any:
        import torch
        from transformers import BertConfig, BertForSequenceClassification

        torch.manual_seed(0)
        config = BertConfig(**self.size.model, num_labels=CLASSES, problem_type="single_label_classification")
        model = BertForSequenceClassification(config)
        part = self._part
        with torch.no_grad():  # the tokens of a class have something in common, as words have after pretraining
            for label in range(CLASSES):
                common = torch.randn(config.hidden_size) * 2 * config.initializer_range
                model.get_input_embeddings().weight[5 + label * part : 5 + (label + 1) * part] += common
        return model

    def operations_per_text(self, model: Any) -> float:
        """Useful operations of one text on the mean, forward and backward."""
        import numpy as np

        inside = sum(p.numel() for name, p in model.named_parameters() if "embeddings" not in name)
        lengths = np.array(self.train["length"], dtype=np.float64)
        config = model.config
        attention = 12 * config.num_hidden_layers * config.hidden_size * (lengths**2).mean()
        return float(6 * inside * lengths.mean() + attention)
