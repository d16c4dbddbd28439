"""Small real contents for the loopback Hub: a tiny BERT with its tokenizer, and datasets in the usual formats."""

from __future__ import annotations

import csv
import io
import json
import random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import save
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

GOOD = ("wonderful", "friendly", "delicious", "excellent", "lovely")
BAD = ("terrible", "rude", "bland", "awful", "dreadful")
NEUTRAL = ("the", "food", "service", "place", "staff", "was", "and", "very", "table", "evening", "we", "had", "a")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
VOCABULARY = (*SPECIAL, *GOOD, *BAD, *NEUTRAL, ".")

HIDDEN, LAYERS, HEADS, INNER, POSITIONS = 32, 2, 2, 64, 128


def tiny_bert(seed: int = 0) -> dict[str, bytes]:
    """The files of a BERT of 2 layers, 32 wide, with random weights: config, safetensors, tokenizer."""
    return {
        "config.json": _json(bert_config()),
        "model.safetensors": save(bert_weights(seed), metadata={"format": "pt"}),
        "tokenizer.json": tokenizer().to_str().encode(),
        "tokenizer_config.json": _json({"tokenizer_class": "BertTokenizer", "model_max_length": POSITIONS}),
        "README.md": b"---\nlicense: apache-2.0\npipeline_tag: fill-mask\n---\n# A tiny BERT\n",
    }


def bert_config(**more: Any) -> dict[str, Any]:
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "vocab_size": len(VOCABULARY),
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": INNER,
        "max_position_embeddings": POSITIONS,
        "pad_token_id": 0,
        **more,
    }


def bert_weights(seed: int) -> dict[str, np.ndarray]:
    """Random weights by transformers' names for BertModel."""
    rng = np.random.default_rng(seed)
    weights: dict[str, np.ndarray] = {}

    def linear(name: str, out: int, into: int) -> None:
        weights[f"{name}.weight"] = rng.normal(0, 0.02, (out, into)).astype(np.float32)
        weights[f"{name}.bias"] = np.zeros(out, np.float32)

    def norm(name: str) -> None:
        weights[f"{name}.weight"], weights[f"{name}.bias"] = np.ones(HIDDEN, np.float32), np.zeros(HIDDEN, np.float32)

    for name, rows in (("word", len(VOCABULARY)), ("position", POSITIONS), ("token_type", 2)):
        weights[f"embeddings.{name}_embeddings.weight"] = rng.normal(0, 0.02, (rows, HIDDEN)).astype(np.float32)
    norm("embeddings.LayerNorm")
    for layer in range(LAYERS):
        at = f"encoder.layer.{layer}"
        for part in ("query", "key", "value"):
            linear(f"{at}.attention.self.{part}", HIDDEN, HIDDEN)
        linear(f"{at}.attention.output.dense", HIDDEN, HIDDEN)
        norm(f"{at}.attention.output.LayerNorm")
        linear(f"{at}.intermediate.dense", INNER, HIDDEN)
        linear(f"{at}.output.dense", HIDDEN, INNER)
        norm(f"{at}.output.LayerNorm")
    linear("pooler.dense", HIDDEN, HIDDEN)
    return weights


def tokenizer() -> Tokenizer:
    """A WordPiece tokenizer over VOCABULARY that adds [CLS] and [SEP]."""
    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


def reviews(rows: int, seed: int = 0) -> list[dict[str, Any]]:
    """`rows` short reviews: text, and label 1 where a good word decides, else 0."""
    rng = random.Random(seed)
    records = []
    for number in range(rows):
        label = number % 2
        words = [*rng.choices(NEUTRAL, k=rng.randint(4, 20)), rng.choice(GOOD if label else BAD)]
        rng.shuffle(words)
        records.append({"text": " ".join(words) + ".", "label": label})
    return records


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def as_jsonl(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def as_parquet(rows: list[dict[str, Any]], label_names: list[str] | None = None) -> bytes:
    """Parquet; with `label_names`, the label is a ClassLabel in the schema, as `datasets` writes it."""
    table = pa.Table.from_pylist(rows)
    if label_names:
        features = {
            "text": {"dtype": "string", "_type": "Value"},
            "label": {"names": label_names, "_type": "ClassLabel"},
        }
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def card(configs: dict[str, dict[str, str]], default: str | None = None) -> str:
    """A dataset's README.md whose header names its configurations: {config: {split: path}}."""
    lines = ["---", "license: mit", "configs:"]
    for config, splits in configs.items():
        lines += [f"- config_name: {config}", *(["  default: true"] if config == default else []), "  data_files:"]
        for split, path in splits.items():
            lines += [f"  - split: {split}", f'    path: "{path}"']
    return "\n".join([*lines, "---", "# Reviews", ""])


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()
