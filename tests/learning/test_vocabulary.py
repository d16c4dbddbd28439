"""Training with the used rows of the embedding alone: the same learning, the same model, less to do."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    MPNetConfig,
    RobertaConfig,
    XLMRobertaConfig,
)

from core.engines import network, vocabulary
from core.engines.vocabulary import Vocabulary
from core.spec.engines import ENGINES


@pytest.fixture
def few(make_loaded: Any) -> Any:
    """Data that uses a small part of the vocabulary."""
    texts, labels = [f"word{i % 4} {('bad0', 'middling0', 'good0')[i % 3]}" for i in range(48)], [0, 1, 2] * 16
    return make_loaded((texts, labels), ([*texts[:12], "word9 good1"], [*labels[:12], 2]))


def run(setup: Any) -> dict[str, torch.Tensor]:
    before = setup.model.get_input_embeddings().weight.shape
    engine = importlib.import_module(ENGINES[setup.spec.engine])
    engine.train(setup.spec, setup.encoded, setup.model, setup.run_dir, setup.report)
    assert setup.model.get_input_embeddings().weight.shape == before
    return {name: value.clone() for name, value in setup.model.state_dict().items()}


@pytest.mark.parametrize("engine", list(ENGINES))
def test_the_same_is_learned(
    engine: str, prepare: Any, few: Any, new_recorder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"engine": engine, "training__num_train_epochs": 2, "training__logging_steps": 1}
    small = prepare(few, new_recorder(), "small", **changes)
    table = small.model.get_input_embeddings().weight.detach().clone()
    rows = Vocabulary(small.model, small.encoded, small.spec.training).rows
    assert rows is not None and len(rows) < 20
    part = run(small)
    monkeypatch.setattr(vocabulary, "TYPES", set())
    large = prepare(few, new_recorder(), "large", **changes)
    whole = run(large)
    for name in ("loss", "grad_norm", "eval_loss"):
        np.testing.assert_allclose(small.report.series(name), large.report.series(name), rtol=1e-4, err_msg=name)
    for name in whole:
        torch.testing.assert_close(part[name], whole[name], atol=1e-4, rtol=1e-3)
    unused = np.setdiff1d(np.arange(len(table)), rows)
    embedding = small.model.get_input_embeddings().weight.detach()
    assert torch.equal(embedding[unused], table[unused]) and not torch.equal(embedding[rows], table[rows])
    kept = AutoModelForSequenceClassification.from_pretrained(small.run_dir / "model").get_input_embeddings()
    assert torch.equal(kept.weight, embedding)


@pytest.mark.parametrize(
    "changes", [{"training__weight_decay": 0.01}, {"training__trainable_layers": 0}], ids=["decay", "frozen"]
)
def test_all_rows_stay_where_they_count(changes: dict[str, Any], prepare: Any, few: Any) -> None:
    setup = prepare(few, **changes)
    network.freeze(setup.model, setup.spec.training.trainable_layers)
    assert Vocabulary(setup.model, setup.encoded, setup.spec.training).rows is None


SMALL: dict[str, Any] = {
    "vocab_size": 120, "num_labels": 3, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
    "intermediate_size": 48, "max_position_embeddings": 60,
}  # fmt: skip
CONFIGS = [
    BertConfig(**SMALL),
    DistilBertConfig(vocab_size=120, num_labels=3, dim=32, n_layers=1, n_heads=2, hidden_dim=48),
    RobertaConfig(**SMALL, pad_token_id=1),
    XLMRobertaConfig(**SMALL, pad_token_id=1),
    MPNetConfig(**SMALL),
    ElectraConfig(**SMALL, embedding_size=32),
    ModernBertConfig(**SMALL, pad_token_id=100, cls_token_id=2, sep_token_id=3, bos_token_id=2, eos_token_id=3),
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.model_type)
def test_each_type_answers_the_same(config: Any, prepare: Any, few: Any) -> None:
    """With padding, whose number some types look at."""
    setup = prepare(few)
    tokenizer = setup.encoded.tokenizer
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(config.pad_token_id)
    model = AutoModelForSequenceClassification.from_config(config).eval()
    used = Vocabulary(model, setup.encoded, setup.spec.training)
    assert used.rows is not None
    batch = setup.encoded.pad([setup.encoded.eval[i] for i in range(13)], 8)
    assert (batch["input_ids"][:, -1] == config.pad_token_id).all()
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}

    def answer(inputs: dict[str, np.ndarray]) -> torch.Tensor:
        with torch.no_grad():
            logits: torch.Tensor = model(**{name: torch.from_numpy(values) for name, values in inputs.items()}).logits
        return logits

    expected = answer(inputs)
    with used.only_used(model):
        torch.testing.assert_close(answer(used.renumber(inputs)), expected)
    torch.testing.assert_close(answer(inputs), expected)
