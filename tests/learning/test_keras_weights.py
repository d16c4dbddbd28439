"""Weights there and back: the logits of both libraries agree, and each number arrives where KerasHub itself puts it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AlbertConfig,
    AutoConfig,
    AutoModelForSequenceClassification,
    BertConfig,
    DistilBertConfig,
    RobertaConfig,
    XLMRobertaConfig,
    set_seed,
)

from core.engines import keras_weights
from core.errors import ModelError
from core.spec.engines import KERAS_TYPES

SMALL: dict[str, Any] = {
    "vocab_size": 90, "num_labels": 3, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 48, "max_position_embeddings": 40, "pad_token_id": 1,
}  # fmt: skip
CONFIGS = {
    "bert": BertConfig(**SMALL, type_vocab_size=3, hidden_act="gelu"),
    "bert-eps": BertConfig(**SMALL, layer_norm_eps=1e-5),
    "distilbert": DistilBertConfig(
        vocab_size=90,
        num_labels=3,
        dim=32,
        n_layers=2,
        n_heads=4,
        hidden_dim=48,
        max_position_embeddings=40,
        activation="gelu_new",
    ),
    "albert": AlbertConfig(
        **SMALL | {"num_hidden_layers": 4}, embedding_size=16, num_hidden_groups=2, inner_group_num=2
    ),
    "roberta": RobertaConfig(**SMALL, type_vocab_size=1),
    "xlm-roberta": XLMRobertaConfig(**SMALL, type_vocab_size=1),
}


def new_model(config: Any) -> Any:
    """Every weight random, also those that start as zeros and ones."""
    set_seed(3)
    model = AutoModelForSequenceClassification.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def texts() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    ids = rng.integers(5, 90, (6, 21))
    mask = np.ones_like(ids)
    for row, length in enumerate((21, 20, 9, 3, 2, 21)):
        mask[row, length:] = 0
    ids = np.where(mask == 1, ids, 1)
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": rng.integers(0, 2, ids.shape) * mask}


def logits_of(model: Any, batch: dict[str, np.ndarray]) -> np.ndarray:
    if model.config.model_type in ("roberta", "xlm-roberta", "distilbert"):
        batch = {name: values for name, values in batch.items() if name != "token_type_ids"}
    with torch.no_grad():
        return model(**{name: torch.from_numpy(values) for name, values in batch.items()}).logits.numpy()


def keras_logits(classifier: Any, batch: dict[str, np.ndarray]) -> np.ndarray:
    named = {"token_ids": "input_ids", "padding_mask": "attention_mask", "segment_ids": "token_type_ids"}
    return np.asarray(classifier({name: batch[named[name]] for name in classifier.input}))


def test_all_types_are_known() -> None:
    assert set(keras_weights.ARCHITECTURES) == set(KERAS_TYPES)


@pytest.mark.parametrize("name", CONFIGS)
def test_logits_agree_there_and_back(name: str, tmp_path: Path) -> None:
    model, batch = new_model(CONFIGS[name]), texts()
    before = logits_of(model, batch)
    classifier = keras_weights.build(model)
    keras_weights.to_keras(model, classifier)
    keras_weights.compute_as_keras(model)
    ours = logits_of(model, batch)
    np.testing.assert_allclose(keras_logits(classifier, batch), ours, atol=1e-4)
    np.testing.assert_allclose(ours, before, atol=0.05, err_msg="only the form of GELU may differ")

    rng = np.random.default_rng(1)
    for variable in classifier.trainable_variables:
        variable.assign(rng.normal(0, 0.2, variable.shape))
    keras_weights.to_torch(classifier, model)
    changed = logits_of(model, batch)
    assert np.abs(changed - ours).max() > 0.1
    np.testing.assert_allclose(keras_logits(classifier, batch), changed, atol=1e-4)

    model.save_pretrained(tmp_path)
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    np.testing.assert_allclose(logits_of(loaded, batch), changed, atol=1e-6, err_msg="the config says what Keras did")


@pytest.mark.parametrize("name", CONFIGS)
def test_no_variable_is_left_out(name: str) -> None:
    model = new_model(CONFIGS[name])
    classifier = keras_weights.build(model)
    pairs = keras_weights.weights(classifier, model)
    assert {id(pair.variable) for pair in pairs} == {id(v) for v in classifier.trainable_variables}
    left = {name for name, _ in model.named_parameters()} - {pair.name for pair in pairs}
    assert left <= {"roberta.embeddings.token_type_embeddings.weight"}


def test_a_bert_arrives_where_kerashub_itself_puts_it(tmp_path: Path) -> None:
    import keras_hub

    model = new_model(CONFIGS["bert"].__class__(**SMALL))
    model.bert.save_pretrained(tmp_path)
    theirs = keras_hub.models.BertBackbone.from_preset(str(tmp_path))
    classifier = keras_weights.build(model)
    keras_weights.to_keras(model, classifier)
    for mine, other in zip(classifier.backbone.variables, theirs.variables, strict=True):
        if "seed" not in mine.path:
            np.testing.assert_array_equal(np.asarray(mine), np.asarray(other), err_msg=mine.path)


def test_frozen_weights_rest() -> None:
    model = new_model(CONFIGS["distilbert"])
    model.distilbert.requires_grad_(False)
    classifier = keras_weights.build(model)
    keras_weights.to_keras(model, classifier)
    assert {v.path.split("/")[0] for v in classifier.trainable_variables} == {"pooled_dense", "logits"}


def test_what_keras_does_not_have_is_refused() -> None:
    config = AutoConfig.for_model("bert", **SMALL | {"hidden_act": "relu"})
    with pytest.raises(ModelError, match="'relu' where Keras has GELU"):
        keras_weights.check(config)
    with pytest.raises(ModelError, match="of type 'electra'"):
        keras_weights.check(AutoConfig.for_model("electra", **SMALL | {"embedding_size": 32}))
