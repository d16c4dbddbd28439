"""Lets the head of a classifier read the mean of all tokens of a text, where the model has it read the first token.

ModernBERT says so in its config.json. BERT and its kin cannot; they get one more layer of their own kind instead, whose
attention looks at all tokens alike and whose feed-forward part adds nothing, so that it hands the first token the mean
of all. What `save_pretrained` writes is an ordinary model of the same type, which computes the same everywhere.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

LOUDER = 30.0  # the mean against the first token's own state, which the layer adds to it and cannot leave out
GENTLE = 0.5  # what the dense part of the head multiplies by: its tanh bends little, and a step moves it little


@dataclass(frozen=True)
class Architecture:
    """The names of what a type of model has: its layers, seven parts of a layer, the dense part of its head.

    count: the field of the config with the number of layers
    straight_above_zero: whether the head's activation is a ReLU, not a tanh
    """

    layers: str
    count: str
    query: str
    key: str
    value: str
    attended: str
    attention_norm: str
    fed_forward: str
    output_norm: str
    dense: str
    straight_above_zero: bool = False


def _like_bert(body: str, dense: str) -> Architecture:
    return Architecture(
        layers=f"{body}.encoder.layer",
        count="num_hidden_layers",
        query="attention.self.query",
        key="attention.self.key",
        value="attention.self.value",
        attended="attention.output.dense",
        attention_norm="attention.output.LayerNorm",
        fed_forward="output.dense",
        output_norm="output.LayerNorm",
        dense=dense,
    )


ARCHITECTURES = {
    "bert": _like_bert("bert", "bert.pooler.dense"),
    "roberta": _like_bert("roberta", "classifier.dense"),
    "xlm-roberta": _like_bert("roberta", "classifier.dense"),
    "camembert": _like_bert("roberta", "classifier.dense"),
    "distilbert": Architecture(
        layers="distilbert.transformer.layer",
        count="n_layers",
        query="attention.q_lin",
        key="attention.k_lin",
        value="attention.v_lin",
        attended="attention.out_lin",
        attention_norm="sa_layer_norm",
        fed_forward="ffn.lin2",
        output_norm="output_layer_norm",
        dense="pre_classifier",
        straight_above_zero=True,
    ),
}
SAID_BY_CONFIG = ("modernbert",)


def can_pool_mean(network: Any) -> bool:
    """Whether `pool_mean` knows this classifier."""
    return network.config.model_type in (*ARCHITECTURES, *SAID_BY_CONFIG)


def pool_mean(network: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Has the head of a classifier read the mean of all tokens; see `can_pool_mean`. In place, with its config.

    Returns what has changed: fields of the config with their values, and the modules that are new or others.
    """
    if network.config.model_type in SAID_BY_CONFIG:
        network.config.classifier_pooling = "mean"
        return {"classifier_pooling": "mean"}, ()
    names = ARCHITECTURES[network.config.model_type]
    layers = network.get_submodule(names.layers)
    layer = copy.deepcopy(layers[-1], {id(network.config): network.config})  # of which all layers share the one
    for name in (names.query, names.key, names.fed_forward):
        _set(layer.get_submodule(name), 0.0)
    _set(layer.get_submodule(names.value), 1.0)
    _set(layer.get_submodule(names.attended), LOUDER)
    for name in (names.attention_norm, names.output_norm):
        layer.get_submodule(name).reset_parameters()
    layers.append(layer)
    setattr(network.config, names.count, len(layers))
    width = int(network.config.hidden_size)
    _set(network.get_submodule(names.dense), GENTLE, GENTLE * width**0.5 * names.straight_above_zero)
    return {names.count: len(layers)}, (f"{names.layers}.{len(layers) - 1}", names.dense)


def mean_features(network: Any, states: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    """What the last matrix of the head would read after `pool_mean`: (texts, width).

    states: the last hidden states of the body as it is now, (texts, tokens, width); attention_mask: (texts, tokens)
    """
    import torch

    mean = mean_of(states, attention_mask)
    if network.config.model_type in SAID_BY_CONFIG:
        pooled: torch.Tensor = network.head(mean)
        return pooled
    names = ARCHITECTURES[network.config.model_type]
    x = torch.nn.functional.layer_norm(LOUDER * mean + states[:, 0], (states.shape[-1],))
    return GENTLE * (x + x.shape[-1] ** 0.5) if names.straight_above_zero else torch.tanh(GENTLE * x)


def mean_of(states: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    """The mean of the states of all tokens, (texts, width)."""
    mask = attention_mask.unsqueeze(-1).to(states.dtype)
    return (states * mask).sum(1) / mask.sum(1)


def _set(linear: Any, diagonal: float, bias: float = 0.0) -> None:
    """Makes a dense layer multiply by a number and add another."""
    import torch

    with torch.no_grad():
        torch.nn.init.zeros_(linear.weight)
        linear.weight.fill_diagonal_(diagonal)
        linear.bias.fill_(bias)
