"""A KerasHub classifier of a Transformers model's shape, and its weights there and back.

Every number of a Transformers classifier has its place in the KerasHub one, so a run may train with Keras and its
result loads with `AutoModelForSequenceClassification`: the logits of both agree to 1e-4. Where the two compute a
little differently (the form of GELU, the epsilon of a normalisation), Keras has its way and the config says so.

Parts of this file are copied, as text, into the exact.py of exported scripts: see core/sharing/code.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever ~/.keras/keras.json says
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import torch
from keras_hub import models as keras_hub
from torch import nn
from transformers.activations import ACT2FN

from core.errors import ModelError

GELU = ("gelu", "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_python", "gelu_accurate")


@dataclass(frozen=True)
class Architecture:
    """How a Transformers `model_type` looks in KerasHub.

    layer: the name of the n-th layer's module, in its body
    parts: the modules in it: query, key, value and output of the attention and its normalisation, the two dense
        layers and their normalisation
    embeddings: name of the parameter in the body -> attributes of the backbone that lead to the variable
    dense: name of the module in the whole model -> attributes of the classifier that lead to the dense layer
    norm: name of the normalisation of the embeddings, in the body
    first_position: the row of the position embedding that belongs to the first token
    activation, epsilon: what KerasHub computes, in the terms of Transformers
    """

    backbone: str
    classifier: str
    body: str
    layer: str
    parts: tuple[str, ...]
    embeddings: dict[str, str]
    dense: dict[str, str]
    activation: str
    epsilon: float
    norm: str = "embeddings.LayerNorm"
    first_position: int = 0
    config: dict[str, str] = field(default_factory=dict)

    def size(self, config: Any, name: str) -> Any:
        """A field of the config that some types call otherwise."""
        return getattr(config, self.config.get(name, name))


_POST_NORM = (
    "attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
    "attention.output.LayerNorm", "intermediate.dense", "output.dense", "output.LayerNorm",
)  # fmt: skip
_KERAS_PARTS = (
    "_self_attention_layer.query_dense", "_self_attention_layer.key_dense", "_self_attention_layer.value_dense",
    "_self_attention_layer.output_dense", "_self_attention_layer_norm", "_feedforward_intermediate_dense",
    "_feedforward_output_dense", "_feedforward_layer_norm",
)  # fmt: skip
_THREE_EMBEDDINGS = {
    "embeddings.word_embeddings.weight": "token_embedding.embeddings",
    "embeddings.position_embeddings.weight": "position_embedding.position_embeddings",
    "embeddings.token_type_embeddings.weight": "segment_embedding.embeddings",
}
_TWO_EMBEDDINGS = {
    "embeddings.word_embeddings.weight": "token_embedding.embeddings",
    "embeddings.position_embeddings.weight": "embeddings.position_embedding.position_embeddings",
}


def _roberta(name: str) -> Architecture:
    return Architecture(
        backbone=f"{name}Backbone",
        classifier=f"{name}TextClassifier",
        body="roberta",
        layer="encoder.layer.{}",
        parts=_POST_NORM,
        embeddings=_TWO_EMBEDDINGS,
        activation="gelu",
        epsilon=1e-5,
        first_position=2,
        dense={"classifier.dense": "pooled_dense", "classifier.out_proj": "output_dense"},
    )


ARCHITECTURES = {
    "bert": Architecture(
        backbone="BertBackbone", classifier="BertTextClassifier", body="bert", layer="encoder.layer.{}",
        parts=_POST_NORM, embeddings=_THREE_EMBEDDINGS, activation="gelu_pytorch_tanh", epsilon=1e-12,
        dense={"bert.pooler.dense": "backbone.pooled_dense", "classifier": "output_dense"},
    ),
    "distilbert": Architecture(
        backbone="DistilBertBackbone", classifier="DistilBertTextClassifier", body="distilbert",
        layer="transformer.layer.{}", embeddings=_TWO_EMBEDDINGS, activation="gelu", epsilon=1e-12,
        parts=("attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin", "sa_layer_norm",
               "ffn.lin1", "ffn.lin2", "output_layer_norm"),
        dense={"pre_classifier": "pooled_dense", "classifier": "output_dense"},
        config={"num_hidden_layers": "n_layers", "num_attention_heads": "n_heads", "hidden_size": "dim",
                "intermediate_size": "hidden_dim", "hidden_dropout_prob": "dropout", "hidden_act": "activation",
                "classifier_dropout": "seq_classif_dropout"},
    ),
    "albert": Architecture(
        backbone="AlbertBackbone", classifier="AlbertTextClassifier", body="albert",
        layer="encoder.albert_layer_groups.{}.albert_layers.{}", embeddings=_THREE_EMBEDDINGS,
        activation="gelu_pytorch_tanh", epsilon=1e-12,
        parts=("attention.query", "attention.key", "attention.value", "attention.dense", "attention.LayerNorm", "ffn",
               "ffn_output", "full_layer_layer_norm"),
        dense={"albert.encoder.embedding_hidden_mapping_in": "backbone.embeddings_projection",
               "albert.pooler": "backbone.pooled_dense", "classifier": "output_dense"},
        config={"classifier_dropout": "classifier_dropout_prob"},
    ),
    "roberta": _roberta("Roberta"),
    "xlm-roberta": _roberta("XLMRoberta"),
}  # fmt: skip


def check(config: Any) -> None:
    """Raises ModelError for a model of a type or with an activation that KerasHub does not have."""
    kind = ARCHITECTURES.get(config.model_type)
    if kind is None:
        raise ModelError.of(
            "keras-model-type",
            "Keras cannot take a model of type {model_type!r}; choose another engine or model",
            model_type=config.model_type,
        )
    activation = kind.size(config, "hidden_act")
    if activation not in GELU:
        raise ModelError.of(
            "keras-activation",
            "this model computes with {activation!r} where Keras has GELU; choose the Trainer or the PyTorch loop",
            activation=activation,
        )
    if getattr(config, "position_embedding_type", "absolute") != "absolute":
        raise ModelError.of(
            "keras-relative-positions", "this model has relative positions, which Keras does not; choose another engine"
        )


def build(model: Any, dtype: str = "float32") -> Any:
    """An untrained KerasHub classifier for the shape of a Transformers classifier; its outputs are logits.

    model: of a type in ARCHITECTURES, with GELU and absolute positions
    dtype: a Keras dtype policy, such as mixed_bfloat16
    """
    config = model.config
    kind = ARCHITECTURES[config.model_type]
    body = getattr(model, kind.body)
    dropout = kind.size(config, "hidden_dropout_prob")
    arguments: dict[str, Any] = {
        "vocabulary_size": body.embeddings.word_embeddings.num_embeddings,
        "num_layers": kind.size(config, "num_hidden_layers"),
        "num_heads": kind.size(config, "num_attention_heads"),
        "hidden_dim": kind.size(config, "hidden_size"),
        "intermediate_dim": kind.size(config, "intermediate_size"),
        "max_sequence_length": config.max_position_embeddings - kind.first_position,
        "dropout": dropout,
        "dtype": dtype,
    }
    if "embeddings.token_type_embeddings.weight" in kind.embeddings:
        arguments["num_segments"] = config.type_vocab_size
    if config.model_type == "albert":
        arguments |= {
            "embedding_dim": config.embedding_size,
            "num_groups": config.num_hidden_groups,
            "num_inner_repetitions": config.inner_group_num,
        }
    head_dropout = kind.size(config, "classifier_dropout")
    return getattr(keras_hub, kind.classifier)(
        getattr(keras_hub, kind.backbone)(**arguments),
        num_classes=config.num_labels,
        dropout=dropout if head_dropout is None else head_dropout,
    )


@dataclass(frozen=True)
class Weight:
    """One parameter of the Transformers model and its variable in Keras.

    linear: torch keeps the transpose of the matrix that Keras has
    first: rows before this one have no place in Keras
    """

    name: str
    parameter: nn.Parameter
    variable: Any
    linear: bool = False
    first: int = 0

    def to_keras(self) -> None:
        values = self.parameter.detach().cpu().numpy()[self.first :]
        self.variable.assign((values.T if self.linear else values).reshape(self.variable.shape))

    def to_torch(self) -> None:
        values = np.asarray(self.variable)
        shape = self.parameter.shape
        values = values.reshape(shape[::-1]).T if self.linear else values.reshape(shape[0] - self.first, *shape[1:])
        with torch.no_grad():
            self.parameter[self.first :].copy_(torch.from_numpy(np.array(values)))


def weights(classifier: Any, model: Any) -> list[Weight]:
    """All pairs of parameter and variable. classifier: what `build` made for `model`"""
    kind = ARCHITECTURES[model.config.model_type]
    parameters = dict(model.named_parameters())
    pairs: list[Weight] = []
    for name, path in kind.embeddings.items():
        name = f"{kind.body}.{name}"
        first = kind.first_position if "position" in name else 0
        pairs.append(Weight(name, parameters[name], _at(classifier.backbone, path), first=first))
    for module, layer in _modules(kind, classifier, model):
        is_norm = hasattr(layer, "gamma")
        matrix, vector = (layer.gamma, layer.beta) if is_norm else (layer.kernel, layer.bias)
        weight = parameters[f"{module}.weight"]
        pairs.append(Weight(f"{module}.weight", weight, matrix, linear=not is_norm))
        pairs.append(Weight(f"{module}.bias", parameters[f"{module}.bias"], vector))
    return pairs


def _modules(kind: Architecture, classifier: Any, model: Any) -> Iterator[tuple[str, Any]]:
    """Name of each dense and normalising module, with its Keras layer."""
    backbone = classifier.backbone
    yield f"{kind.body}.{kind.norm}", backbone.embeddings_layer_norm
    for place, block in _blocks(kind, backbone):
        for part, path in zip(kind.parts, _KERAS_PARTS, strict=True):
            yield f"{kind.body}.{place}.{part}", _at(block, path)
    for module, path in kind.dense.items():
        yield module, _at(classifier, path)


def _blocks(kind: Architecture, backbone: Any) -> Iterator[tuple[str, Any]]:
    for number, layer in enumerate(backbone.transformer_layers):
        if isinstance(layer, list):  # ALBERT: groups of layers
            for inner, block in enumerate(layer):
                yield kind.layer.format(number, inner), block
        else:
            yield kind.layer.format(number), layer


def to_keras(model: Any, classifier: Any) -> None:
    """Put the weights of a Transformers classifier into the Keras one, and frozen ones to rest."""
    _fold_token_type(model)
    for weight in weights(classifier, model):
        weight.to_keras()
        weight.variable.trainable = weight.parameter.requires_grad


def to_torch(classifier: Any, model: Any) -> None:
    """Put the weights of the Keras classifier into the Transformers one."""
    for weight in weights(classifier, model):
        weight.to_torch()


def compute_as_keras(model: Any) -> None:
    """Have a Transformers classifier compute what KerasHub's does, and its config say so."""
    kind, config = ARCHITECTURES[model.config.model_type], model.config
    setattr(config, kind.config.get("hidden_act", "hidden_act"), kind.activation)
    if hasattr(config, "layer_norm_eps"):
        config.layer_norm_eps = kind.epsilon
    for place, module in getattr(model, kind.body).named_modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = kind.epsilon
        for name in ("intermediate_act_fn", "activation"):
            if hasattr(module, name) and "pooler" not in place:
                setattr(module, name, ACT2FN[kind.activation])


def _fold_token_type(model: Any) -> None:
    """RoBERTa adds the same token type to every position; KerasHub has none. Into the positions with it."""
    embeddings = getattr(model, ARCHITECTURES[model.config.model_type].body).embeddings
    if ARCHITECTURES[model.config.model_type].first_position and hasattr(embeddings, "token_type_embeddings"):
        with torch.no_grad():
            embeddings.position_embeddings.weight += embeddings.token_type_embeddings.weight[0]
            embeddings.token_type_embeddings.weight.zero_()


def _at(thing: Any, path: str) -> Any:
    for name in path.split("."):
        thing = getattr(thing, name)
    return thing
